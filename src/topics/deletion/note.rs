//! What is to be told about a topic on record. Plain data.

use crate::api::reasons::Reason;
use crate::api::resources::PendingDeletion;

/// Something to be told, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The stable code.
    pub reason: Reason,
    /// The topic.
    pub topic: String,
    /// The namespace of the claim that it is about.
    pub namespace: String,
    /// The claim's name.
    pub claim: String,
    /// Its uid, where it lives.
    pub uid: Option<String>,
    /// What is said of the topic, to stand behind its name.
    pub message: String,
}

impl Note {
    /// Something about a topic on record.
    #[must_use]
    pub fn about(record: &PendingDeletion, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            topic: record.topic.clone(),
            namespace: record.namespace.clone(),
            claim: record.claim.clone(),
            uid: None,
            message: message.into(),
        }
    }
}
