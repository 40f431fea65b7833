//! When topics on record were last looked at to the end. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::books::Books;
use super::brake::holds_back;
use super::policy::{HOUR, waited};

/// When each topic on record was last looked at to the end, by its id. It is kept in memory alone: after a start nobody knows what was seen
/// before it, nor whether what is on record comes from a restored etcd.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(BTreeMap<String, Timestamp>);

impl Seen {
    /// Notes what a look came to its end about: these, and those that the brake holds, for which a person is waited for and not Kafka.
    /// Forgets what is not on record any more.
    pub fn note<'i>(&mut self, looked_at: impl IntoIterator<Item = &'i String>, books: &'i Books, now: Timestamp) {
        let braked = books.deletions.iter().filter(|record| holds_back(record)).map(|record| &record.topic_id);
        let ids: Vec<String> = looked_at.into_iter().chain(braked).cloned().collect();
        self.0.extend(ids.into_iter().map(|id| (id, now)));
        self.0.retain(|id, _| books.deletions.iter().any(|record| record.topic_id == *id));
    }

    /// Whether a topic was looked at within the last hour.
    #[must_use]
    pub fn lately(&self, topic_id: &str, now: Timestamp) -> bool {
        self.0.get(topic_id).is_some_and(|at| waited(*at, now) <= HOUR)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::super::brake::braked;
    use super::super::policy::Policy;
    use super::*;
    use crate::api::resources::PendingDeletion;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_look_counts_for_an_hour_for_what_it_saw_and_for_what_waits_for_a_person() {
        let policy = Policy { undo: Duration::ZERO, min_record_age: Duration::ZERO, max_an_hour: 0, by_share: false };
        let record = |id: &str, held: Option<String>| PendingDeletion {
            topic: id.into(),
            topic_id: id.into(),
            namespace: "shop".into(),
            claim: "it".into(),
            definition: "crd".into(),
            since: Time(at(0)),
            due: Time(at(0)),
            held,
            released: false,
            deleted: None,
        };
        let deletions = vec![record("a", None), record("b", None), record("c", Some(braked(&policy)))];
        let mut seen = Seen::default();
        seen.note([&"a".to_owned()], &Books { deletions, ..Books::default() }, at(100));
        for (id, second, lately) in
            [("a", 100, true), ("a", 3700, true), ("a", 3701, false), ("b", 100, false), ("c", 100, true)]
        {
            assert_eq!(seen.lately(id, at(second)), lately, "{id} at {second}");
        }
        seen.note([], &Books::default(), at(100));
        assert_eq!(seen, Seen::default(), "nothing is kept of what is off the record");
    }
}
