//! The exact rights of an access. Pure.

use std::collections::BTreeSet;

use super::prefix::{self, Names, Prefixes};
use crate::access::asks::wishes::Wishes;
use crate::api::resources::Right;
use crate::kafka::acl::{AclBinding, Operation, PatternType, ResourceType};

/// Read on what it consumes, Write on what it produces, and, for a consumer, Read on the groups of its namespace; what transactions and
/// Kafka Streams need where they are asked for. Read and Write imply Describe (Kafka's `StandardAuthorizer`).
///
/// No wildcard. A prefix ends in `.` or `_` after a full name, so that no other Kubernetes name can continue it; that of a Streams
/// application ends in `-`, as Kafka has it, inside a name of the namespace's own. Create is given for these internal topics alone:
/// the application makes them itself.
#[must_use]
pub fn rights(
    username: &str,
    workload: &str,
    given: &Wishes,
    (groups, ids): (&Prefixes, &Prefixes),
) -> BTreeSet<AclBinding> {
    let principal = principal(username);
    let allow = |operation, kind, pattern, name: &str| AclBinding::allow(&principal, operation, kind, pattern, name);
    let mut rights: BTreeSet<AclBinding> = given.rights().map(|(name, right)| rule(username, right, name)).collect();
    if !given.consumes.is_empty() || !given.streams.is_empty() {
        rights.extend(groups.iter().map(|prefix| Names::Groups.rule(&principal, prefix)));
    }
    if given.transactions {
        for prefix in ids.iter() {
            rights.insert(Names::Ids(workload).rule(&principal, prefix));
            let id = prefix::id(prefix);
            rights.insert(allow(Operation::Write, ResourceType::TransactionalId, PatternType::Literal, id));
        }
    }
    for application in &given.streams {
        let prefix = format!("{application}-");
        for operation in [Operation::Read, Operation::Write, Operation::Create, Operation::Delete] {
            rights.insert(allow(operation, ResourceType::Topic, PatternType::Prefixed, &prefix));
        }
        rights.insert(allow(Operation::Write, ResourceType::TransactionalId, PatternType::Prefixed, &prefix));
    }
    rights
}

/// The rule that gives a user a right on one topic or group.
#[must_use]
pub fn rule(username: &str, right: Right, name: &str) -> AclBinding {
    let (operation, kind) = match right {
        Right::Consume => (Operation::Read, ResourceType::Topic),
        Right::Produce => (Operation::Write, ResourceType::Topic),
        Right::Join => (Operation::Read, ResourceType::Group),
    };
    AclBinding::allow(principal(username), operation, kind, PatternType::Literal, name)
}

/// A user as Kafka's access rules name it.
#[must_use]
pub fn principal(username: &str) -> String {
    format!("User:{username}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &Wishes) -> BTreeSet<AclBinding> {
        let plain = |prefix: &str| Prefixes { plain: Some(prefix.to_owned()), ..Prefixes::default() };
        rights("u", "web", given, (&plain("shop."), &plain("shop.web_")))
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_producer_has_no_group_and_a_consumer_no_write() {
        let producer = of(&Wishes { produces: names(&["orders"]), ..Wishes::default() });
        assert_eq!(producer.len(), 1);
        assert!(producer.iter().all(|right| right.operation == Operation::Write && right.resource_name == "orders"));
        let consumer = of(&Wishes { consumes: names(&["a", "b"]), ..Wishes::default() });
        assert_eq!(consumer.len(), 3);
        assert!(consumer.iter().all(|right| right.operation == Operation::Read));
        let group = consumer.iter().find(|right| right.resource_type == ResourceType::Group).unwrap();
        assert_eq!((group.resource_name.as_str(), group.pattern_type), ("shop.", PatternType::Prefixed));
    }

    #[test]
    fn who_came_second_has_no_plain_transactional_id() {
        let given = Wishes { transactions: true, ..Wishes::default() };
        let late = Prefixes { scoped: Some("k1.shop.web_".to_owned()), ..Prefixes::default() };
        let ids = rights("u", "web", &given, (&Prefixes::default(), &late));
        let write = |pattern, name: &str| {
            AclBinding::allow("User:u", Operation::Write, ResourceType::TransactionalId, pattern, name)
        };
        let expected = [write(PatternType::Literal, "k1.shop.web"), write(PatternType::Prefixed, "k1.shop.web_")];
        assert_eq!(ids, BTreeSet::from(expected));
    }

    #[test]
    fn nothing_asked_is_nothing_granted() {
        assert!(of(&Wishes::default()).is_empty());
    }

    #[test]
    fn no_prefix_can_be_continued_by_another_kubernetes_name() {
        let all = of(&Wishes {
            consumes: names(&["in"]),
            groups: names(&["legacy"]),
            transactions: true,
            streams: names(&["shop.app"]),
            ..Wishes::default()
        });
        let prefixed: BTreeSet<&str> = all
            .iter()
            .filter(|right| right.pattern_type == PatternType::Prefixed)
            .map(|right| right.resource_name.as_str())
            .collect();
        assert_eq!(prefixed, BTreeSet::from(["shop.", "shop.app-", "shop.web_"]));
        assert!(all.iter().all(|right| right.resource_name != "*"));
    }

    #[test]
    fn create_is_for_the_internal_topics_of_streams_alone() {
        let streams = of(&Wishes { consumes: names(&["in"]), streams: names(&["shop.app"]), ..Wishes::default() });
        let create: Vec<_> = streams.iter().filter(|right| right.operation == Operation::Create).collect();
        assert_eq!(create.len(), 1);
        assert_eq!(create[0].resource_name, "shop.app-");
    }
}
