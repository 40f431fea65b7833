//! Who names the topics on record. Plain data.

use std::collections::BTreeMap;

use crate::api::resources::TopicSource;

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
    /// Who wrote it.
    pub source: TopicSource,
}

/// Who names the topics on record, by topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// TopicClaims.
    pub claims: BTreeMap<String, Vec<Claimed>>,
    /// AccessClaims that consume or produce, as `namespace/name`.
    pub uses: BTreeMap<String, Vec<String>>,
}

impl Standing {
    /// A claim that has a topic, by its id; one that keeps it against others before one that Pods led to that only read.
    #[must_use]
    pub fn has(&self, topic: &str, id: &str) -> Option<&Claimed> {
        let all = self.claims.get(topic).into_iter().flatten();
        all.filter(|claim| claim.topic_id.as_deref() == Some(id)).max_by_key(|claim| !claim.yields())
    }
}

impl Claimed {
    /// Whether it yields to any other that declares or produces. Then the record of whose the topic was has to stand beside it: it came of
    /// a Pod that reads what its namespace had, and nobody else is to have the topic for that.
    #[must_use]
    pub fn yields(&self) -> bool {
        yields(self.source)
    }
}

/// Whether a claim from there yields: see [`Claimed::yields`].
#[must_use]
pub fn yields(source: TopicSource) -> bool {
    source == TopicSource::Consumer
}
