//! What is known of one topic that an access asks for. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::verdicts::Verdict;
use crate::api::resources::{Right, TopicClaim};
use crate::kafka::admin::topics::TopicId;
use crate::ownership::{OnRecord, owner};

/// One topic that is asked for.
#[derive(Debug, Clone, Default)]
pub struct TopicView {
    /// All claims on it, in every namespace.
    pub claims: Vec<Arc<TopicClaim>>,
    /// Whether Kafka has it.
    pub exists: bool,
    /// Whose it was, by claims that were deleted: the very topic that Kafka has, or any of that name where Kafka shows none.
    pub on_record: Vec<OnRecord>,
    /// The opted-in namespace whose own name it bears.
    pub own_namespace: Option<String>,
    /// What the API server says of the rights that are asked for, where another namespace owns it.
    pub verdicts: BTreeMap<Right, Verdict>,
}

impl TopicView {
    /// A topic that Kafka has under this id, or does not show; with what is on record of its name.
    #[must_use]
    pub fn new(claims: Vec<Arc<TopicClaim>>, id: Option<TopicId>, mut on_record: Vec<OnRecord>) -> Self {
        if let Some(id) = id {
            let id = id.to_string();
            on_record.retain(|record| record.topic_id == id);
        }
        Self { claims, exists: id.is_some(), on_record, ..Self::default() }
    }

    /// The claim that has it.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<TopicClaim>> {
        // What is gone is kept for nobody.
        owner(&self.claims, if self.exists { &self.on_record } else { &[] })
    }
}
