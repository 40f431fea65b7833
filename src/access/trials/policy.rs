//! Topics whose claim the cluster's policy refuses.

use std::collections::BTreeMap;

use super::*;
use crate::access::given::lending::Verdict;
use crate::access::given::standing::{Question, Standing, standing};
use crate::api::resources::Undeclared;

fn ask(view: &TopicView, right: Right, held: bool) -> Standing {
    let before = &[];
    standing(&Question { namespace: "web", topic: "orders", right, view, held, before, undeclared: Undeclared::Any })
}

fn claim(namespace: &str, topic_id: Option<&str>) -> TopicClaim {
    let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
    claim.metadata.namespace = Some(namespace.to_owned());
    claim.status = topic_id.map(|id| TopicClaimStatus { topic_id: Some(id.to_owned()), ..TopicClaimStatus::default() });
    claim
}

/// A topic with these claims; that of `shop` is refused by policy.
fn refused(claims: Vec<TopicClaim>, exists: bool, verdict: Option<Verdict>) -> TopicView {
    let why = Unusable { reason: Reason::TopicNameNotAllowed, message: "names".into() };
    TopicView {
        claims: claims.into_iter().map(Arc::new).collect(),
        exists,
        refused: BTreeMap::from([(("shop".to_owned(), "orders".to_owned()), why)]),
        verdicts: verdict.map(|verdict| (Right::Consume, verdict)).into_iter().collect(),
        ..TopicView::default()
    }
}

fn granted() -> Option<Verdict> {
    Some(Verdict::Granted { via: "RoleBinding shop/readers".into() })
}

#[test]
fn whom_policy_refuses_the_topic_is_in_nobodys_way() {
    let produce = |claims, exists| ask(&refused(claims, exists, None), Right::Produce, false);
    assert_eq!(produce(vec![claim("shop", None)], false), Standing::Nobodys);
    let there = produce(vec![claim("shop", None)], true);
    assert!(matches!(there, Standing::Refused(Reason::TopicUnclaimed, _)), "{there:?}");
    assert_eq!(produce(vec![claim("shop", None), claim("web", Some("id"))], true), Standing::Own);
    let has = produce(vec![claim("shop", Some("id"))], true);
    assert!(!matches!(has, Standing::Nobodys | Standing::Own), "whose the topic is keeps it: {has:?}");
}

#[test]
fn a_borrower_is_no_heir_of_a_claim_whose_status_was_lost() {
    let lost = |verdict| refused(vec![claim("shop", None)], true, verdict);
    assert!(matches!(ask(&lost(granted()), Right::Consume, true), Standing::Lent(_)));
    let anew = ask(&lost(granted()), Right::Consume, false);
    assert!(matches!(anew, Standing::Refused(Reason::TopicUnclaimed, _)), "{anew:?}");
    let said = ask(&lost(Some(Verdict::Unknown("timeout".into()))), Right::Consume, true);
    assert!(matches!(said, Standing::Pending(Reason::ReviewFailed, _)), "{said:?}");
}

#[test]
fn who_has_the_topic_lends_it_whatever_policy_says_of_the_claim_by_now() {
    for (reason, lends) in
        [(Reason::ClusterNotAllowed, true), (Reason::KafkaAuthorizationFailed, true), (Reason::TopicMissing, false)]
    {
        let mut shop = claim("shop", Some("id"));
        let status = shop.status.as_mut().unwrap();
        Conditions::new(&mut status.conditions, None, Time(Timestamp::UNIX_EPOCH)).say(READY, false, reason, "why");
        let said = ask(&refused(vec![shop], true, granted()), Right::Consume, false);
        assert_eq!(matches!(said, Standing::Lent(_)), lends, "{reason}: {said:?}");
    }
}
