//! The definition of TopicClaims, without which no claim stands. Plain data.

use k8s_openapi::jiff::Timestamp;

/// The definition of TopicClaims that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its uid: one that is made anew has another.
    pub uid: String,
    /// When it was made, in whole seconds. A claim that is no younger did not come by it.
    pub created: Timestamp,
}
