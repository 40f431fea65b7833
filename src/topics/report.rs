//! Says how a claim stands: status, Events and metrics, each only when something new is to be said.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::plan::Verdict;
use super::users::Users;
use super::{Context, metrics};
use crate::api::reasons::Reason;
use crate::api::resources::{Conditions, DRIFTED, READY, TopicClaim, TopicClaimStatus, condition, news};
use crate::clusters::Halt;
use crate::runtime::kubernetes::merge;
use crate::runtime::status::{self, Base};
use crate::watch::lean::lean;
use crate::watch::{name_of, version};

/// The action that Events name.
const ACTION: &str = "ProvideTopic";

/// What a verdict makes of a claim's status.
#[must_use]
pub fn status(claim: &TopicClaim, verdict: &Verdict) -> TopicClaimStatus {
    let before = claim.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    let (reason, message) = match &verdict.obstacle {
        Some(obstacle) => (obstacle.reason, obstacle.message.as_str()),
        None => (Reason::Ready, verdict.message.as_str()),
    };
    // An outage is told by a different broker each time: the first words stand until the reason is another.
    let said = condition(&before, READY);
    let repeated = said.filter(|said| said.reason == reason.code() && reason == Reason::KafkaUnreachable);
    let message = repeated.map_or(message, |said| said.message.as_str()).to_owned();
    let mut status = verdict.facts.clone();
    status.conditions = before;
    status.cluster = Some(claim.spec.cluster.clone());
    let drifted = drifted(&status.conditions, verdict);
    let now = Time(Timestamp::now());
    let mut conditions = Conditions::new(&mut status.conditions, claim.metadata.generation, now);
    conditions.say(READY, reason == Reason::Ready, reason, &message);
    if let Some((drifted, reason, message)) = drifted {
        conditions.say(DRIFTED, drifted, reason, &message);
    }
    status
}

/// What the condition says of differences; `None` where nothing is to be said anew.
fn drifted(conditions: &[Condition], verdict: &Verdict) -> Option<(bool, Reason, String)> {
    if let Some(drift) = &verdict.facts.drift {
        return Some((true, Reason::TopicDrifted, drift.join("; ")));
    }
    if !verdict.reverted.is_empty() {
        return Some((false, Reason::DriftReverted, format!("put right at last: {}", verdict.reverted.join("; "))));
    }
    let stood = condition(conditions, DRIFTED).is_some_and(|said| said.status == "True");
    stood.then(|| (false, Reason::Ready, "the topic is as the claim says".to_owned()))
}

/// Writes the verdict where it says something new.
///
/// # Errors
/// The status was not written.
pub async fn report(context: &Context, claim: &TopicClaim, verdict: &Verdict) -> Result<(), Halt> {
    say(context, claim, verdict).await.map(|_| ())
}

/// The same, at the end of a look that rests on the claim as it was `seen`: what comes back of it is no reason to look again, unless the
/// topic's users have changed meanwhile, of whom nobody else tells.
///
/// # Errors
/// As there.
pub async fn conclude(context: &Context, seen: &TopicClaim, claim: &TopicClaim, verdict: &Verdict) -> Result<(), Halt> {
    let topic = (claim.spec.cluster.clone(), claim.spec.topic_name.clone());
    if let Some((said, written)) = say(context, claim, verdict).await?
        && let Some(version) = own(seen, &said, &written)
        && !Users::of(&context.world, &topic).are_news(&said)
    {
        context.queue.wrote(&name_of(claim), version);
    }
    Ok(())
}

/// Returns what was said where that was written, and the claim as it was then.
async fn say(
    context: &Context,
    claim: &TopicClaim,
    verdict: &Verdict,
) -> Result<Option<(TopicClaimStatus, TopicClaim)>, Halt> {
    let before = claim.status.clone().unwrap_or_default();
    let status = status(claim, verdict);
    let mut answer = None;
    if status != before {
        let (base, patch) = patch(&before, &status);
        let words = ("write the TopicClaim's status", "topic_claim_status");
        let written = status::write(&context.client, claim, base, patch, words).await?;
        if standing(&before) == standing(&status) {
            // Nobody else has to look again because of who uses a topic, or what settings it has.
            context.world.renew_topic(written.clone());
        }
        answer = Some(written);
    }
    tell(context, &claim.object_ref(&()), &before, &status, verdict).await;
    Ok(answer.map(|written| (status, written)))
}

/// The version of a claim as a look has left it, where all that is in it was seen by the look or said by it.
fn own(seen: &TopicClaim, said: &TopicClaimStatus, written: &TopicClaim) -> Option<u64> {
    // Of its spec the generation tells.
    let kept = |claim: &TopicClaim| ObjectMeta { resource_version: None, ..lean(claim.clone()).metadata };
    // As an API server has it: of times, it keeps the seconds.
    let all = kept(seen) == kept(written) && json!(said) == json!(written.status);
    version(written).filter(|_| all)
}

/// What is written so that a claim has this status, and on which base.
fn patch(before: &TopicClaimStatus, status: &TopicClaimStatus) -> (Base, Value) {
    let mut patch = merge(&json!(before), json!(status));
    // What was recorded on the way is gone as well, whatever this claim knows of it.
    if let Some(fields) = patch.as_object_mut() {
        for key in ["topicId", "creating"] {
            fields.entry(key).or_insert(Value::Null);
        }
    }
    // An id that is taken back is lost: only where nobody has written one since this claim was read.
    let base = if status.topic_id.is_none() { Base::Unchanged } else { Base::SameObject };
    (base, patch)
}

/// What others go by: see `access::standing`, and [`crate::ownership`].
fn standing(status: &TopicClaimStatus) -> [Option<&str>; 5] {
    let ready = condition(&status.conditions, READY);
    let said = ready.map(|said| {
        // What is said beside that all is well concerns nobody else.
        let message = if said.status == "True" { "" } else { said.message.as_str() };
        [said.status.as_str(), said.reason.as_str(), message]
    });
    let [holds, reason, message] = said.map_or([None; 3], |said| said.map(Some));
    [holds, reason, message, status.topic_id.as_deref(), status.creating.as_ref().map(|_| "creating")]
}

async fn tell(
    context: &Context,
    about: &ObjectReference,
    before: &TopicClaimStatus,
    status: &TopicClaimStatus,
    verdict: &Verdict,
) {
    if let Some((reason, message)) = news(&before.conditions, &status.conditions) {
        context.events.tell(about, ACTION, reason, message).await;
    }
    if let Some(drift) = status.drift.as_ref().filter(|drift| before.drift.as_ref() != Some(*drift)) {
        metrics::drift(metrics::Outcome::Found, drift.len());
        context.events.tell(about, ACTION, Reason::TopicDrifted, &drift.join("; ")).await;
    }
    if !verdict.reverted.is_empty() {
        metrics::drift(metrics::Outcome::Found, verdict.reverted.len());
        metrics::drift(metrics::Outcome::Reverted, verdict.reverted.len());
        let note = format!("put right: {}", verdict.reverted.join("; "));
        context.events.tell(about, ACTION, Reason::DriftReverted, &note).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::samples;
    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicSource};
    use crate::runtime::fake_api::answering;
    use crate::runtime::queue::Next;

    fn verdict(drift: &[&str], reverted: &[&str]) -> Verdict {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let facts = TopicClaimStatus { drift: Some(texts(drift)).filter(|all| !all.is_empty()), ..Default::default() };
        Verdict { obstacle: None, message: "the topic exists".into(), facts, reverted: texts(reverted) }
    }

    fn said(status: &TopicClaimStatus) -> Option<(String, String, String)> {
        let said = condition(&status.conditions, DRIFTED)?;
        Some((said.status.clone(), said.reason.clone(), said.message.clone()))
    }

    #[test]
    fn an_id_is_taken_back_only_from_the_claim_as_it_was_read() {
        let of = |id: Option<&str>| TopicClaimStatus { topic_id: id.map(str::to_owned), ..Default::default() };
        for (before, after, base, id) in [
            (None, None, Base::Unchanged, json!(null)),
            (Some("a"), None, Base::Unchanged, json!(null)),
            (None, Some("a"), Base::SameObject, json!("a")),
            (Some("a"), Some("a"), Base::SameObject, json!("a")),
        ] {
            let (found, patch) = patch(&of(before), &of(after));
            assert_eq!((found, &patch["topicId"], &patch["creating"]), (base, &id, &json!(null)));
        }
    }

    #[test]
    fn drift_is_told_once_and_what_was_put_right_is_remembered() {
        let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        let mut next = |verdict: &Verdict| {
            let status = status(&claim, verdict);
            claim.status = Some(status.clone());
            said(&status).map(|(holds, reason, message)| format!("{holds} {reason} {message}"))
        };
        assert_eq!(next(&verdict(&[], &[])), None, "a topic that never drifted has no condition");
        assert_eq!(next(&verdict(&["a", "b"], &[])).unwrap(), "True TopicDrifted a; b");
        assert_eq!(next(&verdict(&[], &[])).unwrap(), "False Ready the topic is as the claim says");
        assert_eq!(next(&verdict(&[], &["c"])).unwrap(), "False DriftReverted put right at last: c");
        assert_eq!(next(&verdict(&[], &[])).unwrap(), "False DriftReverted put right at last: c");
    }

    #[test]
    fn a_rival_is_told_without_an_event_and_nobody_else_looks_again() {
        let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        claim.status = Some(status(&claim, &verdict(&[], &[])));
        let mut contested = verdict(&[], &[]);
        contested.message.push_str("; also claimed by web/orders");
        let (before, after) = (claim.status.clone().unwrap(), status(&claim, &contested));
        assert_ne!(before, after);
        assert_eq!(standing(&before), standing(&after));
        assert_eq!(news(&before.conditions, &after.conditions), None);
    }

    /// How often a claim is looked at whose look ends with this verdict, where the API server answers with what was merged by a hand of
    /// `theirs`, and the watch tells of that.
    async fn looks(theirs: fn(&mut Value), again: bool, used: bool) -> usize {
        let claim = samples::claim(json!({}), Value::Null);
        let mut before = json!(claim);
        before["metadata"]["resourceVersion"] = json!("7");
        let seen: TopicClaim = serde_json::from_value(before.clone()).unwrap();
        let client = answering(move |patch| {
            let mut answer = before.clone();
            answer["metadata"]["resourceVersion"] = json!("8");
            answer["status"] = patch.body["status"].clone();
            answer["status"].as_object_mut().into_iter().for_each(|status| status.retain(|_, value| !value.is_null()));
            theirs(&mut answer);
            ready((200, answer))
        });
        let context = samples::context(client);
        if used {
            let spec = json!({"source": "Pods", "workload": "web", "cluster": seen.spec.cluster, "consumes": [seen.spec.topic_name]});
            let user =
                json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec, "status": {"secretName": "x"}});
            context.world.accesses.put(("shop".into(), "web".into()), serde_json::from_value(user).unwrap());
        }
        let (name, looked) = (name_of(&seen), Arc::new(AtomicUsize::new(0)));
        context.queue.push(name.clone());
        let worker = context.queue.clone().run(1, |_| {
            let (context, seen, looked, name) = (context.clone(), seen.clone(), Arc::clone(&looked), name.clone());
            async move {
                if looked.fetch_add(1, Ordering::Relaxed) == 0 {
                    let mut made = verdict(&[], &[]);
                    made.facts.topic_id = Some(samples::ID.to_string());
                    Users::default().tell(&mut made.facts);
                    if again {
                        report(&context, &seen, &made).await.unwrap();
                    } else {
                        conclude(&context, &seen, &seen, &made).await.unwrap();
                    }
                    context.queue.push_version(name, 8);
                }
                Next::Idle
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(1), worker).await;
        looked.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_look_came_to_is_looked_at_again_only_where_somebody_else_wrote_too() {
        assert_eq!(looks(|_| {}, false, true).await, 2, "somebody came to use the topic");
        for (theirs, again, looked) in [
            ((|_| {}) as fn(&mut Value), false, 1),
            (|_| {}, true, 2),
            (|answer| answer["metadata"]["generation"] = json!(2), false, 2),
            (|answer| answer["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"), false, 2),
            (|answer| answer["metadata"]["labels"] = json!({"team": "a"}), false, 1),
            (|answer| answer["status"]["topicId"] = json!(samples::ID.to_string().to_uppercase()), false, 2),
            (|answer| answer["status"]["drift"] = json!(["a"]), false, 2),
        ] {
            assert_eq!(looks(theirs, again, false).await, looked);
        }
    }

    #[test]
    fn the_same_verdict_again_is_no_news() {
        let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        claim.status = Some(status(&claim, &verdict(&["a"], &[])));
        assert_eq!(Some(status(&claim, &verdict(&["a"], &[]))), claim.status);
    }
}
