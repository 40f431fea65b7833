//! Whose topic it is. Pure; the controllers of accesses and of topics ask the same function.
//!
//! A claim under the namespace's own name (`<namespace>.…`) comes first, a declared one before one that Pods led to. Then claims that
//! produce or declare come before those that only consume, what already made the topic before what has not, and the older before
//! the younger.

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::resources::{TopicClaim, TopicSource};

/// The claim that has the topic, among all claims on it.
#[must_use]
pub fn owner(claims: &[Arc<TopicClaim>]) -> Option<&Arc<TopicClaim>> {
    claims.iter().max_by_key(|claim| rank(claim))
}

/// Whether a topic's name is a namespace's own.
#[must_use]
pub fn own_name(topic: &str, namespace: &str) -> bool {
    topic.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('.'))
}

/// The namespace whose own name a topic or a group has, if `exists` knows a namespace of that name.
#[must_use]
pub fn own_namespace(name: &str, exists: impl Fn(&str) -> bool) -> Option<&str> {
    name.split_once('.').map(|(namespace, _)| namespace).filter(|namespace| exists(namespace))
}

type Rank<'c> = ((bool, bool), bool, bool, Reverse<Option<&'c Time>>, Reverse<Option<&'c str>>);

fn rank(claim: &TopicClaim) -> Rank<'_> {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let made = claim.status.as_ref().is_some_and(|status| status.topic_id.is_some());
    let own = own_name(&claim.spec.topic_name, namespace);
    (
        (own, own && claim.spec.source == TopicSource::Declared),
        claim.spec.source != TopicSource::Consumer,
        made,
        Reverse(claim.metadata.creation_timestamp.as_ref()),
        Reverse(claim.metadata.uid.as_deref()),
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicClaimStatus};

    fn claim(namespace: &str, source: TopicSource, created: i64) -> TopicClaim {
        let spec = TopicClaimSpec::of("shop.orders", "a/b", source);
        let mut claim = TopicClaim::new("orders", spec);
        claim.metadata.namespace = Some(namespace.to_owned());
        claim.metadata.uid = Some(format!("{namespace}-{created}"));
        claim.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        claim
    }

    fn winner(claims: Vec<TopicClaim>) -> String {
        let claims: Vec<_> = claims.into_iter().map(Arc::new).collect();
        owner(&claims).unwrap().metadata.namespace.clone().unwrap()
    }

    #[test]
    fn the_older_of_equals_has_it() {
        assert_eq!(winner(vec![claim("b", TopicSource::Producer, 2), claim("a", TopicSource::Producer, 1)]), "a");
        assert_eq!(winner(vec![claim("b", TopicSource::Declared, 1), claim("a", TopicSource::Producer, 2)]), "b");
    }

    #[test]
    fn a_consumer_yields_to_a_producer() {
        assert_eq!(winner(vec![claim("old", TopicSource::Consumer, 1), claim("new", TopicSource::Producer, 9)]), "new");
    }

    #[test]
    fn a_declared_own_name_comes_first() {
        let claims = vec![claim("squatter", TopicSource::Declared, 1), claim("shop", TopicSource::Declared, 9)];
        assert_eq!(winner(claims), "shop");
        let lookalike = vec![claim("squatter", TopicSource::Declared, 1), claim("sho", TopicSource::Declared, 9)];
        assert_eq!(winner(lookalike), "squatter", "a prefix counts only up to its dot");
    }

    #[test]
    fn a_squatter_yields_to_the_namespace_of_the_name() {
        let claims = vec![claim("squatter", TopicSource::Declared, 1), claim("shop", TopicSource::Consumer, 9)];
        assert_eq!(winner(claims), "shop");
        assert_eq!(own_namespace("shop.orders", |name| name == "shop"), Some("shop"));
        assert_eq!(own_namespace("shop.orders", |_| false), None);
        assert_eq!(own_namespace("orders", |_| true), None);
    }

    #[test]
    fn in_the_same_second_the_one_that_made_the_topic_keeps_it() {
        let mut made = claim("z", TopicSource::Producer, 5);
        made.status = Some(TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() });
        assert_eq!(winner(vec![claim("a", TopicSource::Producer, 5), made]), "z");
    }
}
