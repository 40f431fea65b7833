//! Whether a group exists: of whichever protocol, and however many and large those are that others have.

use std::time::Duration;

use admittance::kafka::{admin::Admin, batch::Batcher, config::ClientConfig, error::Error};
use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::{
    admin, config,
    fake::{Fake, Fault, Script},
    group_broker::Group,
    store::Store,
};

const NOT_COORDINATOR: i16 = 16;
const UNKNOWN_TOPIC: i16 = 3;

/// A group that only holds offsets.
fn offsets() -> Group {
    Group {
        new_protocol: false,
        kind: None,
        state: "Empty",
        hosts: vec![],
        topic: "payments",
        committed: 5,
        end: 5,
        youngest: -1,
        refused: 0,
        user_data: 0,
    }
}

async fn coordinating(groups: Vec<(String, Group)>, versions: &[(ApiKey, (i16, i16))]) -> Fake {
    let (groups, versions) = (groups.into_iter().collect(), versions.iter().copied().collect());
    Fake::start(Script { groups, versions, ..Script::default() }).await
}

fn named(groups: &[(&str, Group)]) -> Vec<(String, Group)> {
    groups.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect()
}

/// Whether they exist, all asked about at once.
async fn exist(admin: &Admin, names: &[&str]) -> Vec<Result<bool, Error>> {
    let batcher = Batcher::new(admin);
    join_all(names.iter().map(|name| batcher.group_exists((*name).to_owned()))).await
}

async fn told(admin: &Admin, names: &[&str]) -> Vec<bool> {
    exist(admin, names).await.into_iter().map(Result::unwrap).collect()
}

fn patient(fakes: &[&Fake]) -> Admin {
    Admin::new(ClientConfig { request_timeout: Duration::from_secs(30), ..config(fakes) }).unwrap()
}

#[tokio::test]
async fn a_neighbours_groups_are_not_in_the_answer_however_many_they_are() {
    let of_web = |number| (format!("web.{number}.{}", "x".repeat(30_000)), offsets());
    let groups = (0..600).map(of_web).chain(named(&[("legacy", offsets())])).collect();
    let fake = coordinating(groups, &[]).await;
    assert!(patient(&[&fake]).list_groups().await.unwrap_err().is_too_large());
    let before = fake.seen(ApiKey::ListGroups).len();
    assert_eq!(told(&patient(&[&fake]), &["legacy", "none", "legacy"]).await, [true, false, true]);
    assert_eq!(fake.seen(ApiKey::ListGroups).len(), before, "nobody asks for all");
}

#[tokio::test]
async fn groups_of_every_protocol_exist() {
    let of = |kind| Group { kind: Some(kind), ..offsets() };
    let groups = [
        ("offsets", offsets()),
        ("classic", Group { state: "Stable", hosts: vec!["/10.0.0.1"], ..offsets() }),
        ("new", Group { new_protocol: true, ..offsets() }),
        ("share", of("Share")),
        ("streams", of("Streams")),
    ];
    let names = ["offsets", "classic", "new", "share", "none", "streams"];
    let fake = coordinating(named(&groups), &[]).await;
    assert_eq!(told(&admin(&fake), &names).await, [true, true, true, true, false, true]);
    // Before Kafka 4.0, where there is no protocol of Streams.
    let old = (ApiKey::DescribeGroups, (0, 5));
    let fake = coordinating(named(&groups), &[old]).await;
    assert_eq!(told(&admin(&fake), &names[..5]).await, [true, true, true, true, false]);
    // And before there was any other protocol.
    let ancient = [ApiKey::ConsumerGroupDescribe, ApiKey::ShareGroupDescribe].map(|api| (api, (40, 40)));
    let fake = coordinating(named(&groups[..2]), &[old, ancient[0], ancient[1]]).await;
    assert_eq!(told(&admin(&fake), &["offsets", "classic", "none"]).await, [true, true, false]);
    assert!(fake.seen(ApiKey::ConsumerGroupDescribe).is_empty());
}

#[tokio::test]
async fn a_group_whose_own_answer_is_too_large_exists_and_the_others_are_answered() {
    let host: &str = "x".repeat(30_000).leak();
    let huge = Group { state: "Stable", hosts: vec![host; 600], ..offsets() };
    let fake = coordinating(named(&[("huge", huge), ("legacy", offsets())]), &[]).await;
    let names = ["a", "huge", "b", "legacy", "c"];
    assert_eq!(told(&patient(&[&fake]), &names).await, [false, true, false, true, false]);
}

#[tokio::test]
async fn a_group_whose_members_tell_each_other_much_exists_and_the_others_are_answered() {
    let telling = |user_data| Group { state: "Stable", hosts: vec!["/10.0.0.1"], user_data, ..offsets() };
    for user_data in [70_000, 5 << 20] {
        let fake = coordinating(named(&[("z", telling(user_data)), ("legacy", offsets())]), &[]).await;
        assert_eq!(told(&patient(&[&fake]), &["a", "legacy", "z"]).await, [false, true, true], "{user_data}");
        assert_eq!(fake.seen(ApiKey::ApiVersions).len(), 2, "the connections stay");
    }
}

#[tokio::test]
async fn the_coordinators_word_is_enough_and_without_it_nothing_is_known_of_that_group_alone() {
    let elsewhere = || Group { refused: NOT_COORDINATOR, ..offsets() };
    let one = coordinating(named(&[("near", offsets()), ("far", elsewhere()), ("gone", elsewhere())]), &[]).await;
    let two = coordinating(named(&[("near", elsewhere()), ("far", offsets()), ("gone", elsewhere())]), &[]).await;
    let brokers = vec![(1, one.endpoint.clone()), (2, two.endpoint.clone())];
    for fake in [&one, &two] {
        let mut script = fake.script.lock().unwrap();
        script.cluster = brokers.clone();
        script.groups.get_mut("gone").unwrap().topic = "__consumer_offsets";
    }
    let names = ["near", "far", "none", "gone"];
    let found = exist(&admin(&one), &names).await;
    assert!(matches!(found[..], [Ok(true), Ok(true), Ok(false), Err(Error::Retriable(_))]), "{found:?}");
    let said = found[3].as_ref().unwrap_err().to_string();
    assert!(said.contains("no broker coordinates group gone"), "{said}");

    two.script.lock().unwrap().faults.insert(ApiKey::DescribeGroups, (usize::MAX, Fault::Close));
    let found = exist(&admin(&one), &names).await;
    let [Ok(true), Err(far), Ok(false), Err(_)] = &found[..] else { panic!("{found:?}") };
    assert!(far.is_retriable(), "{far}");
}

#[tokio::test]
async fn where_kafka_has_no_groups_yet_nobody_coordinates_them() {
    let fake = coordinating(named(&[("new", Group { refused: NOT_COORDINATOR, ..offsets() })]), &[]).await;
    fake.script.lock().unwrap().refused.insert("__consumer_offsets".to_owned(), UNKNOWN_TOPIC);
    assert_eq!(told(&admin(&fake), &["new"]).await, [false]);
    assert!(fake.seen(ApiKey::FindCoordinator).is_empty(), "that would make the topic");
}

#[tokio::test]
async fn what_may_not_be_described_is_looked_for_in_the_list() {
    let store = Store { groups: vec![("shop.b", "Empty", vec![])], ..Store::new() };
    let fake = Fake::start(Script { store: Some(store), ..Script::default() }).await;
    assert_eq!(told(&admin(&fake), &["shop.b", "none"]).await, [true, false]);
}
