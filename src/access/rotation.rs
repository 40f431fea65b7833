//! When a workload gets a new password, and when the old one goes. A pure state machine: all that it knows lies in the claim, the
//! Secret and Kafka's two slots of the user, so it goes on from any point.
//!
//! A SCRAM user has a slot a mechanism. The new password is written to the slot that is not in use, so that both work; the old slot
//! goes when every Pod that reads the Secret was made well after the publication.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::clusters::Lifetimes;
use crate::kafka::scram::Mechanism;

/// A Pod that was made this soon after a publication may have been given the Secret from before it: the kubelet keeps a copy.
pub(super) const WELL_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// How often the Pods are looked at while an old password is in use.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// The longest pause between two looks at an old password that is still in use.
const LOOK_LEAST: Duration = Duration::from_secs(60);
/// Pods that a message names.
const NAMED: usize = 5;

/// What people ask for by annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A new password, once no older one is in use.
    Now,
    /// A new password at once: whoever still has the one before the last is locked out.
    Force,
}

/// A Pod that reads the Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it has come as far as to be given what it reads.
    pub started: bool,
}

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The annotation of the claim.
    pub request: Option<Request>,
    /// How many rotations the claim's status asks for.
    pub asked: i64,
    /// How many the Secret has seen.
    pub done: i64,
    /// The mechanism that the Secret names.
    pub active: Mechanism,
    /// When the Secret's password was published.
    pub published: Timestamp,
    /// The mechanisms that Kafka holds a credential for.
    pub slots: &'f [Mechanism],
    /// The mechanisms that clients may use.
    pub offered: &'f [Mechanism],
    /// The Pods that read the Secret; nothing where they were not looked at.
    pub readers: Option<&'f [Reader]>,
    /// Whether clients read the Secret that are not Pods.
    pub manual: bool,
    /// The cluster's policy.
    pub lifetimes: &'f Lifetimes,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Write into the claim's status that this many rotations are asked for.
    pub count: Option<i64>,
    /// Take the annotation away: what it asks for is on record.
    pub clear: bool,
    /// Make a new password in this slot, and publish it as the rotation of this number.
    pub renew: Option<(Mechanism, i64)>,
    /// Slots that nobody needs any more.
    pub retire: Vec<Mechanism>,
    /// An old password is in use.
    pub overlap: Option<Overlap>,
    /// When to look again.
    pub next: Option<Duration>,
}

/// An old password that is still in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// By whom, for a message.
    pub by: String,
    /// Whether it lasts longer than the policy has it.
    pub overdue: bool,
    /// Whether a Pod that is made now is sure to get the new one, and somebody has the old one.
    pub settled: bool,
}

/// Whether the Pods have to be looked at before anything can be decided.
#[must_use]
pub fn needs_readers(slots: &[Mechanism], active: Mechanism) -> bool {
    slots.iter().any(|slot| *slot != active)
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Decision {
    let old: Vec<Mechanism> = facts.slots.iter().copied().filter(|slot| *slot != facts.active).collect();
    let pending = facts.asked > facts.done;
    let mut decision = Decision { next: until_due(facts), ..Decision::default() };
    let overlap = if old.is_empty() || pending { None } else { overlap(facts) };
    let due = decision.next == Some(Duration::ZERO);
    let wanted = pending || facts.request.is_some() || due;
    // The slot that a new password would go to holds one that somebody uses.
    let blocked = overlap.is_some() && facts.request != Some(Request::Force);
    if wanted && !blocked {
        let number = if pending { facts.asked } else { facts.done + 1 };
        let other = facts.offered.iter().copied().find(|mechanism| *mechanism != facts.active);
        decision.count = (!pending).then_some(number);
        decision.clear = facts.request.is_some();
        decision.renew = Some((other.unwrap_or(facts.active), number));
        decision.next = Some(LOOK_AGAIN);
        return decision;
    }
    if !old.is_empty() {
        match overlap {
            None => decision.retire = old,
            Some(overlap) => {
                decision.overlap = Some(overlap);
                decision.next = Some(patience(facts));
            }
        }
    }
    decision
}

/// When to look again whether an old password is still in use: less often than at first, for some Pods live for months. Of Pods that
/// read the Secret without asking for it nobody tells when they go.
fn patience(facts: &Facts<'_>) -> Duration {
    let age = Duration::try_from(facts.now.duration_since(facts.published)).unwrap_or_default();
    let pause = (age / 10).clamp(LOOK_AGAIN, LOOK_LEAST);
    match facts.lifetimes.max_overlap.checked_sub(age) {
        Some(left) => pause.min(left.max(LOOK_AGAIN)),
        None => pause,
    }
}

fn until_due(facts: &Facts<'_>) -> Option<Duration> {
    let age = Duration::try_from(facts.now.duration_since(facts.published)).unwrap_or_default();
    facts.lifetimes.rotate_every.map(|every| every.saturating_sub(age))
}

/// Who may still hold the password of another slot than the Secret's.
pub(super) fn overlap(facts: &Facts<'_>) -> Option<Overlap> {
    let age = facts.now.duration_since(facts.published);
    let overdue = Duration::try_from(age).unwrap_or_default() > facts.lifetimes.max_overlap;
    // Nobody can be asked whether such a client has the new one: it has as long as the policy gives.
    if facts.manual {
        return (!overdue).then(|| Overlap { by: "clients that are not Pods".to_owned(), overdue, settled: false });
    }
    let Some(readers) = facts.readers else {
        return Some(Overlap { by: "Pods that could not be looked at".to_owned(), overdue, settled: false });
    };
    let early = |reader: &&Reader| reader.created.duration_since(facts.published) <= WELL_AFTER;
    let names: Vec<&str> = readers.iter().filter(early).map(|reader| reader.name.as_str()).collect();
    // Pods that are on their way may have been given the old Secret as well.
    if names.is_empty() {
        return (age <= WELL_AFTER).then(|| Overlap {
            by: "nobody that is known; it was published just now".to_owned(),
            overdue,
            settled: false,
        });
    }
    let by = format!("Pods {}", named(names.into_iter()));
    Some(Overlap { by, overdue, settled: age > WELL_AFTER })
}

/// Names for a message: the first few, and how many more there are.
pub(super) fn named<'n>(mut names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let first = names.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::Restart;

    const BOTH: [Mechanism; 2] = [Mechanism::Sha512, Mechanism::Sha256];
    const LIFETIMES: Lifetimes = Lifetimes {
        idle_after: Duration::from_secs(3600),
        absent_after: Duration::from_secs(3600),
        rotate_every: None,
        max_overlap: Duration::from_secs(3600),
        restart: Restart::None,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts<'f>(slots: &'f [Mechanism], readers: Option<&'f [Reader]>) -> Facts<'f> {
        Facts {
            request: None,
            asked: 0,
            done: 0,
            active: Mechanism::Sha512,
            published: at(1000),
            slots,
            offered: &BOTH,
            readers,
            manual: false,
            lifetimes: &LIFETIMES,
            now: at(2000),
        }
    }

    fn reader(created: i64) -> Reader {
        Reader { name: format!("pod-{created}"), created: at(created), started: true }
    }

    #[test]
    fn at_rest_nothing_is_done() {
        assert_eq!(decide(&facts(&[Mechanism::Sha512], None)), Decision::default());
    }

    #[test]
    fn a_request_goes_to_the_other_slot_and_is_put_on_record() {
        let decision = decide(&Facts { request: Some(Request::Now), ..facts(&[Mechanism::Sha512], None) });
        assert_eq!(decision.renew, Some((Mechanism::Sha256, 1)));
        assert_eq!((decision.count, decision.clear), (Some(1), true));
    }

    #[test]
    fn a_crash_after_the_record_or_after_kafkas_write_makes_it_anew_under_the_same_number() {
        for request in [Some(Request::Now), None] {
            let decision = decide(&Facts { request, asked: 1, ..facts(&BOTH, None) });
            assert_eq!(decision.renew, Some((Mechanism::Sha256, 1)));
            assert_eq!(decision.count, None);
            assert!(decision.retire.is_empty());
        }
    }

    #[test]
    fn the_old_slot_stays_while_a_pod_from_before_reads_the_secret() {
        let published = Facts { asked: 1, done: 1, active: Mechanism::Sha256, ..facts(&BOTH, None) };
        let (old, young) = ([reader(900), reader(1500)], [reader(1500)]);
        let waits = decide(&Facts { readers: Some(&old), ..published });
        assert!(waits.retire.is_empty());
        assert_eq!(waits.overlap.unwrap().by, "Pods pod-900");
        assert_eq!(decide(&Facts { readers: Some(&young), ..published }).retire, [Mechanism::Sha512]);
        let soon = [reader(1030)];
        assert!(decide(&Facts { readers: Some(&soon), ..published }).retire.is_empty(), "it may have the old one");
        assert!(decide(&published).retire.is_empty(), "Pods that were not looked at count as old");
        assert!(decide(&Facts { readers: Some(&[]), now: at(1010), ..published }).retire.is_empty(), "too early");
    }

    #[test]
    fn who_keeps_an_old_password_for_long_is_looked_at_less_often() {
        let old = [reader(900)];
        let facts = Facts { done: 1, active: Mechanism::Sha256, readers: Some(&old), ..facts(&BOTH, None) };
        for (now, pause) in [(1100, 15), (1400, 40), (2000, 60), (4595, 15), (5000, 60), (90_000, 60)] {
            assert_eq!(decide(&Facts { now: at(now), ..facts }).next, Some(Duration::from_secs(pause)), "{now}");
        }
    }

    #[test]
    fn a_second_rotation_waits_for_the_first_unless_forced() {
        let old = [reader(900)];
        let facts = Facts { asked: 1, done: 1, active: Mechanism::Sha256, readers: Some(&old), ..facts(&BOTH, None) };
        let waits = decide(&Facts { request: Some(Request::Now), ..facts });
        assert_eq!((waits.renew, waits.clear), (None, false), "the request stays");
        let forced = decide(&Facts { request: Some(Request::Force), ..facts });
        assert_eq!(forced.renew, Some((Mechanism::Sha512, 2)));
    }

    #[test]
    fn one_mechanism_is_rotated_in_place() {
        let offered = [Mechanism::Sha512];
        let facts = Facts { request: Some(Request::Now), offered: &offered, ..facts(&[Mechanism::Sha512], None) };
        assert_eq!(decide(&facts).renew, Some((Mechanism::Sha512, 1)));
    }

    #[test]
    fn a_schedule_is_kept() {
        let lifetimes = Lifetimes { rotate_every: Some(Duration::from_secs(1500)), ..LIFETIMES };
        let slots = [Mechanism::Sha512];
        let facts = Facts { lifetimes: &lifetimes, ..facts(&slots, None) };
        assert_eq!(decide(&facts).next, Some(Duration::from_secs(500)));
        assert_eq!(decide(&Facts { now: at(2500), ..facts }).renew, Some((Mechanism::Sha256, 1)));
    }

    #[test]
    fn manual_clients_have_as_long_as_the_policy_gives() {
        let facts = Facts { done: 1, asked: 1, manual: true, active: Mechanism::Sha256, ..facts(&BOTH, None) };
        assert!(decide(&facts).overlap.is_some());
        assert_eq!(decide(&Facts { now: at(9000), ..facts }).retire, [Mechanism::Sha512]);
    }

    #[test]
    fn an_overlap_that_lasts_too_long_is_said_to() {
        let old = [reader(900)];
        let facts = Facts { readers: Some(&old), active: Mechanism::Sha256, now: at(9000), ..facts(&BOTH, None) };
        assert!(decide(&facts).overlap.unwrap().overdue);
    }
}
