//! Rights, credential, proof and Secret of an access that is wanted. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::copies;
use super::credentials::{Subject as CredentialSubject, data, iterations};
use super::drift::{self, Drift, What};
use super::judgement::Judgement;
use super::observe::{Held, Observation, SecretView, Subject};
use super::plan::Plan;
use super::quotas;
use super::rights::rights;
use super::rotation::{self, Decision, Facts, LOOK_AGAIN, Overlap};
use super::step::{Handout, Step};
use super::wishes::Wishes;
use crate::api::names::short_hash;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessSource, Drift as Policy, Quotas, READY, Restart, Right, condition};
use crate::clusters::terms::mechanism;
use crate::clusters::{Connection, Lifetimes, Unusable};
use crate::kafka::acl::{AclBinding, Permission, fingerprint};
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::kafka::scram::Mechanism;
use crate::watch::AccessKey;

/// Plans what brings Kafka and the Secret to what was judged.
pub(super) fn provide(
    seen: &Observation,
    subject: &Subject,
    judgement: &Judgement,
    asked: &Wishes,
    connection: &Connection,
    held: &Held,
    plan: &mut Plan,
) {
    let given = &judgement.given;
    let (consumes, produces): (Vec<String>, Vec<String>) =
        (given.consumes.iter().cloned().collect(), given.produces.iter().cloned().collect());
    let wanted = wanted(subject, judgement);
    let limits = quotas::effective(&connection.terms.quotas, &seen.key.0, &subject.workload, seen.claim.as_deref());
    let active = active(seen, connection, held);
    let off = credential_is_off(seen, held, active);
    let published = held.secret.password().is_some() && held.secret.mechanism() == Some(active);
    // What somebody else wrote, and is to be left: no proof comes of it, and a new password ends it.
    let on_record = seen.claim.as_ref().and_then(|claim| claim.status.as_ref()?.rules.as_ref()).is_some();
    let left = off && published && on_record && connection.terms.drift == Policy::Report;
    let rotation = rotate(seen, connection, held, (active, left), plan);
    let mechanism = rotation.renew.map_or(active, |(mechanism, _)| mechanism);
    let fresh = rotation.renew.is_some();
    plan.drift = Drift::find(&drift::Facts {
        rules: &wanted,
        quotas: limits,
        password: (off && published && !fresh).then_some(active),
        held,
        before: seen.claim.as_ref().and_then(|claim| claim.status.as_ref()),
        report: connection.terms.drift == Policy::Report,
    });
    plan.rules = Some(fingerprint(&wanted));
    plan.prefix_refused = judgement.prefixes.refused.clone().filter(|_| !given.consumes.is_empty());
    plan.ids_refused = judgement.ids.refused.clone().filter(|_| given.transactions);
    let missing: Vec<_> = wanted.difference(&held.rules).cloned().collect();
    let proven: BTreeSet<AclBinding> = if plan.drift.leaves(What::Rules) {
        wanted.intersection(&held.rules).cloned().collect()
    } else {
        let mut changes = Vec::new();
        if !missing.is_empty() {
            changes.push(Step::Grant(missing));
        }
        changes.extend(extra(&wanted, held));
        change(seen, changes, plan);
        wanted
    };
    limit(limits, held, plan);
    if fresh || (off && !plan.drift.leaves(What::Credential)) {
        plan.steps.push(Step::SetCredential { mechanism, fresh });
    }
    let group = judgement.prefixes.group(&subject.workload, held.secret.group());
    let transactional_id = given.transactions.then(|| judgement.ids.id(held.secret.transactional_id()));
    let replaces = match &held.secret {
        SecretView::Ours { resource_version, data: stands, .. } => {
            let subject = CredentialSubject {
                group: &group,
                transactional_id: transactional_id.as_deref(),
                username: &subject.username,
                mechanism,
                consumes: &consumes,
                produces: &produces,
            };
            let right = held.secret.password().is_some_and(|password| {
                let wanted = data(subject, password, &connection.terms);
                wanted.len() == stands.len() && wanted.iter().all(|(key, value)| stands.get(*key) == Some(value))
            });
            (fresh || !right).then(|| Some(resource_version.clone()))
        }
        SecretView::Absent => Some(None),
        SecretView::Foreign => None,
    };
    let at_work = plan
        .steps
        .iter()
        .any(|step| !matches!(step, Step::ForgetRules | Step::Revoke(_) | Step::SetQuotas(_) | Step::RemoveQuotas));
    let unproven = plan.obstacle.is_none() && plan.idle_since.is_none() && !is_ready(seen.claim.as_deref());
    // A password that is left as somebody made it proves nothing, and nothing is handed out without a proof.
    let left = plan.drift.leaves(What::Credential);
    if left && plan.obstacle.is_none() {
        let message = format!("left as it is: {}", plan.drift.message().unwrap_or_default());
        plan.obstacle = Some(Unusable { reason: Reason::AccessDrifted, message });
    }
    if (at_work || replaces.is_some() || unproven) && !left {
        plan.steps.push(Step::Prove { rules: proven.into_iter().collect(), topics: shown(judgement), mechanism });
    }
    // A Secret that was lost goes on counting, as of now, or what it has seen already would look like one more to do.
    let counted = seen.claim.as_ref().and_then(|claim| claim.status.as_ref()).map(|status| status.rotations);
    let again = counted.filter(|_| is_lost(seen, held));
    // Who has read it so far logs in by the mechanism before, as after a rotation: the time of its publication is to say so.
    let moved = match &held.secret {
        SecretView::Ours { rotation, .. } if held.secret.mechanism() != Some(mechanism) => Some(*rotation),
        _ => None,
    };
    let number = rotation.renew.map(|(_, number)| number).or(again).or(moved);
    let handout = Handout { mechanism, group, transactional_id, consumes, produces };
    if !left {
        copies::keep(held, asked, &handout, replaces.is_some(), plan);
        let publish = |replaces| Step::Publish { replaces, rotation: number, handout };
        plan.steps.extend(replaces.map(publish));
    }
    let earlier = of_an_earlier_life(seen, held, mechanism);
    withdraw(rotation, earlier, mechanism, connection, held, plan);
}

fn wanted(subject: &Subject, judgement: &Judgement) -> BTreeSet<AclBinding> {
    rights(&subject.username, &subject.workload, &judgement.given, (&judgement.prefixes, &judgement.ids))
}

/// The topics that brokers can show. One that is held although something is wrong with it may be nowhere, and what waits for it would
/// wait for ever.
fn shown(judgement: &Judgement) -> Vec<String> {
    let refused = |name: &str, right: Right| {
        judgement.refused.iter().any(|refusal| (refusal.name.as_str(), refusal.right) == (name, right))
    };
    let topics = judgement.given.rights().filter(|(name, right)| *right != Right::Join && !refused(name, *right));
    topics.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Plans the limits. What Kafka does not show us was never set by us.
fn limit(wanted: Quotas, held: &Held, plan: &mut Plan) {
    plan.quotas = (!wanted.is_empty()).then_some(wanted);
    if held.quotas.is_some_and(|stands| stands != Quota::from(wanted)) && !plan.drift.leaves(What::Quotas) {
        plan.steps.push(if wanted.is_empty() { Step::RemoveQuotas } else { Step::SetQuotas(wanted) });
    }
}

/// Plans to take what is held and not given, and nothing else.
pub(super) fn revoke(seen: &Observation, subject: &Subject, judgement: &Judgement, held: &Held, plan: &mut Plan) {
    let extra = extra(&wanted(subject, judgement), held);
    change(seen, extra.into_iter().collect(), plan);
}

/// Plans what can be done where something was not seen, which may be anything: what is known to be lost is taken, and nothing else is done.
pub(super) fn take(
    seen: &Observation,
    subject: &Subject,
    judgement: &Judgement,
    connection: &Connection,
    held: &Held,
    plan: &mut Plan,
) {
    plan.steps.clear();
    let recorded = seen.claim.as_ref().and_then(|claim| claim.status.as_ref()?.rules.clone());
    let wanted = wanted(subject, judgement);
    // What is more than that was added by somebody else, and is to be left.
    let left = connection.terms.drift == Policy::Report && recorded.as_ref() == Some(&fingerprint(&wanted));
    let extra = extra(&wanted, held).filter(|_| !left);
    change(seen, extra.into_iter().collect(), plan);
    if plan.steps.is_empty() {
        plan.rules = recorded;
    }
}

/// What is held and not wanted. A rule that denies is somebody's emergency brake, and stays.
fn extra(wanted: &BTreeSet<AclBinding>, held: &Held) -> Option<Step> {
    let extra = held.rules.difference(wanted).filter(|rule| rule.permission == Permission::Allow);
    let extra: Vec<_> = extra.cloned().collect();
    (!extra.is_empty()).then_some(Step::Revoke(extra))
}

/// Plans changes of the rules. Cut short, they must not look like somebody else's where what was wanted before is wanted again.
fn change(seen: &Observation, changes: Vec<Step>, plan: &mut Plan) {
    let recorded = seen.claim.as_ref().and_then(|claim| claim.status.as_ref()?.rules.as_ref());
    let forget = recorded.filter(|_| !changes.is_empty()).map(|_| Step::ForgetRules);
    plan.steps.extend(forget.into_iter().chain(changes));
}

/// The slot to use: the one that the Secret tells clients of, while brokers take it. A password that was lost is made anew in the other
/// slot, where there is one: Pods that run hold the password of the first.
fn active(seen: &Observation, connection: &Connection, held: &Held) -> Mechanism {
    let terms = &connection.terms;
    let offered: Vec<Mechanism> = terms.mechanisms.iter().map(|offered| mechanism(*offered)).collect();
    let usual = mechanism(terms.mechanism);
    let lost = is_lost(seen, held);
    match held.slots.as_slice() {
        [only] if lost => offered.into_iter().find(|mechanism| *mechanism != only.mechanism).unwrap_or(usual),
        _ => held.secret.mechanism().filter(|found| offered.contains(found)).unwrap_or(usual),
    }
}

/// Whether the Secret was handed out before, as far as the claim knows.
fn was_published(seen: &Observation) -> bool {
    seen.claim.as_ref().and_then(|claim| claim.status.as_ref()).is_some_and(|status| status.secret_name.is_some())
}

/// Whether a password was handed out that no Secret holds any more: the Secret was deleted, or somebody emptied it.
fn is_lost(seen: &Observation, held: &Held) -> bool {
    was_published(seen) && held.secret.password().is_none() && !matches!(held.secret, SecretView::Foreign)
}

/// The slots that an earlier life of the same name has left, where nobody of this one can have read their passwords: no Secret was there
/// when it began, and no Pod that reads it has started. Whoever had them then would have what this one is given.
fn of_an_earlier_life(seen: &Observation, held: &Held, mechanism: Mechanism) -> Vec<Mechanism> {
    let none = |view: &SecretView| matches!(view, SecretView::Absent);
    let first = !was_published(seen) && none(&held.secret) && held.copies.values().all(none);
    let of_pods = seen.claim.as_ref().is_none_or(|claim| claim.spec.source == AccessSource::Pods);
    let unread = held.readers.as_ref().is_some_and(|readers| readers.iter().all(|reader| !reader.started));
    let slots = held.slots.iter().filter(|_| first && of_pods && unread).map(|slot| slot.mechanism);
    slots.filter(|slot| *slot != mechanism).collect()
}

fn rotate(
    seen: &Observation,
    connection: &Connection,
    held: &Held,
    (active, left): (Mechanism, bool),
    plan: &mut Plan,
) -> Decision {
    let SecretView::Ours { rotation, .. } = &held.secret else { return Decision::default() };
    let (Some(claim), Some(_), Some(published)) = (&seen.claim, held.secret.password(), held.published()) else {
        return Decision::default();
    };
    let slots: Vec<_> = held.slots.iter().map(|slot| slot.mechanism).collect();
    let offered: Vec<_> = connection.terms.mechanisms.iter().map(|offered| mechanism(*offered)).collect();
    let lifetimes = jittered(connection.terms.lifetimes, &seen.key);
    let facts = Facts {
        request: seen.rotate,
        asked: claim.status.as_ref().map_or(0, |status| status.rotations),
        done: *rotation,
        active,
        published,
        slots: &slots,
        offered: &offered,
        readers: held.readers.as_deref(),
        manual: claim.spec.source == AccessSource::Manual,
        lifetimes: &lifetimes,
        now: seen.now,
    };
    let mut decision = rotation::decide(&facts);
    if decision.count.is_some() || decision.clear {
        plan.steps.push(Step::RecordRotation { count: decision.count, clear: decision.clear });
    }
    // The only password is replaced where what follows, proof and publication, is known to succeed: it is on record, and waits for a proof
    // that is still to come. What is refused or at rest waits for none.
    let proof_to_come = plan.obstacle.is_none() && plan.idle_since.is_none() && !is_ready(Some(claim)) && !left;
    if decision.renew.is_some_and(|(slot, _)| slot == active) && proof_to_come {
        decision.renew = None;
        decision.overlap = rotation::overlap(&facts);
    }
    // That nobody has one that works no more is said once, and was not seen.
    if held.unread && decision.renew.is_none() && decision.overlap.is_none() {
        let by = "Pods that could not be looked at".to_owned();
        decision.overlap = Some(Overlap { by, works: false, overdue: false, settled: false });
        // A list that was too long will be so again: it is tried as seldom as it would have been looked at.
        let next = rotation::patience(&facts, false);
        decision.next = Some(decision.next.map_or(next, |due| due.min(next)));
    }
    decision
}

/// Up to a tenth earlier, by the access's name: what was made together must not be due together.
fn jittered(lifetimes: Lifetimes, key: &AccessKey) -> Lifetimes {
    let part = u32::from_str_radix(&short_hash(&format!("{}/{}", key.0, key.1), 4), 16).unwrap_or_default();
    let earlier = |every: Duration| every - every / 10 * part / 0xffff;
    Lifetimes { rotate_every: lifetimes.rotate_every.map(earlier), ..lifetimes }
}

/// What is left of earlier passwords: `mechanism` is the slot that stays.
fn withdraw(
    rotation: Decision,
    earlier: Vec<Mechanism>,
    mechanism: Mechanism,
    connection: &Connection,
    held: &Held,
    plan: &mut Plan,
) {
    plan.overlap = rotation.overlap;
    plan.next = [plan.next, rotation.next].into_iter().flatten().min();
    // A Pod that was made before the Secret or a copy is written may have read there what goes.
    let writes = plan.steps.iter().any(|step| matches!(step, Step::Publish { .. } | Step::Copy { .. }));
    let retire = if writes { earlier } else { rotation.retire };
    let stays = |slot: &StoredCredential| slot.mechanism != mechanism && !retire.contains(&slot.mechanism);
    let works = held.slots.iter().any(stays);
    // The password before is taken or, in place, works no more: who has it is looked for from the next look on.
    let renews = plan.steps.iter().any(|step| matches!(step, Step::Publish { rotation: Some(_), .. }));
    if writes && (works || renews) {
        let by = "whoever read the Secret before; it was written just now".to_owned();
        let just_now = Overlap { by, works, overdue: false, settled: false };
        plan.overlap = Some(Overlap { settled: false, ..plan.overlap.take().unwrap_or(just_now) });
        plan.next = Some(plan.next.map_or(LOOK_AGAIN, |next| next.min(LOOK_AGAIN)));
    }
    if !retire.is_empty() {
        plan.steps.push(Step::RemoveCredential(retire));
    }
    let settled = plan.overlap.as_ref().is_some_and(|overlap| overlap.settled);
    if settled && connection.terms.lifetimes.restart == Restart::Rollout {
        plan.steps.extend(plan.owners.iter().cloned().map(Step::Restart));
    }
}

/// Whether Kafka lacks the published credential, holds another, or there is none yet.
fn credential_is_off(seen: &Observation, held: &Held, active: Mechanism) -> bool {
    let Some(password) = held.secret.password() else { return true };
    let slot = held.slots.iter().find(|slot| slot.mechanism == active);
    let stored = slot.map(|slot| slot.iterations);
    seen.credential_doubted || stored != i32::try_from(iterations(password).get()).ok()
}

/// Whether the claim is reported ready for what it says now.
fn is_ready(claim: Option<&AccessClaim>) -> bool {
    let Some(claim) = claim else { return false };
    let ready = claim.status.as_ref().and_then(|status| condition(&status.conditions, READY));
    ready.is_some_and(|ready| {
        ready.reason == Reason::Ready.code() && ready.observed_generation == claim.metadata.generation
    })
}
