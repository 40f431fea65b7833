//! Whether our own Kafka user may do what the operator has to. Pure.

use crate::kafka::acl::{AclBinding, Operation, Permission, ResourceType};

/// What is known of our rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What we may do on Cluster; `None` where the broker does not say, and empty where we may not even ask.
    pub cluster: Option<Vec<Operation>>,
    /// What we may do on a topic of any name; `None` where the broker does not say, and empty where it shows us none.
    pub topics: Option<Vec<Operation>>,
    /// The rules about us, where one of the two above leaves something open.
    pub rules: Vec<AclBinding>,
}

impl Rights {
    /// Whether rules have to be read to know everything.
    #[must_use]
    pub fn incomplete(cluster: Option<&[Operation]>, topics: Option<&[Operation]>) -> bool {
        let wanted = || ON_TOPICS.iter().map(|(operation, _)| operation).chain([&Operation::Describe]);
        let open = |topics: &[Operation]| !wanted().all(|operation| topics.contains(operation));
        cluster.is_some_and(|may| {
            may.contains(&Operation::Describe) && (topics.is_some_and(open) || !may.contains(&Operation::Create))
        })
    }

    /// Whether Kafka answers when we ask about a topic of any name.
    fn shows_topics(&self) -> bool {
        self.topics.as_ref().is_none_or(|may| !may.is_empty())
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

/// What some of the work needs on Cluster, and for what.
const ON_CLUSTER: [(Operation, &str); 2] = [
    (
        Operation::DescribeConfigs,
        "DescribeConfigs on Cluster (to see what brokers give a topic by default, and quotas)",
    ),
    (Operation::AlterConfigs, "AlterConfigs on Cluster (to move replicas, and for quotas of manual claims)"),
];
/// The same on topics.
const ON_TOPICS: [(Operation, &str); 4] = [
    (Operation::DescribeConfigs, "DescribeConfigs on Topic (to see the settings of topics)"),
    (Operation::AlterConfigs, "AlterConfigs on Topic (to change them)"),
    (Operation::Alter, "Alter on Topic (to add partitions)"),
    (Operation::Delete, "Delete on Topic (for claims with deletion: Delete)"),
];

/// What is missing and without which nothing goes, each as an operation on a resource. `quotas` is whether quotas are to be set.
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
    if !rights.shows_topics() && !rights.allows_on_topics(&describing) {
        missing.push("Describe on Topic");
    }
    // It implies DescribeConfigs.
    if quotas && !may.contains(&Operation::AlterConfigs) {
        missing.push("AlterConfigs on Cluster (for the quotas)");
    }
    missing
}

/// What is missing and without which the rest goes on: it fails where it is needed, and is told beforehand. What is [`missing`] already is
/// not among it.
#[must_use]
pub fn limits(rights: &Rights, quotas: bool) -> Vec<&'static str> {
    let Some(may) = rights.cluster.as_ref().filter(|may| !may.is_empty()) else { return Vec::new() };
    let told = |operation| quotas && operation == Operation::AlterConfigs;
    let mut limits: Vec<_> = ON_CLUSTER.iter().filter(|(one, _)| !may.contains(one) && !told(*one)).collect();
    if let Some(may) = &rights.topics {
        let allowed = |operation| {
            // AlterConfigs implies DescribeConfigs (Kafka's StandardAuthorizer).
            let by: &[Operation] = match operation {
                Operation::DescribeConfigs => &[Operation::AlterConfigs],
                _ => &[],
            };
            may.contains(&operation) || rights.allows_on_topics(&[by, &[operation, Operation::All]].concat())
        };
        limits.extend(ON_TOPICS.iter().filter(|(operation, _)| !allowed(*operation)));
    }
    limits.into_iter().map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::acl::PatternType;

    fn rights(cluster: &[Operation]) -> Rights {
        Rights { cluster: Some(cluster.to_vec()), topics: None, rules: Vec::new() }
    }

    /// All that is needed on Cluster.
    const CLUSTER: [Operation; 5] =
        [Operation::Alter, Operation::Describe, Operation::Create, Operation::DescribeConfigs, Operation::AlterConfigs];
    /// All that is needed on topics.
    const TOPICS: [Operation; 5] =
        [Operation::Describe, Operation::DescribeConfigs, Operation::AlterConfigs, Operation::Alter, Operation::Delete];

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
        let blind = Rights { topics: Some(Vec::new()), ..rights(&enough) };
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
            topics: Some(Vec::new()),
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
        assert!(!Rights::incomplete(Some(&all), Some(&TOPICS)));
        assert!(!Rights::incomplete(Some(&all), None), "the broker is one that does not say");
        assert!(Rights::incomplete(Some(&all), Some(&[])));
        assert!(Rights::incomplete(Some(&all), Some(&TOPICS[..4])), "a rule may allow to delete some");
        assert!(Rights::incomplete(Some(&all[..2]), Some(&TOPICS)));
        assert!(!Rights::incomplete(Some(&[]), Some(&[])), "we may not read rules at all");
        assert!(!Rights::incomplete(None, Some(&[])));
    }

    #[test]
    fn what_some_work_needs_takes_nobody_else_down() {
        let all = Rights { topics: Some(TOPICS.to_vec()), ..rights(&CLUSTER) };
        assert_eq!(limits(&all, false), [""; 0]);
        let least = Rights { topics: Some(TOPICS[..1].to_vec()), ..rights(&CLUSTER[..3]) };
        assert_eq!(missing(&least, false), [""; 0]);
        let told = limits(&least, false);
        let starts: Vec<_> = told.iter().filter_map(|said| said.split(" (").next()).collect();
        assert_eq!(
            starts,
            [
                "DescribeConfigs on Cluster",
                "AlterConfigs on Cluster",
                "DescribeConfigs on Topic",
                "AlterConfigs on Topic",
                "Alter on Topic",
                "Delete on Topic"
            ]
        );
        assert_eq!(limits(&least, true).len(), told.len() - 1, "what is missing for the quotas is told once");
        let by_rules = Rights { rules: vec![topic_rule(Operation::AlterConfigs, Permission::Allow)], ..least.clone() };
        assert_eq!(limits(&by_rules, false)[2..], told[4..], "whoever gives a prefix alone knows why");
        let everything = Rights { rules: vec![topic_rule(Operation::All, Permission::Allow)], ..least };
        assert_eq!(limits(&everything, false), told[..2]);
        assert_eq!(limits(&rights(&CLUSTER), false), [""; 0], "the broker does not say what we may on topics");
        assert_eq!(limits(&rights(&[]), false), [""; 0], "who may not ask is told of that first");
    }
}
