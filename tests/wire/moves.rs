//! Reassignments and disks: what is asked, and what is made of the answers.

use std::collections::BTreeMap;

use admittance::{
    cli::import::live::topics,
    kafka::{
        admin::{BrokerId, log_dirs::LogDir, reassignments::Assignment},
        error::Error,
    },
};
use kafka_protocol::messages::ApiKey;

use crate::{
    admin,
    fake::{Fake, Fault, Script},
    move_broker::Moves,
};

async fn with(moves: Moves) -> Fake {
    Fake::start(Script { moves, ..Script::default() }).await
}

fn to(index: i32, replicas: &[i32]) -> Assignment {
    Assignment { index, replicas: Some(replicas.iter().copied().map(BrokerId).collect()) }
}

#[tokio::test]
async fn a_move_is_begun_listed_and_ended() {
    let fake = with(Moves::default()).await;
    let admin = admin(&fake);
    let results = admin.alter_reassignments("orders", &[to(1, &[1, 2]), to(0, &[2, 3])]).await.unwrap();
    assert!(results.iter().all(Result::is_ok) && results.len() == 2);
    let running = admin.list_reassignments().await.unwrap();
    let seen: Vec<_> = running.iter().map(|running| (running.topic.as_str(), running.index)).collect();
    assert_eq!(seen, [("orders", 0), ("orders", 1)], "sorted");
    assert_eq!(running[0].replicas, [BrokerId(2), BrokerId(3)]);
    assert_eq!((&running[0].adding, &running[0].removing), (&vec![BrokerId(3)], &vec![BrokerId(2)]));
    let end = [Assignment { index: 0, replicas: None }];
    assert!(admin.alter_reassignments("orders", &end).await.unwrap()[0].is_ok());
    assert_eq!(admin.list_reassignments().await.unwrap().len(), 1);
    assert!(admin.alter_reassignments("orders", &end).await.unwrap()[0].is_ok(), "it has ended already");
}

#[tokio::test]
async fn one_partition_that_is_refused_says_nothing_of_the_others() {
    // InvalidReplicaAssignment.
    let fake = with(Moves { refused: BTreeMap::from([(1, 39)]), ..Moves::default() }).await;
    let results = admin(&fake).alter_reassignments("orders", &[to(0, &[1]), to(1, &[9]), to(2, &[1])]).await.unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(matches!(results[1], Err(Error::Invalid(_))), "{results:?}");
}

#[tokio::test]
async fn a_reply_that_fails_as_a_whole_is_an_error() {
    // ClusterAuthorizationFailed.
    let fake = with(Moves { code: 31, dirs: vec![("/a", 0, 1, 1)], ..Moves::default() }).await;
    let admin = admin(&fake);
    assert!(matches!(admin.alter_reassignments("orders", &[to(0, &[1])]).await, Err(Error::Denied(_))));
    assert!(matches!(admin.list_reassignments().await, Err(Error::Denied(_))));
    assert!(matches!(admin.log_dirs(BrokerId(1)).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_topic_is_imported_with_the_replicas_that_stay() {
    // Of the three, the fake has the first one go. ClusterAuthorizationFailed: who may not list moves is told what that means.
    for (code, replicas, told) in [(0, 2, None), (31, 3, Some("those that go are counted too"))] {
        let running = BTreeMap::from([(("orders".to_owned(), 0), vec![1, 2, 3])]);
        let fake = with(Moves { running, code, ..Moves::default() }).await;
        let (found, notes) = topics(&admin(&fake), |_| true).await.unwrap();
        let found: Vec<_> = found.iter().map(|topic| (topic.spec.topic_name.as_str(), topic.spec.replicas)).collect();
        assert_eq!(found, [("orders", Some(replicas))]);
        assert_eq!(notes.len(), usize::from(told.is_some()), "{notes:?}");
        assert!(told.is_none_or(|told| notes[0].contains(told)), "{notes:?}");
    }
}

#[tokio::test]
async fn a_partition_that_is_left_out_of_the_reply_is_an_error() {
    // No tags of the header; throttle time, the flag, no error, no message, no topics, no tags.
    let fake = with(Moves::default()).await;
    let reply = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    fake.script.lock().unwrap().faults.insert(ApiKey::AlterPartitionReassignments, (1, Fault::Body(reply)));
    let results = admin(&fake).alter_reassignments("orders", &[to(7, &[1])]).await.unwrap();
    assert!(matches!(&results[0], Err(error) if error.to_string().contains("says nothing about `7`")), "{results:?}");
}

#[tokio::test]
async fn disks_are_told_with_those_that_have_failed() {
    // KafkaStorageError, and a broker from before KIP-827.
    let dirs = vec![("/a", 0, 1000, 400), ("/b", 56, -1, -1), ("/c", 0, -1, -1)];
    let fake = with(Moves { dirs, ..Moves::default() }).await;
    let dir = |path: &str, total_bytes, usable_bytes, online| {
        let path = path.into();
        LogDir { path, total_bytes, usable_bytes, online }
    };
    let found = admin(&fake).log_dirs(BrokerId(1)).await.unwrap();
    let (whole, failed) = (dir("/a", Some(1000), Some(400), true), dir("/b", None, None, false));
    assert_eq!(found, [whole, failed, dir("/c", None, None, true)]);
}
