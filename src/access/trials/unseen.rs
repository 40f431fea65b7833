//! What is done where something cannot be seen: whoever could make it so must not keep what was lent to them.

use k8s_openapi::jiff::SignedDuration;

use super::*;
use crate::access::given::lending::Verdict;

/// A day on which `orders`, which is read, is of another namespace that denies it by now.
fn denied() -> Day {
    let mut day = Day::new();
    let mut claim = (*topic("orders", None).claims[0]).clone();
    claim.metadata.namespace = Some("shop".to_owned());
    let verdict = Verdict::Denied { account: "default".to_owned() };
    let view = TopicView { claims: vec![Arc::new(claim)], exists: true, ..TopicView::default() };
    day.held.topics.insert("orders".to_owned(), TopicView { verdicts: [(Right::Consume, verdict)].into(), ..view });
    day
}

fn untold() -> Unusable {
    Unusable { reason: Reason::KafkaAuthorizationFailed, message: "DescribeClientQuotas is denied".to_owned() }
}

fn revokes_orders(plan: &Plan) -> bool {
    let lost = rule(USER, Right::Consume, "orders");
    plan.steps.iter().any(|step| matches!(step, Step::Revoke(rules) if rules.contains(&lost)))
}

#[test]
fn what_is_lost_is_taken_whatever_else_is_not_seen_and_nothing_is_given() {
    for published in [true, false] {
        let mut day = denied();
        day.held.unseen = Some(untold());
        day.claim.spec.produces.push("more".to_owned());
        day.held.topics.insert("more".to_owned(), topic("more", None));
        if !published {
            (day.held.secret, day.held.slots) = (SecretView::Absent, Vec::new());
        }
        let plan = day.plan();
        assert!(revokes_orders(&plan), "{:?}", words(&plan));
        assert_eq!(words(&plan), ["unsettle", "revoke 2"], "the groups of a consumer go with its last topic");
        assert_eq!((plan.obstacle.as_ref(), plan.rules.as_ref()), (Some(&untold()), None));
        assert_eq!((plan.grants.len(), plan.refused.len()), (0, 1));
    }
}

#[test]
fn where_nothing_is_lost_what_is_not_seen_changes_and_ends_nothing() {
    let mut day = Day::new();
    day.held.unseen = Some(untold());
    (day.held.secret, day.held.slots) = (SecretView::Absent, Vec::new());
    day.seen.owners = vec![Ownership::Gone];
    let status = day.claim.status.as_mut().unwrap();
    status.idle_since = Some(Time(at(7)));
    let rules = status.rules.clone();
    let plan = day.plan();
    assert_eq!((words(&plan), plan.ends, plan.idle_since), (vec![], false, Some(Time(at(7)))));
    assert_eq!((plan.rules, plan.obstacle), (rules, Some(untold())));
}

#[test]
fn what_somebody_else_added_is_left_where_that_is_told_alone_and_what_is_lost_is_not() {
    for (policy, lost, steps) in [
        ("Report", false, vec![]),
        ("Revert", false, vec!["unsettle", "revoke 1"]),
        ("Report", true, vec!["unsettle", "revoke 3"]),
    ] {
        let mut day = Day::with(&json!({"credentials": {"drift": policy}}));
        if lost {
            day.held.topics = denied().held.topics;
        }
        day.held.unseen = Some(untold());
        day.held.rules.insert(rule(USER, Right::Consume, "added"));
        assert_eq!(words(&day.plan()), steps, "{policy} {lost}");
    }
}

#[test]
fn what_is_lost_is_taken_while_it_is_not_known_what_became_of_an_owner() {
    let mut day = denied();
    day.seen.owners = vec![Ownership::Gone, Ownership::Unknown];
    day.claim.status.as_mut().unwrap().idle_since = Some(Time(at(7)));
    let plan = day.plan();
    assert!(revokes_orders(&plan) && !plan.ends, "{:?}", words(&plan));
    assert_eq!((plan.idle_since, plan.next.is_some()), (Some(Time(at(7))), true));
}

#[test]
fn a_name_that_no_object_has_is_no_owner_on_record() {
    let mut day = Day::new();
    let owner = |name: &str| WorkloadOwner { kind: "StatefulSet".to_owned(), name: name.to_owned() };
    day.claim.status.as_mut().unwrap().owners = vec![owner("a b"), owner("app"), owner("a/b")];
    assert_eq!(day.plan().owners, [owner("app")]);
}

#[test]
fn a_topic_of_which_kafka_does_not_tell_is_not_given_and_holds_up_nothing_else() {
    let away = || Some(Unusable { reason: Reason::KafkaUnreachable, message: "no answer in time".to_owned() });
    let mut day = denied();
    day.claim.spec.produces.extend(["more".to_owned(), "nobodys".to_owned()]);
    day.held.topics.insert("more".to_owned(), TopicView { unknown: away(), ..topic("more", None) });
    day.held.topics.insert("nobodys".to_owned(), TopicView { exists: true, unknown: away(), ..TopicView::default() });
    let view = TopicView { unknown: away(), ..day.held.topics["bills"].clone() };
    day.held.topics.insert("bills".to_owned(), view);
    let plan = day.plan();
    assert!(revokes_orders(&plan), "{:?}", words(&plan));
    let refused: Vec<_> = plan.refused.iter().map(|refused| (&*refused.name, &*refused.reason)).collect();
    let untold = Reason::KafkaUnreachable.code();
    assert_eq!(
        refused,
        [("orders", Reason::TopicOwnedElsewhere.code()), ("more", untold), ("nobodys", untold)],
        "what is held stays"
    );
    let changes = |step: &Step| matches!(step, Step::Grant(_) | Step::ClaimTopic { .. });
    assert!(!plan.steps.iter().any(changes), "{:?}", words(&plan));
    assert_eq!(plan.next, Some(Duration::from_secs(10)));

    // Nor does it help that Kafka does not tell of the very topic that is lost.
    let mut day = denied();
    let view = TopicView { unknown: away(), ..day.held.topics["orders"].clone() };
    day.held.topics.insert("orders".to_owned(), view);
    assert!(revokes_orders(&day.plan()));
}

#[test]
fn that_nobody_has_an_old_password_is_not_said_where_pods_could_not_be_looked_at() {
    for (hours, seconds) in [(0, 15), (1000, 600)] {
        let mut day = Day::new();
        let SecretView::Ours(ours) = &mut day.held.secret else { panic!() };
        (ours.rotation, ours.published) = (1, day.seen.now - SignedDuration::from_hours(hours));
        day.claim.status.as_mut().unwrap().rotations = 1;
        (day.held.readers, day.held.unread) = (None, true);
        let plan = day.plan();
        let overlap = plan.overlap.unwrap();
        assert_eq!((overlap.by.as_str(), overlap.works), ("Pods that could not be looked at", false));
        assert_eq!(plan.next, Some(Duration::from_secs(seconds)), "as often as where they can be looked at");
    }
}
