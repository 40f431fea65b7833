//! Where a topic is not as its claim says. Pure.

use std::collections::BTreeSet;
use std::fmt;

use crate::api::resources::TopicClaimSpec;
use crate::intent::claim::{RETENTION_BYTES, declared, settings};
use crate::kafka::admin::settings::Overrides;
use crate::kafka::admin::topics::{Partition, Topic};

/// One thing in which a topic differs from its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It has another number of partitions.
    Partitions {
        /// What it has.
        have: i32,
        /// What is claimed.
        want: i32,
    },
    /// Its partitions, or some of them, have another number of replicas.
    Replicas {
        /// What the first that differs has.
        have: i32,
        /// What is claimed.
        want: i32,
    },
    /// A setting is another.
    Setting {
        /// Its key.
        key: String,
        /// What the topic has of its own; `None` where the brokers' default holds.
        have: Option<String>,
        /// What is claimed; `None` where the claim set it once, and says nothing of it any more.
        want: Option<String>,
    },
}

impl Difference {
    /// Whether it can only come of a change of the claim: nobody else takes a setting out of it.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Setting { want: None, .. })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions { have, want } => write!(formatter, "partitions: {have} instead of {want}"),
            Self::Replicas { have, want } => write!(formatter, "replicas: {have} instead of {want}"),
            Self::Setting { key, have, want } => {
                let have = have.as_deref().unwrap_or("the default");
                write!(formatter, "{key}: {have} instead of {}", want.as_deref().unwrap_or("the default"))
            }
        }
    }
}

/// How many partitions a topic has.
#[must_use]
pub fn partitions(topic: &Topic) -> i32 {
    i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)
}

/// How many replicas its partitions have: where they differ from each other, the fewest.
#[must_use]
pub fn replicas(topic: &Topic) -> Option<i32> {
    topic.partitions.iter().filter_map(count).min()
}

fn count(partition: &Partition) -> Option<i32> {
    i32::try_from(partition.replicas.len()).ok()
}

/// Everything in which a topic differs from its claim. `own` are its own settings, where they could be read; `managed` the keys that
/// the claim has set; `share` what `retention.diskFraction` comes to.
#[must_use]
pub fn differences(
    spec: &TopicClaimSpec,
    topic: &Topic,
    own: Option<&Overrides>,
    managed: &BTreeSet<String>,
    share: Option<i64>,
) -> Vec<Difference> {
    let have = partitions(topic);
    let mut found: Vec<Difference> = Vec::new();
    found.extend(spec.partitions.filter(|want| *want != have).map(|want| Difference::Partitions { have, want }));
    if let Some(want) = spec.replicas {
        let other = topic.partitions.iter().filter_map(count).find(|have| *have != want);
        found.extend(other.map(|have| Difference::Replicas { have, want }));
    }
    let Some(own) = own else { return found };
    let wanted = declared(spec, share);
    for (key, want) in &wanted {
        let have = own.get(key);
        if !have.is_some_and(|have| settings::same(key, have, want)) {
            found.push(Difference::Setting { key: key.clone(), have: have.cloned(), want: Some(want.clone()) });
        }
    }
    // A share of the disks that is not known yet takes nothing back.
    let unknown = spec.retention.as_ref().is_some_and(|retention| retention.disk_fraction.is_some()) && share.is_none();
    let kept = |key: &String| wanted.contains_key(key) || (unknown && key == RETENTION_BYTES);
    let withdrawn = managed.iter().filter(|key| !kept(key));
    found.extend(withdrawn.filter_map(|key| {
        let have = own.get(key)?;
        Some(Difference::Setting { key: key.clone(), have: Some(have.clone()), want: None })
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::BrokerId;
    use crate::kafka::admin::topics::TopicId;

    fn topic(partitions: usize, replicas: usize) -> Topic {
        let brokers: Vec<_> = (0..).map(BrokerId).take(replicas).collect();
        let partition = |index| Partition { index, leader: None, replicas: brokers.clone(), in_sync: Vec::new() };
        let partitions = (0..).map(partition).take(partitions).collect();
        Topic { name: "orders".into(), id: TopicId([1; 16]), internal: false, partitions }
    }

    fn said(claim: serde_json::Value, topic: &Topic, own: &[(&str, &str)], managed: &[&str]) -> Vec<String> {
        let mut all = serde_json::json!({"topicName": "orders", "cluster": "a/b"});
        let serde_json::Value::Object(more) = claim else { panic!("{claim}") };
        all.as_object_mut().unwrap().extend(more);
        let spec: TopicClaimSpec = serde_json::from_value(all).unwrap();
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let managed = managed.iter().map(|key| (*key).to_owned()).collect();
        differences(&spec, topic, Some(&own), &managed, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_is_declared_differs() {
        let none: [String; 0] = [];
        assert_eq!(said(serde_json::json!({}), &topic(3, 2), &[("retention.ms", "1")], &[]), none);
        assert_eq!(said(serde_json::json!({"partitions": 3, "replicas": 2}), &topic(3, 2), &[], &[]), none);
        let claim =
            serde_json::json!({"partitions": 6, "replicas": 3, "config": {"retention.ms": "5", "segment.ms": "7"}});
        assert_eq!(
            said(claim, &topic(3, 2), &[("segment.ms", "9"), ("flush.ms", "1")], &[]),
            [
                "partitions: 3 instead of 6",
                "replicas: 2 instead of 3",
                "retention.ms: the default instead of 5",
                "segment.ms: 9 instead of 7",
            ]
        );
    }

    #[test]
    fn one_partition_with_fewer_replicas_is_a_difference() {
        let mut uneven = topic(2, 3);
        uneven.partitions[1].replicas.pop();
        assert_eq!(said(serde_json::json!({"replicas": 3}), &uneven, &[], &[]), ["replicas: 2 instead of 3"]);
        assert_eq!(said(serde_json::json!({"replicas": 2}), &uneven, &[], &[]), ["replicas: 3 instead of 2"]);
    }

    #[test]
    fn what_the_claim_set_and_no_longer_names_goes_back() {
        let own = [("retention.ms", "1"), ("flush.ms", "2")];
        let found = said(serde_json::json!({}), &topic(1, 1), &own, &["retention.ms", "segment.ms"]);
        assert_eq!(
            found,
            ["retention.ms: 1 instead of the default"],
            "flush.ms is another's, segment.ms is gone already"
        );
        let share = serde_json::json!({"retention": {"diskFraction": "0.1"}});
        let none: [String; 0] = [];
        assert_eq!(said(share, &topic(1, 1), &[("retention.bytes", "9")], &["retention.bytes"]), none);
    }

    #[test]
    fn the_same_written_otherwise_is_no_difference() {
        let none: [String; 0] = [];
        let claim = serde_json::json!({"config": {
            "preallocate": "TRUE", "min.cleanable.dirty.ratio": "0.50", "cleanup.policy": "compact, delete", "flush.ms": "007"
        }, "retention": {"time": "1d"}});
        let own = [
            ("preallocate", "true"),
            ("min.cleanable.dirty.ratio", "0.5"),
            ("cleanup.policy", "delete,compact"),
            ("flush.ms", "7"),
            ("retention.ms", "86400000"),
        ];
        assert_eq!(said(claim, &topic(1, 1), &own, &[]), none);
    }
}
