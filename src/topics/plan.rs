//! What has to be done for one claim on a topic. Pure.

use std::collections::BTreeMap;

use super::belonging::{kept, obstacle, unseen};
use super::create::create;
use super::keep::keep;
use super::observe::Observation;
use super::rivals::{also_claimed, yields};
use super::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{READY, TopicClaim, TopicClaimStatus, TopicPolicy, condition};
use crate::clusters::Unusable;
use crate::intent::claim::RETENTION_BYTES;
use crate::intent::claim::refusal::refusal;
use crate::kafka::admin::topics::Topic;

/// What is said of a claim that is ready.
pub(super) const EXISTS: &str = "the topic exists";

/// The decision about one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// How the claim stands once it is done.
    pub verdict: Verdict,
    /// Whether it rests on what nobody asked for, and what a broker that is behind might say by mistake: worth a second look.
    pub doubtful: bool,
    /// How many replicas the topic is brought to, in its own time; `None` where they are left as they are.
    pub replicas: Option<usize>,
}

/// How a claim stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is in the way; nothing where the claim is ready.
    pub obstacle: Option<Unusable>,
    /// What is worth saying of a claim that is ready.
    pub message: String,
    /// The status without its conditions.
    pub facts: TopicClaimStatus,
    /// What somebody else had changed, and the steps put right.
    pub reverted: Vec<String>,
}

impl Verdict {
    /// Whether a topic is the claim's that this is about.
    #[must_use]
    pub fn is_of(&self, topic: &Topic) -> bool {
        self.facts.topic_id.as_deref() == Some(topic.id.to_string().as_str())
    }
}

/// Decides about one claim; `None` where what was said of the topic stands until Kafka can be asked again.
#[must_use]
pub fn plan(seen: &Observation) -> Option<Plan> {
    let claim = &seen.claim;
    let status = claim.status.clone().unwrap_or_default();
    if seen.owner.metadata.uid != claim.metadata.uid {
        return Some(said(yields(seen, status)));
    }
    let (policy, found) = match &seen.kafka {
        // What was said of the claim as it is now stands until somebody can be asked. A cluster that was deleted will not be.
        Err(unusable) if settled(claim) && unusable.reason != Reason::ClusterNotFound => return None,
        Err(unusable) => return Some(said(refused(status, unusable.reason, unusable.message.clone()))),
        Ok(kafka) => kafka,
    };
    let refuses = seen.refuses();
    let wrong = refuses.clone().or_else(|| seen.no_room.clone());
    let mut plan = match (found, wrong) {
        (None, _) if status.topic_id.is_some() => said(missing(claim, &status)),
        // What policy refuses takes no topic that is there: nobody's, nor that of a claim which would yield.
        (Some(_), Some(wrong)) if refuses.is_some() && status.topic_id.is_none() => {
            said(refused(unseen(&status), wrong.reason, wrong.message))
        }
        (None, Some(wrong)) => said(refused(unseen(&status), wrong.reason, wrong.message)),
        // A broker that is behind may not show what the books speak of.
        (None, None) => kept(seen, &status).map_or_else(|| create(seen, policy), said),
        (Some(found), wrong) => match obstacle(seen, found, policy, &status) {
            Some(verdict) => said(verdict),
            None => keep(seen, found, &status, wrong),
        },
    };
    let news = !plan.steps.is_empty() || plan.verdict.obstacle.is_some() || plan.verdict.facts.drift != status.drift;
    if plan.verdict.obstacle.is_none() {
        plan.verdict.message.push_str(&also_claimed(&seen.rivals));
    }
    let unseen = found.is_none() && (status.topic_id.is_some() || kept(seen, &status).is_some());
    plan.doubtful |= unseen || (settled(claim) && news);
    Some(plan)
}

/// Whether the claim as it is was seen to be ready: whatever differs since then came from elsewhere.
pub(super) fn settled(claim: &TopicClaim) -> bool {
    let conditions = claim.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition(conditions, READY)
        .is_some_and(|said| said.status == "True" && said.observed_generation == claim.metadata.generation)
}

pub(super) fn said(verdict: Verdict) -> Plan {
    Plan { steps: Vec::new(), verdict, doubtful: false, replicas: None }
}

/// A claim that is not ready.
#[must_use]
pub fn refused(facts: TopicClaimStatus, reason: Reason, message: String) -> Verdict {
    Verdict { obstacle: Some(Unusable { reason, message }), message: String::new(), facts, reverted: Vec::new() }
}

/// What of the claim can never be, or may not be here.
pub(super) fn wrong(claim: &TopicClaim, policy: &TopicPolicy, admitted: bool) -> Option<Unusable> {
    refusal(claim, &policy.limits, admitted).map(|(reason, message)| Unusable { reason, message })
}

/// Whether a claim on a share of the disks holds it against others: one that is refused takes nothing of them, unless its topic was given
/// its share before. What does not fit among the shares is decided there.
pub(super) fn holds_share(claim: &TopicClaim, policy: &TopicPolicy, admitted: bool) -> bool {
    let status = claim.status.as_ref();
    let said = status.and_then(|status| condition(&status.conditions, READY)).filter(|said| said.status == "False");
    let has_no_topic = matches!(
        said.and_then(|said| Reason::of_code(&said.reason)),
        Some(Reason::TopicUnclaimed | Reason::TopicOwnedElsewhere | Reason::TopicMissing | Reason::TopicReplaced)
    );
    let given = status.and_then(|status| status.managed_config.as_ref());
    let given = given.is_some_and(|keys| keys.iter().any(|key| key == RETENTION_BYTES));
    !has_no_topic && (given || wrong(claim, policy, admitted).is_none())
}

fn missing(claim: &TopicClaim, status: &TopicClaimStatus) -> Verdict {
    let (name, id) = (&claim.spec.topic_name, status.topic_id.as_deref().unwrap_or_default());
    let message =
        format!("topic {name}, id {id}, is not in Kafka any more; it is not made anew, for its records are lost");
    refused(unseen(status), Reason::TopicMissing, message)
}

pub(super) fn some(settings: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!settings.is_empty()).then(|| settings.clone())
}

pub(super) fn list(texts: &[String]) -> Option<Vec<String>> {
    (!texts.is_empty()).then(|| texts.to_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    use super::super::samples::{ID, claim, decide, decide_with, reason, see, topic};
    use super::*;
    use crate::api::resources::Conditions;
    use crate::kafka::admin::settings::Changes;

    #[test]
    fn a_claim_beyond_the_limits_makes_nothing_and_breaks_nothing() {
        let limits = json!({"limits": {"maxPartitions": 2}});
        let plan = decide(claim(json!({"partitions": 3}), Value::Null), limits.clone(), None);
        assert_eq!((reason(&plan), plan.steps.len()), (Some(Reason::TopicLimitExceeded), 0));
        let there = claim(json!({"partitions": 3, "config": {"flush.ms": "5"}}), json!({}));
        let plan = decide(there, limits, topic(1, 1, json!({})));
        assert_eq!((reason(&plan), plan.steps.len()), (Some(Reason::TopicLimitExceeded), 0));
        assert_eq!((plan.verdict.facts.partitions, plan.verdict.facts.topic_id), (Some(1), Some(ID.to_string())));
    }

    #[test]
    fn settings_that_were_left_out_take_nothing_back() {
        for found in [topic(1, 1, json!({"flush.ms": "5"})), None] {
            let status = if found.is_some() { json!({"managedConfig": ["flush.ms"]}) } else { Value::Null };
            let mut large = claim(json!({}), status);
            large.spec.config_left_out = Some(1_300_000);
            let plan = decide(large, json!({}), found);
            assert_eq!((reason(&plan), plan.steps.len()), (Some(Reason::InvalidTopicConfig), 0));
            let message = plan.verdict.obstacle.unwrap().message;
            assert!(
                message.starts_with("spec.config: \"1300000\" bytes of names and values are too many"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_the_claim_says_is_done_and_what_it_does_not_say_stays() {
        let mut wanted =
            claim(json!({"partitions": 6, "config": {"flush.ms": "5"}}), json!({"managedConfig": ["retention.ms"]}));
        wanted.metadata.generation = Some(2);
        let plan = decide(wanted, json!({}), topic(3, 1, json!({"retention.ms": "1", "segment.ms": "9"})));
        let changes = Changes::from([("flush.ms".into(), Some("5".into())), ("retention.ms".into(), None)]);
        assert_eq!(
            plan.steps,
            [
                Step::Record { creating: None, managed: vec!["flush.ms".into(), "retention.ms".into()] },
                Step::Grow(6),
                Step::Alter(changes),
            ]
        );
        let facts = &plan.verdict.facts;
        assert_eq!(json!(facts.config), json!({"flush.ms": "5", "segment.ms": "9"}));
        assert_eq!(json!(facts.managed_config), json!(["flush.ms"]));
        assert_eq!((facts.partitions, plan.doubtful), (Some(6), false), "a claim that has changed is no drift");
        assert!(plan.verdict.reverted.is_empty() && plan.verdict.obstacle.is_none());
    }

    #[test]
    fn drift_is_put_right_after_a_second_look_or_told() {
        let spec = json!({"partitions": 2, "config": {"flush.ms": "5"}});
        let drifted = || topic(2, 1, json!({"flush.ms": "6"}));
        let plan = decide(claim(spec.clone(), json!({"managedConfig": ["flush.ms"]})), json!({}), drifted());
        assert_eq!(plan.steps, [Step::Alter(Changes::from([("flush.ms".into(), Some("5".into()))]))]);
        assert_eq!(
            (plan.verdict.reverted.as_slice(), plan.doubtful),
            (&["flush.ms: 6 instead of 5".to_owned()][..], true)
        );
        let mut report = spec;
        report["drift"] = json!("Report");
        let plan = decide(claim(report, json!({"managedConfig": ["flush.ms"]})), json!({}), drifted());
        assert_eq!((plan.steps.len(), reason(&plan)), (0, None));
        assert_eq!(json!(plan.verdict.facts.drift), json!(["flush.ms: 6 instead of 5"]));
        assert_eq!(json!(plan.verdict.facts.managed_config), json!(["flush.ms"]));
    }

    #[test]
    fn a_share_that_comes_to_something_else_is_no_drift_and_what_somebody_made_of_it_is() {
        let spec = json!({"retention": {"diskFraction": "0.1"}});
        for (left, has, told) in [
            (json!({}), json!({}), &[][..]),
            (json!({"retention.bytes": "5"}), json!({"retention.bytes": "5"}), &[]),
            (
                json!({"retention.bytes": "5"}),
                json!({"retention.bytes": "6"}),
                &["retention.bytes: 6 instead of 9".to_owned()],
            ),
        ] {
            let status = json!({"managedConfig": ["retention.bytes"], "config": left});
            let plan = decide_with(claim(spec.clone(), status), json!({}), topic(1, 1, has), Some(9));
            assert_eq!(plan.steps, [Step::Alter(Changes::from([("retention.bytes".into(), Some("9".into()))]))]);
            assert_eq!((plan.verdict.reverted.as_slice(), reason(&plan)), (told, None));
        }
    }

    #[test]
    fn replicas_are_brought_to_what_is_claimed_and_told_where_drift_is_only_told() {
        let other = || topic(1, 1, json!({}));
        let plan = decide(claim(json!({"replicas": 2}), json!({})), json!({}), other());
        assert_eq!((plan.replicas, plan.steps.len(), reason(&plan)), (Some(2), 0, None));
        assert_eq!((plan.verdict.facts.replicas, plan.verdict.facts.drift), (Some(1), None));
        let plan = decide(claim(json!({"replicas": 2, "drift": "Report"}), json!({})), json!({}), other());
        assert_eq!((plan.replicas, json!(plan.verdict.facts.drift)), (None, json!(["replicas: 1 instead of 2"])));
        let limits = json!({"limits": {"maxReplicas": 1}});
        assert_eq!(decide(claim(json!({"replicas": 2}), json!({})), limits, other()).replicas, None);
    }

    #[test]
    fn at_rest_there_is_nothing_to_do_or_to_doubt() {
        let rest = claim(
            json!({"partitions": 2, "replicas": 1, "config": {"flush.ms": "5"}}),
            json!({"managedConfig": ["flush.ms"]}),
        );
        let plan = decide(
            rest,
            json!({}),
            topic(2, 1, json!({"flush.ms": "5", "leader.replication.throttled.replicas": "*"})),
        );
        assert_eq!((plan.steps.len(), reason(&plan), plan.doubtful), (0, None, false));
        assert_eq!(
            json!(plan.verdict.facts.config),
            json!({"flush.ms": "5"}),
            "a throttle is no setting of the topic's"
        );
    }

    #[test]
    fn fewer_partitions_are_refused_and_the_rest_is_done() {
        let plan = decide(
            claim(json!({"partitions": 1, "config": {"flush.ms": "5"}}), json!({})),
            json!({}),
            topic(2, 1, json!({})),
        );
        assert_eq!(reason(&plan), Some(Reason::TopicCannotShrink));
        assert_eq!(json!(plan.verdict.facts.drift), json!(["partitions: 2 instead of 1"]));
        assert!(matches!(plan.steps.as_slice(), [Step::Record { .. }, Step::Alter(_)]), "{:?}", plan.steps);
    }

    #[test]
    fn a_claim_of_a_namespace_that_the_cluster_is_not_for_makes_nothing_and_breaks_nothing() {
        let wanted = || claim(json!({"config": {"flush.ms": "5"}}), json!(null));
        let there = || claim(json!({"config": {"flush.ms": "5"}}), json!({"managedConfig": ["flush.ms"]}));
        for (claim, found, admitted, expected) in [
            (wanted(), None, true, (None, 2, None)),
            (wanted(), None, false, (Some(Reason::ClusterNotAllowed), 0, None)),
            (there(), topic(2, 1, json!({})), true, (None, 1, Some(2))),
            (there(), topic(2, 1, json!({})), false, (Some(Reason::ClusterNotAllowed), 0, Some(2))),
        ] {
            let plan = plan(&Observation { admitted, ..see(claim, json!({}), found) }).unwrap();
            let seen = plan.verdict.facts.partitions.filter(|_| plan.verdict.facts.topic_id.is_some());
            assert_eq!((reason(&plan), plan.steps.len(), seen), expected, "{admitted}");
            assert_eq!(plan.replicas, None);
        }
    }

    #[test]
    fn a_claim_that_policy_refuses_takes_no_topic_whosever_it_is() {
        let yielding = |mut claim: TopicClaim| {
            claim.metadata.uid = Some("yields".into());
            Arc::new(claim)
        };
        for (spec, policy, admitted, expected) in [
            (json!({}), json!({}), true, None),
            (json!({}), json!({}), false, Some(Reason::ClusterNotAllowed)),
            (json!({}), json!({"limits": {"names": ["web.*"]}}), true, Some(Reason::TopicNameNotAllowed)),
            (json!({"partitions": 9}), json!({"limits": {"maxPartitions": 2}}), true, Some(Reason::TopicLimitExceeded)),
        ] {
            let wanted = claim(spec, json!(null));
            // Its own name, which it could adopt; and a topic of a claim that would yield.
            let alone = Observation { admitted, ..see(wanted.clone(), policy.clone(), topic(1, 1, json!({}))) };
            let known_ids = vec![ID.to_string()];
            let taken =
                Observation { admitted, known_ids, ..see(wanted.clone(), policy.clone(), topic(1, 1, json!({}))) };
            for seen in [alone, taken] {
                let plan = plan(&seen).unwrap();
                assert_eq!((reason(&plan), plan.steps.len()), (expected, 0));
                assert_eq!(plan.verdict.facts.topic_id.is_some(), expected.is_none(), "{expected:?}");
            }
            // And where another has it, the policy is what its author is told of.
            let owner = yielding(claim(json!({}), json!({})));
            let plan = plan(&Observation { owner, admitted, ..see(wanted, policy, topic(1, 1, json!({}))) }).unwrap();
            assert_eq!(reason(&plan), expected.or(Some(Reason::TopicConflict)));
        }
    }

    #[test]
    fn who_is_refused_holds_no_share_of_the_disks_unless_the_topic_has_it() {
        let given = json!({"managedConfig": ["retention.bytes"]});
        for (partitions, status, said, admitted, holds) in [
            (1, json!(null), None, true, true),
            (1, json!({}), None, true, true),
            (9, json!(null), None, true, false),
            (1, json!(null), None, false, false),
            (9, given.clone(), None, true, true),
            (1, json!({}), Some(Reason::TopicUnclaimed), true, false),
            (1, given, Some(Reason::TopicMissing), true, false),
            (1, json!({}), Some(Reason::KafkaUnreachable), true, true),
            (1, json!({}), Some(Reason::DiskSharesExceeded), true, true),
        ] {
            let spec = json!({"partitions": partitions, "retention": {"diskFraction": "0.1"}});
            let mut claim = claim(spec, status);
            if let (Some(reason), Some(status)) = (said, &mut claim.status) {
                let now = Time(Timestamp::UNIX_EPOCH);
                Conditions::new(&mut status.conditions, Some(1), now).say(READY, false, reason, "why");
            }
            let policy = serde_json::from_value(json!({"limits": {"maxPartitions": 2}})).unwrap();
            assert_eq!(holds_share(&claim, &policy, admitted), holds, "{partitions} {said:?} {admitted}");
        }
    }

    #[test]
    fn ready_stands_only_while_the_cluster_of_the_claim_as_it_is_can_be_asked_again() {
        let unreachable = Reason::KafkaUnreachable;
        for (why, generation, status, told) in [
            (unreachable, 1, json!({"partitions": 2}), None),
            (unreachable, 2, json!({"partitions": 2}), Some(unreachable)),
            (unreachable, 1, Value::Null, Some(unreachable)),
            (Reason::ClusterNotFound, 1, json!({"partitions": 2}), Some(Reason::ClusterNotFound)),
        ] {
            let mut claim = claim(json!({}), status);
            claim.metadata.generation = Some(generation);
            let before = claim.status.clone().unwrap_or_default();
            let kafka = Err(Unusable { reason: why, message: "why".into() });
            let plan = plan(&Observation { kafka, ..see(claim, json!({}), None) });
            assert_eq!(plan.as_ref().and_then(reason), told, "{why} {generation}");
            assert!(plan.is_none_or(|plan| plan.verdict.facts == before && plan.steps.is_empty()));
        }
    }

    #[test]
    fn a_topic_that_is_gone_is_not_made_anew() {
        let plan = decide(claim(json!({}), json!({"partitions": 2})), json!({}), None);
        assert_eq!((reason(&plan), plan.steps.len(), plan.doubtful), (Some(Reason::TopicMissing), 0, true));
        assert_eq!((plan.verdict.facts.topic_id, plan.verdict.facts.partitions), (Some(ID.to_string()), None));
    }
}
