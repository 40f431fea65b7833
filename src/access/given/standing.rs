//! How a workload stands to one topic that it asks for. Pure.

use std::sync::Arc;

use super::lending::Verdict;
use super::lending::{self, Lending};
use super::topic_view::TopicView;
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, READY, Right, TopicClaim, TopicSource, Undeclared, condition};
use crate::ownership::{OnRecord, kept_for, own_name};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The workload's namespace.
    pub namespace: &'q str,
    /// The topic.
    pub topic: &'q str,
    /// What the workload wants to do with it.
    pub right: Right,
    /// What is known of the topic.
    pub view: &'q TopicView,
    /// Whether the workload's user has the right in Kafka.
    pub held: bool,
    /// The grants that were reported last.
    pub before: &'q [Grant],
    /// What becomes of topics that nobody declared.
    pub undeclared: Undeclared,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The topic is the namespace's own, and can be used.
    Own,
    /// The topic is another namespace's, which lets this one use it.
    Lent(Grant),
    /// The topic is nobody's: the namespace claims it by asking.
    Nobodys,
    /// It is not decided yet, or something has to be put right first: a right that is held stays, and none is added.
    Pending(Reason, String),
    /// The right is not given, and is taken where it is held.
    Refused(Reason, String),
}

/// Answers.
#[must_use]
pub fn standing(question: &Question<'_>) -> Standing {
    let Question { namespace, topic, view, .. } = *question;
    let by_its_word =
        question.held && !matches!(view.verdicts.get(&question.right), None | Some(Verdict::Denied { .. }));
    let of_us = |claim: &&Arc<TopicClaim>| claim.metadata.namespace.as_deref() == Some(namespace);
    let claim = match view.owner() {
        // Whom the policy refuses, and who has not got the topic, is in nobody's way. But what is known of a claim can be lost: who holds
        // the right by its word is no heir.
        Some(claim) if !of_us(&claim) && view.refusal(claim).is_some() && !has_topic(claim) && !by_its_word => {
            view.claims.iter().find(of_us)
        }
        owner => owner,
    };
    let Some(claim) = claim else { return unclaimed(question) };
    let owner_namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    if owner_namespace == namespace {
        return own(question, claim);
    }
    let ours = view.claims.iter().any(|claim| of_us(&claim));
    let kept = view.exists && kept_for(&view.on_record, topic, namespace).is_some();
    let yields = claim.spec.source == TopicSource::Consumer && !own_name(topic, owner_namespace) && !kept;
    // A claim of ours may still win: one under our own name over any, a producer's over a consumer's.
    if !ours && (own_name(topic, namespace) || (question.right == Right::Produce && yields)) {
        return Standing::Nobodys;
    }
    let said = lending::judge(&Lending {
        to: namespace,
        name: topic,
        right: question.right,
        owner: owner_namespace,
        object: claim.metadata.name.as_deref().unwrap_or_default(),
        verdict: view.verdicts.get(&question.right),
        before: question.before,
    });
    match said {
        // Who does not have the topic cannot deny it: whoever has the right may have it of the one whose the topic was.
        Standing::Refused(reason, message) if question.held && may_be_anothers(question, claim) => {
            Standing::Pending(reason, message)
        }
        // Nobody lends more than they have: a claim that was refused the topic has nothing. What is held is not taken for that, for what
        // is known of a claim can be lost, and what was lent before stays on record as lent.
        Standing::Lent(_)
            if !question.held
                && let Standing::Pending(reason, _) = own(question, claim)
                && (!has_topic(claim) || matches!(reason, Reason::TopicMissing | Reason::TopicReplaced)) =>
        {
            let object = claim.metadata.name.as_deref().unwrap_or_default();
            let message = format!(
                "topic {topic}: namespace {owner_namespace} grants it, and its TopicClaim {object} has not got it: {reason}; \
                 kubectl describe topicclaim {object} -n {owner_namespace} says more"
            );
            Standing::Pending(reason, message)
        }
        said => said,
    }
}

fn has_topic(claim: &TopicClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| status.topic_id.is_some())
}

/// Whether a claim has nothing to do with the topic that a right is held on: it did not make it, and has not got it.
fn may_be_anothers(question: &Question<'_>, claim: &TopicClaim) -> bool {
    let has_not = claim.status.as_ref().is_none_or(|status| status.topic_id.is_none() && status.creating.is_none());
    // A broker that is behind may not show it.
    let is_there = |record: &OnRecord| record.namespace == question.namespace;
    has_not && (question.view.exists || question.view.on_record.iter().any(is_there))
}

fn unclaimed(question: &Question<'_>) -> Standing {
    let Question { namespace, topic, view, held, undeclared, .. } = *question;
    if let Some(other) = view.own_namespace.as_deref().filter(|other| *other != namespace) {
        let message = format!("topic {topic} bears a name of namespace {other}'s own, which has not claimed it");
        // What is missing may have been lost: a right that was lent stays until its owner is there to be asked.
        return if held {
            Standing::Pending(Reason::TopicOwnedElsewhere, message)
        } else {
            Standing::Refused(Reason::TopicOwnedElsewhere, message)
        };
    }
    if let Some(record) = kept_for(&view.on_record, topic, namespace).filter(|_| view.exists) {
        let message =
            format!("topic {topic} is kept for namespace {}, whose claim on it was deleted", record.namespace);
        return if held {
            Standing::Pending(Reason::TopicOwnedElsewhere, message)
        } else {
            Standing::Refused(Reason::TopicOwnedElsewhere, message)
        };
    }
    // Claims can be lost, with their definition or in a restore; a right that the user holds shows that there was one.
    if held {
        let lent = question.before.iter().find(|grant| grant.name == topic && grant.right == question.right);
        return lent.map_or(Standing::Nobodys, |grant| {
            let message = format!("topic {topic} has lost its claim in namespace {}", grant.namespace);
            Standing::Pending(Reason::TopicUnclaimed, message)
        });
    }
    if view.exists {
        return Standing::Refused(
            Reason::TopicUnclaimed,
            format!("topic {topic} exists in Kafka and no TopicClaim covers it"),
        );
    }
    match undeclared {
        Undeclared::Any => Standing::Nobodys,
        Undeclared::OwnNames if own_name(topic, namespace) => Standing::Nobodys,
        Undeclared::OwnNames | Undeclared::Refuse => {
            Standing::Refused(Reason::TopicNotDeclared, format!("topic {topic} is declared by no TopicClaim"))
        }
    }
}

fn own(question: &Question<'_>, claim: &TopicClaim) -> Standing {
    let Question { topic, view, .. } = *question;
    let status = claim.status.as_ref();
    let said = status.and_then(|status| condition(&status.conditions, READY));
    if let Some(refusal) = view.refusal(claim).filter(|_| !has_topic(claim)) {
        return Standing::Pending(refusal.reason, refusal.message.clone());
    }
    if view.exists && status.is_none_or(|status| status.topic_id.is_none() && status.creating.is_none()) {
        // Whether a topic that was there before the claim may be adopted is not decided yet, or decided against.
        let reason = said.and_then(|said| Reason::of_code(&said.reason)).unwrap_or(Reason::Provisioning);
        let message =
            said.map_or_else(|| format!("the claim on topic {topic} is being looked at"), |said| said.message.clone());
        return Standing::Pending(reason, message);
    }
    match said.filter(|said| said.status == "False") {
        Some(said) => match Reason::of_code(&said.reason) {
            // Kafka is away, or the topic is on its way: the proof waits for it.
            None
            | Some(Reason::KafkaUnreachable | Reason::Provisioning | Reason::TopicDrifted | Reason::ClusterNotFound) => {
                Standing::Own
            }
            // What is wrong with the claim as it is now takes nothing from the topic that it made.
            Some(reason) if reason.is_of_settings() && status.is_some_and(|status| status.topic_id.is_some()) => {
                Standing::Own
            }
            Some(reason) => Standing::Pending(reason, said.message.clone()),
        },
        None => Standing::Own,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicClaimStatus};

    fn claim(namespace: &str, topic: &str, source: TopicSource) -> Arc<TopicClaim> {
        let spec = TopicClaimSpec::of(topic, "a/b", source);
        let mut claim = TopicClaim::new(topic, spec);
        claim.metadata.namespace = Some(namespace.to_owned());
        claim.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
        Arc::new(claim)
    }

    fn ask(view: &TopicView, topic: &str, right: Right, held: bool, undeclared: Undeclared) -> Standing {
        standing(&Question { namespace: "web", topic, right, view, held, before: &[], undeclared })
    }

    fn lent_view(verdict: Verdict) -> TopicView {
        TopicView {
            claims: vec![claim("shop", "orders", TopicSource::Declared)],
            exists: true,
            verdicts: BTreeMap::from([(Right::Consume, verdict)]),
            ..TopicView::default()
        }
    }

    #[test]
    fn a_topic_of_another_namespace_needs_its_word() {
        let granted = lent_view(Verdict::Granted { via: "RoleBinding shop/readers".into() });
        let Standing::Lent(grant) = ask(&granted, "orders", Right::Consume, false, Undeclared::Any) else { panic!() };
        assert_eq!((grant.namespace.as_str(), grant.via.as_str()), ("shop", "RoleBinding shop/readers"));
        let other_right = ask(&granted, "orders", Right::Produce, false, Undeclared::Any);
        assert!(matches!(other_right, Standing::Refused(Reason::TopicOwnedElsewhere, _)));
    }

    #[test]
    fn a_refusal_names_the_binding_that_would_help() {
        let denied = lent_view(Verdict::Denied { account: "default".into() });
        let Standing::Refused(_, message) = ask(&denied, "orders", Right::Consume, true, Undeclared::Any) else {
            panic!()
        };
        assert!(message.contains("kubectl create rolebinding consume-orders:web:default -n shop"), "{message}");
        assert!(message.contains(" --serviceaccount=web:default "), "{message}");
    }

    #[test]
    fn a_review_that_fails_changes_nothing() {
        let view = lent_view(Verdict::Unknown("timeout".into()));
        assert!(matches!(
            ask(&view, "orders", Right::Consume, true, Undeclared::Any),
            Standing::Pending(Reason::ReviewFailed, _)
        ));
        let before =
            [Grant { right: Right::Consume, name: "orders".into(), namespace: "shop".into(), via: "x".into() }];
        let question = Question {
            namespace: "web",
            topic: "orders",
            right: Right::Consume,
            view: &view,
            held: true,
            before: &before,
            undeclared: Undeclared::Any,
        };
        assert_eq!(standing(&question), Standing::Lent(before[0].clone()));
    }

    #[test]
    fn names_of_another_namespace_cannot_be_had_by_asking_first() {
        let view = TopicView { own_namespace: Some("shop".into()), ..TopicView::default() };
        let said = ask(&view, "shop.orders", Right::Produce, false, Undeclared::Any);
        assert!(matches!(said, Standing::Refused(Reason::TopicOwnedElsewhere, _)));
        let own = TopicView { own_namespace: Some("web".into()), ..TopicView::default() };
        assert_eq!(ask(&own, "web.orders", Right::Produce, false, Undeclared::OwnNames), Standing::Nobodys);
    }

    #[test]
    fn policy_decides_about_topics_that_nobody_declared() {
        let view = TopicView::default();
        assert_eq!(ask(&view, "orders", Right::Produce, false, Undeclared::Any), Standing::Nobodys);
        for policy in [Undeclared::OwnNames, Undeclared::Refuse] {
            let said = ask(&view, "orders", Right::Produce, false, policy);
            assert!(matches!(said, Standing::Refused(Reason::TopicNotDeclared, _)));
        }
    }

    #[test]
    fn a_topic_that_exists_unclaimed_is_refused_unless_the_right_shows_a_lost_claim() {
        let view = TopicView { exists: true, ..TopicView::default() };
        let said = ask(&view, "orders", Right::Produce, false, Undeclared::Any);
        assert!(matches!(said, Standing::Refused(Reason::TopicUnclaimed, _)));
        assert_eq!(ask(&view, "orders", Right::Produce, true, Undeclared::Refuse), Standing::Nobodys);
    }

    #[test]
    fn a_squatters_claim_does_not_keep_the_owner_of_the_name_away() {
        let view = TopicView {
            claims: vec![claim("squatter", "web.orders", TopicSource::Producer)],
            exists: true,
            ..TopicView::default()
        };
        assert_eq!(ask(&view, "web.orders", Right::Consume, false, Undeclared::Any), Standing::Nobodys);
    }

    fn record(namespace: &str) -> OnRecord {
        OnRecord { namespace: namespace.into(), topic_id: "id".into() }
    }

    fn refused_claim(namespace: &str) -> Arc<TopicClaim> {
        Arc::new(TopicClaim { status: None, ..(*claim(namespace, "orders", TopicSource::Declared)).clone() })
    }

    #[test]
    fn who_does_not_have_the_topic_cannot_deny_what_is_held() {
        let denied = || Verdict::Denied { account: "default".into() };
        let has = lent_view(denied());
        let has_not = TopicView { claims: vec![refused_claim("shop")], ..lent_view(denied()) };
        let hidden = TopicView { exists: false, ..has_not.clone() };
        let hidden_and_ours = TopicView { on_record: vec![record("web")], ..hidden.clone() };
        for (view, held, pending, case) in [
            (&has, true, false, "its owner denies it"),
            (&has_not, true, true, "somebody whom it was refused denies it"),
            (&has_not, false, false, "and nothing is held"),
            (&hidden, true, false, "there is no topic"),
            (&hidden_and_ours, true, true, "a broker that is behind does not show what was ours"),
        ] {
            let said = ask(view, "orders", Right::Consume, held, Undeclared::Any);
            let expected = matches!(&said, Standing::Pending(Reason::TopicOwnedElsewhere, _));
            assert_eq!(expected, pending, "{case}: {said:?}");
            assert!(pending || matches!(said, Standing::Refused(Reason::TopicOwnedElsewhere, _)), "{case}");
        }
        let granted =
            TopicView { verdicts: BTreeMap::from([(Right::Consume, Verdict::Granted { via: "x".into() })]), ..has_not };
        assert!(matches!(ask(&granted, "orders", Right::Consume, true, Undeclared::Any), Standing::Lent(_)));
    }

    #[test]
    fn what_is_on_record_is_its_namespaces_while_that_has_no_claim() {
        let kept = |namespace| TopicView {
            claims: vec![refused_claim("rival")],
            exists: true,
            on_record: vec![record(namespace)],
            ..TopicView::default()
        };
        assert_eq!(ask(&kept("web"), "orders", Right::Consume, true, Undeclared::Refuse), Standing::Nobodys);
        let other = kept("shop");
        let said = ask(&other, "orders", Right::Consume, true, Undeclared::Any);
        assert!(matches!(said, Standing::Pending(Reason::TopicOwnedElsewhere, _)), "lent by whose it was: {said:?}");
        let said = ask(&other, "orders", Right::Consume, false, Undeclared::Any);
        assert!(matches!(said, Standing::Refused(Reason::TopicOwnedElsewhere, _)), "{said:?}");
        let gone = TopicView { claims: Vec::new(), exists: false, ..other };
        assert_eq!(ask(&gone, "orders", Right::Consume, false, Undeclared::Any), Standing::Nobodys);
    }

    #[test]
    fn a_producer_does_not_take_from_a_consumer_what_is_on_record_for_its_namespace() {
        let view = |on_record| TopicView {
            claims: vec![claim("shop", "orders", TopicSource::Consumer)],
            exists: true,
            on_record,
            verdicts: BTreeMap::from([(Right::Produce, Verdict::Denied { account: "default".into() })]),
            ..TopicView::default()
        };
        let said = |books| ask(&view(books), "orders", Right::Produce, false, Undeclared::Any);
        assert_eq!(said(Vec::new()), Standing::Nobodys, "a consumer's claim yields");
        let kept = said(vec![record("shop")]);
        assert!(matches!(kept, Standing::Refused(Reason::TopicOwnedElsewhere, _)), "{kept:?}");
        let gone = TopicView { exists: false, ..view(vec![record("shop")]) };
        let said = ask(&gone, "orders", Right::Produce, false, Undeclared::Any);
        assert_eq!(said, Standing::Nobodys, "what is gone is kept for nobody");
    }

    #[test]
    fn the_books_say_nothing_of_a_topic_that_was_made_anew() {
        let id = crate::kafka::admin::topics::TopicId([7; 16]);
        let books = |id: String| vec![OnRecord { namespace: "shop".into(), topic_id: id }];
        let view = |books| TopicView::new(vec![refused_claim("web")], Ok(Some(id)), books);
        assert!(view(books(id.to_string())).owner().is_none());
        assert!(view(books("another".to_owned())).owner().is_some());
        assert!(TopicView::new(vec![refused_claim("web")], Ok(None), books(id.to_string())).owner().is_some());
    }
}
