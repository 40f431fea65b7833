//! Slots, and the Secret that tells one of them.

use super::*;
use crate::access::report::rotated;
use crate::api::resources::WorkloadOwner;

#[test]
fn the_only_password_is_replaced_where_the_access_is_known_to_work() {
    let day = |wrong: Option<Reason>, mechanisms: &[SaslMechanism]| {
        let mut day = Day::new();
        day.ground.terms.mechanisms = mechanisms.to_vec();
        day.seen.rotate = Some(Request::Now);
        if let Some(reason) = wrong {
            let conditions = &mut day.claim.status.as_mut().unwrap().conditions;
            Conditions::new(conditions, Some(1), Time(at(0))).say(READY, false, reason, "");
        }
        words(&day.plan())
    };
    let (one, two) = (&[SaslMechanism::ScramSha512], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]);
    let recorded = "record Some(1) true";
    let in_place = [recorded, "renew SCRAM-SHA-512", "prove bills orders", "publish 1"];
    assert_eq!(day(None, one), in_place);
    assert_eq!(
        day(Some(Reason::KafkaUnreachable), one),
        [recorded, "prove bills orders"],
        "it is on record, and waits"
    );
    let beside = [recorded, "renew SCRAM-SHA-256", "prove bills orders", "publish 1"];
    assert_eq!(day(Some(Reason::KafkaUnreachable), two), beside, "the one in use stays");
}

#[test]
fn the_password_of_an_earlier_life_goes_with_the_first_publication() {
    let first = |change: fn(&mut Day)| {
        let mut day = Day::new();
        day.claim.status = None;
        day.held.secret = SecretView::Absent;
        day.held.slots = vec![slot(Mechanism::Sha256)];
        day.held.readers = Some(vec![reader(NOW - 5, false)]);
        change(&mut day);
        words(&day.plan())
    };
    let (begun, gone) = (vec!["set SCRAM-SHA-512", "prove bills orders", "publish"], "retire SCRAM-SHA-256");
    let retired: Vec<_> = begun.iter().copied().chain([gone]).collect();
    assert_eq!(first(|_| {}), retired);
    assert_eq!(first(|day| day.held.readers = Some(Vec::new())), retired, "nobody reads it yet");
    assert_eq!(first(|day| day.held.slots.push(slot(Mechanism::Sha512))), retired, "the other is written anew");
    assert_eq!(first(|day| day.held.readers.as_mut().unwrap().push(reader(9, true))), begun, "it may have read it");
    assert_eq!(first(|day| day.held.readers = None), begun);
    assert_eq!(first(|day| day.claim.spec.source = AccessSource::Manual), begun);
    let copy = |day: &mut Day| {
        day.claim.spec.secrets = vec!["mine".to_owned()];
        day.held.copies.insert("mine".to_owned(), day.held.secret.clone());
    };
    assert!(first(copy).iter().any(|step| step == gone));
    let left = |day: &mut Day| {
        let stands = secret(&day.ground.terms, Mechanism::Sha256);
        day.held.copies.insert("mine".to_owned(), stands);
        day.claim.spec.secrets = vec!["mine".to_owned()];
    };
    assert!(!first(left).iter().any(|step| step == gone), "a copy of then tells it");
}

#[test]
fn a_mechanism_that_is_given_up_stays_for_pods_that_use_it() {
    let day = |source: AccessSource| {
        let mut day = Day::new();
        day.claim.spec.source = source;
        day.ground.terms.mechanism = SaslMechanism::ScramSha256;
        day.ground.terms.mechanisms = vec![SaslMechanism::ScramSha256];
        day
    };
    let kept = ["set SCRAM-SHA-256", "prove bills orders", "publish 0"];
    assert_eq!(words(&day(AccessSource::Pods).plan()), kept, "the publication counts anew");
    assert_eq!(
        words(&day(AccessSource::Manual).plan()),
        kept,
        "though its clients have had all the time that there is"
    );
    let mut both = day(AccessSource::Pods);
    both.held.slots.push(slot(Mechanism::Sha256));
    both.held.readers = Some(vec![reader(5000, true)]);
    assert_eq!(words(&both.plan()), ["prove bills orders", "publish 0"], "a Pod from after the first publication");
}

#[test]
fn an_old_password_goes_after_what_is_published_meanwhile() {
    let mut day = Day::new();
    day.held.slots.push(slot(Mechanism::Sha256));
    day.held.readers = Some(vec![reader(5000, true)]);
    day.claim.spec.produces.push("more".to_owned());
    day.held.topics.insert("more".to_owned(), topic("more", None));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "grant 1", "prove bills more orders", "publish"]);
    assert!(plan.next.is_some_and(|next| next <= Duration::from_secs(15)));
}

#[test]
fn a_password_that_was_lost_is_made_anew_beside_the_one_in_use() {
    let lost = |mechanisms: &[SaslMechanism], rotations: i64, change: fn(&mut SecretView)| {
        let mut day = Day::new();
        day.ground.terms.mechanisms = mechanisms.to_vec();
        day.claim.status.as_mut().unwrap().rotations = rotations;
        if let SecretView::Ours(ours) = &mut day.held.secret {
            ours.rotation = rotations;
        }
        change(&mut day.held.secret);
        words(&day.plan())
    };
    let emptied = |view: &mut SecretView| {
        let SecretView::Ours(ours) = view else { panic!() };
        ours.data.insert("password".to_owned(), Secret::new(""));
    };
    let removed = |view: &mut SecretView| {
        let SecretView::Ours(ours) = view else { panic!() };
        ours.data.clear();
    };
    let (one, two) = (&[SaslMechanism::ScramSha512], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]);
    let deleted = |view: &mut SecretView| *view = SecretView::Absent;
    let changes: [fn(&mut SecretView); 3] = [emptied, removed, deleted];
    for change in changes {
        assert_eq!(lost(two, 0, change), ["set SCRAM-SHA-256", "prove bills orders", "publish 0"]);
        assert_eq!(lost(two, 2, change), ["set SCRAM-SHA-256", "prove bills orders", "publish 2"]);
        assert_eq!(lost(one, 0, change), ["set SCRAM-SHA-512", "prove bills orders", "publish 0"], "there is no other");
    }
}

#[test]
fn of_two_passwords_the_one_that_is_used_stays_when_the_secret_is_lost() {
    let lost = |told: Option<SaslMechanism>| {
        let mut day = Day::new();
        day.held.slots.push(slot(Mechanism::Sha256));
        day.held.secret = SecretView::Absent;
        day.claim.status.as_mut().unwrap().mechanism = told;
        words(&day.plan())
    };
    for (told, made) in [
        (Some(SaslMechanism::ScramSha512), "set SCRAM-SHA-256"),
        (Some(SaslMechanism::ScramSha256), "set SCRAM-SHA-512"),
        (None, "set SCRAM-SHA-512"),
    ] {
        assert_eq!(lost(told), [made, "prove bills orders", "publish 0"], "{told:?}");
    }
}

#[test]
fn nothing_is_published_beside_a_password_that_is_left_as_somebody_made_it() {
    let day = |drift: &str| {
        let mut day = Day::with(&json!({"credentials": {"drift": drift}}));
        day.held.slots[0].iterations += 1;
        day.claim.spec.produces.push("more".to_owned());
        day.held.topics.insert("more".to_owned(), topic("more", None));
        words(&day.plan())
    };
    assert_eq!(day("Revert"), ["unsettle", "grant 1", "set SCRAM-SHA-512", "prove bills more orders", "publish"]);
    assert_eq!(day("Report"), ["unsettle", "grant 1"]);
}

#[test]
fn an_old_password_is_not_said_to_be_gone_when_a_new_one_is_published() {
    let said = |change: fn(&mut Day)| {
        let mut day = Day::new();
        change(&mut day);
        let plan = day.plan();
        (plan.overlap.map(|overlap| overlap.settled), plan.next)
    };
    let soon = Some(std::time::Duration::from_secs(15));
    let rotated = |day: &mut Day| day.seen.rotate = Some(Request::Now);
    assert_eq!(said(rotated), (Some(false), soon));
    let in_place = |day: &mut Day| {
        day.seen.rotate = Some(Request::Now);
        day.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
    };
    assert_eq!(said(in_place), (Some(false), soon), "who runs has it, though it works no more");
    let lost_in_place = |day: &mut Day| {
        day.held.secret = SecretView::Absent;
        day.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
    };
    assert_eq!(said(lost_in_place), (Some(false), soon));
    let lost = |day: &mut Day| day.held.secret = SecretView::Absent;
    assert_eq!(said(lost), (Some(false), soon));
    let due = |day: &mut Day| {
        day.held.slots.push(slot(Mechanism::Sha256));
        day.held.readers = Some(vec![reader(5000, true)]);
    };
    assert_eq!(said(due).0, None, "it goes in this very plan");
}

#[test]
fn a_password_that_is_left_as_somebody_made_it_is_told_and_is_no_access() {
    let mut day = Day::with(&json!({"credentials": {"drift": "Report"}}));
    day.held.slots[0].iterations += 1;
    let plan = day.plan();
    assert_eq!(words(&plan), [""; 0]);
    let obstacle = plan.obstacle.unwrap();
    assert_eq!(obstacle.reason, Reason::AccessDrifted);
    assert_eq!(obstacle.message, "left as it is: the SCRAM-SHA-512 password is not the published one");
}

#[test]
fn a_rotation_ends_a_drift_that_is_only_told() {
    for mechanisms in [&[SaslMechanism::ScramSha512][..], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]] {
        let mut day = Day::with(&json!({"credentials": {"drift": "Report"}}));
        day.ground.terms.mechanisms = mechanisms.to_vec();
        day.held.slots[0].iterations += 1;
        day.seen.rotate = Some(Request::Now);
        let conditions = &mut day.claim.status.as_mut().unwrap().conditions;
        Conditions::new(conditions, Some(1), Time(at(0))).say(READY, false, Reason::AccessDrifted, "left as it is");
        let renew = format!("renew {}", if mechanisms.len() == 1 { "SCRAM-SHA-512" } else { "SCRAM-SHA-256" });
        let plan = day.plan();
        assert_eq!(words(&plan), ["record Some(1) true", renew.as_str(), "prove bills orders", "publish 1"]);
        assert_eq!(plan.obstacle, None);
    }
}

#[test]
fn an_old_password_is_told_of_while_a_rotation_in_place_waits() {
    let mut day = Day::new();
    day.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
    day.held.slots.push(slot(Mechanism::Sha256));
    day.held.readers = Some(vec![reader(900, true)]);
    day.seen.rotate = Some(Request::Force);
    let conditions = &mut day.claim.status.as_mut().unwrap().conditions;
    Conditions::new(conditions, Some(1), Time(at(0))).say(READY, false, Reason::KafkaUnreachable, "");
    let plan = day.plan();
    assert_eq!(words(&plan), ["record Some(1) true", "prove bills orders"]);
    assert_eq!(plan.overlap.unwrap().by, "Pods pod-900");
}

/// A day after a rotation; by default the password was replaced in place.
fn after_a_rotation(policy: &Value, readers: &[i64]) -> Day {
    let mut day = Day::with(policy);
    day.ground.terms.mechanisms = vec![SaslMechanism::ScramSha512];
    let status = day.claim.status.as_mut().unwrap();
    status.rotations = 1;
    status.owners = vec![WorkloadOwner { kind: "Deployment".to_owned(), name: "app".to_owned() }];
    if let SecretView::Ours(ours) = &mut day.held.secret {
        ours.rotation = 1;
    }
    day.held.readers = Some(readers.iter().map(|created| reader(*created, true)).collect());
    day
}

#[test]
fn what_has_an_old_password_is_restarted_whether_it_works_or_not() {
    let restart = "Restart(WorkloadOwner { kind: \"Deployment\", name: \"app\" })";
    let rollout = json!({"credentials": {"restart": "Rollout"}});
    let beside = |mut day: Day| {
        day.ground.terms.mechanisms.push(SaslMechanism::ScramSha256);
        day.held.slots.push(slot(Mechanism::Sha256));
        day
    };
    for beside in [|day| day, beside] {
        let plan = beside(after_a_rotation(&rollout, &[900])).plan();
        assert_eq!(words(&plan), [restart]);
        assert_eq!(plan.overlap.unwrap().by, "Pods pod-900");
        let told = beside(after_a_rotation(&json!({}), &[900])).plan();
        assert_eq!(words(&told), [""; 0], "by default it is told alone");
        assert!(told.overlap.is_some());
        let mut soon = beside(after_a_rotation(&rollout, &[900]));
        soon.seen.now = at(1060);
        assert_eq!(words(&soon.plan()), [""; 0], "a Pod that is made now may be given the old Secret");
        let young = beside(after_a_rotation(&rollout, &[5000])).plan();
        assert!(!words(&young).iter().any(|step| step == restart) && young.overlap.is_none(), "all have the new one");
    }
}

#[test]
fn the_policys_times_are_kept() {
    let overdue = |longest: &str| {
        let mut day = after_a_rotation(&json!({"credentials": {"maxOverlap": longest}}), &[900]);
        day.held.slots.push(slot(Mechanism::Sha256));
        day.plan().overlap.unwrap().overdue
    };
    assert!(overdue("24h") && !overdue("720h"));
    let rotates = |every: &str| words(&Day::with(&json!({"credentials": {"rotateEvery": every}})).plan());
    assert_eq!(rotates("24h"), ["record Some(1) false", "renew SCRAM-SHA-256", "prove bills orders", "publish 1"]);
    assert_eq!(rotates("720h"), [""; 0]);
}

#[test]
fn a_rotation_is_told_as_what_it_was() {
    use Reason::{Rotated, RotatedInPlace};
    let told = |change: fn(&mut Day), mechanisms: &[SaslMechanism]| {
        let mut day = Day::new();
        day.ground.terms.mechanisms = mechanisms.to_vec();
        change(&mut day);
        let held = day.held.clone();
        rotated(&held, &day.plan()).map(|(reason, _)| reason)
    };
    let (one, two) = (&[SaslMechanism::ScramSha512], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]);
    let asked: fn(&mut Day) = |day| day.seen.rotate = Some(Request::Now);
    let lost: fn(&mut Day) = |day| day.held.secret = SecretView::Absent;
    for change in [asked, lost] {
        assert_eq!((told(change, two), told(change, one)), (Some(Rotated), Some(RotatedInPlace)));
    }
    assert_eq!(told(|_| {}, two), None);
    assert_eq!(told(|day| day.claim.spec.consumes.clear(), two), None, "the Secret says less, with the same password");
    assert_eq!(told(|_| {}, &[SaslMechanism::ScramSha256]), None, "the same password by another mechanism");
}
