//! Which workloads use a topic. Pure.

use std::sync::Arc;

use crate::api::resources::{AccessClaim, READY, Right, TopicClaimStatus, holds};
use crate::watch::TopicKey;
use crate::watch::World;

/// How many workloads are named: enough to know whom to ask, few enough for a status.
const NAMED: usize = 20;

/// The workloads that hold a right on a topic, as `namespace/name`, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Those that read it.
    pub consumers: Vec<String>,
    /// Those that write it.
    pub producers: Vec<String>,
}

impl Users {
    /// The users of a topic among the accesses that are watched.
    #[must_use]
    pub fn of(world: &World, topic: &TopicKey) -> Self {
        Self::among(&world.users_of(topic), &topic.1)
    }

    fn among(accesses: &[Arc<AccessClaim>], topic: &str) -> Self {
        let holders = |right, asks: fn(&AccessClaim) -> &Vec<String>| {
            let mut names: Vec<_> = accesses
                .iter()
                .filter(|access| asks(access).iter().any(|name| name == topic) && has(access, topic, right))
                .filter_map(|access| {
                    let (namespace, name) = (access.metadata.namespace.as_ref()?, access.metadata.name.as_ref()?);
                    Some(format!("{namespace}/{name}"))
                })
                .collect();
            names.sort_unstable();
            names
        };
        Self {
            consumers: holders(Right::Consume, |access| &access.spec.consumes),
            producers: holders(Right::Produce, |access| &access.spec.produces),
        }
    }

    /// Writes them into a status: some of the names, all of the counts.
    pub fn tell(&self, facts: &mut TopicClaimStatus) {
        let named = |all: &[String]| (!all.is_empty()).then(|| all.iter().take(NAMED).cloned().collect::<Vec<_>>());
        let count = |all: &[String]| Some(i32::try_from(all.len()).unwrap_or(i32::MAX));
        facts.consumers = named(&self.consumers);
        facts.producers = named(&self.producers);
        facts.consumer_count = count(&self.consumers);
        facts.producer_count = count(&self.producers);
    }

    /// Whether a status tells anything else.
    #[must_use]
    pub fn are_news(&self, status: &TopicClaimStatus) -> bool {
        let mut told = status.clone();
        self.tell(&mut told);
        told != *status
    }
}

/// Whether a workload holds a right: its access is ready, or works with what it was given, and this was not refused.
fn has(access: &AccessClaim, topic: &str, right: Right) -> bool {
    let Some(status) = &access.status else { return false };
    let refused = status.refused.iter().any(|refused| refused.right == right && refused.name == topic);
    !refused && (holds(&status.conditions, READY) || status.secret_name.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{AccessClaimSpec, AccessClaimStatus, Refusal};

    fn access(name: &str, status: AccessClaimStatus) -> Arc<AccessClaim> {
        let spec = AccessClaimSpec {
            consumes: vec!["orders".into()],
            produces: vec!["orders".into()],
            ..AccessClaimSpec::empty()
        };
        let mut claim = AccessClaim::new(name, spec);
        claim.metadata.namespace = Some("shop".into());
        claim.status = Some(status);
        Arc::new(claim)
    }

    fn working() -> AccessClaimStatus {
        AccessClaimStatus { secret_name: Some("x".into()), ..AccessClaimStatus::default() }
    }

    #[test]
    fn only_those_who_hold_the_right_are_users() {
        let refusal = |right| Refusal { right, name: "orders".into(), reason: String::new(), message: String::new() };
        let reader = AccessClaimStatus { refused: vec![refusal(Right::Produce)], ..working() };
        let found = Users::among(
            &[access("b", working()), access("a", reader), access("new", AccessClaimStatus::default())],
            "orders",
        );
        assert_eq!(found.consumers, ["shop/a", "shop/b"]);
        assert_eq!(found.producers, ["shop/b"]);
        assert_eq!(Users::among(&[access("b", working())], "payments"), Users::default());
    }

    #[test]
    fn many_users_are_counted_and_some_are_named() {
        let all: Vec<_> = (0..30).map(|number| access(&format!("app-{number:02}"), working())).collect();
        let mut facts = TopicClaimStatus::default();
        let users = Users::among(&all, "orders");
        assert!(users.are_news(&facts));
        users.tell(&mut facts);
        assert!(!users.are_news(&facts));
        assert_eq!(facts.consumer_count, Some(30));
        assert_eq!(facts.consumers.as_ref().map(Vec::len), Some(20));
        Users::default().tell(&mut facts);
        assert_eq!((facts.consumers, facts.consumer_count), (None, Some(0)));
    }
}
