//! Who reads a topic, and when its youngest record was written: what a look before a deletion asks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use admittance::kafka::{
    admin::{
        Admin, BrokerId,
        topics::{Partition, Topic, TopicId},
    },
    config::ClientConfig,
    error::Error,
};
use kafka_protocol::messages::ApiKey;

use crate::{
    admin, config,
    fake::{Fake, Fault, Script},
    group_broker::{ARRIVING, Group, HEADLESS, VANISHING},
};

fn group(topic: &'static str) -> Group {
    Group {
        new_protocol: false,
        kind: None,
        state: "Stable",
        hosts: vec!["/10.0.0.1", "/10.0.0.2"],
        topic,
        committed: 0,
        end: 0,
        youngest: 7000,
        refused: 0,
        user_data: 0,
    }
}

async fn coordinating(groups: &[(&str, Group)], versions: &[(ApiKey, (i16, i16))]) -> Fake {
    let groups = groups.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect();
    let versions = versions.iter().copied().collect();
    Fake::start(Script { groups, versions, ..Script::default() }).await
}

fn topic(name: &str, leaders: &[Option<i32>]) -> Topic {
    let partition = |(index, leader): (usize, &Option<i32>)| Partition {
        index: i32::try_from(index).unwrap(),
        leader: leader.map(BrokerId),
        replicas: Vec::new(),
        in_sync: Vec::new(),
    };
    let partitions = leaders.iter().enumerate().map(partition).collect();
    Topic { name: name.into(), id: TopicId([1; 16]), internal: false, partitions }
}

fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

/// The topics that are asked about.
fn asked() -> BTreeSet<String> {
    ["payments", "orders", "other"].map(str::to_owned).into()
}

/// A client that waits long enough for what is large.
fn patient(fake: &Fake) -> Admin {
    Admin::new(ClientConfig { request_timeout: Duration::from_secs(30), ..config(&[fake]) }).unwrap()
}

#[tokio::test]
async fn groups_of_every_protocol_tell_what_they_read() {
    let of = |kind| Group { kind: Some(kind), ..group("payments") };
    let fake = coordinating(
        &[
            ("classic", group("payments")),
            ("new", Group { new_protocol: true, ..group("payments") }),
            ("share", of("Share")),
            ("other", group("orders")),
            ("empty", Group { state: "Empty", ..group("orders") }),
        ],
        &[],
    )
    .await;
    let activity = admin(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"], names(&["classic", "new", "share"]));
    assert_eq!(activity.groups_of["orders"], names(&["other"]));
    assert_eq!(activity.unclear, names(&[]));
}

#[tokio::test]
async fn groups_that_do_not_tell_are_known_by_what_they_have_committed() {
    let moving = Group { state: "PreparingRebalance", ..group("orders") };
    let streams = Group { kind: Some("Streams"), ..group("payments") };
    for (case, one, versions, committed) in [
        ("a rebalance", moving.clone(), &[][..], true),
        ("a protocol that we cannot read", streams.clone(), &[], true),
        ("no commit yet", Group { committed: -1, ..moving.clone() }, &[], false),
        ("it does not tell that either", Group { refused: 14, ..streams }, &[], false),
        ("a broker that is asked about one group at a time", moving, &[(ApiKey::OffsetFetch, (1, 7))], false),
    ] {
        let topic = one.topic;
        let fake = coordinating(&[("one", one), ("steady", group("other"))], versions).await;
        let activity = admin(&fake).activity(&asked()).await.unwrap();
        assert_eq!(activity.groups_of["other"], names(&["steady"]), "{case}");
        assert_eq!(activity.groups_of.contains_key(topic), committed, "{case}");
        assert_eq!(activity.unclear, if committed { names(&[]) } else { names(&["one"]) }, "{case}");
    }
}

#[tokio::test]
async fn a_group_that_nobody_knows_any_more_has_no_members_unless_it_is_listed_again() {
    let gone = Group { state: VANISHING, ..group("payments") };
    // Listed as one of the old protocol, and of the new one when it is asked about.
    let converted = Group { new_protocol: true, kind: Some("Classic"), ..group("orders") };
    // Before Kafka 4.0 a group of another protocol, and one that is not there, are dead.
    let old = &[(ApiKey::DescribeGroups, (0, 5))][..];
    for (new_protocol, versions) in [(false, &[][..]), (true, &[]), (false, old)] {
        let gone = Group { new_protocol, ..gone.clone() };
        let fake = coordinating(&[("gone", gone), ("converted", converted.clone())], versions).await;
        let activity = admin(&fake).activity(&asked()).await.unwrap();
        assert_eq!(activity.groups_of.get("payments"), None);
        assert_eq!(activity.groups_of["orders"], names(&["converted"]));
        assert!(activity.unclear.is_empty());
    }
}

#[tokio::test]
async fn a_group_whose_coordinator_changes_while_brokers_are_asked_is_seen() {
    let (one, two) = (
        coordinating(&[("moved", Group { state: ARRIVING, ..group("payments") })], &[]).await,
        coordinating(&[("steady", group("orders"))], &[]).await,
    );
    let brokers = vec![(1, one.endpoint.clone()), (2, two.endpoint.clone())];
    for fake in [&one, &two] {
        fake.script.lock().unwrap().cluster = brokers.clone();
    }
    let activity = admin(&one).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"], names(&["moved"]));
    assert_eq!(activity.groups_of["orders"], names(&["steady"]));
}

#[tokio::test]
async fn groups_that_nobody_can_tell_of_for_now_make_the_answer_none() {
    let offsets = |state| Group { state, ..group("__consumer_offsets") };
    let fake = coordinating(&[("a", offsets("Empty"))], &[]).await;
    assert!(admin(&fake).activity(&asked()).await.unwrap().groups_of.is_empty());
    let fake = coordinating(&[("a", offsets(HEADLESS))], &[]).await;
    let error = admin(&fake).activity(&asked()).await.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("__consumer_offsets has no leader"), "{error}");
    // Whoever may not see that topic knows what it is told.
    fake.script.lock().unwrap().refused.insert("__consumer_offsets".into(), 29);
    assert!(admin(&fake).activity(&asked()).await.unwrap().groups_of.is_empty());
    // One that has just become the coordinator: tags, throttle time, COORDINATOR_LOAD_IN_PROGRESS, and no groups.
    let loading = (1, Fault::Body(vec![0, 0, 0, 0, 0, 0, 14, 1, 0]));
    let fake = coordinating(&[("a", group("payments"))], &[]).await;
    fake.script.lock().unwrap().faults.insert(ApiKey::ListGroups, loading);
    let error = admin(&fake).activity(&asked()).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
}

#[tokio::test]
async fn brokers_that_have_no_word_for_kinds_are_asked_the_old_question() {
    let fake = coordinating(&[("classic", group("payments"))], &[(ApiKey::ListGroups, (0, 4))]).await;
    let activity = admin(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"], names(&["classic"]));
    assert!(activity.unclear.is_empty());
}

#[tokio::test]
async fn brokers_that_cannot_leave_states_out_list_all() {
    let empty = Group { state: "Empty", hosts: vec![], ..group("orders") };
    let versions = [(ApiKey::ListGroups, (0, 3))];
    let fake = coordinating(&[("classic", group("payments")), ("empty", empty)], &versions).await;
    let activity = admin(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"], names(&["classic"]));
    assert!(!activity.groups_of.contains_key("orders") && activity.unclear.is_empty(), "{activity:?}");
}

/// Groups whose ids together are larger than any answer that is read.
fn many(group: &Group) -> Vec<(String, Group)> {
    (0..600).map(|number| (format!("web.{number}.{}", "x".repeat(30_000)), group.clone())).collect()
}

#[tokio::test]
async fn groups_that_cost_nobody_anything_keep_nobody_from_being_seen() {
    let groups = many(&Group { state: "Empty", hosts: vec![], ..group("orders") });
    let groups = groups.into_iter().chain([("reader".to_owned(), group("payments"))]).collect();
    let fake = Fake::start(Script { groups, ..Script::default() }).await;
    let activity = patient(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"], names(&["reader"]));
    assert_eq!(activity.groups_of.len(), 1);
}

#[tokio::test]
async fn too_many_groups_with_members_are_said_to_be_too_many() {
    let fake = Fake::start(Script { groups: many(&group("orders")).into_iter().collect(), ..Script::default() }).await;
    let error = patient(&fake).activity(&asked()).await.unwrap_err();
    assert!(error.is_too_large(), "{error}");
    let said = error.to_string();
    assert!(said.starts_with("ListGroups at") && said.contains("up to 16777216 are read"), "{said}");
}

#[tokio::test]
async fn one_group_that_is_larger_than_any_answer_does_not_tell_and_the_others_do() {
    let host: &str = "x".repeat(30_000).leak();
    let huge = |committed| Group { hosts: vec![host; 600], committed, ..group("orders") };
    let steady = (0..9).map(|number| (format!("steady{number}"), group("payments")));
    let groups = steady.chain([("known".to_owned(), huge(0)), ("unknown".to_owned(), huge(-1))]).collect();
    let fake = Fake::start(Script { groups, ..Script::default() }).await;
    let activity = patient(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of["payments"].len(), 9);
    assert_eq!(activity.groups_of["orders"], names(&["known"]), "by what it has committed");
    assert_eq!(activity.unclear, names(&["unknown"]));
}

#[tokio::test]
async fn what_members_tell_each_other_may_be_long_and_ends_no_connection() {
    let telling = |user_data, committed| Group { user_data, committed, ..group("orders") };
    let steady = || (0..9).map(|number| (format!("steady{number}"), group("payments")));
    let long = [("zz".to_owned(), telling(70_000, -1))];
    let endless = [("aa".to_owned(), telling(5 << 20, 0)), ("zz".to_owned(), telling(5 << 20, -1))];
    for (groups, told, unclear) in
        [(long.to_vec(), names(&["zz"]), names(&[])), (endless.to_vec(), names(&["aa"]), names(&["zz"]))]
    {
        let fake = Fake::start(Script { groups: steady().chain(groups).collect(), ..Script::default() }).await;
        let activity = patient(&fake).activity(&asked()).await.unwrap();
        assert_eq!(activity.groups_of["payments"].len(), 9);
        assert_eq!((&activity.groups_of["orders"], &activity.unclear), (&told, &unclear));
        let connections = fake.seen(ApiKey::ApiVersions).len();
        assert_eq!(connections, 2, "one for any broker, and one for this one");
    }
}

#[tokio::test]
async fn neither_a_long_id_nor_topics_that_nobody_asked_about_are_kept() {
    let long = "é".repeat(15_000);
    let moving = Group { state: "PreparingRebalance", committed: -1, ..group("orders") };
    let groups = [(long.as_str(), group("payments")), ("others", group("elsewhere")), (&long[2..], moving)];
    let fake = coordinating(&groups, &[]).await;
    let activity = admin(&fake).activity(&asked()).await.unwrap();
    assert_eq!(activity.groups_of.keys().collect::<Vec<_>>(), ["payments"]);
    let shown = format!("{}…", &long[..248]);
    assert_eq!(activity.groups_of["payments"], names(&[&shown]));
    assert_eq!(activity.unclear, names(&[&shown]));
}

#[tokio::test]
async fn one_group_that_may_not_be_described_makes_the_answer_none() {
    let denied = Group { refused: 30, ..group("payments") };
    let fake = coordinating(&[("a", group("payments")), ("b", denied)], &[]).await;
    let error = admin(&fake).activity(&asked()).await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
}

#[tokio::test]
async fn the_youngest_record_is_that_of_all_partitions() {
    let fake = coordinating(&[("a", group("payments")), ("b", Group { youngest: -1, ..group("empty") })], &[]).await;
    let asked = [topic("payments", &[Some(1), Some(1), Some(1)]), topic("empty", &[Some(1)])];
    let found = admin(&fake).youngest_records(&asked).await.unwrap();
    assert!(matches!(found[..], [Ok(Some(7002)), Ok(None)]), "{found:?}");
    let twice = [topic("payments", &[Some(1)]), topic("payments", &[Some(1)])];
    let found = admin(&fake).youngest_records(&twice).await.unwrap();
    assert!(matches!(found[..], [Ok(Some(7000)), Ok(Some(7000))]), "the second is not without records: {found:?}");
}

#[tokio::test]
async fn a_partition_that_does_not_tell_makes_its_topics_age_unknown() {
    let groups = [("a", group("payments")), ("b", Group { youngest: -1, refused: 6, ..group("moved") })];
    let fake = coordinating(&groups, &[]).await;
    let asked = [topic("payments", &[Some(1)]), topic("moved", &[Some(1)]), topic("headless", &[None])];
    let found = admin(&fake).youngest_records(&asked).await.unwrap();
    let both = [topic("payments", &[Some(1), None])];
    let half = admin(&fake).youngest_records(&both).await.unwrap();
    assert!(matches!(found[0], Ok(Some(7000))), "{found:?}");
    for error in found[1..].iter().chain(&half) {
        assert!(matches!(error, Err(Error::Retriable(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_broker_that_cannot_tell_the_youngest_is_not_believed() {
    let fake = coordinating(&[("a", group("payments"))], &[(ApiKey::ListOffsets, (0, 6))]).await;
    let error = admin(&fake).youngest_records(&[topic("payments", &[Some(1)])]).await.unwrap_err();
    assert!(error.to_string().contains("3.0"), "{error}");
    let none = admin(&fake).youngest_records(&[]).await.unwrap();
    assert!(none.is_empty());
}
