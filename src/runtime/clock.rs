//! What the API server's clock says. By it Pods are made, and a node's own may be minutes off without anybody noticing.
//!
//! Whoever leads writes its Lease every two seconds, and the API server notes on it when. From then on time is counted here, whatever is
//! done to the node's clock.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The API server's clock, as far as it was heard of.
#[derive(Debug, Default)]
pub struct Clock {
    heard: Mutex<Option<(Timestamp, Instant)>>,
}

impl Clock {
    /// The API server has just said that it is this late, or a moment later.
    pub fn heard(&self, time: Timestamp) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, Instant::now()));
    }

    /// The time: never later than it is at the API server, and earlier by the second that is cut off there and by what the answer took. The
    /// node's own before anything was heard.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            |(time, then): (Timestamp, Instant)| time.checked_add(SignedDuration::try_from(then.elapsed()).ok()?).ok();
        heard.and_then(since).unwrap_or_else(Timestamp::now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_from_what_was_heard_last() {
        let clock = Clock::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(clock.now() > at(1_700_000_000), "the node's own, where nothing was heard");
        clock.heard(at(1000));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(clock.now(), at(1007));
        clock.heard(at(500));
        assert_eq!(clock.now(), at(500), "the API server's clock was set back, or another one answers");
    }
}
