//! Who consumes and produces what.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::broker_cluster::SaslMechanism;
use super::placed;
use super::quotas::Quotas;

/// The access of one workload: one Kafka user, its rights, one Secret.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[kube(
    group = "kafka.admittance.dev",
    version = "v1alpha1",
    kind = "AccessClaim",
    namespaced,
    status = "AccessClaimStatus",
    derive = "PartialEq",
    category = "admittance",
    doc = "The Kafka access of one workload: one Kafka user, exactly its rights, and one Secret.",
    printcolumn(name = "Consumes", type_ = "string", json_path = ".spec.consumes"),
    printcolumn(name = "Produces", type_ = "string", json_path = ".spec.produces"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName"),
    printcolumn(name = "User", type_ = "string", json_path = ".status.username", priority = 1),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.source == oldSelf.source").message("source is immutable"))]
#[x_kube(validation = Rule::new("self.workload == oldSelf.workload").message("workload is immutable"))]
#[x_kube(
    validation = Rule::new("has(self.cluster) == has(oldSelf.cluster) && (!has(self.cluster) || self.cluster == oldSelf.cluster)")
        .message("cluster can be neither changed, added nor removed: the user stays in its Kafka. To move, delete this claim and declare it anew")
)]
#[x_kube(
    validation = Rule::new("!has(self.secrets) || self.source == 'Pods'")
        .message("secrets follow from Deployments: a manual claim has one Secret, of its own name")
)]
#[x_kube(
    validation = Rule::new("!has(self.quotas) || self.source == 'Manual'")
        .message("quotas belong to a manual claim; those of Pods are set by the BrokerCluster's quotas")
)]
#[x_kube(
    validation = Rule::new("has(self.serviceAccount) == (self.source == 'Manual')")
        .message("a claim with source Manual must name a serviceAccount, and no other may")
)]
#[x_kube(
    validation = Rule::new("has(self.serviceAccount) == has(oldSelf.serviceAccount) && (!has(self.serviceAccount) || self.serviceAccount == oldSelf.serviceAccount)")
        .message("serviceAccount is immutable")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessClaimSpec {
    /// Where the intent comes from.
    pub source: AccessSource,
    /// The workload's identity in its namespace.
    #[schemars(length(min = 1, max = 253))]
    pub workload: String,
    /// The `BrokerCluster`, as `namespace/name`; absent, the default of the namespace, else that of the installation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[x_kube(validation = Rule::new("self.matches('^[^/]+/[^/]+$')").message("must be namespace/name"))]
    #[schemars(length(min = 3, max = 317))]
    pub cluster: String,
    /// Topics that it reads, sorted.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$")))]
    pub consumes: Vec<String>,
    /// Topics that it writes, sorted.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$")))]
    pub produces: Vec<String>,
    /// Consumer groups that it joins beyond `<namespace>.…`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$")))]
    pub groups: Vec<String>,
    /// Whether it uses the transactional ids `<namespace>.<workload>` and `<namespace>.<workload>_…`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transactions: bool,
    /// Kafka Streams applications that it is part of, each beginning with `<namespace>.`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$")))]
    pub streams: Vec<String>,
    /// Further Secrets that hold the same, sorted: names that Deployments of the contract of 2017 give it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 253)))]
    pub secrets: Vec<String>,
    /// Of a manual claim: the service account of this namespace that the client stands for. It needs the grants on topics of other
    /// namespaces, and whoever writes the claim must be allowed to impersonate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account: Option<String>,
    /// Of a manual claim: less than the cluster's quotas allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
}

impl AccessClaim {
    /// Its cluster, else the one on record: where it went that names none. Nothing where that is still to be decided.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        placed(&self.spec.cluster, self.status.as_ref().and_then(|status| status.cluster.as_deref()))
    }
}

impl AccessClaimSpec {
    /// A claim that follows Pods and asks for nothing yet.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            source: AccessSource::Pods,
            workload: String::new(),
            cluster: String::new(),
            consumes: Vec::new(),
            produces: Vec::new(),
            groups: Vec::new(),
            transactions: false,
            streams: Vec::new(),
            secrets: Vec::new(),
            service_account: None,
            quotas: None,
        }
    }
}

/// Where the intent of an access comes from.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessSource {
    /// From the annotations of living Pods, or of Deployments of the contract of 2017; the operator writes it.
    Pods,
    /// From the claim itself, for a client that is not a Pod; people write it.
    Manual,
}

/// What may be done with a topic or a group; the verb by which its owner grants it to another namespace.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub enum Right {
    /// Read a topic.
    Consume,
    /// Write a topic.
    Produce,
    /// Join a consumer group.
    Join,
}

impl Right {
    /// The verb of Kubernetes' RBAC.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Produce => "produce",
            Self::Join => "join",
        }
    }
}

/// A right on what is another namespace's, and what gave it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The right.
    pub right: Right,
    /// The topic, or the group.
    pub name: String,
    /// The namespace that owns it.
    pub namespace: String,
    /// What Kubernetes says it was allowed by: a RoleBinding or ClusterRoleBinding.
    pub via: String,
}

/// A right that is asked for and not given.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The right.
    pub right: Right,
    /// The topic, or the group.
    pub name: String,
    /// The reason code.
    pub reason: String,
    /// What is in the way, and who can change it.
    pub message: String,
}

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AccessClaimStatus {
    /// `Ready`: the Secret's credential works, with the rights of the spec. `CredentialCurrent`: no earlier password works any more.
    /// `Drifted`: somebody changed the user in Kafka, and the BrokerCluster says to report it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The `BrokerCluster` that was decided on where the spec names none: a default that changes later moves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The Kafka user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The Secret that holds its credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The SASL mechanism that the Secret tells clients of: where the Secret is lost, the password that Pods still use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<SaslMechanism>,
    /// Rights on topics of other namespaces, each with what gave it.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Rights that are asked for and refused.
    #[serde(default)]
    pub refused: Vec<Refusal>,
    /// Groups beyond `<namespace>.…` that are its namespace's, since it asked first.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Groups that it had so and asks for no more: a rollback has them again, where nobody else has them now. At most 100.
    #[serde(default)]
    pub left_groups: Vec<String>,
    /// The service accounts of the Pods that were last seen to ask for topics of other namespaces.
    #[serde(default)]
    pub service_accounts: Vec<String>,
    /// What the Pods that were last seen belong to: the access lives as long as one of these is there.
    #[serde(default)]
    pub owners: Vec<WorkloadOwner>,
    /// Since when there is neither a Pod nor an owner. Written even where it is empty: a merge leaves what it does not name.
    #[serde(default)]
    pub idle_since: Option<Time>,
    /// The quotas of the user in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
    /// What the rules of the user were when they were last written or found right, as a hash: where Kafka has others, somebody else
    /// changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// How many new passwords were asked for since the first. The Secret says how many it has seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rotations: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What makes a workload's Pods.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadOwner {
    /// Its kind, such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}
