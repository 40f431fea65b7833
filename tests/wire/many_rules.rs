//! Rules that are too many for one answer, as anybody with enough claims can make them.

use std::time::Duration;

use admittance::kafka::{
    acl::{AclBinding, AclFilter, Operation, PatternType, ResourceType},
    admin::{Admin, At},
    batch::Batcher,
    config::ClientConfig,
};
use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::{
    config,
    fake::{Fake, Script},
    store::Store,
};

/// How long a name has to be for 300 of them to fill more than half of the largest answer.
const LONG: usize = 30_000;

fn user(number: usize) -> String {
    format!("User:u{number}")
}

/// Each user's rules: 300 of them fit into one answer, and twice as many do not.
fn rules(operations: &[Operation]) -> Vec<AclBinding> {
    let long = "x".repeat(LONG);
    let of = |number: usize| {
        let rule = |operation: &Operation| {
            let name = format!("{number}{long}");
            AclBinding::allow(user(number), *operation, ResourceType::Topic, PatternType::Literal, name)
        };
        operations.iter().map(rule).collect::<Vec<_>>()
    };
    let group = AclBinding::allow("User:u0", Operation::Read, ResourceType::Group, PatternType::Prefixed, "shop.");
    let mut rules: Vec<_> = (0..300).flat_map(of).chain([group]).collect();
    rules.sort();
    rules
}

async fn keeping(rules: Vec<AclBinding>) -> (Fake, Admin) {
    let fake = Fake::start(Script { store: Some(Store { rules, ..Store::new() }), ..Script::default() }).await;
    let limits = ClientConfig { request_timeout: Duration::from_secs(30), ..config(&[&fake]) };
    let admin = Admin::new(limits).unwrap();
    (fake, admin)
}

fn connections(fake: &Fake) -> usize {
    fake.seen(ApiKey::ApiVersions).len()
}

#[tokio::test]
async fn they_are_found_by_narrower_questions_and_the_wide_ones_are_not_asked_again() {
    let rules = rules(&[Operation::Read, Operation::Write]);
    let (fake, admin) = keeping(rules.clone()).await;
    assert!(admin.describe_acls(&AclFilter::All, At::Any).await.unwrap() == rules);
    // All; four types by two patterns; and of topics by their names each operation.
    assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), 1 + 8 + 11);
    assert!(admin.describe_acls(&AclFilter::All, At::Any).await.unwrap() == rules);
    assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), 20 + 7 + 11);
    assert_eq!(connections(&fake), 1);
}

#[tokio::test]
async fn nobody_waits_for_his_own_because_of_them() {
    let (fake, admin) = keeping(rules(&[Operation::Read, Operation::Write])).await;
    let batcher = Batcher::new(&admin);
    for round in 1..=2 {
        let found = join_all((0..40).map(|number| batcher.describe_rules(user(number)))).await;
        for (number, found) in found.into_iter().enumerate() {
            let found = found.unwrap();
            assert_eq!(found.len(), if number == 0 { 3 } else { 2 });
            assert!(found.iter().all(|rule| rule.principal == user(number)));
        }
        assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), 1 + 40 * round, "all are asked for once");
    }
    assert_eq!(connections(&fake), 1);
}

#[tokio::test]
async fn where_even_the_narrowest_answer_is_too_large_it_is_said_and_others_are_answered() {
    let mut rules = rules(&[Operation::Read]);
    let more = rules.iter().map(|rule| AclBinding { host: "10.0.0.1".into(), ..rule.clone() });
    rules = more.chain(rules.clone()).collect();
    let (fake, admin) = keeping(rules).await;
    let (all, users) = tokio::join!(admin.describe_acls(&AclFilter::All, At::Any), admin.list_users());
    let error = all.unwrap_err();
    assert!(error.is_too_large() && error.to_string().contains("up to 16777216 are read"), "{error}");
    assert!(users.unwrap().is_empty());
    assert_eq!(connections(&fake), 1);
}
