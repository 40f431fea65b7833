//! What is known of one topic that an access asks for. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lending::Verdict;
use crate::api::reasons::Reason;
use crate::api::resources::{Right, TopicClaim};
use crate::clusters::Unusable;
use crate::kafka::admin::topics::TopicId;
use crate::ownership::{OnRecord, owner};
use crate::watch::name_of;

/// One topic that is asked for.
#[derive(Debug, Clone, Default)]
pub struct TopicView {
    /// All claims on it, in every namespace.
    pub claims: Vec<Arc<TopicClaim>>,
    /// Whether Kafka has it; taken for so where it does not tell.
    pub exists: bool,
    /// Why that cannot be told for now, where it could not.
    pub unknown: Option<Unusable>,
    /// Whose it was, by claims that were deleted: the very topic that Kafka has, or any of that name where Kafka shows none.
    pub on_record: Vec<OnRecord>,
    /// The opted-in namespace whose own name it bears.
    pub own_namespace: Option<String>,
    /// What the API server says of the rights that are asked for, where another namespace owns it.
    pub verdicts: BTreeMap<Right, Verdict>,
    /// Those of the claims that the cluster's policy refuses, by namespace and name, and why.
    pub refused: BTreeMap<(String, String), Unusable>,
}

impl TopicView {
    /// A topic that Kafka has under this id, or does not show, or does not tell of; with what is on record of its name.
    #[must_use]
    pub fn new(
        claims: Vec<Arc<TopicClaim>>,
        told: Result<Option<TopicId>, Unusable>,
        mut on_record: Vec<OnRecord>,
    ) -> Self {
        if let Ok(Some(id)) = &told {
            let id = id.to_string();
            on_record.retain(|record| record.topic_id == id);
        }
        let exists = !matches!(told, Ok(None));
        Self { claims, exists, unknown: told.err(), on_record, ..Self::default() }
    }

    /// The same, with what the cluster's policy says of each claim.
    #[must_use]
    pub fn judged(mut self, refusal: impl Fn(&TopicClaim) -> Option<(Reason, String)>) -> Self {
        let judge = |claim: &Arc<TopicClaim>| {
            let (reason, message) = refusal(claim)?;
            Some((name_of(&**claim), Unusable { reason, message }))
        };
        self.refused = self.claims.iter().filter_map(judge).collect();
        self
    }

    /// The claim that has it.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<TopicClaim>> {
        // What is gone is kept for nobody.
        let books = if self.exists { &self.on_record[..] } else { &[] };
        owner(&self.claims, books, |claim| self.refusal(claim).is_some())
    }

    /// Why the cluster's policy refuses a claim, if it does.
    #[must_use]
    pub fn refusal(&self, claim: &TopicClaim) -> Option<&Unusable> {
        if self.refused.is_empty() { None } else { self.refused.get(&name_of(claim)) }
    }
}
