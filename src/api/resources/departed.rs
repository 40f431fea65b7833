//! Topics whose claims were deleted, as the status of their `BrokerCluster` has them on record.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A topic whose claim, with `deletion: Delete`, was deleted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PendingDeletion {
    /// The topic's name.
    pub topic: String,
    /// Its id in Kafka: nothing else is ever deleted under its name.
    pub topic_id: String,
    /// The namespace of the claim.
    pub namespace: String,
    /// The claim's name.
    pub claim: String,
    /// The uid of the definition of TopicClaims: a claim that went with its definition was not deleted by anybody.
    pub definition: String,
    /// When the claim was seen to be deleted.
    pub since: Time,
    /// When the topic may be deleted.
    pub due: Time,
    /// What keeps it from being deleted: a reason code and a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Somebody has released it: the brake counts it no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// When the topic was deleted; the record goes an hour later, until when the brake counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Time>,
}

/// A topic that stayed when its claim was deleted.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedTopic {
    /// The topic's name.
    pub topic: String,
    /// Its id in Kafka.
    pub topic_id: String,
    /// The namespace of the claim: a claim of this namespace takes the topic over again.
    pub namespace: String,
    /// The claim's name.
    pub claim: String,
    /// When the claim was seen to be deleted.
    pub since: Time,
}
