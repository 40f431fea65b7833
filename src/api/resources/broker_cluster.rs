//! A Kafka cluster that workloads are given access to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::selector::NamespaceSelector;
use super::departed::{PendingDeletion, ReleasedTopic};
use super::policy::{GroupPolicy, TopicPolicy};
use super::quotas::QuotaPolicy;
use super::topic_claim::Drift;

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
    // What waits for a person: the conditions of the sweep and of deletions, which hold while the cluster is Ready.
    printcolumn(
        name = "Users held",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='SweepHeld')].status"
    ),
    printcolumn(
        name = "Deletions held",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='DeletionHeld')].status"
    ),
    printcolumn(name = "Brokers", type_ = "integer", json_path = ".status.brokers"),
    printcolumn(name = "Protocol", type_ = "string", json_path = ".status.protocol"),
    printcolumn(name = "Scope", type_ = "string", json_path = ".status.scope", priority = 1),
    printcolumn(name = "Kafka ID", type_ = "string", json_path = ".status.kafkaClusterId", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("has(self.scope) == has(oldSelf.scope) && (!has(self.scope) || self.scope == oldSelf.scope)")
        .message("scope is immutable: every user in Kafka begins with it")
)]
#[serde(rename_all = "camelCase")]
pub struct BrokerClusterSpec {
    /// A Kafka that runs already.
    pub external: External,
    /// The prefix of every user that is made in this Kafka; absent, one that follows from the uid of the namespace
    /// `kube-system`. It is claimed in Kafka: two Kubernetes clusters never share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z][a-z0-9]{0,19}$"))]
    pub scope: Option<String>,
    /// The uid of a `kube-system` namespace whose claim on the scope is taken over: of a Kubernetes cluster that is no more.
    /// It is heeded once; to take over from the same uid again, remove it and set it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub adopt: Option<String>,
    /// Work on a Kafka with `allow.everyone.if.no.acl.found=true` all the same. There the first rule on a topic, group or
    /// transactional id shuts out all clients of it that have none.
    #[serde(default)]
    pub acknowledge_open_cluster: bool,
    /// Who may use it; absent, Pods of every namespace that is opted in, and `TopicClaims` of every namespace, opted in or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Clients>,
    /// What is made of topics that Pods name and nobody declared.
    #[serde(default)]
    pub topics: TopicPolicy,
    /// Whose consumer groups are that bear no namespace's name.
    #[serde(default)]
    pub groups: GroupPolicy,
    /// How long users and passwords live.
    #[serde(default)]
    pub credentials: CredentialPolicy,
    /// How much of the brokers a workload may use.
    #[serde(default)]
    pub quotas: QuotaPolicy,
}

/// How long users and passwords live. A duration is written as `90s`, `30m`, `24h` or `90d`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialPolicy {
    /// How long an access outlives its last Pod and its owner.
    #[serde(default = "a_day")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub idle_after: String,
    /// How long a user may be without an `AccessClaim` that nobody saw end before it is removed.
    #[serde(default = "an_hour")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub absent_after: String,
    /// How old a password becomes before a new one is made, such as `24h` or `90d`; absent, only `kafka.admittance.dev/rotate` makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub rotate_every: Option<String>,
    /// How long an old password may stay valid beside its successor before a condition says so.
    #[serde(default = "a_day")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub max_overlap: String,
    /// What is done for Pods that still have the old password.
    #[serde(default)]
    pub restart: Restart,
    /// What is done where a user's rules or passwords in Kafka are not those of its access.
    #[serde(default)]
    pub drift: Drift,
}

impl Default for CredentialPolicy {
    fn default() -> Self {
        Self {
            idle_after: a_day(),
            absent_after: an_hour(),
            rotate_every: None,
            max_overlap: a_day(),
            restart: Restart::default(),
            drift: Drift::default(),
        }
    }
}

pub(super) fn an_hour() -> String {
    "1h".to_owned()
}

pub(super) fn a_day() -> String {
    "24h".to_owned()
}

/// What is done for Pods that still have the old password after a rotation.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Nothing: the old password works until they are gone.
    #[default]
    None,
    /// Their Deployment, `StatefulSet` or `DaemonSet` is rolled out anew, as `kubectl rollout restart` does it.
    Rollout,
}

/// Who may use a cluster.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// The namespaces whose workloads and `TopicClaims` may, of those that are opted in. Absent or empty: workloads of all of these, and
    /// `TopicClaims` of every namespace, opted in or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,
}

/// A Kafka that runs already.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("has(self.tls) != (has(self.insecure) && self.insecure)")
        .message("exactly one of tls and insecure: true is needed")
)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Comma-separated `host:port` list, as clients are given it; IPv6 addresses in brackets. A name for several brokers may be used.
    #[schemars(regex(
        pattern = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}( *, *(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})*$"
    ))]
    #[schemars(length(min = 1, max = 4096))]
    pub bootstrap_servers: String,
    /// How the brokers are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// For laboratories: no TLS, neither for the operator nor for clients. Whoever sits in the network can read all messages,
    /// and the keys that the operator writes for new users.
    #[serde(default)]
    pub insecure: bool,
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
    #[schemars(length(min = 1, max = 253))]
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

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BrokerClusterStatus {
    /// `Ready`: the operator can do its work on this Kafka. `Insecure`: it is spoken to without TLS. `RightsMissing`: its user lacks
    /// rights that only some of the work needs. `SweepHeld`, `DeletionHeld`: a person has to decide, as the message says.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Brokers that are registered and not fenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokers: Option<i32>,
    /// The id by which Kafka knows itself (`cluster.id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka_cluster_id: Option<String>,
    /// Users in Kafka without an `AccessClaim`, each since when.
    #[serde(default)]
    pub absent: Vec<AbsentUser>,
    /// The prefix of every user that is made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The uid of the `kube-system` namespace whose Kubernetes cluster has the claim on the scope: ours, or the one in our way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    /// The value of `spec.adopt` that was heeded already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// Claims on other scopes of this Kafka, at most 32 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub neighbours: Vec<Neighbour>,
    /// The SASL mechanisms that the listener offers, as far as users can be made for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub mechanisms: Vec<SaslMechanism>,
    /// Topics whose claims are gone and that wait for their deletion. Declaring a claim again keeps its topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub deletions: Vec<PendingDeletion>,
    /// Topics that stayed when their claims were deleted, the latest 500. A claim of the same namespace takes them over again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub released: Vec<ReleasedTopic>,
    /// How clients speak to it: `SASL_SSL`, or `SASL_PLAINTEXT` where it is insecure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Another scope of the same Kafka.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// The scope.
    pub scope: String,
    /// The uid of the `kube-system` namespace whose Kubernetes cluster claims it.
    pub uid: String,
}

/// A user in Kafka that no `AccessClaim` covers.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AbsentUser {
    /// The Kafka user.
    pub user: String,
    /// Its Secret, where the name does not follow from the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Since when.
    pub since: Time,
    /// Too many were missing beside it: it waits for a person's word, and where that is not needed any more, its time begins anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}
