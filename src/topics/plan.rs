//! What has to be done for one claim on a topic. Pure.

use super::observe::Observation;
use crate::api::reasons::Reason;
use crate::api::resources::{Adoption, READY, TopicClaim, TopicClaimStatus, TopicIntent, TopicSource, holds};
use crate::clusters::{Terms, Unusable};
use crate::kafka::admin::topics::{CreatedTopic, Topic};
use crate::ownership::own_name;

/// Kafka's number for "the brokers' own default".
const BROKER_DEFAULT: i32 = -1;

/// What is said of a claim that is ready.
const EXISTS: &str = "the topic exists";

/// The decision about one claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Write down what will be made, then make it.
    Make(TopicIntent),
    /// Nothing but to say how it stands.
    Report(Verdict),
    /// Nothing at all: what was said of the topic stands until Kafka can be asked again.
    Leave,
}

/// How a claim stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is in the way; nothing where the claim is ready.
    pub obstacle: Option<Unusable>,
    /// What is worth saying of a claim that is ready.
    pub message: String,
    /// The status without its conditions.
    pub facts: TopicClaimStatus,
}

/// Decides about one claim.
#[must_use]
pub fn plan(seen: &Observation) -> Plan {
    let claim = &seen.claim;
    let status = claim.status.clone().unwrap_or_default();
    if seen.owner.metadata.uid != claim.metadata.uid {
        return Plan::Report(yields(claim, &seen.owner, status));
    }
    match &seen.topic {
        Err(_) if holds(&status.conditions, READY) => Plan::Leave,
        Err(unusable) => Plan::Report(refused(status, unusable.reason, unusable.message.clone())),
        Ok((connection, None)) => Plan::Make(intent(claim, &connection.terms)),
        Ok((connection, Some(topic))) => Plan::Report(existing(seen, topic, connection.terms.topics.adopt, status)),
    }
}

fn refused(facts: TopicClaimStatus, reason: Reason, message: String) -> Verdict {
    Verdict { obstacle: Some(Unusable { reason, message }), message: String::new(), facts }
}

fn yields(claim: &TopicClaim, owner: &TopicClaim, status: TopicClaimStatus) -> Verdict {
    let topic = &claim.spec.topic_name;
    let (ours, theirs) = (&claim.metadata.namespace, owner.metadata.namespace.as_deref().unwrap_or_default());
    // Another namespace's claim is not ours to describe.
    let facts = TopicClaimStatus { topic_id: None, creating: None, partitions: None, replicas: None, ..status };
    if ours.as_deref() == Some(theirs) {
        let name = owner.metadata.name.as_deref().unwrap_or_default();
        return refused(facts, Reason::TopicConflict, format!("topic {topic} is claimed by TopicClaim {name} already"));
    }
    refused(facts, Reason::TopicOwnedElsewhere, format!("topic {topic} belongs to namespace {theirs}"))
}

fn intent(claim: &TopicClaim, terms: &Terms) -> TopicIntent {
    TopicIntent {
        partitions: claim.spec.partitions.unwrap_or(terms.topics.default_partitions),
        replicas: claim.spec.replicas.or(terms.topics.default_replicas).unwrap_or(BROKER_DEFAULT),
    }
}

/// How a claim stands whose topic has just been made.
#[must_use]
pub fn made(topic: &CreatedTopic) -> Verdict {
    let facts = TopicClaimStatus {
        topic_id: Some(topic.id.to_string()),
        partitions: topic.partitions,
        replicas: topic.replicas.map(i32::from),
        ..TopicClaimStatus::default()
    };
    Verdict { obstacle: None, message: EXISTS.to_owned(), facts }
}

/// A topic that is there: is it this claim's, and as it says?
fn existing(seen: &Observation, topic: &Topic, adopt: Adoption, status: TopicClaimStatus) -> Verdict {
    let Observation { claim, known_ids, holders, .. } = seen;
    let id = topic.id.to_string();
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let replicas = topic.partitions.first().map(|partition| partition.replicas.len());
    let replicas = replicas.and_then(|count| i32::try_from(count).ok());
    let name = &claim.spec.topic_name;
    match &status.topic_id {
        Some(known) if *known != id => {
            let message =
                format!("topic {name} has id {id}; the one on record is {known}: somebody deleted and re-created it");
            return refused(
                TopicClaimStatus { partitions: None, replicas: None, ..status },
                Reason::TopicReplaced,
                message,
            );
        }
        Some(_) => {}
        // Made by us before a crash, or taken over from a claim that yields.
        None if status.creating.as_ref().is_some_and(|intent| intent.partitions == partitions)
            || known_ids.contains(&id) => {}
        None => {
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            if let Some(neighbour) = holders.neighbour.as_ref().filter(|_| adopt != Adoption::Any) {
                let message = format!(
                    "topic {name} is used by workloads of another Kubernetes cluster, whose scope in this Kafka is {neighbour}"
                );
                return refused(status, Reason::TopicOwnedElsewhere, message);
            }
            let free = own_name(name, namespace) || adopt == Adoption::Any;
            let declared = free && claim.spec.source == TopicSource::Declared;
            if !declared && !holders.are_only(namespace) {
                let message = format!(
                    "topic {name} was in Kafka before this claim; a declared TopicClaim may adopt it under a name of its own, {namespace}.…, or where the BrokerCluster has topics.adopt: Any"
                );
                return refused(status, Reason::TopicUnclaimed, message);
            }
        }
    }
    let facts =
        TopicClaimStatus { topic_id: Some(id), partitions: Some(partitions), replicas, creating: None, ..status };
    let drift: Vec<String> = [
        claim
            .spec
            .partitions
            .filter(|wanted| *wanted != partitions)
            .map(|wanted| format!("{partitions} partitions instead of {wanted}")),
        claim
            .spec
            .replicas
            .filter(|wanted| Some(*wanted) != replicas)
            .map(|wanted| format!("{} replicas instead of {wanted}", replicas.unwrap_or_default())),
    ]
    .into_iter()
    .flatten()
    .collect();
    if drift.is_empty() {
        return Verdict { obstacle: None, message: EXISTS.to_owned(), facts };
    }
    refused(facts, Reason::TopicDrifted, format!("topic {name} has {}", drift.join(" and ")))
}
