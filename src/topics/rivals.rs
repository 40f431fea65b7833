//! Several claims on one topic: what is said of it on each of them. Pure.

use std::sync::Arc;

use super::observe::Observation;
use super::plan::{Verdict, refused};
use crate::api::list::first_of;
use crate::api::reasons::Reason;
use crate::api::resources::{READY, TopicClaim, TopicClaimStatus, condition};
use crate::clusters::Unusable;

/// Rivals that are named: there may be any number of them, under any names.
const NAMED: usize = 3;

/// The other claims on the topic of one, as `namespace/name`, in the order of their names.
#[must_use]
pub fn of(claim: &TopicClaim, claims: &[Arc<TopicClaim>]) -> Vec<String> {
    let others = claims.iter().map(|other| &other.metadata).filter(|other| other.uid != claim.metadata.uid);
    let names = others.filter_map(|other| Some(format!("{}/{}", other.namespace.as_ref()?, other.name.as_ref()?)));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// Who else claims a topic: what they are told, its owner is told as well.
#[must_use]
pub fn also_claimed(rivals: &[String]) -> String {
    if rivals.is_empty() {
        return String::new();
    }
    format!("; also claimed by {}", first_of(NAMED, rivals))
}

/// How a claim stands whose topic another claim has.
#[must_use]
pub fn yields(seen: &Observation, status: TopicClaimStatus) -> Verdict {
    let Observation { claim, owner, .. } = seen;
    let topic = &claim.spec.topic_name;
    let (ours, theirs) = (&claim.metadata.namespace, owner.metadata.namespace.as_deref().unwrap_or_default());
    // By its id the successor knows the topic: it stays on record until that has it, and this claim is looked at again.
    let handed_over = owner.status.as_ref().is_some_and(|status| status.topic_id.is_some());
    let topic_id = status.topic_id.filter(|_| !handed_over);
    // For the rest, another namespace's claim is not ours to describe.
    let facts = TopicClaimStatus { conditions: status.conditions, topic_id, ..TopicClaimStatus::default() };
    // Its author can do nothing about the other claim before this is put right.
    if let Some(wrong) = seen.refuses().or_else(|| refused_before(seen, &facts)).filter(|_| facts.topic_id.is_none()) {
        return refused(facts, wrong.reason, wrong.message);
    }
    if ours.as_deref() == Some(theirs) {
        let name = owner.metadata.name.as_deref().unwrap_or_default();
        return refused(facts, Reason::TopicConflict, format!("topic {topic} is claimed by TopicClaim {name} already"));
    }
    refused(facts, Reason::TopicOwnedElsewhere, format!("topic {topic} belongs to namespace {theirs}"))
}

/// What was said of the cluster's policy, while that cannot be asked: an outage changes nothing about it.
fn refused_before(seen: &Observation, facts: &TopicClaimStatus) -> Option<Unusable> {
    let said = condition(&facts.conditions, READY).filter(|said| seen.kafka.is_err() && said.status == "False")?;
    let reason = Reason::of_code(&said.reason).filter(|reason| {
        use Reason::{ClusterNotAllowed, InvalidTopicConfig, TopicLimitExceeded, TopicNameNotAllowed};
        matches!(reason, ClusterNotAllowed | InvalidTopicConfig | TopicLimitExceeded | TopicNameNotAllowed)
    })?;
    Some(Unusable { reason, message: said.message.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::observe::{Look, among, with};
    use super::super::plan::plan;
    use super::super::samples::{ID, claim, reason, see, topic};
    use super::super::users::Users;
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use crate::api::names::ClusterRef;
    use crate::api::resources::{Conditions, TopicPolicy};
    use crate::watch::World;
    use crate::watch::reach::Reach;

    #[test]
    fn who_has_the_topic_tells_of_a_few_rivals_always_in_the_same_words() {
        let rival = |namespace: &str| {
            let mut rival = claim(json!({}), Value::Null);
            rival.metadata.uid = Some(namespace.to_owned());
            rival.metadata.namespace = Some(namespace.to_owned());
            Arc::new(rival)
        };
        let told = |namespaces: &[&str]| {
            let ours = Arc::new(claim(json!({}), json!({})));
            let claims: Vec<_> =
                namespaces.iter().map(|namespace| rival(namespace)).chain([Arc::clone(&ours)]).collect();
            let kafka = Ok((TopicPolicy::default(), topic(1, 1, json!({}))));
            let seen = among(ours, &claims, Vec::new(), Users::default(), kafka, |_| false);
            plan(&seen).unwrap().verdict.message
        };
        assert_eq!(told(&[]), "the topic exists");
        assert_eq!(told(&["web"]), "the topic exists; also claimed by web/orders");
        assert_eq!(told(&["c", "a", "b"]), "the topic exists; also claimed by a/orders, b/orders, c/orders");
        assert_eq!(told(&["c", "e", "a"]), told(&["a", "c", "e"]), "whoever came first");
        let many = told(&["e", "d", "c", "b", "a"]);
        assert_eq!(many, "the topic exists; also claimed by a/orders, b/orders, c/orders and 2 more");
    }

    #[test]
    fn a_topic_has_one_owner_through_whichever_cluster_leads_to_its_kafka() {
        let world = World::new(ClusterRef { namespace: "a".into(), name: "b".into() }, Reach::default());
        for name in ["b", "twin", "other"] {
            let cluster = json!({
                "metadata": {"name": name, "namespace": "a"},
                "spec": {"external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}}},
            });
            world.clusters.put(("a".to_owned(), name.to_owned()), serde_json::from_value(cluster).unwrap());
            let (id, kafka) = (format!("a/{name}"), if name == "other" { "two" } else { "one" });
            let external = world.cluster(&id).unwrap().spec.external.clone();
            world.kafkas.note(&id, &external, kafka);
        }
        world.topics.put(("shop".to_owned(), "orders".to_owned()), claim(json!({}), json!({})));
        for (cluster, owner, expected) in [
            ("a/twin", "u", Some(Reason::TopicOwnedElsewhere)),
            ("a/b", "u", Some(Reason::TopicOwnedElsewhere)),
            ("a/other", "late", None),
        ] {
            let mut late = claim(json!({"cluster": cluster}), Value::Null);
            (late.metadata.uid, late.metadata.namespace) = (Some("late".into()), Some("web".into()));
            world.topics.put(("web".to_owned(), "orders".to_owned()), late.clone());
            let kafka = Ok((TopicPolicy::default(), None));
            let seen = with(&world, Arc::new(late), kafka, Look::Second);
            assert_eq!(seen.owner.metadata.uid.as_deref(), Some(owner), "{cluster}");
            assert_eq!(seen.rivals.len(), usize::from(expected.is_some()), "{cluster}");
            assert_eq!(plan(&seen).as_ref().and_then(reason), expected, "{cluster}");
        }
    }

    #[test]
    fn an_outage_changes_nothing_of_what_policy_refuses() {
        for (said, told) in [
            (Reason::TopicNameNotAllowed, Reason::TopicNameNotAllowed),
            (Reason::TopicUnclaimed, Reason::TopicOwnedElsewhere),
        ] {
            let mut owner = claim(json!({}), json!({}));
            owner.metadata.uid = Some("other".into());
            owner.metadata.namespace = Some("web".into());
            let mut ours = claim(json!({}), json!({}));
            let status = ours.status.as_mut().unwrap();
            status.topic_id = None;
            Conditions::new(&mut status.conditions, Some(1), Time(Timestamp::UNIX_EPOCH))
                .say(READY, false, said, "why");
            let kafka = Err(Unusable { reason: Reason::KafkaUnreachable, message: String::new() });
            let seen = Observation { owner: Arc::new(owner), kafka, ..see(ours.clone(), json!({}), None) };
            let verdict = yields(&seen, ours.status.unwrap()).obstacle.unwrap();
            assert_eq!(verdict.reason, told, "{said}");
            assert_eq!(verdict.message == "why", said == told);
        }
    }

    #[test]
    fn a_claim_that_yields_keeps_the_topics_id_until_its_successor_has_it() {
        for (before, successor, kept) in [
            (json!({"partitions": 1}), json!(null), Some(ID.to_string())),
            (json!({"partitions": 1}), json!({"creating": {"partitions": 1, "replicas": 1}}), Some(ID.to_string())),
            (json!({"partitions": 1}), json!({"topicId": ID.to_string()}), None),
            (json!(null), json!(null), None),
        ] {
            let mut owner = claim(json!({}), json!(null));
            owner.metadata.uid = Some("other".into());
            owner.status = serde_json::from_value(successor).unwrap();
            let seen = Observation { owner: Arc::new(owner), ..see(claim(json!({}), before), json!({}), None) };
            let plan = plan(&seen).unwrap();
            assert_eq!((reason(&plan), plan.steps.len()), (Some(Reason::TopicConflict), 0));
            assert_eq!((plan.verdict.facts.topic_id, plan.verdict.facts.partitions), (kept, None));
        }
    }
}
