//! The exact rights of an access. Pure.

use std::collections::BTreeSet;

use crate::api::resources::Right;
use crate::kafka::acl::{AclBinding, Operation, PatternType, ResourceType};

/// Read on what it consumes, Write on what it produces, and, for a consumer, Read on the groups of its namespace. Each of them
/// implies Describe (Kafka's `StandardAuthorizer`). No Create, no wildcard; the group's prefix ends in a dot, so that no other
/// namespace's name can continue it.
#[must_use]
pub fn rights<'t>(
    username: &str,
    namespace: &str,
    consumes: impl IntoIterator<Item = &'t str>,
    produces: impl IntoIterator<Item = &'t str>,
) -> BTreeSet<AclBinding> {
    let groups = || {
        let prefix = format!("{namespace}.");
        AclBinding::allow(principal(username), Operation::Read, ResourceType::Group, PatternType::Prefixed, prefix)
    };
    let mut rights = BTreeSet::new();
    for topic in consumes {
        rights.insert(rule(username, Right::Consume, topic));
        rights.insert(groups());
    }
    rights.extend(produces.into_iter().map(|topic| rule(username, Right::Produce, topic)));
    rights
}

/// The rule that gives a user a right on one topic.
#[must_use]
pub fn rule(username: &str, right: Right, topic: &str) -> AclBinding {
    let operation = match right {
        Right::Consume => Operation::Read,
        Right::Produce => Operation::Write,
    };
    AclBinding::allow(principal(username), operation, ResourceType::Topic, PatternType::Literal, topic)
}

/// A user as Kafka's access rules name it.
#[must_use]
pub fn principal(username: &str) -> String {
    format!("User:{username}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_has_no_group_and_a_consumer_no_write() {
        let producer = rights("u", "shop", [], ["orders"]);
        assert_eq!(producer.len(), 1);
        assert!(producer.iter().all(|right| right.operation == Operation::Write && right.resource_name == "orders"));
        let consumer = rights("u", "shop", ["a", "b"], []);
        assert_eq!(consumer.len(), 3);
        assert!(consumer.iter().all(|right| right.operation == Operation::Read));
        let group = consumer.iter().find(|right| right.resource_type == ResourceType::Group).unwrap();
        assert_eq!((group.resource_name.as_str(), group.pattern_type), ("shop.", PatternType::Prefixed));
    }

    #[test]
    fn nothing_asked_is_nothing_granted() {
        assert!(rights("u", "shop", [], []).is_empty());
    }
}
