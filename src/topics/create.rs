//! What a topic is made with. Pure.

use super::observe::Observation;
use super::plan::{EXISTS, Plan, Verdict, list, some};
use super::step::Step;
use crate::api::resources::{TopicClaimStatus, TopicIntent, TopicPolicy};
use crate::intent::claim::declared;
use crate::kafka::admin::topics::{CreatedTopic, NewTopic};

/// Kafka's number for "the brokers' own default".
const BROKER_DEFAULT: i32 = -1;

/// Makes the topic of a claim, as the claim says, and the cluster's policy where it says nothing.
#[must_use]
pub fn create(seen: &Observation, policy: &TopicPolicy) -> Plan {
    let spec = &seen.claim.spec;
    let intent = TopicIntent {
        partitions: spec.partitions.unwrap_or(policy.default_partitions),
        replicas: spec.replicas.or(policy.default_replicas).unwrap_or(BROKER_DEFAULT),
    };
    let ours = declared(spec, seen.share);
    let managed: Vec<String> = ours.keys().cloned().collect();
    let mut configs = policy.default_config.clone();
    configs.extend(ours);
    let mut facts = TopicClaimStatus {
        partitions: Some(intent.partitions),
        replicas: Some(intent.replicas).filter(|replicas| *replicas > 0),
        config: some(&configs),
        managed_config: list(&managed),
        ..TopicClaimStatus::default()
    };
    seen.users.tell(&mut facts);
    let topic = NewTopic {
        name: spec.topic_name.clone(),
        partitions: Some(intent.partitions),
        replicas: i16::try_from(intent.replicas).ok().filter(|replicas| *replicas > 0),
        configs,
    };
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
