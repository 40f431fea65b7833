//! What a cluster makes of topics and groups that are asked for.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::broker_cluster::{a_day, an_hour};
use super::topic_claim::MAX_CONFIG_VALUE;

/// What becomes of a topic that a Pod names, that nobody declared, and that Kafka does not have.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undeclared {
    /// It is made, and belongs to the namespace that asked first.
    #[default]
    Any,
    /// It is made where its name is the namespace's own (`<namespace>.…`), else refused.
    OwnNames,
    /// It is refused: every topic needs a `TopicClaim` that somebody wrote.
    Refuse,
}

/// Which topics a declared `TopicClaim` may take over that were in Kafka before it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adoption {
    /// Those whose name is the namespace's own (`<namespace>.…`).
    #[default]
    OwnNames,
    /// Every one that no other claim covers.
    Any,
}

/// Whose consumer groups are that bear no namespace's name. Groups `<namespace>.…` are always that namespace's.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GroupPolicy {
    /// `Any`: such a group belongs to the namespace that asks first. Else it is refused.
    #[serde(default)]
    pub undeclared: Undeclared,
    /// Whether who asks first may have a group that was in Kafka before.
    #[serde(default)]
    pub adopt: Adoption,
}

/// What is made of topics that Pods name and nobody declared.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TopicPolicy {
    /// What becomes of a topic that a Pod names, that nobody declared, and that Kafka does not have.
    #[serde(default)]
    pub undeclared: Undeclared,
    /// Which topics a declared `TopicClaim` may take over that were in Kafka before it.
    #[serde(default)]
    pub adopt: Adoption,
    /// Partitions of such a topic.
    #[serde(default = "one_partition")]
    #[schemars(range(min = 1, max = 10_000))]
    pub default_partitions: i32,
    /// Replicas of such a topic; absent, the brokers' own default (`default.replication.factor`) holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub default_replicas: Option<i32>,
    /// Settings of topics whose claims say nothing of them, as Kafka names them (`min.insync.replicas`). Heeded when a topic is made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 50,
        "additionalProperties" = {"type": "string", "maxLength": MAX_CONFIG_VALUE}
    ))]
    pub default_config: BTreeMap<String, String>,
    /// What claims may ask for at most.
    #[serde(default)]
    pub limits: TopicLimits,
    /// How topics of claims with `deletion: Delete` are deleted.
    #[serde(default)]
    pub deletion: DeletionPolicy,
    /// Bytes a second that a broker copies while replicas are moved, sent and received alike.
    #[serde(default = "fifty_mebibytes")]
    #[schemars(range(min = 1024, max = 1_099_511_627_776_i64))]
    pub reassignment_throttle: i64,
}

/// What a claim may ask for at most; absent, anything that Kafka takes. Topics of Pods that nobody declared keep to it as well.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TopicLimits {
    /// Partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_partitions: Option<i32>,
    /// Replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: Option<i32>,
    /// Replicas at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: Option<i32>,
    /// How long records may be kept: a duration, with `d` for days as well (`7d`). Where it is set, a claim may not keep them for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub max_retention: Option<String>,
    /// What a topic's name must look like: literal text, `*` for any characters, and `{namespace}` for the claim's namespace, such as
    /// `{namespace}.*`. One of them has to fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(length(min = 1, max = 249), regex(pattern = r"^([a-zA-Z0-9._*-]|\{namespace\})+$"))
    )]
    pub names: Vec<String>,
    /// The share of the brokers' disks that all claims with `retention.diskFraction` may promise together, such as `0.8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0\.[0-9]{1,6}|1(\.0)?)$"))]
    pub max_disk_use: Option<String>,
}

/// How topics of claims with `deletion: Delete` are deleted: late, and never while somebody uses them.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DeletionPolicy {
    /// How long a topic stays after its claim was deleted: until then, a claim that is declared again keeps it.
    #[serde(default = "a_day")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub undo: String,
    /// How old the youngest record must be.
    #[serde(default = "an_hour")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"), length(max = 64))]
    pub min_record_age: String,
    /// How many topics are deleted within an hour without a question.
    #[serde(default = "ten_topics")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_an_hour: i32,
    /// The same as a share of all topics of this cluster that have a claim, such as `0.05`; the smaller of the two counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0\.[0-9]{1,6}|1(\.0)?)$"))]
    pub max_share_an_hour: Option<String>,
}

impl Default for DeletionPolicy {
    fn default() -> Self {
        Self { undo: a_day(), min_record_age: an_hour(), max_an_hour: ten_topics(), max_share_an_hour: None }
    }
}

const fn ten_topics() -> i32 {
    10
}

const fn fifty_mebibytes() -> i64 {
    50 * 1024 * 1024
}

impl Default for TopicPolicy {
    fn default() -> Self {
        Self {
            undeclared: Undeclared::default(),
            adopt: Adoption::default(),
            default_partitions: one_partition(),
            default_replicas: None,
            default_config: BTreeMap::new(),
            limits: TopicLimits::default(),
            deletion: DeletionPolicy::default(),
            reassignment_throttle: fifty_mebibytes(),
        }
    }
}

fn one_partition() -> i32 {
    1
}
