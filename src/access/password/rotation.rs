//! When a workload gets a new password, and when the old one goes. A pure state machine: all that it knows lies in the claim, the
//! Secret and Kafka's two slots of the user, so it goes on from any point.
//!
//! A SCRAM user has a slot a mechanism. The new password is written to the slot that is not in use, so that both work; the old slot
//! goes when every Pod that reads the Secret was made well after the publication. Where there is no other slot the new password
//! replaces the old one, and Pods from before are left with one that works no more: who they are is told all the same.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::resources::{AccessClaimStatus, condition};
use crate::clusters::Lifetimes;
use crate::kafka::scram::Mechanism;

/// A Pod that was made this soon after a publication may have been given the Secret from before it: the kubelet keeps a copy.
pub(in crate::access) const WELL_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// A Pod's time is in whole seconds, and so may ours be behind the API server's: what is rolled out later than this is sure to count as made
/// well after.
const SURELY_AFTER: SignedDuration = SignedDuration::from_secs(65);
/// How often the Pods are looked at while an old password is in use.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// The longest pause between two looks at an old password that is still in use.
const LOOK_LEAST: Duration = Duration::from_secs(60);
/// The same where the old password works no more.
const LOOK_SELDOM: Duration = Duration::from_secs(600);
/// Pods that a message names.
const NAMED: usize = 5;

/// The condition type that answers "is the published password the only one that is in use?".
pub(in crate::access) const CURRENT: &str = "CredentialCurrent";

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

/// What is known. All times are by the API server's clock, for Pods are made by it.
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
    /// Somebody has an old password.
    pub overlap: Option<Overlap>,
    /// When to look again.
    pub next: Option<Duration>,
}

/// An old password that somebody still has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// By whom, for a message.
    pub by: String,
    /// Whether Kafka still takes it: one that was replaced in place is refused at the next login.
    pub works: bool,
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

/// Whether Pods may have been left with a password that works no more: there was a new one, and it was not said since its publication
/// that nobody has an old one. Pods from before do not come back, so this is looked at until it is said once.
#[must_use]
pub fn may_leave_behind(status: Option<&AccessClaimStatus>, done: i64, published: Timestamp) -> bool {
    match status.and_then(|status| condition(&status.conditions, CURRENT)) {
        None => done > 0,
        Some(said) => said.status != "True" || said.last_transition_time.0 <= published,
    }
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Decision {
    let old: Vec<Mechanism> = facts.slots.iter().copied().filter(|slot| *slot != facts.active).collect();
    let pending = facts.asked > facts.done;
    let mut decision = Decision { next: until_due(facts), ..Decision::default() };
    let overlap = if pending { None } else { overlap(facts) };
    let due = decision.next == Some(Duration::ZERO);
    let wanted = pending || facts.request.is_some() || due;
    // The slot that a new password would go to holds one that somebody uses. One that works no more is in nobody's way.
    let blocked = overlap.as_ref().is_some_and(|overlap| overlap.works) && facts.request != Some(Request::Force);
    if wanted && !blocked {
        let number = if pending { facts.asked } else { facts.done + 1 };
        let other = facts.offered.iter().copied().find(|mechanism| *mechanism != facts.active);
        decision.count = (!pending).then_some(number);
        decision.clear = facts.request.is_some();
        decision.renew = Some((other.unwrap_or(facts.active), number));
        decision.next = Some(LOOK_AGAIN);
        return decision;
    }
    match overlap {
        None => decision.retire = old,
        Some(overlap) => {
            decision.next = Some(patience(facts, overlap.works));
            decision.overlap = Some(overlap);
        }
    }
    decision
}

/// When to look again whether an old password is still in use: less often than at first, for some Pods live for months. Of Pods that
/// read the Secret without asking for it nobody tells when they go. Where the old one works no more, nothing waits for them but words.
pub(super) fn patience(facts: &Facts<'_>, works: bool) -> Duration {
    let age = Duration::try_from(facts.now.duration_since(facts.published)).unwrap_or_default();
    let pause = (age / 10).clamp(LOOK_AGAIN, if works { LOOK_LEAST } else { LOOK_SELDOM });
    match facts.lifetimes.max_overlap.checked_sub(age) {
        Some(left) => pause.min(left.max(LOOK_AGAIN)),
        None => pause,
    }
}

fn until_due(facts: &Facts<'_>) -> Option<Duration> {
    let age = Duration::try_from(facts.now.duration_since(facts.published)).unwrap_or_default();
    facts.lifetimes.rotate_every.map(|every| every.saturating_sub(age))
}

/// Who may still hold another password than the Secret's.
pub(super) fn overlap(facts: &Facts<'_>) -> Option<Overlap> {
    let age = facts.now.duration_since(facts.published);
    let overdue = Duration::try_from(age).unwrap_or_default() > facts.lifetimes.max_overlap;
    let works = needs_readers(facts.slots, facts.active);
    let by = |by: &str| Overlap { by: by.to_owned(), works, overdue, settled: false };
    // Nobody can be asked whether such a client has the new one: it has as long as the policy gives, and longer where Pods have the old one.
    if works && facts.manual && !overdue {
        return Some(by("clients that are not Pods"));
    }
    let Some(readers) = facts.readers else {
        return works.then(|| by("Pods that could not be looked at"));
    };
    let early = |reader: &&Reader| reader.created.duration_since(facts.published) <= WELL_AFTER;
    let names: Vec<&str> = readers.iter().filter(early).map(|reader| reader.name.as_str()).collect();
    // Pods that are on their way may have been given the old Secret as well.
    if names.is_empty() {
        return (age <= WELL_AFTER).then(|| by("nobody that is known; it was published just now"));
    }
    Some(Overlap { settled: age > SURELY_AFTER, ..by(&format!("Pods {}", named(names.into_iter()))) })
}

/// Names for a message: the first few, and how many more there are.
pub(in crate::access) fn named<'n>(mut names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let first = names.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reasons::Reason;
    use crate::api::resources::{Conditions, Restart};
    use crate::runtime::clock::Clock;

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

    #[tokio::test(start_paused = true)]
    async fn who_is_from_before_is_told_by_the_clock_that_pods_are_made_by() {
        for skew in [-180, 0, 180] {
            let (clock, theirs) = (Clock::default(), Timestamp::now() + SignedDuration::from_secs(skew));
            clock.heard(theirs);
            let facts = Facts { done: 1, active: Mechanism::Sha256, published: clock.now(), ..facts(&BOTH, None) };
            let mut passed = 0;
            for (made, until, goes) in [
                (None, 60, false),
                (Some(-100), 60, false),
                (None, 61, true),
                (Some(-100), 500, false),
                (Some(70), 500, true),
            ] {
                tokio::time::advance(Duration::from_secs(until - passed)).await;
                passed = until;
                let made = made.map(|made| theirs + SignedDuration::from_secs(made));
                let readers: Vec<Reader> = made.iter().map(|made| Reader { created: *made, ..reader(0) }).collect();
                let decision = decide(&Facts { readers: Some(&readers), now: clock.now(), ..facts });
                assert_eq!(!decision.retire.is_empty(), goes, "{skew}: a Pod of {made:?}, looked at after {until}");
            }
        }
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
    fn who_has_a_password_that_was_replaced_in_place_is_told_and_is_in_nobodys_way() {
        let (slots, old, young) = ([Mechanism::Sha512], [reader(900), reader(1500)], [reader(1500)]);
        let facts = Facts { asked: 1, done: 1, offered: &slots, readers: Some(&old), ..facts(&slots, None) };
        let decision = decide(&facts);
        let left = Overlap { by: "Pods pod-900".to_owned(), works: false, overdue: false, settled: true };
        assert_eq!((decision.overlap, decision.next), (Some(left), Some(Duration::from_secs(100))));
        let later = decide(&Facts { now: at(1_000_000), ..facts });
        assert_eq!(later.next, Some(LOOK_SELDOM), "nothing waits for it but words");
        assert!(decision.retire.is_empty(), "it is the only one");
        for (now, settled) in [(1060, false), (1061, false), (1066, true)] {
            let overlap = decide(&Facts { now: at(now), ..facts }).overlap.unwrap();
            assert_eq!(overlap.settled, settled, "{now}: who is made a moment too early is never restarted again");
        }
        assert_eq!(decide(&Facts { readers: Some(&young), ..facts }).overlap, None);
        assert_eq!(decide(&Facts { readers: None, ..facts }).overlap, None, "there was no need to look");
        assert_eq!(decide(&Facts { manual: true, ..facts }).overlap.unwrap().by, "Pods pod-900");
        assert_eq!(decide(&Facts { request: Some(Request::Now), ..facts }).renew, Some((Mechanism::Sha512, 2)));
    }

    #[test]
    fn pods_are_looked_at_until_it_was_said_of_a_publication_that_nobody_is_left() {
        let said = |holds: bool, second: i64| {
            let mut status = AccessClaimStatus::default();
            let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(second));
            Conditions::new(&mut status.conditions, None, time).say(CURRENT, holds, Reason::Rotated, "");
            status
        };
        let looks = |status: Option<&AccessClaimStatus>, done| may_leave_behind(status, done, at(1000));
        assert!(!looks(None, 0), "Pods that were there before the first publication have what they need");
        assert!(looks(None, 1) && looks(Some(&AccessClaimStatus::default()), 1), "stopped before it was said");
        assert!(looks(Some(&said(false, 1001)), 0), "of a Secret that was lost before any rotation");
        assert!(looks(Some(&said(true, 900)), 1), "it was said of the one before");
        assert!(!looks(Some(&said(true, 1061)), 1));
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
        let (old, young) = ([reader(900)], [reader(1500)]);
        let at_once = decide(&Facts { readers: Some(&[]), ..facts });
        assert_eq!(at_once.overlap.unwrap().by, "clients that are not Pods");
        let late = |readers| decide(&Facts { readers, now: at(9000), ..facts });
        assert_eq!(late(Some(&young)).retire, [Mechanism::Sha512]);
        assert!(late(Some(&old)).retire.is_empty(), "a Pod that mounts the Secret has it still");
        assert_eq!(late(Some(&old)).overlap.unwrap().by, "Pods pod-900");
        assert!(late(None).retire.is_empty(), "Pods that were not looked at count as old");
    }

    #[test]
    fn an_overlap_that_lasts_too_long_is_said_to() {
        let old = [reader(900)];
        let facts = Facts { readers: Some(&old), active: Mechanism::Sha256, now: at(9000), ..facts(&BOTH, None) };
        assert!(decide(&facts).overlap.unwrap().overdue);
    }
}
