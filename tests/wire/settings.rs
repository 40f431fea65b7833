//! Settings of topics, their end, and quotas of changes: each caller gets what is its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use admittance::{
    kafka::{
        admin::{
            At, BrokerId,
            configs::TopicDefaults,
            settings::{Changes, Configured},
            topics::{NewTopic, TopicId},
        },
        batch::Batcher,
        error::Error,
    },
    topics::{
        apply::{Applied, change},
        step::Step,
    },
};
use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::{
    admin,
    fake::{Fake, Fault, Script},
    topic_broker::Topics,
};

const THROTTLED: i16 = 89;
const INVALID_CONFIG: i16 = 40;
const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_DENIED: i16 = 29;
const UNKNOWN_ID: i16 = 100;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn broker(refused: &[(&str, i16)], throttle: i32) -> Fake {
    let settings = BTreeMap::from([
        ("orders".to_owned(), map(&[("retention.ms", "5"), ("cleanup.policy", "compact")])),
        ("bare".to_owned(), BTreeMap::new()),
    ]);
    let refused = refused.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect::<HashMap<_, _>>();
    Fake::start(Script { refused, topics: Topics { settings, throttle, ..Topics::default() }, ..Script::default() })
        .await
}

#[tokio::test]
async fn only_what_a_topic_has_of_its_own_is_told() {
    let fake = broker(&[("gone", UNKNOWN_TOPIC), ("secret", 29)], 0).await;
    let names = ["orders", "bare", "gone", "secret"].map(str::to_owned);
    let found = admin(&fake).describe_settings(&names, At::Any).await.unwrap();
    let own = |index: usize| found[index].as_ref().unwrap().as_ref();
    assert_eq!(own(0), Some(&map(&[("retention.ms", "5"), ("cleanup.policy", "compact")])));
    assert_eq!((own(1), own(2)), (Some(&BTreeMap::new()), None));
    assert!(matches!(found[3], Err(Error::Denied(_))), "{found:?}");
}

#[tokio::test]
async fn single_settings_are_set_and_taken_back_and_the_rest_stays() {
    let fake = broker(&[], 0).await;
    let batcher = Batcher::new(&admin(&fake));
    let changes: Changes =
        BTreeMap::from([("retention.ms".to_owned(), None), ("segment.ms".to_owned(), Some("7".to_owned()))]);
    batcher.alter_settings("orders".into(), changes).await.unwrap();
    assert_eq!(fake.seen(ApiKey::IncrementalAlterConfigs), [["orders:1:retention.ms:-", "orders:0:segment.ms:7"]]);
    let found = batcher.describe_settings("orders".into()).await.unwrap().unwrap();
    assert_eq!(found, map(&[("cleanup.policy", "compact"), ("segment.ms", "7")]));
}

#[tokio::test]
async fn all_brokers_have_settings_as_topics_have_and_each_is_answered_for() {
    let fake = broker(&[("secret", 29)], 0).await;
    let admin = admin(&fake);
    let resources = [Configured::Topic("secret".into()), Configured::EveryBroker, Configured::Topic("orders".into())];
    let change = |value: Option<&str>| Changes::from([("flush.bytes".to_owned(), value.map(str::to_owned))]);
    let changes: Vec<_> = resources.iter().map(|resource| (resource.clone(), change(Some("7")))).collect();
    let done = admin.alter_settings(&changes).await.unwrap();
    assert!(matches!(done.as_slice(), [Err(Error::Denied(_)), Ok(()), Ok(())]), "{done:?}");
    let found = admin.values(&resources, &["flush.bytes", "segment.ms"]).await.unwrap();
    assert!(matches!(found[0], Err(Error::Denied(_))), "{found:?}");
    for values in &found[1..] {
        let value = |key| values.as_ref().unwrap()[key].as_deref();
        assert_eq!((value("flush.bytes"), value("segment.ms")), (Some("7"), Some("604800000")), "defaults are told");
    }
    admin.alter_settings(&[(Configured::EveryBroker, change(None))]).await.unwrap()[0].as_ref().unwrap();
    let found = admin.values(&[Configured::EveryBroker], &["flush.bytes"]).await.unwrap();
    assert!(!found[0].as_ref().unwrap().contains_key("flush.bytes"));
}

#[tokio::test]
async fn what_topics_get_from_a_broker_is_read_in_the_unit_that_it_is_set_in() {
    for (own, replicas, segment_bytes, retention_ms) in [
        (&[("log.retention.hours", "168"), ("log.retention.minutes", "3")][..], None, None, Some(180_000)),
        (&[("log.retention.hours", "168"), ("log.retention.ms", "-1")], None, None, Some(-1)),
        (&[("default.replication.factor", "3"), ("log.segment.bytes", "7")], Some(3), Some(7), None),
    ] {
        let settings = BTreeMap::from([("1".to_owned(), map(own))]);
        let fake = Fake::start(Script { topics: Topics { settings, ..Topics::default() }, ..Script::default() }).await;
        let found = admin(&fake).topic_defaults(BrokerId(1)).await.unwrap();
        assert_eq!(found, TopicDefaults { replicas, segment_bytes, retention_ms });
    }
    let fake = broker(&[("1", 31)], 0).await;
    assert!(matches!(admin(&fake).topic_defaults(BrokerId(1)).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn many_callers_share_requests_and_one_refusal_is_one_callers() {
    let fake = broker(&[("t13", INVALID_CONFIG)], 0).await;
    let batcher = Batcher::new(&admin(&fake));
    let change = || -> Changes { BTreeMap::from([("flush.ms".to_owned(), Some("1".to_owned()))]) };
    let altered = join_all((0..450).map(|number| batcher.alter_settings(format!("t{number}"), change()))).await;
    let failed: Vec<_> = (0..).zip(&altered).filter(|(_, result)| result.is_err()).map(|(number, _)| number).collect();
    assert_eq!(failed, [13]);
    assert!(matches!(&altered[13], Err(error @ Error::Invalid(_)) if !error.is_retriable()));
    let sizes: Vec<_> = fake.seen(ApiKey::IncrementalAlterConfigs).iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 450, "{sizes:?}");
    assert!(sizes.len() <= 3, "on a busy machine some may come too late for the first: {sizes:?}");

    let found = join_all((0..450).map(|number| batcher.describe_settings(format!("t{number}")))).await;
    assert_eq!(found.iter().filter(|result| result.is_ok()).count(), 449);
    let sizes: Vec<_> = fake.seen(ApiKey::DescribeConfigs).iter().map(Vec::len).collect();
    assert_eq!((sizes.iter().sum::<usize>(), sizes.iter().max()), (450, Some(&200)), "{sizes:?}");
    assert!(sizes.len() <= 4, "the first may go alone: {sizes:?}");
}

#[tokio::test]
async fn a_topic_that_a_quota_delays_is_told_how_long_and_its_neighbours_are_made() {
    let fake = broker(&[("late", THROTTLED), ("taken", 36)], 1500).await;
    let batcher = Batcher::new(&admin(&fake));
    let topic = |name: &str| NewTopic {
        name: name.into(),
        partitions: Some(1),
        replicas: None,
        configs: map(&[("cleanup.policy", "compact")]),
        assignment: Vec::new(),
    };
    let made = join_all(["a", "late", "taken"].map(|name| batcher.create_topic(topic(name)))).await;
    let waits = |result: Result<(), &Error>| result.err().map(|error| (error.is_retriable(), error.retry_after()));
    let wait = Some((true, Some(Duration::from_millis(1500))));
    assert!(made[0].is_ok());
    assert_eq!(waits(made[1].as_ref().map(|_| ())), wait);
    assert_eq!(
        waits(made[2].as_ref().map(|_| ())),
        Some((false, None)),
        "a delay is no business of a name that is taken"
    );

    let grown = join_all(["a", "late"].map(|name| batcher.create_partitions(name.into(), 3))).await;
    assert!(grown[0].is_ok());
    assert_eq!(waits(grown[1].as_ref().copied()), wait);
    assert_eq!(fake.seen(ApiKey::CreatePartitions), [["a:3", "late:3"]]);
}

fn id(number: u16) -> TopicId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    TopicId(bytes)
}

#[tokio::test]
async fn topics_are_deleted_five_hundred_at_a_time_and_one_refusal_is_one_callers() {
    let fake = broker(&[(&id(13).to_string(), TOPIC_DENIED), (&id(14).to_string(), UNKNOWN_ID)], 0).await;
    let batcher = Batcher::new(&admin(&fake));
    let deleted = join_all((0..1100).map(|number| batcher.delete_topic(id(number)))).await;
    let failed: Vec<_> = (0..).zip(&deleted).filter(|(_, result)| result.is_err()).map(|(number, _)| number).collect();
    assert_eq!(failed, [13], "what is gone already is as it should be");
    assert!(matches!(&deleted[13], Err(Error::Denied(_))), "{:?}", deleted[13]);
    let requests = fake.seen(ApiKey::DeleteTopics);
    let sizes: Vec<_> = requests.iter().map(Vec::len).collect();
    let asked: HashSet<_> = requests.iter().flatten().collect();
    assert_eq!((sizes.iter().sum::<usize>(), asked.len(), sizes.iter().max()), (1100, 1100, Some(&500)), "{sizes:?}");
    assert!(sizes.len() <= 4, "the first may go alone: {sizes:?}");
}

#[tokio::test]
async fn a_deletion_that_a_quota_delays_is_told_how_long_and_its_neighbour_is_done() {
    let late = id(2);
    let fake = broker(&[(&late.to_string(), THROTTLED)], 1500).await;
    let batcher = Batcher::new(&admin(&fake));
    let deleted = join_all([id(1), late].map(|id| batcher.delete_topic(id))).await;
    assert!(deleted[0].is_ok(), "{:?}", deleted[0]);
    let error = deleted[1].as_ref().unwrap_err();
    assert_eq!((error.is_retriable(), error.retry_after()), (true, Some(Duration::from_millis(1500))));
    assert_eq!(
        fake.seen(ApiKey::DeleteTopics),
        [[id(1), late].map(|id| id.to_string())],
        "nobody asks again by himself"
    );
}

#[tokio::test]
async fn a_text_that_kafka_could_not_read_is_its_owners_alone() {
    let fake = broker(&[], 0).await;
    let batcher = Batcher::new(&admin(&fake));
    let value = |length: usize| "x".repeat(length);
    let alter = |name: &str, key: &str, length| {
        batcher.alter_settings(name.to_owned(), Changes::from([(key.to_owned(), Some(value(length)))]))
    };
    let long = value(32_768);
    let altered = join_all([alter("orders", "a", 32_767), alter("bare", "a", 32_768), alter("third", &long, 1)]).await;
    assert!(altered[0].is_ok(), "{altered:?}");
    for refused in &altered[1..] {
        assert!(matches!(refused, Err(Error::Invalid(_))), "{altered:?}");
        assert!(
            refused.as_ref().unwrap_err().to_string().ends_with("a text has 32768 bytes; Kafka reads 32767 at most")
        );
    }
    let topic = |name: &str, length| NewTopic {
        name: name.to_owned(),
        partitions: Some(1),
        replicas: None,
        configs: map(&[("a", &value(length))]),
        assignment: vec![],
    };
    let made = join_all([topic("one", 32_767), topic("two", 32_768)].map(|topic| batcher.create_topic(topic))).await;
    assert!(matches!(made.as_slice(), [Ok(_), Err(Error::Invalid(_))]), "{made:?}");
    assert_eq!(fake.seen(ApiKey::CreateTopics), [["one:1"]], "nothing of it is sent");
}

/// The steps that are left of a growth and a setting, with the code that is told; and which were sent.
async fn changed(refused: &[(&str, i16)], fault: Option<ApiKey>) -> (Option<(Vec<Step>, Option<i16>)>, [usize; 2]) {
    let fake = broker(refused, 1500).await;
    let faults = fault.map(|api| (api, (usize::MAX, Fault::Close)));
    fake.script.lock().unwrap().faults = faults.into_iter().collect();
    let steps = [Step::Grow(6), Step::Alter(Changes::from([("retention.ms".to_owned(), Some("7".to_owned()))]))];
    let applied = change(&Batcher::new(&admin(&fake)), "orders", &steps).await;
    let sent = [ApiKey::CreatePartitions, ApiKey::IncrementalAlterConfigs].map(|api| fake.seen(api).len());
    let told = match applied {
        Applied::All(made) => Some((Vec::new(), made.map(|_| 0))),
        Applied::Part(left, error) => {
            assert_eq!(error.retry_after().is_some(), error.code().is_some_and(|code| code.code() == THROTTLED));
            Some((left, error.code().map(|code| code.code())))
        }
        Applied::Overtaken => None,
    };
    (told, sent)
}

#[tokio::test]
async fn settings_do_not_wait_for_a_growth_that_is_refused() {
    const POLICY: i16 = 44;
    const TIMED_OUT: i16 = 7;
    const NO_INCREASE: i16 = 37;
    let grow = || Step::Grow(6);
    let alter = || Step::Alter(Changes::from([("retention.ms".to_owned(), Some("7".to_owned()))]));
    let (growth, setting) = ("CreatePartitions orders", "IncrementalAlterConfigs orders");
    for (refused, left, code) in [
        (&[][..], vec![], None),
        (&[(growth, POLICY)], vec![grow()], Some(POLICY)),
        (&[(growth, THROTTLED)], vec![grow()], Some(THROTTLED)),
        (&[(setting, INVALID_CONFIG)], vec![alter()], Some(INVALID_CONFIG)),
        (&[(growth, POLICY), (setting, INVALID_CONFIG)], vec![grow(), alter()], Some(POLICY)),
        (&[(growth, THROTTLED), (setting, INVALID_CONFIG)], vec![grow(), alter()], Some(THROTTLED)),
        (&[(growth, POLICY), (setting, TIMED_OUT)], vec![grow(), alter()], Some(TIMED_OUT)),
    ] {
        assert_eq!(changed(refused, None).await, (Some((left, code)), [1, 1]), "{refused:?}");
    }
    assert_eq!(changed(&[(growth, NO_INCREASE)], None).await, (None, [1, 0]), "it is looked at again first");
    assert_eq!(changed(&[(setting, UNKNOWN_TOPIC)], None).await, (None, [1, 1]));
    let unanswered = changed(&[], Some(ApiKey::CreatePartitions)).await;
    assert_eq!(unanswered, (Some((vec![grow(), alter()], None)), [1, 0]));
}
