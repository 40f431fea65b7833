//! A namespace's claim on a topic, and what it should look like.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placed;

/// Bytes of the longest name of a setting: none that Kafka has comes near it.
pub const MAX_CONFIG_KEY: usize = 255;
/// Bytes of the longest value of a setting: far beyond any that Kafka takes from a claim.
pub const MAX_CONFIG_VALUE: usize = 4096;
/// Bytes of all settings of a claim together, names and values: all that Kafka has come to an eighth of it. The operator holds every claim
/// in memory, of whoever writes it.
pub const MAX_CONFIG: usize = 16 * 1024;

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
    printcolumn(name = "Consumers", type_ = "integer", json_path = ".status.consumerCount"),
    printcolumn(name = "Producers", type_ = "integer", json_path = ".status.producerCount"),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Deletion", type_ = "string", json_path = ".spec.deletion", priority = 1),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".status.cluster", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.topicName"
)]
#[x_kube(validation = Rule::new("self.topicName == oldSelf.topicName").message("topicName is immutable: a topic cannot be renamed"))]
#[x_kube(
    validation = Rule::new("has(self.cluster) == has(oldSelf.cluster) && (!has(self.cluster) || self.cluster == oldSelf.cluster)")
        .message("cluster can be neither changed, added nor removed: the topic stays in its Kafka. For one in another Kafka, declare another claim")
)]
#[x_kube(
    validation = Rule::new("!has(self.config) || !has(self.retention) || !('retention.ms' in self.config || 'retention.bytes' in self.config)")
        .message("retention.ms and retention.bytes are said by retention, or by config, not by both")
)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.partitions) || (has(self.partitions) && self.partitions >= oldSelf.partitions)")
        .message("partitions can only grow, and once named stay named: Kafka cannot take one away")
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
    /// The `BrokerCluster`, as `namespace/name`; absent, the default of the namespace, else that of the installation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[x_kube(validation = Rule::new("self.matches('^[^/]+/[^/]+$')").message("must be namespace/name"))]
    #[schemars(length(min = 3, max = 317))]
    pub cluster: String,
    /// Partitions; absent, the cluster's default when the topic is made, and whatever it has afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// Replicas of each partition; absent, the cluster's default when the topic is made, and whatever it has afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Settings, as Kafka names them (`cleanup.policy`). Those that are not named here are left as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    // CEL cannot add up what values have: its estimate of what that costs has no bound. The judges of claims do.
    #[x_kube(
        validation = Rule::new("self.all(key, size(key) <= 255)")
            .message("the name of a setting has 255 characters at most")
    )]
    #[x_kube(
        validation = Rule::new("self.filter(key, size(self[key]) > 256).size() <= 4")
            .message("no more than 4 settings may have values of more than 256 characters")
    )]
    #[schemars(extend(
        "maxProperties" = 100,
        "additionalProperties" = {"type": "string", "maxLength": MAX_CONFIG_VALUE}
    ))]
    pub config: BTreeMap<String, String>,
    /// How long records are kept, and how much of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// What becomes of the topic when this claim is deleted.
    #[serde(default)]
    pub deletion: Deletion,
    /// What is done where the topic in Kafka is not as this claim says.
    #[serde(default)]
    pub drift: Drift,
    /// Who wrote this claim.
    #[serde(default)]
    pub source: TopicSource,
    /// In memory alone: the bytes of a `config` that is larger than [`MAX_CONFIG`] and was left out.
    #[serde(skip_deserializing, skip_serializing_if = "in_memory_alone")]
    #[schemars(skip)]
    pub config_left_out: Option<usize>,
}

impl TopicClaim {
    /// Its cluster, else the one on record: where it went that names none. Nothing where that is still to be decided.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        placed(&self.spec.cluster, self.status.as_ref().and_then(|status| status.cluster.as_deref()))
    }
}

impl TopicClaimSpec {
    /// Bytes of the settings, names and values.
    #[must_use]
    pub fn config_bytes(&self) -> usize {
        self.config_left_out.unwrap_or_else(|| bytes(&self.config))
    }

    /// Leaves out settings that are too many to be held: a claim with them is refused, whatever they are.
    pub fn bound(&mut self) {
        let bytes = self.config_bytes();
        if bytes > MAX_CONFIG {
            self.config_left_out = Some(bytes);
            self.config = BTreeMap::new();
        }
    }

    /// A claim on a topic that says nothing more of it.
    #[must_use]
    pub fn of(topic_name: impl Into<String>, cluster: impl Into<String>, source: TopicSource) -> Self {
        Self {
            topic_name: topic_name.into(),
            cluster: cluster.into(),
            partitions: None,
            replicas: None,
            config: BTreeMap::new(),
            retention: None,
            deletion: Deletion::default(),
            drift: Drift::default(),
            source,
            config_left_out: None,
        }
    }
}

/// The API server is told nothing of it.
fn in_memory_alone<T>(_: &T) -> bool {
    true
}

/// Bytes of settings, names and values.
fn bytes(settings: &BTreeMap<String, String>) -> usize {
    settings.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// How long records are kept, and how much of them: whichever is reached first.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[x_kube(
    validation = Rule::new("!(has(self.size) && has(self.diskFraction))")
        .message("size and diskFraction both set retention.bytes: name one of them")
)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// How long: a duration, with `d` for days as well (`7d`), or `forever`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(forever|([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+)$"), length(max = 64))]
    pub time: Option<String>,
    /// How much of each partition: bytes, such as `512Mi` or `10G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"), length(max = 32))]
    pub size: Option<String>,
    /// How much of the topic with all its replicas, as a share of all the brokers' disks together: `0.05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^0\.[0-9]{1,6}$"))]
    pub disk_fraction: Option<String>,
}

/// What becomes of a topic whose claim is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletion {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted once the cluster's `topics.deletion.undo` has passed and nobody uses it.
    Delete,
}

/// What is done where Kafka is not as a resource says.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drift {
    /// It is brought to what the resource says.
    #[default]
    Revert,
    /// It is told, and left as it is: once the topic is there, nothing of it is changed.
    Report,
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
    /// The settings that CreateTopics was asked for; absent where an earlier version wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
}

impl TopicIntent {
    /// Leaves out settings that no claim is let have any more: Kafka was asked for them by an earlier version, and has made no such topic.
    pub fn bound(&mut self) {
        // The cluster's own settings are among them.
        self.config = self.config.take().filter(|config| bytes(config) <= 2 * MAX_CONFIG);
    }
}

/// What the operator saw.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TopicClaimStatus {
    /// `Ready`: the topic exists and is this claim's. `Drifted`: it is not as the claim says, or was not until it was put right.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The `BrokerCluster` that the topic is on: where the spec names none, a default that changes later moves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The topic's id in Kafka: a topic that is made anew under the same name has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Partitions that the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas that its partitions have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The settings that the topic has of its own, declared here or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<BTreeMap<String, String>>,
    /// The keys of settings that this claim has set. One that it does not name any more goes back to the brokers' default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_config: Option<Vec<String>>,
    /// What differs from the claim, in words: `partitions: 3 instead of 6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Vec<String>>,
    /// Workloads that read the topic, as `namespace/name`: some of them, where there are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Vec<String>>,
    /// Workloads that write the topic, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producers: Option<Vec<String>>,
    /// How many read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_count: Option<i32>,
    /// How many write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_count: Option<i32>,
    /// Partitions whose replicas are being moved by us; gone when they have arrived and the throttle is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<i32>,
    /// Set before CreateTopics, gone once the topic's id is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creating: Option<TopicIntent>,
}
