//! From what was found to claims: which namespace, which name, in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::names::{NameError, TopicName, distinct_name};
use crate::api::resources::{AccessClaim, AccessClaimSpec, TopicClaim, TopicClaimSpec, TopicSource};
use crate::cli::claims::manifest;
use crate::cli::claims::stream::Entry;
use crate::ownership::{own_name, own_namespace};

/// Names that a note tells one by one.
const NAMED: usize = 20;

/// Something that becomes a claim.
#[derive(Debug)]
pub enum Found {
    /// A topic.
    Topic(Box<FoundTopic>),
    /// A user with its rules.
    Access(Box<FoundAccess>),
    /// Something that cannot be understood, and why.
    Unreadable(String),
}

/// A topic.
#[derive(Debug)]
pub struct FoundTopic {
    /// Where it was found, if that is a manifest.
    pub place: Option<String>,
    /// The namespace that its manifest names.
    pub namespace: Option<String>,
    /// What it is; the cluster is not said yet.
    pub spec: TopicClaimSpec,
}

/// A user.
#[derive(Debug)]
pub struct FoundAccess {
    /// Where it was found.
    pub place: String,
    /// The namespace that its manifest names.
    pub namespace: Option<String>,
    /// What it is, as far as a claim can say it; the cluster is not said yet.
    pub spec: AccessClaimSpec,
    /// Rules that a claim cannot say.
    pub rules: Vec<super::acls::Rule>,
    /// What else has no equivalent, a sentence each.
    pub unmapped: Vec<String>,
}

impl FoundTopic {
    /// A topic of this name of which nothing more is known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { place: None, namespace: None, spec: TopicClaimSpec::of(name, "", TopicSource::Declared) }
    }
}

/// To which namespaces and cluster claims go.
#[derive(Debug)]
pub struct Assignment {
    /// The namespace of all of them.
    pub named: Option<String>,
    /// The namespaces that there are, where that is known.
    pub known: Option<BTreeSet<String>>,
    /// The `BrokerCluster`, as `namespace/name`.
    pub cluster: String,
}

impl Assignment {
    fn of(&self, topic: &str, written: Option<&str>) -> Option<String> {
        let exists = |namespace: &str| match &self.known {
            Some(known) => known.contains(namespace),
            None => is_label(namespace),
        };
        let own = || own_namespace(topic, exists).filter(|namespace| own_name(topic, namespace));
        self.named.as_deref().or(written).or_else(own).map(str::to_owned)
    }
}

/// What is printed and told.
#[derive(Debug, Default)]
pub struct Imported {
    /// What is printed.
    pub entries: Vec<Entry>,
    /// What is told on standard error, a line each.
    pub notes: Vec<String>,
    /// Whether something was left out, or is printed as comments.
    pub incomplete: bool,
}

/// Whether a topic is among those that are asked for: all where none is named.
#[must_use]
pub fn wanted(topic: &str, patterns: &[String]) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(topic, pattern))
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(last)
}

/// Makes claims of what was found. Topics that have a claim already are left out.
#[must_use]
pub fn import(found: Vec<impl Into<Found>>, assignment: &Assignment, claimed: &[TopicClaim]) -> Imported {
    let mut imported = Imported::default();
    let (mut topics, mut accesses) = (BTreeMap::new(), BTreeMap::new());
    let (mut homeless, mut foreign, mut covered) = (Vec::new(), Vec::new(), 0);
    for found in found {
        match found.into() {
            Found::Unreadable(why) => imported.leave_out(&why),
            Found::Topic(topic) => {
                let FoundTopic { place, namespace, mut spec } = *topic;
                let name = match TopicName::parse(&spec.topic_name) {
                    Ok(name) => name,
                    // Kafka's own are nobody's to claim, and nothing is lost.
                    Err(NameError::Internal) => continue,
                    Err(error) => {
                        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
                        imported.leave_out(&format!("{place}topic \"{}\" {error}", spec.topic_name));
                        continue;
                    }
                };
                let of_this = |claim: &&TopicClaim| {
                    claim.spec.topic_name == spec.topic_name
                        && (claim.spec.cluster == assignment.cluster || claim.spec.cluster.is_empty())
                };
                // What Pods led to is not declared yet.
                if claimed.iter().filter(of_this).any(|claim| claim.spec.source == TopicSource::Declared) {
                    covered += 1;
                    continue;
                }
                let Some(namespace) = assignment.of(name.as_ref(), namespace.as_deref()) else {
                    homeless.push(name.to_string());
                    continue;
                };
                if !own_name(name.as_ref(), &namespace) {
                    foreign.push(name.to_string());
                }
                spec.cluster.clone_from(&assignment.cluster);
                if topics.insert((namespace, name.to_string()), (name, spec)).is_some() {
                    imported.leave_out(&format!(
                        "{}: the topic is named twice; the last one counts",
                        place.unwrap_or_default()
                    ));
                }
            }
            Found::Access(access) => {
                let key = (assignment.named.clone().or(access.namespace.clone()), access.spec.workload.clone());
                accesses.insert(key, access);
            }
        }
    }
    imported.claims(topics);
    for ((namespace, _), access) in accesses {
        imported.access(namespace, *access, assignment);
    }
    if covered > 0 {
        imported.notes.push(format!("note: {covered} topics have a TopicClaim already"));
    }
    if !homeless.is_empty() {
        let says =
            format!("{} bear no namespace's name; name one with --namespace: {}", count(&homeless), some(&homeless));
        imported.leave_out(&says);
    }
    if !foreign.is_empty() {
        imported.notes.push(format!(
            "note: {} do not bear their namespace's name; they are taken over only where the BrokerCluster has topics.adopt: Any: {}",
            count(&foreign),
            some(&foreign)
        ));
    }
    imported
}

impl From<FoundTopic> for Found {
    fn from(topic: FoundTopic) -> Self {
        Self::Topic(Box::new(topic))
    }
}

impl Imported {
    fn leave_out(&mut self, why: &str) {
        self.incomplete = true;
        self.notes.push(format!("warning: left out: {why}"));
    }

    /// Claims, sorted by namespace and topic. The name is the one that the operator would choose, so that a claim that Pods led to
    /// becomes this one.
    fn claims(&mut self, topics: BTreeMap<(String, String), (TopicName, TopicClaimSpec)>) {
        let mut taken = BTreeSet::new();
        for ((namespace, _), (topic, spec)) in topics {
            let mut name = topic.object_name();
            if !taken.insert((namespace.clone(), name.clone())) {
                name = distinct_name(&name, topic.as_ref());
                taken.insert((namespace.clone(), name.clone()));
            }
            let mut claim = TopicClaim::new(&name, spec);
            claim.metadata.namespace = Some(namespace);
            self.entries.push(Entry::Manifest(manifest::topic(&claim, true)));
        }
    }

    fn access(&mut self, namespace: Option<String>, found: FoundAccess, assignment: &Assignment) {
        let FoundAccess { place, mut spec, rules, mut unmapped, .. } = found;
        let Some(namespace) = namespace else {
            self.leave_out(&format!(
                "{place}: KafkaUser {} names no namespace; name one with --namespace",
                spec.workload
            ));
            return;
        };
        unmapped.extend(super::acls::map(&rules, &namespace, &mut spec));
        spec.cluster.clone_from(&assignment.cluster);
        let workload = spec.workload.clone();
        let mut claim = AccessClaim::new(&workload, spec);
        claim.metadata.namespace = Some(namespace);
        let node = manifest::access(&claim, true);
        if unmapped.is_empty() {
            self.entries.push(Entry::Manifest(node));
            return;
        }
        let mut lines = vec![format!("KafkaUser {workload} has what an AccessClaim cannot say:")];
        lines.extend(unmapped.iter().map(|what| format!("- {what}")));
        lines.push("Without that it would be:".to_owned());
        for what in &unmapped {
            self.leave_out(&format!("{place}: KafkaUser {workload}: {what}"));
        }
        self.entries.push(Entry::Remark(lines, Some(node)));
    }
}

fn count(names: &[String]) -> String {
    if names.len() == 1 { "1 topic".to_owned() } else { format!("{} topics", names.len()) }
}

fn some(names: &[String]) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    format!("{}{more}", named.join(", "))
}

/// Whether a text can be a namespace's name (RFC 1123).
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= crate::api::names::MAX_LABEL
        && bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::claims::stream::stream;
    use crate::cli::print::Format;

    fn assignment(named: Option<&str>) -> Assignment {
        let known = Some(["shop", "web"].map(str::to_owned).into());
        Assignment { named: named.map(str::to_owned), known, cluster: "admittance/default".into() }
    }

    fn places(topics: &[&str], named: Option<&str>, claimed: &[TopicClaim]) -> (Vec<String>, Vec<String>) {
        let imported = import(topics.iter().map(|name| FoundTopic::named(name)).collect(), &assignment(named), claimed);
        let text = stream(&imported.entries, Format::Yaml);
        let part = |key: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.trim().strip_prefix(key)).map(str::to_owned).collect()
        };
        (
            part("namespace: ")
                .into_iter()
                .zip(part("name: "))
                .map(|(space, name)| format!("{space}/{name}"))
                .collect(),
            imported.notes,
        )
    }

    #[test]
    fn a_topic_goes_to_the_namespace_whose_name_it_bears() {
        let (claims, notes) = places(&["web.b", "shop.orders", "payments", "sho.x", "shop"], None, &[]);
        assert_eq!(claims, ["shop/shop.orders", "web/web.b"]);
        assert!(notes[0].contains("3 topics") && notes[0].ends_with(": payments, sho.x, shop"), "{notes:?}");
        let (claims, notes) = places(&["payments", "shop.orders"], Some("shop"), &[]);
        assert_eq!(claims, ["shop/payments", "shop/shop.orders"]);
        assert!(notes[0].contains("topics.adopt: Any") && notes[0].ends_with(": payments"), "{notes:?}");
    }

    #[test]
    fn names_that_kubernetes_has_not_are_told_apart_by_a_hash() {
        let (claims, _) = places(&["Orders_v1", "orders-v1", "orders.v1", "orders_v1"], Some("shop"), &[]);
        let names: BTreeSet<_> = claims.iter().collect();
        assert_eq!(names.len(), 4, "{claims:?}");
        assert!(claims.contains(&"shop/orders-v1".to_owned()) && claims.contains(&"shop/orders.v1".to_owned()));
    }

    #[test]
    fn kafkas_own_and_what_is_declared_already_are_left_out() {
        let mut declared =
            TopicClaim::new("x", TopicClaimSpec::of("shop.a", "admittance/default", TopicSource::Declared));
        declared.metadata.namespace = Some("shop".into());
        let mut implicit = declared.clone();
        implicit.spec = TopicClaimSpec::of("shop.b", "admittance/default", TopicSource::Producer);
        let mut elsewhere = declared.clone();
        elsewhere.spec.topic_name = "shop.c".into();
        elsewhere.spec.cluster = "other/kafka".into();
        let (claims, notes) = places(&["shop.a", "shop.b", "shop.c", "__x"], None, &[declared, implicit, elsewhere]);
        assert_eq!(claims, ["shop/shop.b", "shop/shop.c"]);
        assert!(notes.iter().any(|note| note.contains("1 topics have")));
    }

    #[test]
    fn patterns_pick_topics() {
        for (topic, pattern, fit) in [
            ("orders", "orders", true),
            ("orders", "order", false),
            ("orders.v1", "orders*", true),
            ("a.orders.v1", "*orders*", true),
            ("a.b.c", "a.*.c", true),
            ("a.c", "a.*.c", false),
            ("abc", "*", true),
        ] {
            assert_eq!(fits(topic, pattern), fit, "{topic} {pattern}");
        }
    }
}
