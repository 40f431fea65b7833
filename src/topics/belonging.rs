//! Whether a topic that Kafka has is the claim's. Pure.

use std::collections::BTreeMap;

use super::create::topic_of;
use super::difference::partitions;
use super::observe::{Found, Observation};
use super::plan::{Verdict, refused};
use crate::api::reasons::Reason;
use crate::api::resources::{Adoption, TopicClaimStatus, TopicPolicy, TopicSource};
use crate::intent::claim::settings::same;
use crate::ownership::own_name;

/// What is in the way of the claim's having the topic, if anything is.
#[must_use]
pub fn obstacle(seen: &Observation, found: &Found, policy: &TopicPolicy, status: &TopicClaimStatus) -> Option<Verdict> {
    let Observation { claim, known_ids, holders, .. } = seen;
    let (id, name, adopt) = (found.topic.id.to_string(), &claim.spec.topic_name, policy.adopt);
    match &status.topic_id {
        Some(known) if *known != id => {
            let message =
                format!("topic {name} has id {id}; the one on record is {known}: somebody deleted and re-created it");
            return Some(refused(unseen(status), Reason::TopicReplaced, message));
        }
        Some(_) => return None,
        None => {}
    }
    // Taken over from a claim that yields, or made by us before a crash.
    if known_ids.contains(&id) || is_of_our_making(seen, found, policy, status) {
        return None;
    }
    // Somebody was faster: what was about to be made was not.
    let status = TopicClaimStatus { creating: None, ..status.clone() };
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(neighbour) = holders.neighbour.as_ref().filter(|_| adopt != Adoption::Any) {
        let message = format!(
            "topic {name} is used by workloads of another Kubernetes cluster, whose scope in this Kafka is {neighbour}"
        );
        return Some(refused(status, Reason::TopicOwnedElsewhere, message));
    }
    let free = own_name(name, namespace) || adopt == Adoption::Any;
    let declared = free && claim.spec.source == TopicSource::Declared;
    (!declared && !holders.are_only(namespace)).then(|| {
        let message = format!(
            "topic {name} was in Kafka before this claim; a declared TopicClaim may adopt it under a name of its own, {namespace}.…, or where the BrokerCluster has topics.adopt: Any"
        );
        refused(status, Reason::TopicUnclaimed, message)
    })
}

/// Whether a topic is the one that the claim says it was about to make: nobody has used it, and it is as it would be made. Somebody else may
/// have made one of that name in the meantime.
fn is_of_our_making(seen: &Observation, found: &Found, policy: &TopicPolicy, status: &TopicClaimStatus) -> bool {
    let Some(intent) = &status.creating else { return false };
    let asked = topic_of(seen, policy).configs;
    let alike = |own: &BTreeMap<String, String>| {
        own.len() == asked.len()
            && asked.iter().all(|(key, value)| own.get(key).is_some_and(|own| same(key, own, value)))
    };
    intent.partitions == partitions(&found.topic)
        && seen.empty
        && seen.holders.are_ours()
        && found.settings.as_ref().is_ok_and(alike)
}

/// A status that says nothing of what the topic looks like: it is not there, or is another's.
#[must_use]
pub fn unseen(status: &TopicClaimStatus) -> TopicClaimStatus {
    TopicClaimStatus { partitions: None, replicas: None, config: None, drift: None, ..status.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::holders::Holders;
    use super::super::plan::plan;
    use super::super::samples::{ID, claim, reason, see, topic};
    use super::*;

    #[test]
    fn a_topic_that_was_about_to_be_made_is_the_claims_only_if_nobody_else_can_have_made_it() {
        let nobody = Holders::default;
        let namespace = |name: &str| Holders { namespaces: [name.to_owned()].into(), ..nobody() };
        let ours = json!({"flush.ms": "5", "min.insync.replicas": "2"});
        for (partitions, settings, empty, holders, is_ours, case) in [
            (3, ours.clone(), true, nobody(), true, "as it would be made"),
            (3, ours.clone(), true, namespace("web"), true, "used by the namespace alone"),
            (4, ours.clone(), true, nobody(), false, "other partitions"),
            (3, ours.clone(), false, nobody(), false, "records"),
            (3, json!({"flush.ms": "5"}), true, nobody(), false, "a setting too few"),
            (3, json!({"flush.ms": "6", "min.insync.replicas": "2"}), true, nobody(), false, "another value"),
            (3, json!({"flush.ms": "5", "min.insync.replicas": "2", "a": "b"}), true, nobody(), false, "one too many"),
            (3, ours.clone(), true, namespace("x"), true, "lent to another namespace before it was there"),
            (3, ours, true, Holders { strangers: true, ..nobody() }, false, "a stranger's rights"),
        ] {
            let mut made = claim(json!({"config": {"flush.ms": "5"}}), json!(null));
            made.metadata.namespace = Some("web".into());
            made.status = serde_json::from_value(json!({"creating": {"partitions": 3, "replicas": -1}})).unwrap();
            let policy = json!({"defaultPartitions": 3, "defaultConfig": {"min.insync.replicas": "2"}});
            let seen = see(made, policy, topic(partitions, 1, settings));
            let plan = plan(&Observation { empty, holders, ..seen }).unwrap();
            let facts = &plan.verdict.facts;
            let expected = if is_ours { (Some(ID.to_string()), None) } else { (None, Some(Reason::TopicUnclaimed)) };
            assert_eq!((facts.topic_id.clone(), reason(&plan)), expected, "{case}");
            assert_eq!(facts.creating, None, "{case}");
        }
    }
}
