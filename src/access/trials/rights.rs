//! Rights, and what is on record of them.

use super::*;

#[test]
fn a_group_is_on_record_where_it_was_first_asked_for() {
    let asks = |exists: bool| {
        let mut day = Day::new();
        day.claim.spec.groups = vec!["legacy".to_owned(), "web.own".to_owned()];
        let view = GroupView { claims: vec![Arc::new(day.claim.clone())], exists, ..GroupView::default() };
        day.held.groups.insert("legacy".to_owned(), view);
        day.plan()
    };
    assert_eq!(asks(false).groups, ["legacy"]);
    let refused = asks(true);
    assert!(refused.groups.is_empty());
    assert_eq!(refused.refused[0].reason, Reason::GroupUnclaimed.code(), "to have asked before gives nothing");
}

#[test]
fn a_group_of_which_kafka_does_not_tell_is_not_given_and_holds_up_nothing_else() {
    let mut day = Day::new();
    day.claim.spec.groups = vec!["legacy".to_owned()];
    let unknown = Some(Unusable { reason: Reason::KafkaRefused, message: "the answer is too large".to_owned() });
    let view = GroupView { claims: vec![Arc::new(day.claim.clone())], unknown, ..GroupView::default() };
    day.held.groups.insert("legacy".to_owned(), view);
    day.held.rules.insert(rule(USER, Right::Consume, "lent"));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "revoke 1"]);
    assert!(plan.groups.is_empty());
    assert_eq!((plan.refused.len(), plan.refused[0].name.as_str()), (1, "legacy"));
    assert_eq!(plan.obstacle.unwrap().reason, Reason::KafkaRefused);
    assert_eq!(plan.next, Some(Duration::from_secs(10)), "nothing else would have it looked at again");
}

#[test]
fn a_topic_that_is_gone_holds_up_nothing_else() {
    let mut day = Day::new();
    day.held.topics.insert("orders".to_owned(), topic("orders", Some(Reason::TopicMissing)));
    day.claim.spec.produces.push("more".to_owned());
    day.held.topics.insert("more".to_owned(), topic("more", None));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "grant 1", "prove bills more", "publish"]);
    assert_eq!(plan.obstacle.unwrap().reason, Reason::TopicMissing);
}

#[test]
fn rules_are_off_the_record_while_they_change() {
    let mut day = Day::new();
    day.held.rules.pop_first();
    day.claim.status.as_mut().unwrap().rules = None;
    assert_eq!(words(&day.plan()), ["grant 1", "prove bills orders"], "nothing is on record");

    // What a grant that was cut short has left, where the wish is withdrawn again.
    let left = rule(USER, Right::Produce, "more");
    let day = |on_record: bool| {
        let mut day = Day::with(&json!({"credentials": {"drift": "Report"}}));
        day.held.rules.insert(left.clone());
        let status = day.claim.status.as_mut().unwrap();
        status.rules = status.rules.take().filter(|_| on_record);
        words(&day.plan())
    };
    assert!(day(true).is_empty(), "somebody added it");
    assert_eq!(day(false), ["revoke 1"]);
}

#[test]
fn rules_that_are_only_taken_are_off_the_record_too() {
    let mut day = Day::new();
    day.held.secret = SecretView::Foreign;
    day.held.rules.insert(rule(USER, Right::Produce, "more"));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "revoke 1"]);
    assert_eq!(plan.obstacle.unwrap().reason, Reason::SecretNotOurs);
}

#[test]
fn who_came_second_is_told_the_transactional_id_to_use() {
    let ids = |rival: Option<&str>, transactions: bool| {
        let mut day = Day::new();
        day.claim.spec.transactions = transactions;
        day.ground.terms.neighbours.insert(Scope::parse("k2").unwrap());
        day.held.id_rival = rival.map(str::to_owned);
        let plan = day.plan();
        let told = plan.steps.iter().find_map(|step| match step {
            Step::Publish { handout, .. } => handout.transactional_id.clone(),
            _ => None,
        });
        let granted = plan.steps.iter().find_map(|step| match step {
            Step::Grant(rules) => Some(rules.iter().any(|rule| rule.resource_name.starts_with("web.app"))),
            _ => None,
        });
        (told, granted, plan.ids_refused.is_some())
    };
    assert_eq!(ids(None, true), (Some("web.app".to_owned()), Some(true), false));
    assert_eq!(ids(Some("k2.web.app"), true), (Some("k1.web.app".to_owned()), Some(false), true));
    assert_eq!(ids(Some("k2.web.app"), false), (None, Some(false), false));
}
