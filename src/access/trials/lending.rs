//! What another namespace lends, and whose a topic is that policy keeps from a claim.

use super::*;
use crate::access::given::lending::Verdict;
use crate::api::resources::{Grant, Refusal, TopicIntent};

/// A claim of another namespace on `orders`.
fn of_shop(status: Option<TopicClaimStatus>) -> Arc<TopicClaim> {
    let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
    claim.metadata.namespace = Some("shop".to_owned());
    claim.status = status;
    Arc::new(claim)
}

fn status(topic_id: bool, creating: bool, wrong: Option<Reason>) -> Option<TopicClaimStatus> {
    let mut status = TopicClaimStatus {
        topic_id: topic_id.then(|| "id".to_owned()),
        creating: creating.then_some(TopicIntent { partitions: 1, replicas: 1, config: None }),
        ..TopicClaimStatus::default()
    };
    if let Some(reason) = wrong {
        Conditions::new(&mut status.conditions, Some(1), Time(at(0))).say(READY, false, reason, "why");
    }
    Some(status)
}

/// A day on which `orders` is another namespace's, which lends it to be consumed.
fn lent(status: Option<TopicClaimStatus>, exists: bool) -> Day {
    let mut day = Day::new();
    let granted = Verdict::Granted { via: "RoleBinding shop/readers".to_owned() };
    let verdicts = [(Right::Consume, granted)].into();
    let view = TopicView { claims: vec![of_shop(status)], exists, verdicts, ..TopicView::default() };
    day.held.topics.insert("orders".to_owned(), view);
    day
}

fn grant() -> Grant {
    let (name, namespace) = ("orders".to_owned(), "shop".to_owned());
    Grant { right: Right::Consume, name, namespace, via: "RoleBinding shop/readers".to_owned() }
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.refused.iter().map(|refused| refused.reason.as_str()).collect()
}

fn of_orders(plan: &Plan) -> bool {
    let rules = plan.steps.iter().filter_map(|step| match step {
        Step::Grant(rules) | Step::Revoke(rules) => Some(rules),
        _ => None,
    });
    rules.flatten().any(|rule| rule.resource_name == "orders")
}

#[test]
fn nobody_lends_a_topic_that_they_have_not_got() {
    for (claim, exists, refused) in [
        (None, true, Some(Reason::Provisioning)),
        (None, false, None),
        (status(false, false, Some(Reason::TopicUnclaimed)), true, Some(Reason::TopicUnclaimed)),
        (status(false, false, Some(Reason::TopicOwnedElsewhere)), true, Some(Reason::TopicOwnedElsewhere)),
        (status(false, false, Some(Reason::TopicLimitExceeded)), false, Some(Reason::TopicLimitExceeded)),
        (status(false, true, None), true, None),
        (status(true, false, None), true, None),
        (status(true, false, Some(Reason::TopicLimitExceeded)), true, None),
        (status(true, false, Some(Reason::TopicReplaced)), true, Some(Reason::TopicReplaced)),
    ] {
        let case = format!("{claim:?} {exists}");
        let mut day = lent(claim.clone(), exists);
        day.held.rules.remove(&rule(USER, Right::Consume, "orders"));
        let plan = day.plan();
        assert_eq!(reasons(&plan), refused.map(Reason::code).into_iter().collect::<Vec<_>>(), "{case}");
        assert_eq!(of_orders(&plan), refused.is_none(), "{case}");
        assert_eq!(plan.grants.len(), usize::from(refused.is_none()), "{case}");
        let says = "its TopicClaim orders has not got it";
        assert!(plan.refused.iter().all(|refused| refused.message.contains(says)), "{case}: {:?}", plan.refused);
        // What is known of the lender's claim can be lost: what is held is not taken for that.
        let held = lent(claim, exists).plan();
        assert_eq!((reasons(&held).len(), of_orders(&held), held.grants), (0, false, vec![grant()]), "{case}");
    }
}

#[test]
fn what_was_lent_stays_lent_when_its_claim_is_gone() {
    let own = |status| {
        let mut claim = (*of_shop(status)).clone();
        claim.metadata.namespace = Some("web".to_owned());
        Arc::new(claim)
    };
    let waits = own(status(false, false, Some(Reason::TopicUnclaimed)));
    for claims in [vec![], vec![waits]] {
        let mut grants = vec![grant()];
        for look in 0..3 {
            let mut day = lent(None, true);
            day.held.topics.get_mut("orders").unwrap().claims.clone_from(&claims);
            day.claim.status.as_mut().unwrap().grants = grants;
            let plan = day.plan();
            assert_eq!((reasons(&plan), words(&plan)), (vec!["TopicUnclaimed"], vec![]), "look {look}: {claims:?}");
            grants = plan.grants;
        }
        assert_eq!(grants, [grant()]);
    }
    // The topic is the namespace's own by now.
    let mut day = lent(None, true);
    day.held.topics.get_mut("orders").unwrap().claims = vec![own(status(true, false, None))];
    day.claim.status.as_mut().unwrap().grants = vec![grant()];
    assert_eq!(day.plan().grants, []);
}

#[test]
fn a_claim_that_policy_refuses_takes_no_topic_from_a_consumer() {
    for (refused, own) in [(true, true), (false, false)] {
        let mut day = Day::new();
        day.held.rules.remove(&rule(USER, Right::Consume, "orders"));
        let mut ours = (*topic("orders", None).claims[0]).clone();
        ours.spec.source = TopicSource::Consumer;
        let claims = vec![of_shop(None), Arc::new(ours)];
        let view = TopicView { claims, exists: true, ..TopicView::default() };
        let of_shop = |claim: &TopicClaim| claim.metadata.namespace.as_deref() == Some("shop");
        let view = view.judged(|claim| {
            (refused && of_shop(claim)).then(|| (Reason::ClusterNotAllowed, "not for shop".to_owned()))
        });
        day.held.topics.insert("orders".to_owned(), view);
        let plan = day.plan();
        assert_eq!((plan.refused.is_empty(), of_orders(&plan)), (own, own), "{refused}: {:?}", plan.refused);
    }
}

#[test]
fn a_name_that_policy_forbids_gives_no_right_while_its_claim_is_judged() {
    let forbids = json!({"topics": {"limits": {"names": ["{namespace}.*", "orders", "bills"]}}});
    let day = |topic: &str, claimed: bool| {
        let mut day = Day::with(&forbids);
        day.claim.spec.produces.push(topic.to_owned());
        let mut claim = TopicClaim::new(topic, TopicClaimSpec::of(topic, "a/b", TopicSource::Producer));
        claim.metadata.namespace = Some("web".to_owned());
        let claims = if claimed { vec![Arc::new(claim)] } else { Vec::new() };
        let refusal = || (topic == "strange").then(|| (Reason::TopicNameNotAllowed, "no name here".to_owned()));
        let view = TopicView { claims, ..TopicView::default() }.judged(|_| refusal());
        day.held.topics.insert(topic.to_owned(), view);
        day.plan()
    };
    for claimed in [false, true] {
        let (fits, strange) = (day("web.more", claimed), day("strange", claimed));
        assert!(words(&fits).contains(&"grant 1".to_owned()) && reasons(&fits).is_empty(), "{:?}", words(&fits));
        assert!(!words(&strange).contains(&"grant 1".to_owned()), "{:?}", words(&strange));
        assert_eq!(reasons(&strange), ["TopicNameNotAllowed"]);
    }
    let claims = day("strange", false).steps.iter().any(|step| matches!(step, Step::ClaimTopic { .. }));
    assert!(claims, "the claim says why");
}

#[test]
fn what_there_was_no_time_to_ask_about_stands_as_it_was_said() {
    let look = |verdict: Verdict, told: &[Refusal]| {
        let mut day = lent(status(true, false, None), true);
        day.held.rules.remove(&rule(USER, Right::Consume, "orders"));
        day.held.topics.get_mut("orders").unwrap().verdicts = [(Right::Consume, verdict)].into();
        day.claim.status.as_mut().unwrap().refused = told.to_vec();
        let plan = day.plan();
        (plan.refused, plan.obstacle)
    };
    let (untold, _) = look(Verdict::Unasked, &[]);
    assert_eq!((untold.len(), &*untold[0].reason), (1, Reason::ReviewFailed.code()), "nothing was said before");
    let denied = look(Verdict::Denied { account: "default".to_owned() }, &untold);
    assert_eq!(&*denied.0[0].reason, Reason::TopicOwnedElsewhere.code());
    assert_eq!(look(Verdict::Unasked, &denied.0), denied);
    // An API server that does not answer is told of.
    let away = look(Verdict::Unknown("away".to_owned()), &denied.0);
    assert_eq!(&*away.0[0].reason, Reason::ReviewFailed.code());
}
