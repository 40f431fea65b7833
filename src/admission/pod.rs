//! The outline of a Pod: every part that a decision or a patch touches, borrowed from the raw JSON, and nothing else.
//!
//! A typed Pod would lose fields newer than the library that knows it; a whole document tree would cost most of the budget.
//! The outline keeps the length of every array that a patch adds to, so what applies to it applies to the Pod.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::env::Env;
use super::probe::Kind;
use super::text::Text;
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
    /// Labels.
    #[serde(borrow, default)]
    pub labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Annotations.
    #[serde(borrow, default)]
    pub annotations: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// Owners.
    #[serde(borrow, default)]
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

/// A Pod's specification.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    /// Volumes.
    #[serde(borrow, default)]
    pub volumes: Option<Vec<Volume<'a>>>,
    /// Init containers, native sidecars among them.
    #[serde(borrow, default)]
    pub init_containers: Option<Vec<Container<'a>>>,
    /// Containers.
    #[serde(borrow, default)]
    pub containers: Option<Vec<Container<'a>>>,
    /// The user that containers run as where they say nothing else.
    #[serde(default)]
    pub security_context: Option<SecurityContext>,
    /// The operating system that the Pod is for.
    #[serde(borrow, default)]
    pub os: Option<Os<'a>>,
    /// The labels of nodes that it may run on.
    #[serde(borrow, default)]
    pub node_selector: Option<BTreeMap<Text<'a>, Text<'a>>>,
    /// What it waits for before it is given a node.
    #[serde(borrow, default)]
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

impl Spec<'_> {
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
    /// What it mounts.
    #[serde(borrow, default)]
    pub volume_mounts: Option<Vec<VolumeMount<'a>>>,
    /// Its readiness probe.
    #[serde(borrow, default)]
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
    #[serde(default)]
    pub resources: Option<Resources>,
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
        let command: &[_] = match &self.readiness_probe {
            Some(FoundProbe::Runs { exec }) => &exec.command,
            Some(FoundProbe::Other(_)) | None => &[],
        };
        command.iter().map(|word| &**word)
    }
}

/// A probe that a container has.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum FoundProbe<'a> {
    /// It runs a program.
    Runs {
        /// The program with its words.
        #[serde(borrow)]
        exec: FoundExec<'a>,
    },
    /// It does something else, or what nobody can say: that is the API server's to judge.
    Other(serde::de::IgnoredAny),
}

/// The program that a probe runs.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundExec<'a> {
    #[serde(borrow)]
    command: Vec<Text<'a>>,
}

/// A container's resources.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Resources {
    /// Whether anything is requested.
    #[serde(default, deserialize_with = "present")]
    pub requests: Presence,
    /// Whether anything is limited.
    #[serde(default, deserialize_with = "present")]
    pub limits: Presence,
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
