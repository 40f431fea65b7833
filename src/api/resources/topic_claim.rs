//! A namespace's claim on a topic, and what it should look like.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A namespace's claim on a topic. The topic stays when the claim goes.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[kube(
    group = "kafka.admittance.dev",
    version = "v1alpha1",
    kind = "TopicClaim",
    namespaced,
    status = "TopicClaimStatus",
    derive = "PartialEq",
    category = "admittance",
    doc = "A namespace's claim on a Kafka topic, and what the topic should look like. The topic stays when the claim goes.",
    printcolumn(name = "Topic", type_ = "string", json_path = ".spec.topicName"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.partitions"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.topicName"
)]
#[x_kube(validation = Rule::new("self.topicName == oldSelf.topicName").message("topicName is immutable: a topic cannot be renamed"))]
#[x_kube(validation = Rule::new("self.cluster == oldSelf.cluster").message("cluster is immutable"))]
#[x_kube(
    validation = Rule::new("!has(oldSelf.partitions) || (has(self.partitions) && self.partitions >= oldSelf.partitions)")
        .message("partitions can only grow: Kafka cannot take one away")
)]
#[x_kube(
    validation = Rule::new("self.source == oldSelf.source || self.source == 'Declared'")
        .message("a declared topic cannot become an implicit one")
)]
#[serde(rename_all = "camelCase")]
pub struct TopicClaimSpec {
    /// The topic's name in Kafka.
    #[x_kube(
        validation = Rule::new("self.matches('^[a-zA-Z0-9._-]+$') && self != '.' && self != '..'")
            .message("may hold only letters, digits, '.', '_' and '-', and may not be '.' or '..'")
    )]
    #[x_kube(validation = Rule::new("!self.startsWith('__')").message("topics that begin with '__' belong to Kafka"))]
    #[schemars(length(min = 1, max = 249))]
    pub topic_name: String,
    /// The `BrokerCluster`, as `namespace/name`.
    #[schemars(length(min = 3, max = 507))]
    pub cluster: String,
    /// Partitions; absent, the cluster's default when the topic is made, and whatever it has afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// Replicas of each partition; absent, the cluster's default when the topic is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Who wrote this claim.
    #[serde(default)]
    pub source: TopicSource,
}

/// Who wrote a claim on a topic.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicSource {
    /// A person, or a tool of theirs.
    #[default]
    Declared,
    /// The operator, because a Pod produces a topic that nobody had declared.
    Producer,
    /// The operator, because a Pod consumes a topic that nobody had declared.
    Consumer,
}

/// What the operator was about to do, written before it did it: after a crash it tells our topic from another's.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TopicIntent {
    /// The partitions that CreateTopics was asked for.
    pub partitions: i32,
    /// The replicas that CreateTopics was asked for; -1 is the brokers' default.
    pub replicas: i32,
}

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TopicClaimStatus {
    /// `Ready`: the topic exists and is this claim's.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The topic's id in Kafka: a topic that is made anew under the same name has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Partitions that the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas that its partitions have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Set before CreateTopics, gone once the topic's id is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creating: Option<TopicIntent>,
}
