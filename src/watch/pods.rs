//! What the operator keeps of a Pod: enough to read its intent afresh, and to tell its people.

use std::collections::BTreeMap;

use kube::api::ObjectMeta;

use super::AccessKey;
use crate::api::annotations::{ACCESS, concerns_us};
use crate::intent::identity::{DEPLOYMENT_CONFIG, TEMPLATE_HASHES};

/// The label by which a `StatefulSet` or `DaemonSet` marks the Pods of one template.
const REVISION: &str = "controller-revision-hash";
use crate::intent::{Owner, PodMeta};

/// A Pod that carries an access label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    access: String,
    generate_name: Option<String>,
    labels: Pairs,
    annotations: Pairs,
    owner: Option<(String, String)>,
}

/// A few labels or annotations: a map would take the room of eleven.
type Pairs = Box<[(String, String)]>;

impl PodFacts {
    /// Keeps what matters; nothing where the Pod carries no access label.
    #[must_use]
    pub fn new(meta: ObjectMeta) -> Option<Self> {
        let labels = meta.labels.unwrap_or_default();
        let access = labels.get(ACCESS)?.clone();
        let ours = |key: &String| concerns_us(key);
        let owner = meta.owner_references.into_iter().flatten().find(|owner| owner.controller == Some(true));
        Some(Self {
            namespace: meta.namespace?,
            name: meta.name?,
            uid: meta.uid?,
            access,
            generate_name: meta.generate_name,
            labels: labels
                .into_iter()
                .filter(|(key, _)| ours(key) || TEMPLATE_HASHES.contains(&key.as_str()) || key == REVISION)
                .collect(),
            annotations: meta
                .annotations
                .into_iter()
                .flatten()
                .filter(|(key, _)| ours(key) || key == DEPLOYMENT_CONFIG)
                .collect(),
            owner: owner.map(|owner| (owner.kind, owner.name)),
        })
    }

    /// The access that its label names. The label only finds the Pod; what the Pod may have is read from [`PodFacts::meta`].
    #[must_use]
    pub fn access_key(&self) -> AccessKey {
        (self.namespace.clone(), self.access.clone())
    }

    /// What it was made from: Pods of one template differ in nothing that matters here. A bare Pod is a template of its own.
    #[must_use]
    pub fn template(&self) -> String {
        let mut hashes = TEMPLATE_HASHES.iter().chain(&[REVISION]);
        let value = |label: &&str| self.labels.iter().find(|(key, _)| key == label).map(|(_, value)| value.as_str());
        let hash = hashes.find_map(value).unwrap_or_default();
        match &self.owner {
            // A Job's template never changes.
            Some((kind, name)) if !hash.is_empty() || kind == "Job" => format!("{kind}/{name}/{hash}"),
            _ => self.uid.clone(),
        }
    }

    /// What its intent is read from.
    #[must_use]
    pub fn meta(&self) -> PodMeta<'_> {
        fn pairs(pairs: &Pairs) -> BTreeMap<&str, &str> {
            pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
        }
        PodMeta {
            namespace: &self.namespace,
            name: Some(&self.name),
            generate_name: self.generate_name.as_deref(),
            labels: pairs(&self.labels),
            annotations: pairs(&self.annotations),
            owner: self.owner.as_ref().map(|(kind, name)| Owner { kind, name }),
        }
    }
}
