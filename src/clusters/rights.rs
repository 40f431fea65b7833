//! Whether our own Kafka user may do what the operator has to. Pure.

use crate::kafka::acl::{AclBinding, Operation, Permission, ResourceType};

/// What is known of our rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What we may do on Cluster; `None` where the broker does not say, and empty where we may not even ask.
    pub cluster: Option<Vec<Operation>>,
    /// Whether Kafka answers when we ask about a topic of any name.
    pub topics_shown: bool,
    /// The rules about us, where one of the two above leaves something open.
    pub rules: Vec<AclBinding>,
}

impl Rights {
    /// Whether rules have to be read to know everything.
    #[must_use]
    pub fn incomplete(cluster: Option<&[Operation]>, topics_shown: bool) -> bool {
        cluster.is_some_and(|may| {
            may.contains(&Operation::Describe) && (!topics_shown || !may.contains(&Operation::Create))
        })
    }

    /// Whether Kafka says that it shows us quotas.
    #[must_use]
    pub fn shows_quotas(&self) -> bool {
        self.cluster.as_ref().is_some_and(|may| may.contains(&Operation::DescribeConfigs))
    }

    /// A rule that allows one of these operations on topics, on whichever: whoever gives us a prefix alone knows why.
    fn allows_on_topics(&self, operations: &[Operation]) -> bool {
        let mut allowing = self.rules.iter().filter(|rule| rule.permission == Permission::Allow);
        allowing.any(|rule| rule.resource_type == ResourceType::Topic && operations.contains(&rule.operation))
    }
}

/// What is missing, each as an operation on a resource. `quotas` is whether quotas are to be set.
#[must_use]
pub fn missing(rights: &Rights, quotas: bool) -> Vec<&'static str> {
    // Where the broker does not say, what is missing shows when it is needed.
    let Some(may) = &rights.cluster else { return Vec::new() };
    if may.is_empty() {
        return vec!["Describe on Cluster (Kafka does not tell what else is missing before that is given)"];
    }
    let mut missing = Vec::new();
    for (operation, name) in [(Operation::Alter, "Alter on Cluster"), (Operation::Describe, "Describe on Cluster")] {
        if !may.contains(&operation) {
            missing.push(name);
        }
    }
    let creates = may.contains(&Operation::Create) || rights.allows_on_topics(&[Operation::Create, Operation::All]);
    if !creates {
        missing.push("Create on Cluster, or on Topic");
    }
    // These imply Describe (Kafka's StandardAuthorizer).
    let describing =
        [Operation::Describe, Operation::Read, Operation::Write, Operation::Delete, Operation::Alter, Operation::All];
    if !rights.topics_shown && !rights.allows_on_topics(&describing) {
        missing.push("Describe on Topic");
    }
    // It implies DescribeConfigs.
    if quotas && !may.contains(&Operation::AlterConfigs) {
        missing.push("AlterConfigs on Cluster (for the quotas)");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::acl::PatternType;

    fn rights(cluster: &[Operation]) -> Rights {
        Rights { cluster: Some(cluster.to_vec()), topics_shown: true, rules: Vec::new() }
    }

    fn topic_rule(operation: Operation, permission: Permission) -> AclBinding {
        let rule = AclBinding::allow("User:op", operation, ResourceType::Topic, PatternType::Prefixed, "shop.");
        AclBinding { permission, ..rule }
    }

    #[test]
    fn each_missing_right_is_named() {
        let enough = [Operation::Alter, Operation::Describe, Operation::Create];
        assert_eq!(missing(&rights(&enough), false), [""; 0]);
        assert_eq!(
            missing(&rights(&[Operation::Describe]), false),
            ["Alter on Cluster", "Create on Cluster, or on Topic"]
        );
        let blind = Rights { topics_shown: false, ..rights(&enough) };
        assert_eq!(missing(&blind, false), ["Describe on Topic"]);
    }

    #[test]
    fn quotas_need_a_right_where_they_are_asked_for() {
        let enough = [Operation::Alter, Operation::Describe, Operation::Create];
        assert_eq!(missing(&rights(&enough), true), ["AlterConfigs on Cluster (for the quotas)"]);
        assert_eq!(missing(&rights(&[&enough[..], &[Operation::AlterConfigs]].concat()), true), [""; 0]);
    }

    #[test]
    fn who_may_not_ask_is_told_so_first() {
        let found = missing(&rights(&[]), false);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Describe on Cluster"), "{found:?}");
        let silent = Rights { cluster: None, ..rights(&[]) };
        assert_eq!(missing(&silent, false), [""; 0]);
    }

    #[test]
    fn rights_on_topics_of_one_prefix_are_enough() {
        let limited = Rights {
            topics_shown: false,
            rules: vec![
                topic_rule(Operation::Create, Permission::Allow),
                topic_rule(Operation::Write, Permission::Allow),
            ],
            ..rights(&[Operation::Alter, Operation::Describe])
        };
        assert_eq!(missing(&limited, false), [""; 0]);
        let denied = Rights { rules: vec![topic_rule(Operation::All, Permission::Deny)], ..limited };
        assert_eq!(missing(&denied, false), ["Create on Cluster, or on Topic", "Describe on Topic"]);
    }

    #[test]
    fn rules_are_read_only_where_they_matter() {
        let all = [Operation::Alter, Operation::Describe, Operation::Create];
        assert!(!Rights::incomplete(Some(&all), true));
        assert!(Rights::incomplete(Some(&all), false));
        assert!(Rights::incomplete(Some(&all[..2]), true));
        assert!(!Rights::incomplete(Some(&[]), false), "we may not read rules at all");
        assert!(!Rights::incomplete(None, true));
    }
}
