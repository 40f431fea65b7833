//! What a topic is made with. Pure.

use super::disk::{SEGMENT, SEGMENT_BYTES, Shape};
use super::observe::Observation;
use super::plan::{EXISTS, Plan, Verdict, list, some};
use super::step::Step;
use crate::api::resources::{TopicClaim, TopicClaimSpec, TopicClaimStatus, TopicIntent, TopicLimits, TopicPolicy};
use crate::intent::claim::{RETENTION_MS, declared, most_millis};
use crate::kafka::admin::topics::{CreatedTopic, NewTopic};

/// Kafka's number for "the brokers' own default".
const BROKER_DEFAULT: i32 = -1;

/// The topic as a claim has it made. What the claim does not name keeps to the cluster's limits as well.
#[must_use]
pub fn topic_of(seen: &Observation, policy: &TopicPolicy) -> NewTopic {
    let spec = &seen.claim.spec;
    let mut configs = policy.default_config.clone();
    configs.extend(declared(spec, seen.share));
    let kept = configs.get(RETENTION_MS).and_then(|value| value.trim().parse().ok()).or(seen.defaults.retention_ms);
    if let Some(most) = most_millis(&policy.limits)
        && kept.is_none_or(|kept: i64| kept < 0 || kept > most)
    {
        configs.insert(RETENTION_MS.to_owned(), most.to_string());
    }
    let partitions = policy.default_partitions.min(policy.limits.max_partitions.unwrap_or(i32::MAX));
    let replicas = spec.replicas.or_else(|| replicas(policy, seen.defaults.replicas));
    NewTopic {
        name: spec.topic_name.clone(),
        partitions: Some(spec.partitions.unwrap_or(partitions)),
        replicas: replicas.and_then(|replicas| i16::try_from(replicas).ok()),
        configs,
        assignment: Vec::new(),
    }
}

/// How many replicas a topic gets whose claim names none; `None` where that is left to the brokers, which give `theirs`, if that is known.
fn replicas(policy: &TopicPolicy, theirs: Option<i32>) -> Option<i32> {
    let TopicLimits { min_replicas, max_replicas, .. } = policy.limits;
    let within = |count: i32| count.min(max_replicas.unwrap_or(i32::MAX)).max(min_replicas.unwrap_or(1));
    match (policy.default_replicas, theirs) {
        (Some(ours), _) => Some(within(ours)),
        (None, Some(theirs)) => Some(within(theirs)).filter(|count| *count != theirs),
        (None, None) => min_replicas,
    }
}

/// The shape that such a topic will have; `None` where it is not known how many replicas the brokers will give it.
#[must_use]
pub fn shape_of(seen: &Observation, policy: &TopicPolicy) -> Option<Shape> {
    let topic = topic_of(seen, policy);
    let replicas = topic.replicas.map(i32::from).or(seen.defaults.replicas)?;
    let named = topic.configs.get(SEGMENT_BYTES).and_then(|bytes| bytes.parse().ok());
    Some(Shape {
        partitions: usize::try_from(topic.partitions?).ok()?,
        replicas: usize::try_from(replicas).ok()?,
        segment: named.or(seen.defaults.segment_bytes).unwrap_or(SEGMENT),
        moving: false,
    })
}

/// Whether what the brokers give decides how long a topic keeps records from now on: its claim has said so, and says so no more.
#[must_use]
pub fn withdraws_retention(claim: &TopicClaim, limits: &TopicLimits) -> bool {
    let managed = claim.status.as_ref().and_then(|status| status.managed_config.as_ref());
    limits.max_retention.is_some()
        && managed.is_some_and(|keys| keys.iter().any(|key| key == RETENTION_MS))
        && !declared(&claim.spec, None).contains_key(RETENTION_MS)
}

/// Whether what the brokers give decides how a topic is made.
#[must_use]
pub fn needs_defaults(spec: &TopicClaimSpec, limits: &TopicLimits) -> bool {
    let bounded = limits.min_replicas.is_some() || limits.max_replicas.is_some() || limits.max_retention.is_some();
    bounded || spec.retention.as_ref().is_some_and(|retention| retention.disk_fraction.is_some())
}

/// Makes the topic of a claim, as the claim says, and the cluster's policy where it says nothing.
#[must_use]
pub fn create(seen: &Observation, policy: &TopicPolicy) -> Plan {
    let topic = topic_of(seen, policy);
    let managed: Vec<String> = declared(&seen.claim.spec, seen.share).into_keys().collect();
    let intent = intent_of(&topic);
    // What was asked before may have been done, and only that intent would show it: it is not written over on the word of one broker.
    let before = seen.claim.status.as_ref().and_then(|status| status.creating.as_ref());
    let doubtful = before.is_some_and(|before| *before != intent);
    let mut facts = TopicClaimStatus {
        partitions: topic.partitions,
        replicas: topic.replicas.map(i32::from),
        config: some(&topic.configs),
        managed_config: list(&managed),
        ..TopicClaimStatus::default()
    };
    seen.users.tell(&mut facts);
    let steps = vec![Step::Record { creating: Some(intent), managed }, Step::Create(topic)];
    let verdict = Verdict { obstacle: None, message: EXISTS.to_owned(), facts, reverted: Vec::new() };
    Plan { steps, verdict, doubtful, replicas: None }
}

/// What is on record of a topic that is about to be made.
fn intent_of(topic: &NewTopic) -> TopicIntent {
    TopicIntent {
        partitions: topic.partitions.unwrap_or(BROKER_DEFAULT),
        replicas: topic.replicas.map_or(BROKER_DEFAULT, i32::from),
        config: Some(topic.configs.clone()),
    }
}

/// How a claim stands whose topic has just been made.
#[must_use]
pub fn made(mut verdict: Verdict, topic: &CreatedTopic) -> Verdict {
    verdict.facts.topic_id = Some(topic.id.to_string());
    verdict.facts.partitions = topic.partitions.or(verdict.facts.partitions);
    verdict.facts.replicas = topic.replicas.map(i32::from).or(verdict.facts.replicas);
    verdict
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::samples::{claim, decide, decide_with, see};
    use super::*;
    use crate::kafka::admin::configs::TopicDefaults;

    #[test]
    fn a_topic_is_made_with_the_clusters_defaults_and_the_claims_own() {
        let policy =
            json!({"defaultPartitions": 3, "defaultConfig": {"min.insync.replicas": "2", "retention.ms": "1"}});
        let wanted = claim(json!({"retention": {"time": "1d"}, "config": {"flush.ms": "5"}}), Value::Null);
        let plan = decide(wanted, policy, None);
        let [Step::Record { creating: Some(intent), managed }, Step::Create(topic)] = plan.steps.as_slice() else {
            panic!("{:?}", plan.steps)
        };
        assert_eq!((intent.partitions, intent.replicas), (3, -1));
        assert_eq!(
            managed,
            &["flush.ms", "retention.ms"],
            "what is the cluster's default is not the claim's to take back"
        );
        let configs: Vec<_> = topic.configs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(configs, ["flush.ms=5", "min.insync.replicas=2", "retention.ms=86400000"]);
    }

    #[test]
    fn an_intent_of_unknown_outcome_is_written_over_only_after_every_broker_was_asked() {
        let intent = |flush: &str| json!({"partitions": 1, "replicas": -1, "config": {"flush.ms": flush}});
        let old = json!({"partitions": 1, "replicas": -1});
        for (creating, doubtful, case) in [
            (Value::Null, false, "nothing was asked"),
            (intent("5"), false, "the same was"),
            (intent("6"), true, "the claim was edited since"),
            (old, true, "an earlier version did not write what it asked for"),
        ] {
            let mut wanted = claim(json!({"config": {"flush.ms": "5"}}), Value::Null);
            wanted.status = serde_json::from_value(json!({"creating": creating})).unwrap();
            let plan = decide(wanted, json!({}), None);
            let [Step::Record { creating: Some(recorded), .. }, _] = plan.steps.as_slice() else { panic!("{case}") };
            assert_eq!((plan.doubtful, json!(recorded)), (doubtful, intent("5")), "{case}");
        }
    }

    #[test]
    fn a_retention_that_is_taken_out_of_a_claim_asks_for_the_brokers_own_where_there_is_a_limit() {
        let limits = |json: Value| serde_json::from_value::<TopicLimits>(json).unwrap();
        let limited = limits(json!({"maxRetention": "1h"}));
        let had = json!({"managedConfig": ["retention.ms"]});
        for (spec, status, limits, expected) in [
            (json!({}), had.clone(), &limited, true),
            (json!({"retention": {"time": "1m"}}), had.clone(), &limited, false),
            (json!({}), json!({"managedConfig": ["flush.ms"]}), &limited, false),
            (json!({}), had, &limits(json!({})), false),
        ] {
            assert_eq!(withdraws_retention(&claim(spec.clone(), status), limits), expected, "{spec}");
        }
    }

    #[test]
    fn a_share_is_divided_by_what_the_topic_will_be_and_set_when_it_is_made() {
        let share = json!({"retention": {"diskFraction": "0.1"}, "drift": "Report"});
        let with = |more: Value| {
            let mut spec = share.clone();
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let brokers = TopicDefaults { replicas: Some(3), segment_bytes: Some(7), retention_ms: None };
        let unknown = TopicDefaults::default();
        let sized = json!({"defaultPartitions": 6, "defaultReplicas": 2, "defaultConfig": {"segment.bytes": "9"}});
        for (spec, policy, defaults, expected) in [
            (share.clone(), json!({"defaultPartitions": 6}), brokers, Some((6, 3, 7))),
            (share.clone(), sized.clone(), brokers, Some((6, 2, 9))),
            (
                with(json!({"partitions": 1, "replicas": 1, "config": {"segment.bytes": "5"}})),
                sized,
                brokers,
                Some((1, 1, 5)),
            ),
            (with(json!({"replicas": 2})), json!({"defaultPartitions": 4}), unknown, Some((4, 2, SEGMENT))),
            (share.clone(), json!({}), unknown, None),
        ] {
            let expected =
                expected.map(|(partitions, replicas, segment)| Shape { partitions, replicas, segment, moving: false });
            let seen = Observation { defaults, ..see(claim(spec, Value::Null), policy.clone(), None) };
            assert_eq!(shape_of(&seen, &serde_json::from_value(policy).unwrap()), expected);
        }
        let plan = decide_with(claim(share, Value::Null), json!({}), None, Some(9));
        let [Step::Record { managed, .. }, Step::Create(topic)] = plan.steps.as_slice() else {
            panic!("{:?}", plan.steps)
        };
        assert_eq!(
            (managed.as_slice(), json!(topic.configs)),
            (&["retention.bytes".to_owned()][..], json!({"retention.bytes": "9"}))
        );
    }

    #[test]
    fn what_a_claim_does_not_name_keeps_to_the_limits() {
        let limits = json!({"maxPartitions": 4, "minReplicas": 3, "maxReplicas": 4, "maxRetention": "1h"});
        let with = |more: Value| {
            let mut policy = json!({"limits": limits});
            policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            policy
        };
        let brokers = |replicas, retention_ms| TopicDefaults { replicas, retention_ms, segment_bytes: None };
        let unknown = brokers(None, None);
        let bare = json!({"defaultPartitions": 9});
        for (spec, policy, defaults, expected, case) in [
            (json!({}), bare.clone(), unknown, (9, None, None), "no limits"),
            (json!({}), bare.clone(), brokers(Some(1), Some(-1)), (9, None, None), "no limits, and the brokers known"),
            (json!({}), with(bare), unknown, (4, Some(3), Some("3600000")), "nothing is known of the brokers"),
            (json!({}), with(json!({})), brokers(Some(1), Some(7)), (1, Some(3), None), "brokers give too few"),
            (json!({}), with(json!({})), brokers(Some(3), Some(-1)), (1, None, Some("3600000")), "brokers keep all"),
            (json!({}), with(json!({})), brokers(Some(5), Some(3_600_001)), (1, Some(4), Some("3600000")), "too much"),
            (json!({}), with(json!({"defaultReplicas": 2})), brokers(Some(4), Some(1)), (1, Some(3), None), "raised"),
            (json!({}), with(json!({"defaultReplicas": 9})), brokers(Some(4), Some(1)), (1, Some(4), None), "lowered"),
            (
                json!({}),
                with(json!({"defaultConfig": {"retention.ms": "9000000"}})),
                brokers(Some(3), Some(1)),
                (1, None, Some("3600000")),
                "the policy's own setting",
            ),
            (
                json!({"partitions": 2, "replicas": 4, "retention": {"time": "1m"}}),
                with(json!({})),
                brokers(Some(1), Some(-1)),
                (2, Some(4), Some("60000")),
                "what is named is judged already",
            ),
        ] {
            let seen = Observation { defaults, ..see(claim(spec, Value::Null), policy.clone(), None) };
            let made = topic_of(&seen, &serde_json::from_value(policy).unwrap());
            let retention = made.configs.get("retention.ms").map(String::as_str);
            assert_eq!((made.partitions.unwrap(), made.replicas, retention), expected, "{case}");
        }
    }
}
