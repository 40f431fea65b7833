//! The Pods that objects stand for: a Pod itself, or the ones that a controller will make of a template.

use std::collections::BTreeMap;

use super::node::{Node, Value};
use crate::api::annotations::lookup;
use crate::intent::identity::{DEPLOYMENT_CONFIG, TEMPLATE_HASHES};

/// What a controller puts where nobody knows yet what it will be: the hash of a template.
pub const HASH: &str = "0000000000";
/// A minute for which a `CronJob` could make a Job.
pub const MINUTE: &str = "29410560";

/// A Pod, or a template of Pods, in a document.
#[derive(Debug)]
pub struct Site {
    /// The way from the document's root to the Pod or template.
    pub path: Vec<String>,
    /// The kind of the object that it belongs to.
    pub kind: String,
    /// The object's name; empty where one is generated.
    pub name: String,
    /// The namespace that the object names.
    pub namespace: Option<String>,
    /// The labels of the object itself.
    pub labels: BTreeMap<String, String>,
    /// The annotations of the object itself.
    pub annotations: BTreeMap<String, String>,
    /// The Pod as the API server will be asked to create it.
    pub pod: Node,
}

impl Site {
    /// Keys of the contract that are annotations of the object itself although it makes Pods of a template: they count for nothing there,
    /// unless it is a Deployment with the label of 2017.
    pub fn own_keys(&self) -> impl Iterator<Item = &str> {
        self.annotations.keys().map(String::as_str).filter(|key| self.kind != "Pod" && lookup(key).is_some())
    }
}

/// Everything in a document that Pods come from, in the order of the document.
#[must_use]
pub fn sites(document: &Node) -> Vec<Site> {
    let mut found = Vec::new();
    gather(document, (None, None), &mut Vec::new(), &mut found);
    found
}

/// `listed` are the kind and the API version that a list of one kind gives to what is in it.
fn gather(object: &Node, listed: (Option<&str>, Option<&str>), path: &mut Vec<String>, found: &mut Vec<Site>) {
    let own = |key: &str| object.get(key).and_then(Node::as_text);
    let Some(kind) = own("kind").or(listed.0) else { return };
    let version = own("apiVersion").or(listed.1);
    // `List`, and the lists of one kind that a client may write.
    if let (Some(of), Some(items)) = (kind.strip_suffix("List"), object.get("items").and_then(Node::elements)) {
        let of = if of.is_empty() { (None, None) } else { (Some(of), version) };
        for (index, item) in items.iter().enumerate() {
            path.extend(["items".to_owned(), index.to_string()]);
            gather(item, of, path, found);
            path.truncate(path.len() - 2);
        }
        return;
    }
    let way: &[&str] = match kind {
        "Pod" => &[],
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        _ => &["spec", "template"],
    };
    let is_template = |found: &&Node| way.is_empty() || found.at(&["spec", "containers"]).is_some();
    let Some(template) = object.at(way).filter(is_template) else { return };
    let text = |key: &str| object.at(&["metadata", key]).and_then(Node::as_text);
    let name = text("name").unwrap_or_default();
    let pod = if kind == "Pod" { template.clone() } else { made_of(template, (version, kind), name) };
    found.push(Site {
        path: path.iter().cloned().chain(way.iter().map(|key| (*key).to_owned())).collect(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: text("namespace").map(str::to_owned),
        labels: texts(object, "labels"),
        annotations: texts(object, "annotations"),
        pod,
    });
}

/// An object's labels, or its annotations.
fn texts(object: &Node, map: &str) -> BTreeMap<String, String> {
    match object.at(&["metadata", map]).map(|map| &map.value) {
        Some(Value::Map(entries)) => {
            let texts = entries.iter().filter_map(|(key, value)| Some((key.clone(), value.as_text()?.to_owned())));
            texts.collect()
        }
        _ => BTreeMap::new(),
    }
}

/// The Pod that a controller makes of a template: as the template says, with what the controller adds and identity follows from.
fn made_of(template: &Node, (version, kind): (Option<&str>, &str), name: &str) -> Node {
    let part = |key: &str| template.get(key).cloned().unwrap_or_else(|| Node::new(Value::Map(Vec::new())));
    let (mut metadata, spec) = (part("metadata"), part("spec"));
    if !name.is_empty() {
        let mut label = |key: &str| put(&mut metadata, "labels", key, HASH);
        let [deployment, rollout] = TEMPLATE_HASHES;
        // What names no version is of Kubernetes' own.
        let version = version.unwrap_or(match kind {
            "ReplicationController" => "v1",
            "Job" | "CronJob" => "batch/v1",
            _ => "apps/v1",
        });
        let (version, kind, owner) = match kind {
            "Deployment" => {
                label(deployment);
                ("apps/v1", "ReplicaSet", format!("{name}-{HASH}"))
            }
            "Rollout" => {
                label(rollout);
                ("apps/v1", "ReplicaSet", format!("{name}-{HASH}"))
            }
            "CronJob" => (version, "Job", format!("{name}-{MINUTE}")),
            "DeploymentConfig" => {
                put(&mut metadata, "annotations", DEPLOYMENT_CONFIG, name);
                ("v1", "ReplicationController", format!("{name}-1"))
            }
            kind => (version, kind, name.to_owned()),
        };
        metadata.set("generateName", Node::text(format!("{owner}-")));
        let reference = [
            ("apiVersion", Node::text(version)),
            ("kind", Node::text(kind)),
            ("name", Node::text(owner)),
            ("controller", Node::new(Value::Bool(true))),
        ];
        metadata.set("ownerReferences", Node::new(Value::List(vec![Node::map(reference)])));
    }
    Node::map([("apiVersion", Node::text("v1")), ("kind", Node::text("Pod")), ("metadata", metadata), ("spec", spec)])
}

fn put(metadata: &mut Node, map: &str, key: &str, value: &str) {
    let mut entries = metadata.get(map).cloned().unwrap_or_else(|| Node::new(Value::Map(Vec::new())));
    entries.set(key, Node::text(value));
    metadata.set(map, entries);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::pod::Pod;
    use crate::cli::manifest::read;
    use crate::intent::identity::derive;

    fn of(text: &str) -> Vec<Site> {
        sites(&read::document(text).unwrap().unwrap())
    }

    fn workload(site: &Site) -> Option<String> {
        let json = site.pod.to_json();
        let pod: Pod<'_> = serde_json::from_str(&json).unwrap();
        derive(&pod.meta("")).map(|derived| derived.name.to_owned())
    }

    #[test]
    fn every_controllers_pods_are_found_by_its_own_name() {
        let template = "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: app}]}}";
        for kind in [
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicaSet",
            "ReplicationController",
            "Job",
            "Rollout",
            "DeploymentConfig",
            "Database",
        ] {
            let found =
                of(&format!("{{kind: {kind}, metadata: {{name: main, namespace: shop}}, spec: {{{template}}}}}"));
            assert_eq!((found.len(), found[0].path.join("/")), (1, "spec/template".to_owned()), "{kind}");
            assert_eq!(workload(&found[0]).as_deref(), Some("main"), "{kind}");
            assert_eq!(found[0].namespace.as_deref(), Some("shop"), "{kind}");
        }
        let cron = of(&format!(
            "{{kind: CronJob, metadata: {{name: nightly}}, spec: {{jobTemplate: {{spec: {{{template}}}}}}}}}"
        ));
        assert_eq!(cron[0].path.join("/"), "spec/jobTemplate/spec/template");
        assert_eq!(workload(&cron[0]).as_deref(), Some("nightly"));
    }

    #[test]
    fn a_name_that_is_generated_is_no_identity() {
        let job =
            of("{kind: Job, metadata: {generateName: import-}, spec: {template: {spec: {containers: [{name: app}]}}}}");
        assert_eq!(workload(&job[0]), None);
        let pod = of("{kind: Pod, metadata: {generateName: batch-}, spec: {containers: [{name: app}]}}");
        assert_eq!(workload(&pod[0]).as_deref(), Some("batch"));
    }

    #[test]
    fn lists_are_looked_into_and_the_rest_is_not() {
        let pod = "{kind: Pod, metadata: {name: a}, spec: {containers: [{name: app}]}}";
        let found = of(&format!("{{kind: List, items: [{{kind: ConfigMap}}, {pod}, {{kind: List, items: [{pod}]}}]}}"));
        let paths: Vec<_> = found.iter().map(|site| site.path.join("/")).collect();
        assert_eq!(paths, ["items/1", "items/2/items/0"]);
        assert_eq!(of("{kind: PodList, items: [{metadata: {name: a}, spec: {containers: []}}]}").len(), 1);
        for other in [
            "{kind: Service, spec: {ports: []}}",
            "{spec: {containers: []}}",
            "[1]",
            "text",
            "{kind: Job, spec: {template: {}}}",
        ] {
            assert!(of(other).is_empty(), "{other}");
        }
    }
}
