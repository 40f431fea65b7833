//! The slots of a user's password in Kafka: which one is used, and what becomes of the others. Pure.

use std::time::Duration;

use super::credentials::iterations;
use super::rotation::{self, Decision, Facts, LOOK_AGAIN, Overlap};
use super::secret_view::SecretView;
use crate::access::case::Case;
use crate::access::plan::Plan;
use crate::access::step::Step;
use crate::api::names::short_hash;
use crate::api::resources::{AccessSource, Drift as Policy, Restart};
use crate::clusters::Lifetimes;
use crate::clusters::terms::mechanism;
use crate::kafka::admin::users::StoredCredential;
use crate::kafka::scram::Mechanism;
use crate::watch::AccessKey;

/// The slot that is used, as it stands.
#[derive(Debug, Clone, Copy)]
pub(in crate::access) struct Slot {
    /// Which one it is.
    pub(in crate::access) mechanism: Mechanism,
    /// Whether Kafka lacks the published password in it, holds another, or none is published yet.
    pub(in crate::access) off: bool,
    /// Whether the Secret tells clients of it.
    pub(in crate::access) published: bool,
    /// Whether somebody else wrote what it holds, and that is to be left: no proof comes of it, and a new password ends it.
    left: bool,
}

impl Case<'_> {
    /// The slot to use: the one that the Secret tells clients of, while brokers take it. A password that was lost is made anew in the other
    /// slot, where there is one: Pods that run hold the password of the first.
    pub(in crate::access) fn slot(&self) -> Slot {
        let (secret, terms) = (&self.held.secret, &self.ground.terms);
        let (offered, usual) = (self.offered(), mechanism(terms.mechanism));
        let mechanism = match self.used().filter(|_| self.is_lost()) {
            Some(used) => offered.into_iter().find(|other| *other != used).unwrap_or(usual),
            None => secret.mechanism().filter(|found| offered.contains(found)).unwrap_or(usual),
        };
        let off = self.is_off(mechanism);
        let published = secret.password().is_some() && secret.mechanism() == Some(mechanism);
        let left = off && published && self.recorded().is_some() && terms.drift == Policy::Report;
        Slot { mechanism, off, published, left }
    }

    /// The slot that Pods use, whatever the Secret says: who was stopped before a lost password was published anew has left two.
    fn used(&self) -> Option<Mechanism> {
        match self.held.slots.as_slice() {
            [] => None,
            [only] => Some(only.mechanism),
            _ => self.seen.status()?.mechanism.map(mechanism),
        }
    }

    /// The slots that brokers take.
    fn offered(&self) -> Vec<Mechanism> {
        self.ground.terms.mechanisms.iter().map(|offered| mechanism(*offered)).collect()
    }

    fn is_off(&self, slot: Mechanism) -> bool {
        let Some(password) = self.held.secret.password() else { return true };
        let stored = self.held.slots.iter().find(|stored| stored.mechanism == slot).map(|stored| stored.iterations);
        self.seen.credential_doubted || stored != i32::try_from(iterations(password).get()).ok()
    }

    /// Decides whether a new password is due, and what becomes of the one before.
    pub(in crate::access) fn rotate(&self, slot: Slot, plan: &mut Plan) -> Decision {
        let Self { seen, held, .. } = *self;
        let (Some(claim), Some(ours), Some(_), Some(published)) =
            (&seen.claim, held.secret.ours(), held.secret.password(), held.published())
        else {
            return Decision::default();
        };
        let slots: Vec<_> = held.slots.iter().map(|slot| slot.mechanism).collect();
        let lifetimes = jittered(self.ground.terms.lifetimes, &seen.key);
        let facts = Facts {
            request: seen.rotate,
            asked: seen.status().map_or(0, |status| status.rotations),
            done: ours.rotation,
            active: slot.mechanism,
            published,
            slots: &slots,
            offered: &self.offered(),
            readers: held.readers.as_deref(),
            manual: claim.spec.source == AccessSource::Manual,
            lifetimes: &lifetimes,
            now: seen.now,
        };
        let mut decision = rotation::decide(&facts);
        if decision.count.is_some() || decision.clear {
            plan.steps.push(Step::RecordRotation { count: decision.count, clear: decision.clear });
        }
        // The only password is replaced where what follows, proof and publication, is known to succeed: it is on record, and waits for a
        // proof that is still to come. What is refused or at rest waits for none.
        let proof_to_come = plan.obstacle.is_none() && plan.idle_since.is_none() && !self.is_ready() && !slot.left;
        if decision.renew.is_some_and(|(renewed, _)| renewed == slot.mechanism) && proof_to_come {
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

    /// Plans to take what is left of earlier passwords: `mechanism` is the slot that stays.
    pub(in crate::access) fn withdraw(&self, rotation: Decision, mechanism: Mechanism, plan: &mut Plan) {
        plan.overlap = rotation.overlap;
        plan.next = [plan.next, rotation.next].into_iter().flatten().min();
        // A Pod that was made before the Secret or a copy is written may have read there what goes.
        let writes = plan.steps.iter().any(|step| matches!(step, Step::Publish { .. } | Step::Copy { .. }));
        let retire = if writes { self.of_an_earlier_life(mechanism) } else { rotation.retire };
        let stays = |slot: &StoredCredential| slot.mechanism != mechanism && !retire.contains(&slot.mechanism);
        let works = self.held.slots.iter().any(stays);
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
        if settled && self.ground.terms.lifetimes.restart == Restart::Rollout {
            plan.steps.extend(plan.owners.iter().cloned().map(Step::Restart));
        }
    }

    /// The slots that an earlier life of the same name has left, where nobody of this one can have read their passwords: no Secret was there
    /// when it began, and no Pod that reads it has started. Whoever had them then would have what this one is given.
    fn of_an_earlier_life(&self, mechanism: Mechanism) -> Vec<Mechanism> {
        let Self { seen, held, .. } = *self;
        let first = !self.was_published() && held.secret.is_absent() && held.copies.values().all(SecretView::is_absent);
        let of_pods = seen.claim.as_ref().is_none_or(|claim| claim.spec.source == AccessSource::Pods);
        let unread = held.readers.as_ref().is_some_and(|readers| readers.iter().all(|reader| !reader.started));
        let slots = held.slots.iter().filter(|_| first && of_pods && unread).map(|slot| slot.mechanism);
        slots.filter(|slot| *slot != mechanism).collect()
    }
}

/// Up to a tenth earlier, by the access's name: what was made together must not be due together.
fn jittered(lifetimes: Lifetimes, key: &AccessKey) -> Lifetimes {
    let part = u32::from_str_radix(&short_hash(&format!("{}/{}", key.0, key.1), 4), 16).unwrap_or_default();
    let earlier = |every: Duration| every - every / 10 * part / 0xffff;
    Lifetimes { rotate_every: lifetimes.rotate_every.map(earlier), ..lifetimes }
}
