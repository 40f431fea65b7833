//! The looks that go round by themselves, cluster after cluster: no key, no status and no queue shows one that keeps failing.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Its label.
    word: &'static str,
    /// Its name in the log.
    pub what: &'static str,
}

/// For users that nobody stands for.
pub const USERS: Look = Look { word: "users", what: "the sweep of users" };
/// For topics that somebody changed.
pub const TOPICS: Look = Look { word: "topics", what: "the comparison of topics with their claims" };
/// For throttles of moves.
pub const THROTTLES: Look = Look { word: "throttles", what: "the look for throttles that may be left over" };
/// For topics whose claims are gone.
pub const DELETIONS: Look = Look { word: "deletions", what: "the look at topics to delete" };

/// How many failures in a row are no accident.
const TOO_OFTEN: u32 = 3;

/// The label of [`FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Failed {
    look: &'static str,
}

/// Looks that failed since the start.
pub static FAILED: LazyLock<Family<Failed, Counter>> = LazyLock::new(Family::default);
/// Failures in a row, by look and cluster.
static IN_A_ROW: LazyLock<Mutex<HashMap<(&'static str, String), u32>>> = LazyLock::new(Mutex::default);

/// Notes that one came to its end.
pub fn ended(look: Look, cluster: &str) {
    IN_A_ROW.lock().unwrap_or_else(PoisonError::into_inner).remove(&(look.word, cluster.to_owned()));
}

/// Counts one that did not; whether so many did not, one after the other, that somebody should see to it.
#[must_use]
pub fn failed(look: Look, cluster: &str) -> bool {
    FAILED.get_or_create(&Failed { look: look.word }).inc();
    let mut all = IN_A_ROW.lock().unwrap_or_else(PoisonError::into_inner);
    let in_a_row = all.entry((look.word, cluster.to_owned())).or_default();
    *in_a_row += 1;
    *in_a_row >= TOO_OFTEN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::{FAILED_LOOKS, assert_shows, registry};

    #[test]
    fn only_failures_in_a_row_are_too_many() {
        let mut registry = registry();
        FAILED_LOOKS.register(&mut registry, FAILED.clone());
        let before = FAILED.get_or_create(&Failed { look: "users" }).get();
        let fails = |cluster| failed(USERS, cluster);
        assert_eq!([fails("row/a"), fails("row/a"), fails("row/b")], [false; 3]);
        assert!(fails("row/a") && fails("row/a"));
        ended(USERS, "row/a");
        assert_eq!([fails("row/a"), fails("row/b")], [false; 2]);
        assert!(fails("row/b"));
        assert!(FAILED.get_or_create(&Failed { look: "users" }).get() >= before + 8);
        assert_shows(&registry, &[FAILED_LOOKS]);
    }
}
