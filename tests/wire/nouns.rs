//! Quotas, groups, users and mechanisms: what is asked, and what is made of answers that are not as they should be.

use std::collections::{BTreeMap, HashMap};

use admittance::kafka::{
    acl::{AclBinding, AclFilter, Operation, PatternType, ResourceType},
    admin::{At, BrokerId, quotas::Quota},
    batch::Batcher,
    error::Error,
    scram::Mechanism,
};
use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::{
    admin,
    fake::{Fake, Fault, Script},
    scram_server::Stored,
    store::{SUPER, Store},
};

async fn keeping(store: Store) -> Fake {
    Fake::start(Script { store: Some(store), ..Script::default() }).await
}

/// A broker that keeps things, and whose replies to one API go wrong.
async fn keeping_with_fault(api: ApiKey, fault: Fault) -> Fake {
    let faults = HashMap::from([(api, (usize::MAX, fault))]);
    Fake::start(Script { store: Some(Store::new()), faults, ..Script::default() }).await
}

#[tokio::test]
async fn a_quota_is_set_read_and_removed() {
    let fake = keeping(Store::new()).await;
    let admin = admin(&fake);
    let quota = Quota { producer_byte_rate: Some(1e6), consumer_byte_rate: None, request_percentage: Some(12.5) };
    let results = admin.alter_quotas(&[("a".into(), quota), ("b".into(), Quota::default())]).await.unwrap();
    assert!(results.iter().all(Result::is_ok) && results.len() == 2);
    assert_eq!(admin.describe_quota("a").await.unwrap(), quota);
    assert_eq!(admin.describe_quota("b").await.unwrap(), Quota::default());
    assert_eq!(admin.list_quotas().await.unwrap(), BTreeMap::from([("a".to_owned(), quota)]));
    admin.alter_quotas(&[("a".into(), Quota::default())]).await.unwrap().pop().unwrap().unwrap();
    assert!(admin.list_quotas().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_default_of_all_users_and_limits_of_other_kinds_are_nobodys_quota() {
    let mut store = Store::new();
    store.quotas.insert(String::new(), BTreeMap::from([("producer_byte_rate".into(), 1.0)]));
    store.quotas.insert("a".into(), BTreeMap::from([("controller_mutation_rate".into(), 1.0)]));
    let fake = keeping(store).await;
    let found = admin(&fake).list_quotas().await.unwrap();
    assert_eq!(found, BTreeMap::from([("a".to_owned(), Quota::default())]));
}

#[tokio::test]
async fn limits_that_are_no_numbers_are_refused() {
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        let mut store = Store::new();
        store.quotas.insert("a".into(), BTreeMap::from([("consumer_byte_rate".into(), value)]));
        let fake = keeping(store).await;
        let error = admin(&fake).describe_quota("a").await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)) && error.to_string().contains("consumer_byte_rate"), "{error}");
    }
}

#[tokio::test]
async fn every_broker_is_asked_for_its_groups() {
    let group = |id, state| Store { groups: vec![(id, state, vec!["app-1"])], ..Store::new() };
    let (one, two) = (keeping(group("shop.a", "Stable")).await, keeping(group("shop.b", "Empty")).await);
    let brokers = vec![(1, one.endpoint.clone()), (2, two.endpoint.clone())];
    for fake in [&one, &two] {
        fake.script.lock().unwrap().cluster = brokers.clone();
    }
    let admin = admin(&one);
    let groups = admin.list_groups().await.unwrap();
    let found: Vec<_> =
        groups.iter().map(|group| (group.id.as_str(), group.coordinator, group.state.as_str())).collect();
    assert_eq!(found, [("shop.a", BrokerId(1), "Stable"), ("shop.b", BrokerId(2), "Empty")]);
    let (batcher, before) = (Batcher::new(&admin), two.seen(ApiKey::ListGroups).len());
    let names = (0..200).map(|number| if number == 7 { "shop.b".to_owned() } else { format!("shop{number}") });
    let exist = join_all(names.map(|name| batcher.group_exists(name))).await;
    let there: Vec<_> = (0..200).filter(|number| *exist[*number].as_ref().unwrap()).collect();
    assert_eq!(there, [7]);
    assert!(two.seen(ApiKey::ListGroups).len() - before <= 2, "one answer is for all who ask");
    two.script.lock().unwrap().cluster[1].1 = "127.0.0.1:1".parse().unwrap();
    one.script.lock().unwrap().cluster[1].1 = "127.0.0.1:1".parse().unwrap();
    two.script.lock().unwrap().faults.insert(ApiKey::ListGroups, (usize::MAX, Fault::Close));
    assert!(admin.list_groups().await.is_err(), "a list that is not complete is none");
    let names = ["shop.a", "shop.b", "shop.c"];
    let exist = join_all(names.map(|name| batcher.group_exists(name.to_owned()))).await;
    assert!(exist.iter().all(Result::is_err), "nor is there one for those who share it");
}

#[tokio::test]
async fn members_of_groups_are_told_and_absent_groups_are_none() {
    let mut store =
        Store { groups: vec![("shop.a", "Stable", vec!["app-1", "app-2"]), ("old", "Dead", vec![])], ..Store::new() };
    store.everyone = true;
    let fake = keeping(store).await;
    let ids = ["shop.a", "old", "none"].map(str::to_owned);
    let found = admin(&fake).describe_groups(&ids, BrokerId(1)).await.unwrap();
    let members = found[0].as_ref().unwrap().as_ref().unwrap();
    assert_eq!(members.state, "Stable");
    assert_eq!(members.members.iter().map(|(client, _)| client.as_str()).collect::<Vec<_>>(), ["app-1", "app-2"]);
    assert!(matches!((&found[1], &found[2]), (Ok(None), Ok(None))), "{found:?}");
}

#[tokio::test]
async fn a_group_that_may_not_be_seen_is_denied() {
    let fake = keeping(Store::new()).await;
    let found = admin(&fake).describe_groups(&["a".to_owned()], BrokerId(1)).await.unwrap();
    assert!(matches!(found[0], Err(Error::Denied(_))), "{found:?}");
}

#[tokio::test]
async fn all_users_and_all_rules_come_in_one_request_each() {
    let mut store = Store::new();
    for name in ["b", "a"] {
        store.users.insert(name.into(), Stored::of_everybody());
        store.rules.push(AclBinding::allow(name, Operation::Read, ResourceType::Topic, PatternType::Literal, "t"));
    }
    let fake = keeping(store).await;
    let admin = admin(&fake);
    let users: Vec<_> = admin.list_users().await.unwrap().into_keys().collect();
    assert_eq!(users, ["a", "b"]);
    assert!(!users.contains(&SUPER.to_owned()));
    let rules = admin.describe_acls(&AclFilter::All, At::Any).await.unwrap();
    assert_eq!(rules.iter().map(|rule| rule.principal.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(fake.seen(ApiKey::DescribeUserScramCredentials).len(), 1);
    assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), 1);
}

#[tokio::test]
async fn rules_of_a_shape_are_whoevers_and_of_that_shape_alone() {
    let rule = |principal, kind, operation| AclBinding::allow(principal, operation, kind, PatternType::Literal, "x");
    let wanted = rule("User:a", ResourceType::TransactionalId, Operation::Describe);
    let others = [
        rule("User:a", ResourceType::TransactionalId, Operation::Write),
        rule("User:a", ResourceType::Group, Operation::Describe),
        AclBinding { pattern_type: PatternType::Prefixed, ..wanted.clone() },
    ];
    let mut store = Store::new();
    store.rules.extend(others);
    store.rules.push(wanted.clone());
    let fake = keeping(store).await;
    let shape = AclFilter::Shape(ResourceType::TransactionalId, PatternType::Literal, Operation::Describe);
    assert_eq!(admin(&fake).describe_acls(&shape, At::Any).await.unwrap(), [wanted]);
}

#[tokio::test]
async fn mechanisms_are_told_without_a_login() {
    let fake = Fake::start(Script::default()).await;
    for named in [Mechanism::Sha256, Mechanism::Sha512] {
        assert_eq!(admin(&fake).mechanisms(named).await.unwrap(), [Mechanism::Sha256]);
    }
    assert!(fake.seen(ApiKey::SaslAuthenticate).is_empty());
}

#[tokio::test]
async fn a_handshake_that_makes_no_sense_is_refused() {
    // A count of names that are not there, and one that is longer than the frame.
    for body in [vec![0, 0, 0, 0, 0, 9], vec![0, 0, 0, 0, 0, 1, 0x7f, 0xff, b'x']] {
        let fake = Fake::with_fault(ApiKey::SaslHandshake, Fault::Body(body)).await;
        let error = admin(&fake).mechanisms(Mechanism::Sha256).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)) && error.to_string().contains("malformed"), "{error}");
    }
}

#[tokio::test]
async fn counts_that_the_frame_cannot_hold_do_not_reach_the_allocator() {
    // Reply header without tags, throttle time; then for each API the fields up to its first array.
    let huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x0f];
    let body = |before: &[u8]| [&[0, 0, 0, 0, 0], before, huge].concat();
    let malformed = |error: Error| assert!(matches!(error, Error::Unknown(_)), "{error}");

    let fake = keeping_with_fault(ApiKey::DescribeClientQuotas, Fault::Body(body(&[0, 0, 0]))).await;
    malformed(admin(&fake).list_quotas().await.unwrap_err());
    let fake = keeping_with_fault(ApiKey::AlterClientQuotas, Fault::Body(body(&[]))).await;
    malformed(admin(&fake).alter_quotas(&[("a".into(), Quota::default())]).await.unwrap_err());
    let fake = keeping_with_fault(ApiKey::ListGroups, Fault::Body(body(&[0, 0]))).await;
    malformed(admin(&fake).list_groups().await.unwrap_err());
    let fake = keeping_with_fault(ApiKey::DescribeGroups, Fault::Body(body(&[]))).await;
    malformed(admin(&fake).describe_groups(&["a".to_owned()], BrokerId(1)).await.unwrap_err());
}

#[tokio::test]
async fn a_reply_that_leaves_somebody_out_says_nothing_of_them() {
    // Throttle time, and no entries.
    let fake = keeping_with_fault(ApiKey::AlterClientQuotas, Fault::Body(vec![0, 0, 0, 0, 0, 1, 0])).await;
    let results = admin(&fake).alter_quotas(&[("a".into(), Quota::default())]).await.unwrap();
    assert!(matches!(&results[0], Err(error) if error.to_string().contains("says nothing about `a`")), "{results:?}");
    let fake = keeping_with_fault(ApiKey::DescribeGroups, Fault::Body(vec![0, 0, 0, 0, 0, 1, 0])).await;
    let results = admin(&fake).describe_groups(&["a".to_owned()], BrokerId(1)).await.unwrap();
    assert!(matches!(&results[0], Err(error) if error.to_string().contains("says nothing about `a`")), "{results:?}");
}
