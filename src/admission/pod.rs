//! The outline of a Pod: every part that a decision or a patch touches, borrowed from the raw JSON, and nothing else.
//!
//! A typed Pod would lose fields newer than the library that knows it; a whole document tree would cost most of the budget.
//! The outline keeps the place of every container and which lists are there, so what applies to it applies to the Pod. Of lists and maps it
//! keeps what counts: it takes no more memory than the text.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::command::FoundProbe;
use super::env::Env;
use super::kept::{self, Counts, First};
use super::lenient;
use super::parts::{CREDENTIALS_VOLUME, PROBE_NAME, PROBE_PATH, TOKEN_PATH};
use super::probe::Kind;
use super::resources::FoundResources;
use super::text::Text;
use crate::api::annotations::GATE;
use crate::api::secret_layout::MOUNT_PATH;
use crate::intent::{Owner, PodMeta};

/// The label by which nodes say their operating system.
const OS_LABEL: &str = "kubernetes.io/os";

/// A Pod, as far as we look.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Pod<'a> {
    /// Its metadata.
    #[serde(borrow, default)]
    pub metadata: Metadata<'a>,
    /// Its specification.
    #[serde(borrow, default)]
    pub spec: Spec<'a>,
}

/// A Pod's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// The name; absent or empty while a generated one is not decided.
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    /// The prefix of a generated name.
    #[serde(borrow, default)]
    pub generate_name: Option<Text<'a>>,
    /// Labels that an intent may follow from.
    #[serde(borrow, default, deserialize_with = "kept::ours")]
    pub labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Annotations that an intent may follow from.
    #[serde(borrow, default, deserialize_with = "kept::ours")]
    pub annotations: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// The owner that is its controller.
    #[serde(borrow, default, deserialize_with = "kept::list")]
    pub owner_references: Option<Vec<OwnerReference<'a>>>,
}

/// One owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// The API group and version of its kind.
    #[serde(borrow, default)]
    pub api_version: Text<'a>,
    /// Its kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Whether it is the one that manages the Pod.
    #[serde(default)]
    pub controller: Option<bool>,
}

impl Counts for OwnerReference<'_> {
    fn counts(&self) -> bool {
        self.controller == Some(true)
    }
}

/// A Pod's specification.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    /// Volumes of our names, and those that hold Secrets.
    #[serde(borrow, default, deserialize_with = "kept::list")]
    pub volumes: Option<Vec<Volume<'a>>>,
    /// Init containers, native sidecars among them.
    #[serde(borrow, default)]
    pub init_containers: Option<First<Container<'a>>>,
    /// Containers.
    #[serde(borrow, default)]
    pub containers: Option<First<Container<'a>>>,
    /// The user that containers run as where they say nothing else.
    #[serde(default)]
    pub security_context: Option<SecurityContext>,
    /// The operating system that the Pod is for.
    #[serde(borrow, default)]
    pub os: Option<Os<'a>>,
    /// Of the labels of nodes that it may run on, the one that tells the operating system.
    #[serde(borrow, default, deserialize_with = "operating_system")]
    pub node_selector: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Our gate, where it waits for that before it is given a node.
    #[serde(borrow, default, deserialize_with = "kept::list")]
    pub scheduling_gates: Option<Vec<SchedulingGate<'a>>>,
    /// The node, where the author has chosen it.
    #[serde(borrow, default)]
    pub node_name: Option<Text<'a>>,
    /// Whether it shares its node's addresses.
    #[serde(default)]
    pub host_network: Option<bool>,
}

/// Something that a Pod waits for before it is given a node.
#[derive(Debug, Clone, Deserialize)]
pub struct SchedulingGate<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
}

impl Counts for SchedulingGate<'_> {
    fn counts(&self) -> bool {
        self.name == GATE
    }
}

fn operating_system<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<BTreeMap<Text<'a>, Text<'a>>>, D::Error>
where
    D: Deserializer<'de>,
{
    kept::pairs(deserializer, |key| key == OS_LABEL)
}

impl Spec<'_> {
    /// How many containers it has, init containers among them.
    #[must_use]
    pub fn count(&self) -> usize {
        [&self.containers, &self.init_containers].into_iter().flatten().map(First::all).sum()
    }

    /// Whether the Pod is for Windows, by its own field or by the label of its nodes.
    #[must_use]
    pub fn is_windows(&self) -> bool {
        let selected = self.node_selector.as_ref().and_then(|labels| labels.get(OS_LABEL));
        self.os.as_ref().map(|os| &os.name).or(selected).is_some_and(|name| *name == "windows")
    }
}

/// A Pod's security context.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// The user id.
    #[serde(default)]
    pub run_as_user: Option<i64>,
}

/// A Pod's operating system.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Os<'a> {
    /// `linux` or `windows`.
    #[serde(borrow, default)]
    pub name: Text<'a>,
}

/// A volume.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The Secret that it holds, if it is of that kind.
    #[serde(borrow, default)]
    pub secret: Option<SecretVolume<'a>>,
    /// Whether it is an empty directory.
    #[serde(default, deserialize_with = "present")]
    pub empty_dir: Presence,
    /// Whether it is the content of an image.
    #[serde(default, deserialize_with = "present")]
    pub image: Presence,
}

impl Counts for Volume<'_> {
    fn counts(&self) -> bool {
        let holds = self.secret.as_ref().is_some_and(|secret| secret.secret_name.is_some());
        holds || [CREDENTIALS_VOLUME, PROBE_NAME].contains(&&*self.name)
    }
}

/// The source of a volume that holds a Secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume<'a> {
    /// The Secret's name.
    #[serde(borrow, default)]
    pub secret_name: Option<Text<'a>>,
}

/// A container.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// What it mounts where we would.
    #[serde(borrow, default, deserialize_with = "kept::list")]
    pub volume_mounts: Option<Vec<VolumeMount<'a>>>,
    /// Its readiness probe.
    #[serde(borrow, default, deserialize_with = "lenient::field")]
    pub readiness_probe: Option<FoundProbe<'a>>,
    /// Whether its author gave it a startup probe.
    #[serde(default, deserialize_with = "present")]
    pub startup_probe: Presence,
    /// Whether its author gave it a liveness probe.
    #[serde(default, deserialize_with = "present")]
    pub liveness_probe: Presence,
    /// Which of the variables that matter it has; nothing where it has no list of them.
    #[serde(default)]
    pub env: Option<Env>,
    /// Whether it takes more variables from elsewhere.
    #[serde(default, deserialize_with = "present")]
    pub env_from: Presence,
    /// An init container's own policy: `Always` makes a native sidecar of it.
    #[serde(borrow, default)]
    pub restart_policy: Option<Text<'a>>,
    /// Requests and limits.
    #[serde(borrow, default, deserialize_with = "lenient::field")]
    pub resources: Option<FoundResources<'a>>,
}

impl Container<'_> {
    /// Whether an init container stays, as a native sidecar: the others may have no probes.
    #[must_use]
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_ref().is_some_and(|policy| *policy == "Always")
    }

    /// Whether its author gave it a probe of this kind.
    #[must_use]
    pub fn has_probe(&self, kind: Kind) -> bool {
        match kind {
            Kind::Readiness => self.readiness_probe.is_some(),
            Kind::Startup => self.startup_probe == Presence::Present,
            Kind::Liveness => self.liveness_probe == Presence::Present,
        }
    }

    /// The program that its readiness probe runs, with its words; empty where it runs none.
    pub fn readiness_command(&self) -> impl Iterator<Item = &str> + Clone {
        self.readiness_probe.iter().flat_map(FoundProbe::command)
    }
}

/// One mount of a container.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    /// The volume's name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Where it is mounted.
    #[serde(borrow)]
    pub mount_path: Text<'a>,
}

impl Counts for VolumeMount<'_> {
    fn counts(&self) -> bool {
        let path = &*self.mount_path;
        path.starts_with(MOUNT_PATH) || path.starts_with(PROBE_PATH) || path == TOKEN_PATH
    }
}

/// Whether a field is there; what it holds is nobody's business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// The field is missing or null.
    #[default]
    Absent,
    /// The field is there.
    Present,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Presence, D::Error> {
    let found = Option::<serde::de::IgnoredAny>::deserialize(deserializer)?;
    Ok(if found.is_some() { Presence::Present } else { Presence::Absent })
}

impl Pod<'_> {
    /// What the Pod's intent is read from; the namespace is the request's.
    #[must_use]
    pub fn meta<'m>(&'m self, namespace: &'m str) -> PodMeta<'m> {
        fn pairs<'m>(map: Option<&'m BTreeMap<Text<'_>, Text<'_>>>) -> BTreeMap<&'m str, &'m str> {
            map.into_iter().flatten().map(|(key, value)| (&**key, &**value)).collect()
        }
        let owners = self.metadata.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true));
        PodMeta {
            namespace,
            name: self.metadata.name.as_deref().filter(|name| !name.is_empty()),
            generate_name: self.metadata.generate_name.as_deref().filter(|prefix| !prefix.is_empty()),
            labels: pairs(self.metadata.labels.as_ref()),
            annotations: pairs(self.metadata.annotations.as_ref()),
            owner: owner.map(|owner| Owner::new(&owner.api_version, &owner.kind, &owner.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::annotations::ACCESS;
    use crate::intent::limits::MAX_CONTAINERS;

    fn many(of: impl Fn(usize) -> Value) -> Vec<Value> {
        (0..10_000).map(of).collect()
    }

    /// Whatever there is ten thousand of, the outline holds what counts, and nothing more.
    #[test]
    fn an_outline_holds_what_counts() {
        let labels: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("l{n}"), json!(""))).collect();
        let mut ours = labels.clone();
        ours.insert(ACCESS.to_owned(), json!("app"));
        let mut owners = many(|_| json!({"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}));
        owners.push(json!({"apiVersion": "v1", "kind": "B", "name": "b", "uid": "u", "controller": true}));
        let mut mounts = many(|_| json!({"name": "a", "mountPath": "/a"}));
        mounts.push(json!({"name": "a", "mountPath": TOKEN_PATH}));
        let mut volumes = many(|_| json!({"name": "a", "emptyDir": {}}));
        volumes.push(json!({"name": PROBE_NAME, "emptyDir": {}}));
        volumes.push(json!({"name": "a", "secret": {"secretName": "s"}}));
        let mut gates = many(|_| json!({"name": "a"}));
        gates.push(json!({"name": GATE}));
        let mut containers = vec![json!({"name": "a", "volumeMounts": mounts})];
        containers.extend(many(|_| json!({"name": "a"})));
        let text = json!({
            "metadata": {"labels": ours, "annotations": labels, "ownerReferences": owners},
            "spec": {"volumes": volumes, "containers": containers, "nodeSelector": labels, "schedulingGates": gates},
        });
        let text = text.to_string();
        let Pod { metadata, spec } = serde_json::from_str(&text).unwrap();
        assert_eq!(metadata.labels.unwrap().into_keys().collect::<Vec<_>>(), [Text::borrowed(ACCESS)]);
        assert!(metadata.annotations.unwrap().is_empty() && spec.node_selector.as_ref().unwrap().is_empty());
        assert_eq!(metadata.owner_references.unwrap().iter().map(|owner| &*owner.name).collect::<Vec<_>>(), ["b"]);
        assert_eq!(spec.volumes.as_ref().unwrap().len(), 2);
        assert_eq!(spec.scheduling_gates.as_ref().unwrap().len(), 1);
        assert_eq!(spec.count(), 10_001);
        let containers = spec.containers.unwrap();
        assert_eq!(containers.len(), MAX_CONTAINERS + 1);
        assert_eq!(containers[0].volume_mounts.as_ref().unwrap().len(), 1);
    }
}
