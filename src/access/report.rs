//! Says how an access stands: status and Events, each only when something new is to be said.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;
use serde_json::{Value, json};

use super::Context;
use super::apply::Applied;
use super::echo;
use super::metrics;
use super::password::rotation::{CURRENT, named};
use super::plan::Plan;
use super::seen::{Held, Observation};
use super::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimStatus, Conditions, READY, condition, news};
use crate::clusters::{Connection, Halt, Unusable, terms};
use crate::kafka::proof::Proof;
use crate::runtime::status::{self, Base};
use crate::watch::{AccessKey, version};

/// What [`CURRENT`] says where it holds.
const GONE: &str = "only the published password works";
/// The condition type that says that somebody else changed the user in Kafka.
const DRIFTED: &str = "Drifted";
/// The condition type that answers "may it use groups that begin with its namespace's name?", said where it may not.
const PREFIX: &str = "OwnGroupPrefix";
/// The same of transactional ids.
const IDS: &str = "OwnTransactionalIds";
/// The action that Events name.
pub(super) const ACTION: &str = "GrantKafkaAccess";

/// Reports the end of a pass.
///
/// # Errors
/// The status was not written.
pub async fn report(
    context: &Context,
    (seen, connection): (&Observation, Option<&Arc<Connection>>),
    plan: &Plan,
    applied: &Applied,
) -> Result<(), Halt> {
    let Some(claim) = applied.claim.as_ref().or(seen.claim.as_deref()) else { return Ok(()) };
    let before = claim.status.clone().unwrap_or_default();
    // Of the same clock as the publications that it is compared with.
    let said = said(seen, plan, claim, applied.proof.as_ref(), Time(context.clock.now()));
    let written = write(context, claim, &before, &said.status).await?;
    let now = seen.subject.as_ref().and_then(|subject| context.clusters.get(&subject.cluster).ok());
    if echo::is_all(&context.world, (connection, now.as_ref()), seen, applied) {
        let made = applied.claim.as_ref().and_then(version);
        made.into_iter().chain(written).for_each(|version| context.queue.wrote(&seen.key, version));
    }
    let about = claim.object_ref(&());
    if let Some((reason, message)) = seen.held().and_then(|held| rotated(held, plan)) {
        context.events.tell(&about, ACTION, reason, message).await;
    }
    for message in said.refused.into_iter().flatten() {
        context.events.tell(&about, ACTION, Reason::GroupPrefixTaken, &message).await;
    }
    if let Some(message) = said.drifted {
        metrics::drift(plan.drift.kinds());
        context.events.tell(&about, ACTION, Reason::AccessDrifted, &message).await;
    }
    Ok(())
}

/// What is said of a pass.
#[derive(Debug)]
pub(super) struct Said {
    /// The status of the claim.
    pub(super) status: AccessClaimStatus,
    /// What is new of the names that it may not use, for an Event each.
    refused: [Option<String>; 2],
    /// What is new of what somebody else changed, for an Event.
    drifted: Option<String>,
}

/// What is said of a claim once its plan is carried out.
pub(super) fn said(seen: &Observation, plan: &Plan, claim: &AccessClaim, proof: Option<&Proof>, now: Time) -> Said {
    let before = claim.status.clone().unwrap_or_default();
    let mut status = AccessClaimStatus {
        refused: plan.refused.clone(),
        grants: plan.grants.clone(),
        groups: plan.groups.clone(),
        left_groups: plan.left_groups.clone(),
        service_accounts: seen.accounts.iter().cloned().collect(),
        owners: plan.owners.clone(),
        idle_since: plan.idle_since.clone(),
        rotations: plan.rotations().unwrap_or(before.rotations),
        quotas: plan.quotas,
        rules: plan.rules.clone(),
        ..before.clone()
    };
    if let Some(subject) = &seen.subject {
        status.username = Some(subject.username.clone());
        // A Secret that was published once, and is not there, was lost: its password is still in use.
        let held = seen.held().map(|held| &held.secret).filter(|secret| secret.password().is_some());
        let made = plan.steps.iter().find_map(|step| match step {
            Step::Publish { handout, .. } => Some(handout.mechanism),
            _ => None,
        });
        if held.is_some() || made.is_some() {
            status.secret_name = Some(subject.secret_name.clone());
        }
        let told = made.or_else(|| held?.mechanism());
        status.mechanism = told.map(terms::named).or(status.mechanism);
    }
    // Where not all was seen, what was judged is put on record; the rest was not decided, and of readiness tells whoever ends the look.
    if seen.held().is_some_and(|held| held.unseen.is_some()) {
        return Said { status, refused: [None, None], drifted: None };
    }
    let mut conditions = Conditions::new(&mut status.conditions, claim.metadata.generation, now);
    ready(&mut conditions, &before, plan, proof);
    let unread = seen.held().is_some_and(|held| held.unread);
    overlap(&mut conditions, (looked(seen), condition(&before.conditions, CURRENT).filter(|_| unread)), plan);
    let refused = [
        own_names(&before, &mut conditions, (PREFIX, "groups"), plan.prefix_refused.as_ref()),
        own_names(&before, &mut conditions, (IDS, "transactional ids"), plan.ids_refused.as_ref()),
    ];
    let drifted = drift(&before, &mut conditions, plan);
    Said { status, refused, drifted }
}

/// Says whether the access works.
fn ready(conditions: &mut Conditions<'_>, before: &AccessClaimStatus, plan: &Plan, proof: Option<&Proof>) {
    let (reason, message) = match (&plan.obstacle, proof) {
        (Some(obstacle), _) => (obstacle.reason, obstacle.message.clone()),
        (None, _) if plan.idle_since.is_some() => (Reason::Idle, idle(plan)),
        (None, Some(proof)) => (Reason::Ready, proven(proof)),
        // Nothing was to be done: what was said of the last proof still holds.
        (None, None) => {
            (Reason::Ready, condition(&before.conditions, READY).map_or_else(String::new, |said| said.message.clone()))
        }
    };
    conditions.say(READY, plan.obstacle.is_none(), reason, &message);
}

fn idle(plan: &Plan) -> String {
    let since = plan.idle_since.as_ref().map(|since| since.0.to_string()).unwrap_or_default();
    if !plan.labelled.is_empty() {
        let pods = named(plan.labelled.iter().map(String::as_str));
        return format!(
            "nobody asks for it since {since}, but Pods still carry its label: {pods}; it ends without them"
        );
    }
    format!("no Pod and no owner since {since}; it ends after the BrokerCluster's credentials.idleAfter")
}

/// What is to be said of a rotation that this plan completed.
pub(super) fn rotated(held: &Held, plan: &Plan) -> Option<(Reason, &'static str)> {
    let to = plan.steps.iter().find_map(|step| match step {
        Step::Publish { handout, rotation: Some(_), .. } => Some(handout.mechanism),
        _ => None,
    })?;
    let fresh = plan.steps.iter().any(|step| matches!(step, Step::SetCredential { fresh: true, .. }));
    // The same password by another mechanism is no rotation.
    if !fresh && held.secret.password().is_some() {
        return None;
    }
    // Of a Secret that was lost nobody knows what it told: the only password that there was is the one that it replaced.
    let in_place = held.secret.mechanism() == Some(to) || held.slots.iter().all(|slot| slot.mechanism == to);
    Some(if in_place {
        (
            Reason::RotatedInPlace,
            "a new password replaced the old one; Pods that run need a restart before they log in again",
        )
    } else {
        (Reason::Rotated, "a new password is published; the old one works until no Pod from before is left")
    })
}

/// Whether Pods were looked for that have a password from before a rotation.
fn looked(seen: &Observation) -> bool {
    let Some(held) = seen.held() else { return false };
    let rotated = held.secret.ours().is_some_and(|ours| ours.rotation > 0);
    // Without a claim nothing was decided about passwords.
    seen.claim.is_some() && rotated && held.readers.is_some()
}

/// Says whether somebody has an old password: nothing before the first rotation. `unread` is what was said before, where the Pods could not be
/// looked at: whom it names is a better word than none, and it would be written in turn with that.
fn overlap(conditions: &mut Conditions<'_>, (looked, unread): (bool, Option<&Condition>), plan: &Plan) {
    match &plan.overlap {
        Some(overlap) => {
            let (reason, state) = if overlap.works {
                (Reason::OldPasswordInUse, "still works, for")
            } else {
                (Reason::RotatedInPlace, "works no more; it may be held by")
            };
            let reason = if overlap.overdue { Reason::RotationOverdue } else { reason };
            let state = format!("the password from before the last rotation {state} ");
            let same = |said: &&Condition| said.reason == reason.code() && said.message.starts_with(&state);
            let message = match unread.filter(same) {
                Some(said) => said.message.clone(),
                None => state + &overlap.by,
            };
            conditions.say(CURRENT, false, reason, &message);
        }
        // Nothing was decided about passwords: what was said holds.
        None if plan.rules.is_none() => {}
        // Once it is on record, nobody needs to be looked for again.
        None if looked => conditions.say(CURRENT, true, Reason::Rotated, GONE),
        None => conditions.end(CURRENT, true, Reason::Rotated, GONE),
    }
}

/// Says where names that begin with the namespace's are not to be had; returns the words where they are new.
fn own_names(
    before: &AccessClaimStatus,
    conditions: &mut Conditions<'_>,
    (kind, what): (&str, &str),
    refused: Option<&String>,
) -> Option<String> {
    let said = condition(&before.conditions, kind).filter(|said| said.status == "False");
    if let Some(message) = refused {
        conditions.say(kind, false, Reason::GroupPrefixTaken, message);
        return said.is_none().then(|| message.clone());
    }
    conditions.end(kind, true, Reason::Ready, &format!("{what} that begin with the namespace's name are given"));
    None
}

/// Says what somebody else changed in Kafka: a condition where it is left so, and an Event where it is new; returns the latter's words.
fn drift(before: &AccessClaimStatus, conditions: &mut Conditions<'_>, plan: &Plan) -> Option<String> {
    let message = plan.drift.message();
    let said = condition(&before.conditions, DRIFTED).filter(|said| said.status == "True");
    if let Some(message) = message.as_ref().filter(|_| plan.drift.reported) {
        conditions.say(DRIFTED, true, Reason::AccessDrifted, message);
        return said.is_none_or(|said| said.message != *message).then(|| format!("left as it is: {message}"));
    }
    conditions.end(DRIFTED, false, Reason::Ready, "Kafka holds what it should");
    message.map(|message| format!("put right: {message}"))
}

/// Reports a pass that failed. Returns whether the access is ready all the same.
pub async fn halted(context: &Context, key: &AccessKey, why: &Unusable) -> bool {
    let Some(claim) = context.world.accesses.get(&(&key.0, &key.1)) else { return false };
    let before = claim.status.clone().unwrap_or_default();
    let mut status = before.clone();
    if !condition(&before.conditions, READY).is_some_and(|said| stands(said, why)) {
        let now = Time(context.clock.now());
        Conditions::new(&mut status.conditions, claim.metadata.generation, now).say(
            READY,
            false,
            why.reason,
            &why.message,
        );
    }
    if let Err(error) = write(context, &claim, &before, &status).await {
        tracing::warn!(namespace = key.0, access = key.1, %error, "the status was not written");
    }
    condition(&status.conditions, READY).is_some_and(|said| said.status == "True")
}

/// Whether what was said holds beside why a pass failed.
fn stands(said: &Condition, why: &Unusable) -> bool {
    let same = said.reason == why.reason.code();
    if said.status == "True" {
        // A proven access stays ready while Kafka is away: its Pods hold a credential that works when Kafka is back.
        return same || matches!(why.reason, Reason::KafkaUnreachable | Reason::Provisioning | Reason::ReviewFailed);
    }
    // Each try finds another broker away: the first word is as good as the last. A look that took too long says less than it.
    let away = said.reason == Reason::KafkaUnreachable.code();
    (same && (away || said.message == why.message)) || (away && why.reason == Reason::Provisioning)
}

fn proven(proof: &Proof) -> String {
    let all = proof.proven.len() + proof.unreachable.len();
    let away: Vec<String> = proof.unreachable.iter().map(|(id, why)| format!("broker {id}: {why}")).collect();
    if away.is_empty() {
        format!("proven on {all} of {all} brokers")
    } else {
        format!(
            "proven on {} of {all} brokers; the others catch up before they serve: {}",
            proof.proven.len(),
            away.join("; ")
        )
    }
}

async fn write(
    context: &Context,
    claim: &AccessClaim,
    before: &AccessClaimStatus,
    status: &AccessClaimStatus,
) -> Result<Option<u64>, Halt> {
    if before == status {
        return Ok(None);
    }
    let words = ("write the AccessClaim's status", "access_claim_status");
    let written = status::write(&context.client, claim, Base::Unchanged, merged(status), words).await?;
    let reference = written.object_ref(&());
    let version = version(&written);
    context.world.renew_access(written);
    if let Some((reason, message)) = news(&before.conditions, &status.conditions) {
        context.events.tell(&reference, ACTION, reason, message).await;
    }
    Ok(version)
}

/// A status as a merge is to write it: what can go again is named even where it is not there, or it would stay.
fn merged(status: &AccessClaimStatus) -> Value {
    let mut merged = json!(status);
    merged["rules"] = json!(status.rules);
    merged["quotas"] = status.quotas.map_or(Value::Null, |quotas| {
        json!({
            "produceBytesPerSecond": quotas.produce_bytes_per_second,
            "consumeBytesPerSecond": quotas.consume_bytes_per_second,
            "requestPercentage": quotas.request_percentage,
        })
    });
    merged
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::access::password::rotation::Overlap;

    #[test]
    fn who_has_an_old_password_is_said_and_whether_it_works() {
        let said = |before: bool, looked: bool, plan: &Plan| {
            let mut all = Vec::new();
            let epoch = Time(Timestamp::UNIX_EPOCH);
            let mut conditions = Conditions::new(&mut all, None, epoch);
            if before {
                conditions.say(CURRENT, false, Reason::OldPasswordInUse, "before");
            }
            overlap(&mut conditions, (looked, None), plan);
            all.pop().map(|said| (said.status, said.reason, said.message))
        };
        let decided = || Plan { rules: Some(String::new()), ..Plan::default() };
        let with = |works, overdue| {
            let overlap = Overlap { by: "Pods a".to_owned(), works, overdue, settled: true };
            said(false, true, &Plan { overlap: Some(overlap), ..decided() }).unwrap()
        };
        let (works, dead) = ("still works, for Pods a", "works no more; it may be held by Pods a");
        for (works, overdue, reason, state) in [
            (true, false, "OldPasswordInUse", works),
            (true, true, "RotationOverdue", works),
            (false, false, "RotatedInPlace", dead),
            (false, true, "RotationOverdue", dead),
        ] {
            let message = format!("the password from before the last rotation {state}");
            assert_eq!(with(works, overdue), ("False".to_owned(), reason.to_owned(), message));
        }
        let gone = ("True".to_owned(), "Rotated".to_owned(), GONE.to_owned());
        assert_eq!(said(true, false, &decided()), Some(gone.clone()));
        assert_eq!(said(false, true, &decided()), Some(gone), "it is put on record");
        assert_eq!(said(false, false, &decided()), None, "before the first rotation");
        let undecided = said(true, false, &Plan::default());
        assert_eq!(undecided.unwrap().2, "before", "nothing was decided about passwords");
    }

    #[test]
    fn who_had_an_old_password_is_said_while_pods_cannot_be_looked_at() {
        let overlap_of = |by: &str, works| Overlap { by: by.to_owned(), works, overdue: false, settled: false };
        let mut all = Vec::new();
        let mut look = |by: &str, works: bool, unread: bool| {
            let before = condition(&all, CURRENT).cloned();
            let plan = Plan { overlap: Some(overlap_of(by, works)), rules: Some(String::new()), ..Plan::default() };
            let mut conditions = Conditions::new(&mut all, None, Time(Timestamp::UNIX_EPOCH));
            overlap(&mut conditions, (!unread, before.as_ref().filter(|_| unread)), &plan);
            all[0].message.rsplit_once(' ').map(|(_, by)| by.to_owned()).unwrap()
        };
        assert_eq!(look("Pods that are unread", false, true), "unread", "nothing was said before");
        assert_eq!(look("Pods a", false, false), "a");
        assert_eq!(look("Pods that are unread", false, true), "a");
        assert_eq!(look("Pods b", false, false), "b");
        assert_eq!(look("Pods that are unread", true, true), "unread", "another password is meant");
    }

    #[test]
    fn what_was_said_stands_until_something_else_is_to_be_said() {
        use Reason::{InvalidValue, KafkaUnreachable, Provisioning, Ready};
        for (status, before, words, why, stays) in [
            ("True", Ready, "proven", KafkaUnreachable, true),
            ("True", Ready, "proven", InvalidValue, false),
            ("False", KafkaUnreachable, "broker 1", KafkaUnreachable, true),
            ("False", Provisioning, "now", Provisioning, true),
            ("False", Provisioning, "before", Provisioning, false),
            ("False", InvalidValue, "before", InvalidValue, false),
            ("False", InvalidValue, "now", KafkaUnreachable, false),
        ] {
            let mut said = Vec::new();
            let epoch = Time(Timestamp::UNIX_EPOCH);
            Conditions::new(&mut said, None, epoch).say(READY, status == "True", before, words);
            let why = Unusable { reason: why, message: "now".to_owned() };
            assert_eq!(stands(&said[0], &why), stays, "{status} {before} {words}, then {why:?}");
        }
    }
}
