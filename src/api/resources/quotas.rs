//! How much of a Kafka a workload may use: Kafka's client quotas of users (KIP-546).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Quotas of one user. What is absent is not limited by us.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Bytes a second that it may produce, on each broker (`producer_byte_rate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub produce_bytes_per_second: Option<i64>,
    /// Bytes a second that it may consume, on each broker (`consumer_byte_rate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub consume_bytes_per_second: Option<i64>,
    /// Percent of one thread's time that its requests may take, on each broker (`request_percentage`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub request_percentage: Option<i32>,
}

impl Quotas {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The quotas of a cluster's workloads.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct QuotaPolicy {
    /// Of every workload that is not named below; a manual claim may ask for less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Quotas>,
    /// Of single workloads, in the place of the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub workloads: Vec<WorkloadQuotas>,
}

impl QuotaPolicy {
    /// Whether it limits anybody.
    #[must_use]
    pub fn asks(&self) -> bool {
        let mut all = self.default.iter().chain(self.workloads.iter().map(|workload| &workload.quotas));
        all.any(|quotas| !quotas.is_empty())
    }
}

/// The quotas of one workload.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadQuotas {
    /// Its namespace.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its name; absent, every workload of the namespace that is not named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub workload: Option<String>,
    /// What it may use.
    pub quotas: Quotas,
}
