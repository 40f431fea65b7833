//! Whether a topic that Kafka has is the claim's. Pure.

use std::collections::BTreeMap;

use super::create::topic_of;
use super::difference::partitions;
use super::observe::{Found, Observation};
use super::plan::{Verdict, refused};
use crate::api::reasons::Reason;
use crate::api::resources::{Adoption, TopicClaimStatus, TopicPolicy, TopicSource};
use crate::intent::claim::settings::same;
use crate::ownership::{kept_for, own_name};

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
    // Somebody else's claim had it, and nobody has taken that record away: whatever speaks for us is worth less.
    if let Some(kept) = kept(seen, status) {
        return Some(kept);
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

/// What is said where the books keep the topic for another namespace, if they do.
#[must_use]
pub fn kept(seen: &Observation, status: &TopicClaimStatus) -> Option<Verdict> {
    let name = &seen.claim.spec.topic_name;
    let record = kept_for(&seen.on_record, name, seen.claim.metadata.namespace.as_deref().unwrap_or_default())?;
    let message = format!(
        "topic {name} is kept for namespace {}, whose claim on it was deleted, until it claims it again or an administrator takes the record \
         out of the status of BrokerCluster {} or of another one that leads to the same Kafka",
        record.namespace, seen.claim.spec.cluster
    );
    // What was about to be made was not: somebody was faster.
    let facts = TopicClaimStatus { creating: None, ..unseen(status) };
    Some(refused(facts, Reason::TopicOwnedElsewhere, message))
}

/// Whether a topic is the one that the claim says it was about to make: nobody has used it, and it is as was asked for, whatever the claim,
/// the policy and the brokers' defaults say by now. Somebody else may have made one of that name in the meantime.
fn is_of_our_making(seen: &Observation, found: &Found, policy: &TopicPolicy, status: &TopicClaimStatus) -> bool {
    let Some(intent) = &status.creating else { return false };
    let asked = intent.config.clone().unwrap_or_else(|| topic_of(seen, policy).configs);
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
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::holders::Holders;
    use super::super::observe::{Look, among, that_stand};
    use super::super::plan::plan;
    use super::super::samples::{ID, claim, reason, see, topic};
    use super::super::users::Users;
    use super::*;
    use crate::api::resources::TopicClaim;
    use crate::ownership::OnRecord;

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

    #[test]
    fn what_was_asked_for_counts_and_not_what_is_wished_by_now() {
        let asked = json!({"flush.ms": "5"});
        for (intended, wished, is_ours, case) in [
            (Some(asked.clone()), json!({"flush.ms": "6", "segment.ms": "9"}), true, "the claim was edited since"),
            (Some(json!({"flush.ms": "6"})), asked.clone(), false, "the topic is not what was asked for"),
            (None, asked.clone(), true, "an earlier version did not write it: as it would be made"),
            (None, json!({"flush.ms": "6"}), false, "and as it would not"),
        ] {
            let mut made = claim(json!({"config": wished}), json!(null));
            made.metadata.namespace = Some("web".into());
            let mut creating = json!({"partitions": 1, "replicas": -1});
            intended.iter().for_each(|config| creating["config"] = config.clone());
            made.status = serde_json::from_value(json!({"creating": creating})).unwrap();
            let plan = plan(&see(made, json!({}), topic(1, 1, asked.clone()))).unwrap();
            assert_eq!(plan.verdict.facts.topic_id.is_some(), is_ours, "{case}");
            assert_eq!(plan.verdict.facts.creating, None, "{case}");
        }
    }

    /// A claim of this namespace on `orders`, which it may not adopt by its name.
    fn of(namespace: &str, uid: &str) -> TopicClaim {
        let mut claim = claim(json!({"topicName": "orders"}), json!(null));
        (claim.metadata.namespace, claim.metadata.uid) = (Some(namespace.into()), Some(uid.into()));
        claim
    }

    fn look_at(claim: &TopicClaim, others: &[&TopicClaim], record: Option<(&str, &str)>, policy: Value) -> Observation {
        let claim = Arc::new(claim.clone());
        let others = others.iter().map(|other| Arc::new((*other).clone()));
        let claims: Vec<_> = others.chain([Arc::clone(&claim)]).collect();
        let record = record.map(|(namespace, id)| OnRecord { namespace: namespace.into(), topic_id: id.into() });
        let kafka = Ok((serde_json::from_value(policy).unwrap(), topic(1, 1, json!({}))));
        let books = that_stand(record.into_iter().collect(), &kafka, Look::First);
        let holders = Holders { namespaces: ["tenant".to_owned()].into(), ..Holders::default() };
        Observation { holders, empty: true, ..among(claim, &claims, books, Users::default(), kafka, |_| false) }
    }

    fn outcome(seen: &Observation) -> (Option<Reason>, bool) {
        let plan = plan(seen).unwrap();
        (reason(&plan), plan.verdict.facts.topic_id.is_some())
    }

    #[test]
    fn who_declares_again_has_the_topic_and_who_waited_does_not() {
        let (tenant, mut anew, id) = (of("tenant", "t"), of("owner", "o"), ID.to_string());
        let books = Some(("owner", id.as_str()));
        for policy in [json!({}), json!({"adopt": "Any"})] {
            let waited = look_at(&tenant, &[&anew], books, policy.clone());
            assert_eq!(outcome(&waited), (Some(Reason::TopicOwnedElsewhere), false), "{policy}");
            assert_eq!(outcome(&look_at(&anew, &[&tenant], books, policy)), (None, true));
        }
        anew.spec.source = TopicSource::Consumer;
        assert_eq!(outcome(&look_at(&anew, &[&tenant], books, json!({}))), (None, true), "a Pod asked first");
    }

    #[test]
    fn nobody_else_takes_a_topic_that_is_on_record_by_rights_by_policy_or_by_an_intent() {
        let (mut tenant, id) = (of("tenant", "t"), ID.to_string());
        let refused = (Some(Reason::TopicOwnedElsewhere), false);
        for policy in [json!({}), json!({"adopt": "Any"})] {
            let of = |record| outcome(&look_at(&tenant, &[], record, policy.clone()));
            assert_eq!(of(Some(("owner", id.as_str()))), refused, "{policy}");
            assert_eq!(of(Some(("owner", "another id"))), (None, true), "it was made anew: {policy}");
            assert_eq!(of(Some(("tenant", id.as_str()))), (None, true), "{policy}");
            assert_eq!(of(None), (None, true), "nothing is on record here: {policy}");
        }
        tenant.status = serde_json::from_value(json!({"creating": {"partitions": 1, "replicas": -1}})).unwrap();
        assert_eq!(outcome(&look_at(&tenant, &[], Some(("owner", id.as_str())), json!({}))), refused);
        let mut own = of("owner", "o");
        own.spec.topic_name = "owner.orders".into();
        assert_eq!(
            outcome(&look_at(&own, &[], Some(("tenant", id.as_str())), json!({}))),
            (None, true),
            "its own name"
        );
    }

    #[test]
    fn what_is_on_record_is_made_by_nobody_else_until_every_broker_says_that_it_is_gone() {
        let seen = |look| {
            let kafka = Ok((TopicPolicy::default(), None));
            let record = OnRecord { namespace: "owner".into(), topic_id: ID.to_string() };
            let (tenant, books) = (Arc::new(of("tenant", "t")), that_stand(vec![record], &kafka, look));
            plan(&among(Arc::clone(&tenant), &[tenant], books, Users::default(), kafka, |_| false)).unwrap()
        };
        let first = seen(Look::First);
        assert_eq!((first.steps.len(), first.doubtful, reason(&first)), (0, true, Some(Reason::TopicOwnedElsewhere)));
        let second = seen(Look::Second);
        assert_eq!((second.steps.len(), second.doubtful, reason(&second)), (2, false, None));
    }
}
