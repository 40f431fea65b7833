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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reasons::Reason;
    use crate::api::resources::TopicClaimStatus;
    use crate::clusters::Unusable;

    fn verdict(obstacle: Option<Reason>) -> Verdict {
        let obstacle = obstacle.map(|reason| Unusable { reason, message: "why".into() });
        let facts = TopicClaimStatus { moving: Some(9), ..TopicClaimStatus::default() };
        Verdict { obstacle, message: "the topic exists".into(), facts, reverted: vec!["a: 1 instead of 2".into()] }
    }

    #[test]
    fn a_verdict_tells_of_moves_whatever_else_it_says() {
        let waits = |reason| Some(Unusable { reason, message: "turn".into() });
        let told = TopicClaimStatus { moving: Some(2), ..TopicClaimStatus::default() };
        for (before, progress, reason, moving, ends) in [
            (None, Progress::default(), None, None, "exists"),
            (None, Progress { moving: Some(3), waits: None }, None, Some(3), "moved: 3"),
            (None, Progress::as_told(Some(&told)), None, Some(2), "moved: 2"),
            (None, Progress::as_told(None), None, None, "exists"),
            (None, Progress { moving: None, waits: waits(Reason::ReplicasWait) }, Some(Reason::ReplicasWait), None, ""),
            (
                Some(Reason::TopicCannotShrink),
                Progress::as_told(Some(&told)),
                Some(Reason::TopicCannotShrink),
                Some(2),
                "",
            ),
        ] {
            let after = tell(verdict(before), &progress);
            let said = after.obstacle.map(|obstacle| obstacle.reason);
            assert_eq!((said, after.facts.moving, after.reverted.len()), (reason, moving, 1), "{progress:?}");
            assert!(after.message.ends_with(ends), "{}", after.message);
        }
    }
}
