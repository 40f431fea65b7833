//! Whether a cluster's records of topics without claims are worth a look. Pure.
//!
//! This is asked every second of what is in memory, and most of what is on record is over, and stays for an hour: nothing is copied, and who
//! has a topic is asked last, of those records alone that it can change something about.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::policy::{HOUR, waited};
use crate::api::resources::{BrokerClusterStatus, PendingDeletion};

/// How often a topic is looked at that is due and stays for now.
const AGAIN: Duration = Duration::from_secs(20);
/// How soon a look follows another that failed, or where something can be put away.
pub const SOON: Duration = Duration::from_secs(5);

/// The last look at a cluster.
#[derive(Debug, Clone)]
pub struct Looked {
    /// When it began.
    pub at: Timestamp,
    /// The word by which people release what is held, as it stood then.
    pub release: Option<String>,
    /// Whether it stopped before its end.
    pub failed: bool,
}

/// Whether a look is worth while. `yields` is asked of a topic and its id: nothing where no claim has that topic, and else whether all that
/// have it yield to others.
#[must_use]
pub fn wants(
    status: &BrokerClusterStatus,
    release: Option<&str>,
    last: Option<&Looked>,
    now: Timestamp,
    yields: impl Fn(&str, &str) -> Option<bool>,
) -> bool {
    let (deletions, released) = (&status.deletions, &status.released);
    if deletions.is_empty() && released.is_empty() {
        return false;
    }
    let Some(last) = last else { return true };
    let ago = waited(last.at, now);
    let pending = || deletions.iter().filter(|record| record.deleted.is_none());
    let due = |since: Timestamp| pending().any(|record| since < record.due.0 && record.due.0 <= now);
    let over = |record: &PendingDeletion| record.deleted.as_ref().is_some_and(|deleted| waited(deleted.0, now) >= HOUR);
    let undone = || pending().any(|record| yields(&record.topic, &record.topic_id).is_some());
    let taken_over = || released.iter().any(|record| yields(&record.topic, &record.topic_id) == Some(false));
    due(last.at)
        || release != last.release.as_deref()
        || (ago >= AGAIN && due(Timestamp::MIN))
        || (ago >= SOON && (deletions.iter().any(over) || undone() || taken_over()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pending(topic: &str, due: i64, deleted: Option<i64>) -> Value {
        json!({"topic": topic, "topicId": format!("id-{topic}"), "namespace": "shop", "claim": topic, "definition": "crd",
            "since": at(0).to_string(), "due": at(due).to_string(), "deleted": deleted.map(|second| at(second).to_string())})
    }

    fn released(topic: &str) -> Value {
        json!({"topic": topic, "topicId": format!("id-{topic}"), "namespace": "shop", "claim": topic, "since": at(0).to_string()})
    }

    fn status(deletions: &[Value], released: &[Value]) -> BrokerClusterStatus {
        serde_json::from_value(json!({"conditions": [], "deletions": deletions, "released": released})).unwrap()
    }

    fn looked(second: i64) -> Looked {
        Looked { at: at(second), release: None, failed: false }
    }

    /// Whether a look is wanted at this second after one at another, and which topics were asked about.
    fn asked(
        status: &BrokerClusterStatus,
        last: Option<i64>,
        second: i64,
        yields: Option<bool>,
    ) -> (bool, Vec<String>) {
        let asked = RefCell::new(Vec::new());
        let yields = |topic: &str, id: &str| {
            assert_eq!(id, format!("id-{topic}"));
            asked.borrow_mut().push(topic.to_owned());
            yields
        };
        let wanted = wants(status, None, last.map(looked).as_ref(), at(second), yields);
        (wanted, asked.into_inner())
    }

    #[test]
    fn what_is_over_is_looked_at_once_an_hour_later_and_nobody_is_asked_about_it() {
        let over = status(&[pending("a", 60, Some(100)), pending("b", 60, Some(200))], &[]);
        for (last, second, wanted) in [
            (Some(200), 201, false),
            (Some(200), 3699, false),
            (Some(200), 3700, true),
            (Some(3696), 3700, false),
            (Some(3695), 3700, true),
            (None, 201, true),
        ] {
            assert_eq!(asked(&over, last, second, Some(false)), (wanted, vec![]), "{last:?} {second}");
        }
        assert!(!asked(&status(&[], &[]), None, 0, Some(false)).0, "nothing is on record");
    }

    #[test]
    fn an_undo_is_seen_within_seconds_of_the_last_look() {
        let waits = status(&[pending("over", 60, Some(100)), pending("waits", 900, None)], &[]);
        let name = || vec!["waits".to_owned()];
        assert_eq!(asked(&waits, Some(200), 204, Some(true)), (false, vec![]));
        assert_eq!(asked(&waits, Some(200), 205, None), (false, name()));
        for yields in [true, false] {
            assert_eq!(asked(&waits, Some(200), 205, Some(yields)), (true, name()), "who has it has it again");
        }
    }

    #[test]
    fn a_topic_that_stayed_is_off_the_record_once_somebody_has_it_who_does_not_yield() {
        let stayed = status(&[], &[released("a")]);
        for (yields, wanted) in [(None, false), (Some(true), false), (Some(false), true)] {
            assert_eq!(asked(&stayed, Some(200), 205, yields), (wanted, vec!["a".to_owned()]), "{yields:?}");
        }
        assert_eq!(asked(&stayed, Some(200), 204, Some(false)), (false, vec![]));
    }

    #[test]
    fn what_comes_due_is_looked_at_at_once_and_then_every_so_often_without_asking_who_has_it() {
        let due = status(&[pending("a", 60, None)], &[]);
        for (last, second, wanted) in [(59, 60, true), (60, 61, false), (60, 79, false), (60, 80, true)] {
            let (found, asked) = asked(&due, Some(last), second, None);
            assert_eq!(found, wanted, "{last} {second}");
            assert!(!wanted || asked.is_empty(), "{last} {second}: {asked:?}");
        }
    }

    #[test]
    fn a_word_of_release_is_heeded_once() {
        let held = status(&[pending("a", 900, None)], &[]);
        let with = |release: Option<&str>| Looked { release: release.map(str::to_owned), ..looked(200) };
        for (then, now, wanted) in
            [(None, None, false), (None, Some("w"), true), (Some("w"), Some("w"), false), (Some("w"), Some("x"), true)]
        {
            assert_eq!(wants(&held, now, Some(&with(then)), at(201), |_, _| None), wanted, "{then:?} {now:?}");
        }
    }
}
