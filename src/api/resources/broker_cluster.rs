//! A Kafka cluster that workloads are given access to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Kafka cluster: where it is, and how the operator speaks to it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[kube(
    group = "kafka.admittance.dev",
    version = "v1alpha1",
    kind = "BrokerCluster",
    namespaced,
    status = "BrokerClusterStatus",
    derive = "PartialEq",
    category = "admittance",
    doc = "A Kafka cluster that workloads are given access to.",
    printcolumn(name = "Bootstrap", type_ = "string", json_path = ".spec.external.bootstrapServers"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Brokers", type_ = "integer", json_path = ".status.brokers"),
    printcolumn(name = "Kafka ID", type_ = "string", json_path = ".status.kafkaClusterId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct BrokerClusterSpec {
    /// A Kafka that runs already.
    pub external: External,
    /// What is made of topics that Pods name and nobody declared.
    #[serde(default)]
    pub topics: TopicPolicy,
}

/// A Kafka that runs already.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Comma-separated `host:port` list, as clients are given it. A name for several brokers may be used.
    #[schemars(regex(pattern = r"^[A-Za-z0-9.-]+:[0-9]{1,5}( *, *[A-Za-z0-9.-]+:[0-9]{1,5})*$"))]
    #[schemars(length(min = 1, max = 4096))]
    pub bootstrap_servers: String,
    /// How the brokers are trusted. Clients always speak TLS.
    pub tls: Tls,
    /// The mechanism of the operator's own user and, until both are in use, of the workloads' users.
    #[serde(default)]
    pub mechanism: SaslMechanism,
    /// The Secret in this namespace with the operator's own Kafka credential: keys `username` and `password`.
    pub admin_secret: SecretRef,
}

/// How the brokers are trusted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The Secret in this namespace with the certificates that the brokers are trusted by.
    pub ca_secret: SecretKeyRef,
}

/// A Secret in the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One key of a Secret in the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[serde(default = "ca_crt")]
    pub key: String,
}

fn ca_crt() -> String {
    super::super::secret_layout::keys::CA_CRT.to_owned()
}

/// SASL mechanisms, in Kafka's own spelling.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaslMechanism {
    /// SCRAM with SHA-512 (RFC 5802 with that digest).
    #[default]
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// SCRAM with SHA-256 (RFC 7677).
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
}

impl SaslMechanism {
    /// Kafka's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

/// What is made of topics that Pods name and nobody declared.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TopicPolicy {
    /// Partitions of such a topic.
    #[serde(default = "one_partition")]
    #[schemars(range(min = 1, max = 10_000))]
    pub default_partitions: i32,
    /// Replicas of such a topic; absent, the brokers' own default (`default.replication.factor`) holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub default_replicas: Option<i32>,
}

impl Default for TopicPolicy {
    fn default() -> Self {
        Self { default_partitions: one_partition(), default_replicas: None }
    }
}

fn one_partition() -> i32 {
    1
}

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BrokerClusterStatus {
    /// `Ready`: the operator can do its work on this Kafka.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Brokers that are registered and not fenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokers: Option<i32>,
    /// The id by which Kafka knows itself (`cluster.id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka_cluster_id: Option<String>,
    /// The prefix of every user that is made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}
