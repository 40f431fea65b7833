//! What a claim wants of its topic's replicas, and what is told of their moves. Pure.

use super::moves::Progress;
use super::plan::Verdict;
use crate::api::resources::{Drift, TopicClaimSpec};

/// How many replicas a claim has its topic brought to; `None` where it leaves them as they are.
#[must_use]
pub fn wanted(spec: &TopicClaimSpec) -> Option<usize> {
    let count = spec.replicas.filter(|_| spec.drift == Drift::Revert)?;
    usize::try_from(count).ok()
}

/// A verdict that tells how far the replicas have come. A topic whose replicas are on the move is used as before: it is ready.
#[must_use]
pub fn tell(mut verdict: Verdict, progress: &Progress) -> Verdict {
    verdict.facts.moving = progress.moving;
    if verdict.obstacle.is_some() {
        return verdict;
    }
    verdict.obstacle.clone_from(&progress.waits);
    if verdict.obstacle.is_none()
        && let Some(left) = progress.moving
    {
        verdict.message = format!("the topic exists; partitions whose replicas are moved: {left}");
    }
    verdict
}
