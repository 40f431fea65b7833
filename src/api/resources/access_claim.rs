//! Who consumes and produces what.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.source == oldSelf.source").message("source is immutable"))]
#[x_kube(validation = Rule::new("self.workload == oldSelf.workload").message("workload is immutable"))]
#[x_kube(validation = Rule::new("self.cluster == oldSelf.cluster").message("cluster is immutable"))]
#[serde(rename_all = "camelCase")]
pub struct AccessClaimSpec {
    /// Where the intent comes from.
    pub source: AccessSource,
    /// The workload's identity in its namespace.
    #[schemars(length(min = 1, max = 253))]
    pub workload: String,
    /// The `BrokerCluster`, as `namespace/name`.
    #[schemars(length(min = 3, max = 507))]
    pub cluster: String,
    /// Topics that it reads, sorted.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 249)))]
    pub consumes: Vec<String>,
    /// Topics that it writes, sorted.
    #[serde(default)]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 249)))]
    pub produces: Vec<String>,
}

/// Where the intent of an access comes from.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessSource {
    /// From the annotations of living Pods; the operator writes it.
    Pods,
}

/// A right that is asked for and not given.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The topic.
    pub topic: String,
    /// The reason code.
    pub reason: String,
    /// What is in the way, and who can change it.
    pub message: String,
}

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AccessClaimStatus {
    /// `Ready`: the Secret's credential works, with the rights of the spec.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The Kafka user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The Secret that holds its credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Topics that are asked for and refused.
    #[serde(default)]
    pub refused: Vec<Refusal>,
}
