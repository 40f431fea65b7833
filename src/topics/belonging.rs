//! Whether a topic that Kafka has is the claim's. Pure.

use super::difference::partitions;
use super::observe::Observation;
use super::plan::{Verdict, refused};
use crate::api::reasons::Reason;
use crate::api::resources::{Adoption, TopicClaimStatus, TopicSource};
use crate::kafka::admin::topics::Topic;
use crate::ownership::own_name;

/// What is in the way of the claim's having the topic, if anything is.
#[must_use]
pub fn obstacle(seen: &Observation, topic: &Topic, adopt: Adoption, status: &TopicClaimStatus) -> Option<Verdict> {
    let Observation { claim, known_ids, holders, .. } = seen;
    let (id, name) = (topic.id.to_string(), &claim.spec.topic_name);
    match &status.topic_id {
        Some(known) if *known != id => {
            let message =
                format!("topic {name} has id {id}; the one on record is {known}: somebody deleted and re-created it");
            return Some(refused(unseen(status), Reason::TopicReplaced, message));
        }
        Some(_) => return None,
        None => {}
    }
    let made = status.creating.as_ref().is_some_and(|intent| intent.partitions == partitions(topic));
    // Made by us before a crash, or taken over from a claim that yields.
    if made || known_ids.contains(&id) {
        return None;
    }
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(neighbour) = holders.neighbour.as_ref().filter(|_| adopt != Adoption::Any) {
        let message = format!(
            "topic {name} is used by workloads of another Kubernetes cluster, whose scope in this Kafka is {neighbour}"
        );
        return Some(refused(status.clone(), Reason::TopicOwnedElsewhere, message));
    }
    let free = own_name(name, namespace) || adopt == Adoption::Any;
    let declared = free && claim.spec.source == TopicSource::Declared;
    (!declared && !holders.are_only(namespace)).then(|| {
        let message = format!(
            "topic {name} was in Kafka before this claim; a declared TopicClaim may adopt it under a name of its own, {namespace}.…, or where the BrokerCluster has topics.adopt: Any"
        );
        refused(status.clone(), Reason::TopicUnclaimed, message)
    })
}

/// A status that says nothing of what the topic looks like: it is not there, or is another's.
#[must_use]
pub fn unseen(status: &TopicClaimStatus) -> TopicClaimStatus {
    TopicClaimStatus { partitions: None, replicas: None, config: None, drift: None, ..status.clone() }
}
