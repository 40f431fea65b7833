//! Replies that are not what they should be end in an error that says so, in time, and never end the process.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use admittance::kafka::{
    acl::AclFilter,
    admin::{Admin, At, topics::NewTopic},
    error::Error,
};
use kafka_protocol::messages::ApiKey;

use crate::{
    admin, config,
    fake::{Fake, Fault, Script},
};

async fn describe_cluster(fault: Fault) -> Error {
    let fake = Fake::with_fault(ApiKey::DescribeCluster, fault).await;
    admin(&fake).describe_cluster().await.unwrap_err()
}

fn topic(name: &str) -> NewTopic {
    NewTopic { name: name.into(), partitions: Some(1), replicas: None, configs: Default::default(), assignment: vec![] }
}

#[tokio::test]
async fn lengths_that_cannot_be_are_refused() {
    for head in [[0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0; 4], [0, 0, 0, 3], *b"HTTP"] {
        let error = describe_cluster(Fault::Raw(head.to_vec())).await;
        assert!(error.is_retriable() && error.to_string().contains("the peer announces a reply of"), "{error}");
    }
}

#[tokio::test]
async fn a_reply_that_is_cut_off_is_told_from_one_that_never_began() {
    let error = describe_cluster(Fault::Cut(9)).await;
    assert!(error.outcome_unknown() && error.to_string().contains("closed the connection after 5 of"), "{error}");
    let error = describe_cluster(Fault::Close).await;
    assert!(error.outcome_unknown() && error.to_string().contains("the peer closed the connection ("), "{error}");
}

#[tokio::test]
async fn a_reply_to_nobody_is_refused() {
    let error = describe_cluster(Fault::Correlation(12345)).await;
    assert!(error.to_string().contains("nobody asked with correlation id 12345"), "{error}");
}

#[tokio::test]
async fn what_trails_a_reply_is_refused() {
    let error = describe_cluster(Fault::Trailing(vec![1, 2, 3])).await;
    assert!(matches!(error, Error::Unknown(_)) && error.to_string().contains("followed by 3 bytes"), "{error}");
}

#[tokio::test]
async fn a_broker_that_drips_or_is_silent_costs_no_more_than_the_deadline() {
    for fault in [Fault::Drip(Duration::from_millis(100)), Fault::Silence] {
        let fake = Fake::with_fault(ApiKey::CreateTopics, fault).await;
        let limits =
            admittance::kafka::config::ClientConfig { request_timeout: Duration::from_millis(250), ..config(&[&fake]) };
        let admin = Admin::new(limits).unwrap();
        let begun = Instant::now();
        let error = admin.create_topics(&[topic("a")]).await.unwrap_err();
        assert!(error.outcome_unknown() && error.to_string().contains("no answer in time"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn counts_that_the_frame_cannot_hold_do_not_reach_the_allocator() {
    // Reply header without tags, throttle time; then for each API the fields up to its first array.
    let huge: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x0f];
    let large: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x01];
    for count in [huge, large] {
        let body = |before: &[u8]| [&[0, 0, 0, 0, 0], before, count].concat();
        let fake = Fake::with_fault(ApiKey::DescribeAcls, Fault::Body(body(&[0, 0, 0]))).await;
        let error = admin(&fake).describe_acls(&AclFilter::All, At::Any).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)) && error.to_string().contains("malformed"), "{error}");

        let fake = Fake::with_fault(ApiKey::Metadata, Fault::Body(body(&[]))).await;
        let error = admin(&fake).list_topics().await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");

        let fake = Fake::with_fault(ApiKey::CreateTopics, Fault::Body(body(&[]))).await;
        let error = admin(&fake).create_topics(&[topic("a")]).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");

        // ApiVersions has a header of its own, and comes before anything is known of the peer.
        let fake = Fake::with_fault(ApiKey::ApiVersions, Fault::Body([&[0, 0], count].concat())).await;
        let error = admin(&fake).describe_cluster().await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");
    }
}

#[tokio::test]
async fn nothing_large_is_read_from_a_peer_before_it_is_known() {
    let mut bytes = 70_000_u32.to_be_bytes().to_vec();
    bytes.resize(70_004, 0);
    let fake = Fake::with_fault(ApiKey::ApiVersions, Fault::Raw(bytes)).await;
    let error = admin(&fake).describe_cluster().await.unwrap_err();
    assert!(error.to_string().contains("announces a reply of 70000 bytes; 4 to 65536"), "{error}");
}

#[tokio::test]
async fn large_replies_are_read_from_a_peer_that_is_known() {
    let fake = Fake::start(Script { padding: 2_000_000, ..Script::default() }).await;
    assert_eq!(admin(&fake).list_topics().await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn a_broker_that_is_too_old_is_named() {
    let versions = HashMap::from([(ApiKey::Metadata, (0, 5))]);
    let fake = Fake::start(Script { versions, ..Script::default() }).await;
    let error = admin(&fake).list_topics().await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(error.to_string().contains("the broker offers Metadata 0 to 5; 9 to 13 are spoken here"), "{error}");
}

#[tokio::test]
async fn the_version_of_the_first_question_is_negotiated_as_well() {
    // Version 0: UNSUPPORTED_VERSION, and one entry: ApiVersions 4 to 9.
    let old = vec![0, 35, 0, 0, 0, 1, 0, 18, 0, 4, 0, 9];
    let faults = HashMap::from([(ApiKey::ApiVersions, (1, Fault::Body(old)))]);
    let fake = Fake::start(Script { faults, ..Script::default() }).await;
    admin(&fake).describe_cluster().await.unwrap();
    assert_eq!(fake.seen(ApiKey::ApiVersions).len(), 2);

    let ancient = vec![0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2];
    let fake = Fake::with_fault(ApiKey::ApiVersions, Fault::Body(ancient)).await;
    let error = admin(&fake).describe_cluster().await.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains("2.5 or later"), "{error}");
}

#[tokio::test]
async fn a_read_survives_one_broken_connection() {
    let faults = HashMap::from([(ApiKey::DescribeCluster, (1, Fault::Close))]);
    let fake = Fake::start(Script { faults, ..Script::default() }).await;
    let cluster = admin(&fake).describe_cluster().await.unwrap();
    assert_eq!(cluster.brokers[0].endpoint, fake.endpoint);
    assert_eq!(fake.seen(ApiKey::DescribeCluster).len(), 2);
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_not_repeated() {
    let fake = Fake::with_fault(ApiKey::CreateTopics, Fault::Close).await;
    let error = admin(&fake).create_topics(&[topic("a")]).await.unwrap_err();
    assert!(error.is_retriable() && error.outcome_unknown(), "{error}");
    assert_eq!(fake.seen(ApiKey::CreateTopics).len(), 1);
}

#[tokio::test]
async fn everybody_on_a_connection_that_breaks_is_told() {
    let fake = Fake::with_fault(ApiKey::DescribeAcls, Fault::Close).await;
    let admin = admin(&fake);
    let calls = (0..10).map(|_| admin.describe_acls(&AclFilter::All, At::Any));
    for result in futures::future::join_all(calls).await {
        assert!(result.unwrap_err().is_retriable());
    }
}

#[tokio::test]
async fn where_nobody_listens_the_next_broker_is_asked() {
    let fake = Fake::start(Script::default()).await;
    let mut limits = config(&[&fake]);
    limits.bootstrap.insert(0, "127.0.0.1:1".parse().unwrap());
    Admin::new(limits).unwrap().describe_cluster().await.unwrap();
}
