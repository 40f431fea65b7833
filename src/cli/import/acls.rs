//! Access rules of Kafka's as what an `AccessClaim` says: exactly, or not at all. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::names::{GroupName, TopicName};
use crate::api::resources::AccessClaimSpec;
use crate::ownership::own_name;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// A transactional id.
    TransactionalId,
    /// The cluster itself.
    Cluster,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is about.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Whether it is about every name that begins so.
    pub prefix: bool,
    /// What may be done, in Kafka's words.
    pub operations: Vec<String>,
    /// From where; `*` for anywhere.
    pub host: String,
    /// Whether it allows.
    pub allow: bool,
}

type Subject<'r> = (Kind, bool, &'r str);

/// Writes rules into a claim of this namespace. What it cannot say is returned, a sentence each.
pub fn map(rules: &[Rule], namespace: &str, spec: &mut AccessClaimSpec) -> Vec<String> {
    let mut unmapped = Vec::new();
    let mut operations: BTreeMap<Subject<'_>, BTreeSet<&str>> = BTreeMap::new();
    for rule in rules {
        let subject = (rule.kind, rule.prefix, rule.name.as_str());
        if !rule.allow {
            unmapped.push(format!(
                "a denial of {} on {}: claims only allow",
                rule.operations.join(", "),
                named(subject)
            ));
        } else if rule.host != "*" {
            unmapped.push(format!(
                "the host {} of the rule on {}: claims hold for every host",
                rule.host,
                named(subject)
            ));
        } else {
            operations.entry(subject).or_default().extend(rule.operations.iter().map(String::as_str));
        }
    }
    let (mut consumes, mut produces, mut groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let own_ids = format!("{namespace}.{}", spec.workload);
    let mut own_groups = false;
    for (subject @ (kind, prefix, name), asked) in operations {
        let mut left = asked.clone();
        let usable = match kind {
            _ if name == "*" => Err("wildcards are never granted"),
            Kind::Topic if prefix => Err("topics are granted by name"),
            Kind::Topic => TopicName::parse(name).map(|_| ()).map_err(|_| "the name is none that a claim may have"),
            Kind::Group if own_name(name, namespace) => Ok(()),
            Kind::Group if prefix => Err("only groups under the namespace's own name are granted by prefix"),
            Kind::Group => GroupName::parse(name).map(|_| ()).map_err(|_| "the name is none that a claim may have"),
            Kind::TransactionalId if name == own_ids && !prefix => Ok(()),
            Kind::TransactionalId if name.strip_prefix(&own_ids).is_some_and(|rest| rest.starts_with('_')) => Ok(()),
            Kind::TransactionalId => {
                Err("transactions have ids of the claim's own name: <namespace>.<name> and <namespace>.<name>_…")
            }
            Kind::Cluster => Ok(()),
        };
        if let Err(why) = usable {
            unmapped.push(format!("{} on {}: {why}", joined(&asked), named(subject)));
            continue;
        }
        // Read and Write bring Describe with them (Kafka's own rule).
        let main: &[&str] = match kind {
            Kind::Topic => &["Read", "Write"],
            Kind::Group => &["Read"],
            Kind::TransactionalId => &["Write"],
            // A right to write a topic is enough since Kafka 3.0 (KIP-679).
            Kind::Cluster => &["IdempotentWrite"],
        };
        let given: Vec<&str> = main.iter().copied().filter(|operation| left.remove(operation)).collect();
        if !given.is_empty() {
            left.remove("Describe");
        }
        for operation in given {
            match (kind, operation) {
                (Kind::Topic, "Read") => _ = consumes.insert(name.to_owned()),
                (Kind::Topic, _) => _ = produces.insert(name.to_owned()),
                (Kind::Group, _) if own_name(name, namespace) => own_groups = true,
                (Kind::Group, _) => _ = groups.insert(name.to_owned()),
                (Kind::TransactionalId, _) => spec.transactions = true,
                (Kind::Cluster, _) => {}
            }
        }
        if !left.is_empty() {
            unmapped.push(format!(
                "{} on {}: claims give what consuming and producing need",
                joined(&left),
                named(subject)
            ));
        }
    }
    if own_groups && consumes.is_empty() {
        unmapped.push(format!("Read on groups {namespace}.…: only a claim that consumes has them"));
    }
    spec.consumes = consumes.into_iter().collect();
    spec.produces = produces.into_iter().collect();
    spec.groups = groups.into_iter().collect();
    unmapped
}

fn joined(operations: &BTreeSet<&str>) -> String {
    operations.iter().copied().collect::<Vec<_>>().join(", ")
}

fn named((kind, prefix, name): Subject<'_>) -> String {
    let kind = match kind {
        Kind::Topic => "topic",
        Kind::Group => "group",
        Kind::TransactionalId => "transactional id",
        Kind::Cluster => return "the cluster".to_owned(),
    };
    if prefix { format!("{kind}s that begin with {name}") } else { format!("{kind} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::AccessSource;

    fn rule(kind: Kind, name: &str, prefix: bool, operations: &str) -> Rule {
        let operations = operations.split(' ').map(str::to_owned).collect();
        Rule { kind, name: name.into(), prefix, operations, host: "*".into(), allow: true }
    }

    fn mapped(rules: &[Rule]) -> (AccessClaimSpec, Vec<String>) {
        let mut spec =
            AccessClaimSpec { source: AccessSource::Manual, workload: "app".into(), ..AccessClaimSpec::empty() };
        let unmapped = map(rules, "shop", &mut spec);
        (spec, unmapped)
    }

    #[test]
    fn a_consumer_and_producer_is_said_exactly() {
        let (spec, unmapped) = mapped(&[
            rule(Kind::Topic, "orders", false, "Read Describe"),
            rule(Kind::Topic, "audit", false, "Write"),
            rule(Kind::Topic, "audit", false, "Describe"),
            rule(Kind::Group, "legacy", false, "Read"),
            rule(Kind::Group, "shop.", true, "Read Describe"),
            rule(Kind::TransactionalId, "shop.app", false, "Write Describe"),
            rule(Kind::TransactionalId, "shop.app_", true, "Write"),
            rule(Kind::Cluster, "kafka-cluster", false, "IdempotentWrite"),
        ]);
        assert_eq!(unmapped, [""; 0]);
        assert_eq!((spec.consumes, spec.produces), (vec!["orders".to_owned()], vec!["audit".to_owned()]));
        assert_eq!(spec.groups, ["legacy"]);
        assert!(spec.transactions);
    }

    #[test]
    fn what_a_claim_cannot_say_is_named() {
        for (rule, wanted) in [
            (rule(Kind::Topic, "*", false, "Read"), "Read on topic *: wildcards are never granted"),
            (
                rule(Kind::Topic, "logs-", true, "Write"),
                "Write on topics that begin with logs-: topics are granted by name",
            ),
            (rule(Kind::Topic, "a", false, "Read Create"), "Create on topic a: claims give"),
            (rule(Kind::Topic, "a", false, "Describe"), "Describe on topic a: claims give"),
            (rule(Kind::Topic, "a", false, "All"), "All on topic a: claims give"),
            (rule(Kind::Group, "sho", true, "Read"), "Read on groups that begin with sho: only"),
            (rule(Kind::Group, "*", false, "Read"), "Read on group *: wildcards"),
            (rule(Kind::Group, "g", false, "Delete"), "Delete on group g: claims give"),
            (rule(Kind::TransactionalId, "tx", false, "Write"), "Write on transactional id tx: transactions"),
            (rule(Kind::TransactionalId, "shop.app", true, "Write"), "Write on transactional ids that begin"),
            (rule(Kind::Cluster, "", false, "Alter"), "Alter on the cluster: claims give"),
            (Rule { allow: false, ..rule(Kind::Topic, "a", false, "Read") }, "a denial of Read on topic a"),
            (Rule { host: "10.0.0.1".into(), ..rule(Kind::Topic, "a", false, "Read") }, "the host 10.0.0.1"),
        ] {
            let (_, unmapped) = mapped(std::slice::from_ref(&rule));
            assert!(unmapped.len() == 1 && unmapped[0].starts_with(wanted), "{rule:?}: {unmapped:?}");
        }
    }
}
