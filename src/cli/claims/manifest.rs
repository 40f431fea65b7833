//! Claims as manifests that another cluster takes: what people decide, and nothing that a cluster adds. Pure.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::annotations::{GROUP, MANAGED_BY};
use crate::api::resources::{AccessClaim, TopicClaim, TopicSource};
use crate::cli::manifest::node::{self, Node};

/// Labels and annotations by which tools know what they have applied: elsewhere they would claim what they do not manage.
const OF_TOOLS: [&str; 6] = [
    "kubectl.kubernetes.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
];
/// What the definitions put where nothing is said, in both kinds.
const DEFAULTS: [(&str, &str); 3] = [("deletion", "Keep"), ("drift", "Revert"), ("source", "Declared")];

/// A `TopicClaim` as its author would write it. One that Pods led to becomes a declared one.
#[must_use]
pub fn topic(claim: &TopicClaim, with_namespace: bool) -> Node {
    let mut spec = claim.spec.clone();
    spec.source = TopicSource::Declared;
    write(claim, &spec, with_namespace)
}

/// An `AccessClaim` as its author would write it.
#[must_use]
pub fn access(claim: &AccessClaim, with_namespace: bool) -> Node {
    write(claim, &claim.spec, with_namespace)
}

fn write<K>(claim: &K, spec: &impl Serialize, with_namespace: bool) -> Node
where
    K: Resource<DynamicType = ()>,
{
    let mut metadata = vec![("name", Node::text(claim.name_any()))];
    if let Some(namespace) = claim.namespace().filter(|_| with_namespace) {
        metadata.push(("namespace", Node::text(namespace)));
    }
    for (key, found) in [("labels", claim.labels()), ("annotations", claim.annotations())] {
        let kept = authors(found);
        if !kept.is_empty() {
            metadata.push((key, Node::from(&json!(kept))));
        }
    }
    Node::map([
        ("apiVersion", Node::text(K::api_version(&()))),
        ("kind", Node::text(K::kind(&()))),
        ("metadata", Node::map(metadata)),
        ("spec", spec_of(spec)),
    ])
}

/// What the author set of labels or annotations.
fn authors(found: &BTreeMap<String, String>) -> BTreeMap<&String, &String> {
    let of_ours = |key: &str| key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
    let of_a_tool = |key: &str| key == MANAGED_BY || OF_TOOLS.iter().any(|prefix| key.starts_with(prefix));
    found.iter().filter(|(key, _)| !of_ours(key) && !of_a_tool(key)).collect()
}

/// A spec in the order of its fields, without what is the default anyway.
fn spec_of(spec: &impl Serialize) -> Node {
    // serde_json sorts keys: what matters most would not come first.
    let text = serde_json::to_string(spec).unwrap_or_default();
    let mut node = crate::cli::manifest::read::document(&text).ok().flatten().unwrap_or_else(|| Node::text(""));
    if let node::Value::Map(entries) = &mut node.value {
        entries.retain(|(key, node)| {
            let is_default = DEFAULTS.iter().any(|(name, value)| key == name && node.as_text() == Some(value));
            let is_empty = match &node.value {
                node::Value::List(elements) => elements.is_empty(),
                node::Value::Null => true,
                _ => false,
            };
            !is_default && !is_empty
        });
    }
    node
}

/// Manifests as one object that `kubectl apply` takes.
#[must_use]
pub fn list(items: &[Node]) -> Node {
    let mut list = Node::from(&json!({"apiVersion": "v1", "kind": "List"}));
    list.set("items", Node::new(node::Value::List(items.to_vec())));
    list
}

/// Where a spec has changed: each field that differs, as it was and as it is to be.
#[must_use]
pub fn changes(before: &impl Serialize, after: &impl Serialize) -> Vec<(String, Option<String>, Option<String>)> {
    let (before, after) = (fields(before), fields(after));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let differing = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    differing.map(|key| (key.clone(), before.get(key).cloned(), after.get(key).cloned())).collect()
}

/// The fields of a spec, those of maps in it one by one (`config.retention.ms`), with their values as text.
fn fields(spec: &impl Serialize) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(Value::Object(entries)) = serde_json::to_value(spec) else { return found };
    for (key, value) in entries {
        match value {
            Value::Object(inner) => {
                found.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), shown(&value))));
            }
            Value::Null => {}
            Value::Array(elements) if elements.is_empty() => {}
            other => _ = found.insert(key, shown(&other)),
        }
    }
    found
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(elements) => elements.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{Retention, TopicClaimSpec};
    use crate::cli::manifest::write;

    fn claim() -> TopicClaim {
        serde_json::from_value(json!({
            "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim",
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"manager": "kubectl"}],
                "labels": {"team": "a", "app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "meta.helm.sh/release-name": "x"},
            },
            "spec": {
                "topicName": "orders", "cluster": "admittance/default", "partitions": 3, "config": {"cleanup.policy": "compact"},
                "deletion": "Keep", "drift": "Revert", "source": "Producer",
            },
            "status": {"topicId": "id", "partitions": 3},
        }))
        .unwrap()
    }

    #[test]
    fn what_a_cluster_adds_is_left_out() {
        let wanted = "apiVersion: kafka.admittance.dev/v1alpha1\nkind: TopicClaim\nmetadata:\n  name: orders\n  namespace: shop\n  \
                      labels:\n    team: a\nspec:\n  topicName: orders\n  cluster: admittance/default\n  partitions: 3\n  config:\n    \
                      cleanup.policy: compact\n";
        assert_eq!(write::document(&topic(&claim(), true)), wanted);
        assert!(!write::document(&topic(&claim(), false)).contains("namespace: shop"));
    }

    #[test]
    fn what_is_not_the_default_is_kept() {
        let mut kept = claim();
        kept.spec.deletion = crate::api::resources::Deletion::Delete;
        kept.spec.retention = Some(Retention { time: Some("7d".into()), ..Retention::default() });
        let text = write::document(&topic(&kept, true));
        assert!(text.contains("  deletion: Delete\n") && text.contains("  retention:\n    time: \"7d\"\n"), "{text}");
    }

    #[test]
    fn changes_are_told_by_field() {
        let before = TopicClaimSpec::of("orders", "a/b", TopicSource::Declared);
        let mut after = before.clone();
        after.partitions = Some(6);
        after.config.insert("retention.ms".into(), "2".into());
        let told = changes(&before, &after);
        assert_eq!(
            told,
            [
                ("config.retention.ms".to_owned(), None, Some("2".to_owned())),
                ("partitions".to_owned(), None, Some("6".to_owned())),
            ]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
