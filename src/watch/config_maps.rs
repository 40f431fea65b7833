//! What the operator keeps of a ConfigMap that describes a topic: that it is there, and whether it has changed. What it holds is read
//! when it is worked on, and not kept: anybody may put a megabyte into one.

use kube::api::ObjectMeta;

/// A ConfigMap that describes a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMapFacts {
    /// Its uid.
    pub uid: String,
    version: String,
}

impl ConfigMapFacts {
    /// Keeps what matters; nothing of one that is being deleted.
    #[must_use]
    pub fn new(meta: ObjectMeta) -> Option<Self> {
        if meta.deletion_timestamp.is_some() {
            return None;
        }
        Some(Self { uid: meta.uid?, version: meta.resource_version? })
    }
}
