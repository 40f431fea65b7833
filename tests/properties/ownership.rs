//! Whatever claims there are on a topic, in whatever order: one that policy refuses is in nobody's way.

use std::sync::Arc;

use admittance::api::resources::{TopicClaim, TopicClaimSpec, TopicClaimStatus, TopicSource};
use admittance::ownership::{OnRecord, owner};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

const NAMESPACES: [&str; 4] = ["shop", "sho", "web", "bank"];

/// A claim, and whether policy refuses it.
#[derive(Debug, Clone)]
struct Fact {
    namespace: usize,
    source: usize,
    created: i64,
    has: bool,
    refused: bool,
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (0..NAMESPACES.len(), 0..3_usize, 0..4_i64, any::<bool>(), any::<bool>());
    let fact =
        fact.prop_map(|(namespace, source, created, has, refused)| Fact { namespace, source, created, has, refused });
    vec(fact, 1..6)
}

fn claims(facts: &[Fact]) -> Vec<Arc<TopicClaim>> {
    let sources = [TopicSource::Declared, TopicSource::Producer, TopicSource::Consumer];
    let claim = |(index, fact): (usize, &Fact)| {
        let mut claim = TopicClaim::new("it", TopicClaimSpec::of("shop.orders", "a/b", sources[fact.source]));
        claim.metadata.namespace = Some(NAMESPACES[fact.namespace].to_owned());
        claim.metadata.uid = Some(format!("{index}{}", if fact.refused { " refused" } else { "" }));
        claim.metadata.creation_timestamp = Some(Time(Timestamp::from_second(fact.created).unwrap()));
        let topic_id = fact.has.then(|| "id".to_owned());
        claim.status = Some(TopicClaimStatus { topic_id, ..TopicClaimStatus::default() });
        Arc::new(claim)
    };
    facts.iter().enumerate().map(claim).collect()
}

fn is_refused(claim: &TopicClaim) -> bool {
    claim.metadata.uid.as_ref().is_some_and(|uid| uid.ends_with("refused"))
}

fn takes_nothing(claim: &TopicClaim) -> bool {
    is_refused(claim) && claim.status.as_ref().is_none_or(|status| status.topic_id.is_none())
}

proptest! {
    #[test]
    fn what_policy_refuses_changes_nothing_for_the_others(facts in facts(), record in proptest::option::of(0..4_usize)) {
        let of = |namespace: usize| OnRecord { namespace: NAMESPACES[namespace].to_owned(), topic_id: "id".to_owned() };
        let books: Vec<_> = record.map(of).into_iter().collect();
        let all = claims(&facts);
        let uid = |claims: &[Arc<TopicClaim>]| {
            owner(claims, &books, is_refused).map(|claim| (claim.metadata.uid.clone(), takes_nothing(claim)))
        };
        let has_it = uid(&all);
        let backwards: Vec<_> = all.iter().rev().cloned().collect();
        prop_assert_eq!(&uid(&backwards), &has_it, "by the order in which they are listed");
        let others: Vec<_> = all.iter().filter(|claim| !takes_nothing(claim)).cloned().collect();
        match uid(&others) {
            Some(other) => prop_assert_eq!(has_it, Some(other), "one that is refused is in the way"),
            None => prop_assert!(has_it.is_none_or(|(_, nothing)| nothing)),
        }
    }
}
