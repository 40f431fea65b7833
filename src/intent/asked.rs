//! What a Pod asks for, once it has been read.

use std::collections::BTreeSet;

use super::naming;
use super::probes::Probes;
use crate::api::names::{ClusterRef, GroupName, TopicName, WorkloadName};

/// What a Pod asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its identity in the namespace.
    pub workload: WorkloadName,
    /// The cluster that it speaks to.
    pub cluster: ClusterRef,
    /// Whether that is the install's default.
    pub default_cluster: bool,
    /// Topics that it reads.
    pub consumes: BTreeSet<TopicName>,
    /// Topics that it writes.
    pub produces: BTreeSet<TopicName>,
    /// Consumer groups that it joins beyond those of its namespace.
    pub groups: BTreeSet<GroupName>,
    /// Whether it may use its own transactional ids.
    pub transactions: bool,
    /// The Kafka Streams application that it belongs to.
    pub streams: Option<GroupName>,
    /// A further name of its Secret, beside the one that follows from the workload.
    pub secret: Option<String>,
    /// Containers that receive the configuration.
    pub containers: Containers,
    /// The environment variables that its containers are given.
    pub env: EnvProfile,
    /// The probes that a container is given where it has none.
    pub probes: Probes,
    /// What the Pod waits in for its credentials.
    pub wait: Wait,
    /// What the author should know although nothing is wrong.
    pub warnings: Vec<String>,
}

/// Which containers of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Containers {
    /// All of them, init containers included.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

/// Whose names environment variables have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EnvProfile {
    /// There are none: files only.
    #[default]
    None,
    /// `KAFKA_…`, after Kafka's own names for the settings.
    Generic,
    /// Spring Boot's.
    Spring,
    /// The JVM's own, which leads to the JAAS file.
    Jaas,
}

impl EnvProfile {
    /// All, by the words that ask for them.
    pub const ALL: [(&str, Self); 4] =
        [("none", Self::None), ("generic", Self::Generic), ("spring", Self::Spring), ("jaas", Self::Jaas)];
}

/// What a Pod waits in for its credentials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wait {
    /// The kubelet's mount of the Secret: the Pod has a node already.
    #[default]
    Secret,
    /// A scheduling gate: no node is held.
    Gate,
}

impl Containers {
    /// Whether a container of this name is among them.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }

    /// Whether a container is among them by its name, and not as one of all.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        matches!(self, Self::Named(names) if names.contains(name))
    }
}

impl Intent {
    /// The name of the `AccessClaim`, which is also the value of the Pod's access label: 63 characters at most.
    #[must_use]
    pub fn access_name(&self) -> String {
        naming::access_of(&self.workload, self.other_cluster())
    }

    /// The name of the credential Secret.
    #[must_use]
    pub fn secret_name(&self) -> String {
        naming::secret_of(&self.workload, self.other_cluster())
    }

    fn other_cluster(&self) -> Option<&ClusterRef> {
        (!self.default_cluster).then_some(&self.cluster)
    }
}
