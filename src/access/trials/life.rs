//! The end of an access.

use super::*;

#[test]
fn at_the_end_no_secret_outlives_its_password() {
    let mut day = Day::new();
    day.seen.owners = vec![Ownership::Gone];
    day.claim.status.as_mut().unwrap().idle_since = Some(Time(at(0)));
    let mut plan = day.plan();
    assert!(plan.ends);
    plan.steps.sort_by_key(Step::stage);
    assert_eq!(words(&plan), ["confirm", "revoke 3", "unpublish", "retire SCRAM-SHA-512", "delete"]);
}

#[test]
fn an_end_waits_for_pods_that_carry_the_label() {
    let mut day = Day::new();
    day.seen.owners = vec![Ownership::Gone];
    day.seen.labelled = vec!["kept-by-hand".to_owned()];
    day.claim.status.as_mut().unwrap().idle_since = Some(Time(at(7)));
    let plan = day.plan();
    assert_eq!((words(&plan), plan.ends, plan.idle_since), (vec![], false, Some(Time(at(7)))));
    assert_eq!((plan.labelled, plan.next), (vec!["kept-by-hand".to_owned()], Some(Duration::from_secs(30))));
}
