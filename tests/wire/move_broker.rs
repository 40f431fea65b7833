//! The half of the broker that moves partitions and knows its disks.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey, BrokerId,
        DescribeLogDirsRequest, DescribeLogDirsResponse, ListPartitionReassignmentsRequest,
        ListPartitionReassignmentsResponse, RequestHeader, TopicName,
        alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
        describe_log_dirs_response::DescribeLogDirsResult,
        list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment},
        metadata_response::MetadataResponsePartition,
    },
    protocol::{Decodable, StrBytes},
};

use crate::{fake::reply, offers::own};

/// What is under way, and the disks.
#[derive(Default)]
pub(crate) struct Moves {
    /// By topic and partition: where it is to be kept.
    pub(crate) running: BTreeMap<(String, i32), Vec<i32>>,
    /// Partitions that are refused, with this error code.
    pub(crate) refused: BTreeMap<i32, i16>,
    /// The code of every reply as a whole.
    pub(crate) code: i16,
    /// Folders: path, error code, size, and what is free of it.
    pub(crate) dirs: Vec<(&'static str, i16, i64, i64)>,
}

impl Moves {
    /// The partitions of a topic that are on the move.
    pub(crate) fn partitions(&self, topic: &str) -> impl Iterator<Item = MetadataResponsePartition> {
        self.running.iter().filter(move |((name, _), _)| name == topic).map(|((_, index), replicas)| {
            MetadataResponsePartition::default().with_partition_index(*index).with_replica_nodes(ids(replicas))
        })
    }
}

const NO_REASSIGNMENT: i16 = 85;

pub(crate) fn versions() -> [(ApiKey, (i16, i16)); 3] {
    [
        (ApiKey::AlterPartitionReassignments, own::<AlterPartitionReassignmentsRequest>()),
        (ApiKey::ListPartitionReassignments, own::<ListPartitionReassignmentsRequest>()),
        (ApiKey::DescribeLogDirs, own::<DescribeLogDirsRequest>()),
    ]
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// Answers what is about moves and disks; nothing where the request is about something else.
pub(crate) fn answer(
    api: ApiKey,
    header: &RequestHeader,
    body: &Bytes,
    moves: &mut Moves,
    members: &mut Vec<String>,
) -> Option<Bytes> {
    let (version, mut body) = (header.request_api_version, body.clone());
    Some(match api {
        ApiKey::AlterPartitionReassignments => {
            let request = AlterPartitionReassignmentsRequest::decode(&mut body, version).unwrap();
            assert!(request.timeout_ms > 0);
            let mut topics = Vec::new();
            for topic in request.topics {
                let mut results = Vec::new();
                for partition in topic.partitions {
                    let key = (topic.name.to_string(), partition.partition_index);
                    members.push(format!("{}:{}", key.0, key.1));
                    let mut code = moves.refused.get(&key.1).copied().unwrap_or_default();
                    match partition.replicas {
                        Some(replicas) if code == 0 => {
                            moves.running.insert(key.clone(), replicas.iter().map(|id| id.0).collect());
                        }
                        Some(_) => {}
                        None if moves.running.remove(&key).is_none() => code = NO_REASSIGNMENT,
                        None => {}
                    }
                    let result = ReassignablePartitionResponse::default()
                        .with_partition_index(key.1)
                        .with_error_code(code)
                        .with_error_message(None);
                    results.push(result);
                }
                topics.push(ReassignableTopicResponse::default().with_name(topic.name).with_partitions(results));
            }
            let response = AlterPartitionReassignmentsResponse::default()
                .with_error_code(moves.code)
                .with_error_message(None)
                .with_responses(topics);
            reply::<AlterPartitionReassignmentsRequest>(header, &response)
        }
        ApiKey::ListPartitionReassignments => {
            let request = ListPartitionReassignmentsRequest::decode(&mut body, version).unwrap();
            assert!(request.topics.is_none(), "of all topics");
            let topics = moves.running.iter().rev().map(|((topic, index), replicas)| {
                let partition = OngoingPartitionReassignment::default()
                    .with_partition_index(*index)
                    .with_replicas(ids(replicas))
                    .with_adding_replicas(ids(&replicas[1..]))
                    .with_removing_replicas(ids(&replicas[..1]));
                OngoingTopicReassignment::default()
                    .with_name(TopicName(StrBytes::from_string(topic.clone())))
                    .with_partitions(vec![partition])
            });
            let response = ListPartitionReassignmentsResponse::default()
                .with_error_code(moves.code)
                .with_error_message(None)
                .with_topics(topics.collect());
            reply::<ListPartitionReassignmentsRequest>(header, &response)
        }
        ApiKey::DescribeLogDirs => {
            let request = DescribeLogDirsRequest::decode(&mut body, version).unwrap();
            assert_eq!(request.topics.map(|topics| topics.len()), Some(0), "sizes of logs were asked for");
            let dirs = moves.dirs.iter().map(|(path, code, total, usable)| {
                DescribeLogDirsResult::default()
                    .with_log_dir(StrBytes::from_static_str(path))
                    .with_error_code(*code)
                    .with_total_bytes(*total)
                    .with_usable_bytes(*usable)
            });
            let response = DescribeLogDirsResponse::default().with_error_code(moves.code).with_results(dirs.collect());
            reply::<DescribeLogDirsRequest>(header, &response)
        }
        _ => return None,
    })
}
