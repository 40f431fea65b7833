//! What a topic is made with. Pure.

use super::observe::Observation;
use super::plan::{EXISTS, Plan, Verdict, list, some};
use super::step::Step;
use crate::api::resources::{TopicClaimStatus, TopicIntent, TopicPolicy};
use crate::intent::claim::declared;
use crate::kafka::admin::topics::{CreatedTopic, NewTopic};

/// Kafka's number for "the brokers' own default".
const BROKER_DEFAULT: i32 = -1;

/// The topic as a claim has it made.
#[must_use]
pub fn topic_of(seen: &Observation, policy: &TopicPolicy) -> NewTopic {
    let spec = &seen.claim.spec;
    let mut configs = policy.default_config.clone();
    configs.extend(declared(spec, seen.share));
    NewTopic {
        name: spec.topic_name.clone(),
        partitions: Some(spec.partitions.unwrap_or(policy.default_partitions)),
        replicas: spec.replicas.or(policy.default_replicas).and_then(|replicas| i16::try_from(replicas).ok()),
        configs,
    }
}

/// Makes the topic of a claim, as the claim says, and the cluster's policy where it says nothing.
#[must_use]
pub fn create(seen: &Observation, policy: &TopicPolicy) -> Plan {
    let topic = topic_of(seen, policy);
    let managed: Vec<String> = declared(&seen.claim.spec, seen.share).into_keys().collect();
    let intent = TopicIntent {
        partitions: topic.partitions.unwrap_or(BROKER_DEFAULT),
        replicas: topic.replicas.map_or(BROKER_DEFAULT, i32::from),
    };
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
    Plan { steps, verdict, doubtful: false, replicas: None }
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

    use super::super::samples::{claim, decide};
    use super::*;

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
}
