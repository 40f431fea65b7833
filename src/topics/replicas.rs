//! What a claim wants of its topic's replicas, and what is told of their moves. Pure.

use super::moves::Progress;
use super::plan::Verdict;
use crate::api::reasons::Reason;
use crate::api::resources::{Drift, READY, TopicClaimSpec, TopicClaimStatus, condition};
use crate::clusters::Unusable;

/// What stands before the number of partitions whose replicas are on the move, after what else is said.
const MOVED: &str = "; partitions whose replicas are moved: ";

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
        let aside = progress.aside.as_ref().map_or_else(String::new, |aside| format!("; {aside}"));
        verdict.message = format!("{}{MOVED}{left}{aside}", verdict.message);
    }
    verdict
}

/// The verdict as it was said, where nothing is new but how far the replicas have come; `None` where that is not new either.
#[must_use]
pub fn still(status: &TopicClaimStatus, progress: &Progress) -> Option<Verdict> {
    let said = condition(&status.conditions, READY).filter(|_| status.moving != progress.moving)?;
    let obstacle = if said.status == "True" {
        None
    } else {
        Some(Unusable { reason: Reason::of_code(&said.reason)?, message: said.message.clone() })
    };
    let message = said.message.split(MOVED).next().filter(|_| obstacle.is_none()).unwrap_or_default().to_owned();
    Some(tell(Verdict { obstacle, message, facts: status.clone(), reverted: Vec::new() }, progress))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::resources::Conditions;

    fn verdict(obstacle: Option<Reason>) -> Verdict {
        let obstacle = obstacle.map(|reason| Unusable { reason, message: "why".into() });
        let facts = TopicClaimStatus { moving: Some(9), ..TopicClaimStatus::default() };
        Verdict { obstacle, message: "the topic exists".into(), facts, reverted: vec!["a: 1 instead of 2".into()] }
    }

    #[test]
    fn a_verdict_tells_of_moves_whatever_else_it_says() {
        let waits = |reason| Some(Unusable { reason, message: "turn".into() });
        let moving = |left| Progress { moving: Some(left), ..Progress::default() };
        let told = TopicClaimStatus { moving: Some(2), ..TopicClaimStatus::default() };
        for (before, progress, reason, moving, ends) in [
            (None, Progress::default(), None, None, "exists"),
            (None, moving(3), None, Some(3), "moved: 3"),
            (None, Progress { aside: Some("slow".into()), ..moving(3) }, None, Some(3), "moved: 3; slow"),
            (None, Progress::as_told(Some(&told)), None, Some(2), "moved: 2"),
            (None, Progress::as_told(None), None, None, "exists"),
            (
                None,
                Progress { waits: waits(Reason::ReplicasWait), ..Progress::default() },
                Some(Reason::ReplicasWait),
                None,
                "",
            ),
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

    #[test]
    fn moves_go_on_being_told_of_a_claim_whose_settings_are_refused() {
        let moving = |left| Progress { moving: left, ..Progress::default() };
        let refused = Some((false, Reason::InvalidTopicConfig));
        for (said, told, progress, expected) in [
            (refused, Some(5), moving(Some(3)), Some((Some(Reason::InvalidTopicConfig), Some(3), ""))),
            (refused, Some(5), moving(None), Some((Some(Reason::InvalidTopicConfig), None, ""))),
            (refused, Some(5), moving(Some(5)), None),
            (refused, None, moving(None), None),
            (Some((true, Reason::Ready)), Some(5), moving(Some(3)), Some((None, Some(3), "moved: 3"))),
            (Some((true, Reason::Ready)), Some(5), moving(None), Some((None, None, "contested"))),
            (None, Some(5), moving(None), None),
        ] {
            let mut status = TopicClaimStatus { moving: told, ..TopicClaimStatus::default() };
            if let Some((holds, reason)) = said {
                let now = Time(Timestamp::UNIX_EPOCH);
                Conditions::new(&mut status.conditions, Some(1), now).say(
                    READY,
                    holds,
                    reason,
                    if holds { "contested; partitions whose replicas are moved: 5" } else { "why" },
                );
            }
            let after = still(&status, &progress);
            let found = after.as_ref().map(|after| {
                let message = if after.obstacle.is_some() { "" } else { after.message.rsplit("are ").next().unwrap() };
                (after.obstacle.as_ref().map(|obstacle| obstacle.reason), after.facts.moving, message)
            });
            assert_eq!(found, expected, "{said:?} {progress:?}");
            let obstacle = after.and_then(|after| after.obstacle);
            assert!(obstacle.is_none_or(|obstacle| obstacle.message == "why"));
        }
    }
}
