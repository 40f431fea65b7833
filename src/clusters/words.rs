//! Which words stand while a cluster is out of order.
//!
//! An outage is told by another broker each time, and not always in the same words: one that stands still must not be written down on and
//! on. But words that are not heard any more are about something that was mended, and what is in the way now is to be told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long words stand that are not heard any more: several looks, of which each may ask another broker.
const STAND: Duration = Duration::from_secs(60);

/// How what was found out now compares with what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the same, if by another broker.
    Again,
    /// It is of the same kind in other words, as it is where brokers are away in several ways at once, or something else is in the way.
    Otherwise,
    /// It was never said.
    New,
}

/// When what is said of each cluster was heard last.
#[derive(Debug, Default)]
pub struct Words(Mutex<HashMap<String, Instant>>);

impl Words {
    /// Whether what is said of a cluster stands.
    pub fn stand(&self, cluster: &str, heard: Heard) -> bool {
        let now = Instant::now();
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What somebody said who led before us was heard until a moment ago.
        let last = times.entry(cluster.to_owned()).or_insert(now);
        let stands = match heard {
            Heard::Again => true,
            Heard::Otherwise if now.duration_since(*last) < STAND => return true,
            Heard::Otherwise | Heard::New => false,
        };
        *last = now;
        stands
    }

    /// Forgets a cluster that is gone.
    pub fn forget(&self, cluster: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }
}

/// Whether two messages differ by nothing but the brokers that they name.
#[must_use]
pub fn alike(one: &str, other: &str) -> bool {
    let words = |text| str::split_whitespace(text).filter(|word| !is_endpoint(word));
    words(one).eq(words(other))
}

/// Whether a word is `host:port`, or several of these.
fn is_endpoint(word: &str) -> bool {
    let word = word.trim_end_matches([':', ',', ';', '.', ')']);
    word.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_make_no_difference_and_all_else_does() {
        let refused = "TCP connect at kafka-0.kafka:9092: Connection refused (os error 111) (temporary: try again)";
        for (other, expected) in [
            ("TCP connect at [::1]:9093: Connection refused (os error 111) (temporary: try again)", true),
            ("TCP connect at kafka-0.kafka:9092: no answer in time (temporary: try again)", false),
            ("TLS handshake at kafka-0.kafka:9092: Connection refused (os error 111) (temporary: try again)", false),
        ] {
            assert_eq!(alike(refused, other), expected, "{other}");
        }
        assert!(alike("no broker of a:1,b:2 answered within 10 s", "no broker of c:3 answered within 10 s"));
        assert!(!alike("scope x is claimed: uid 12", "scope x is claimed: uid 13"), "a number is no broker");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_wavers_is_told_once() {
        let words = Words::default();
        assert!(!words.stand("a", Heard::New));
        for look in 0..600 {
            tokio::time::advance(Duration::from_secs(2)).await;
            let heard = if look % 5 == 0 { Heard::Again } else { Heard::Otherwise };
            assert!(words.stand("a", heard), "look {look}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_heard_any_more_makes_room_for_what_is() {
        let words = Words::default();
        assert!(words.stand("a", Heard::Otherwise), "who led before us may have heard it just now");
        tokio::time::advance(STAND).await;
        assert!(!words.stand("a", Heard::Otherwise));
        assert!(words.stand("a", Heard::Otherwise), "new words stand as long");
        tokio::time::advance(STAND).await;
        assert!(words.stand("a", Heard::Again));
        assert!(words.stand("a", Heard::Otherwise));
        words.forget("a");
        assert_eq!(words.0.lock().unwrap().len(), 0);
    }
}
