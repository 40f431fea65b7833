//! Who names the topics on record. Plain data.

use std::collections::BTreeMap;

/// A claim that names a topic on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The namespace of the claim.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
    /// The id of the topic that it has.
    pub topic_id: Option<String>,
}

/// Who names the topics on record, by topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// TopicClaims.
    pub claims: BTreeMap<String, Vec<Claimed>>,
    /// AccessClaims that consume or produce, as `namespace/name`.
    pub uses: BTreeMap<String, Vec<String>>,
}
