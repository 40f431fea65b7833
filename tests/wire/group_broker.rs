//! The part of the fake broker that coordinates groups and keeps logs.

use std::collections::HashMap;

use admittance::kafka::config::Endpoint;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, BrokerId, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, FindCoordinatorRequest, FindCoordinatorResponse, GroupId, ListGroupsRequest,
        ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetFetchRequest, OffsetFetchResponse,
        RequestHeader, ShareGroupDescribeRequest, ShareGroupDescribeResponse, TopicName,
        consumer_group_describe_response::{self, Assignment, Member, TopicPartitions},
        describe_groups_response::{self, DescribedGroupMember},
        find_coordinator_response::Coordinator,
        list_groups_response::ListedGroup,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition},
        offset_fetch_request::OffsetFetchRequestTopics,
        offset_fetch_response::{OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics},
        share_group_describe_response,
    },
    protocol::{Decodable, StrBytes},
};

use crate::{fake::reply, offers::own};

/// A group whose members consume one topic, each a partition: the first has partition 0.
#[derive(Clone)]
pub(crate) struct Group {
    /// Whether it is one of the new protocol.
    pub(crate) new_protocol: bool,
    /// What its kind is called instead, where it is neither of the old nor of the new protocol.
    pub(crate) kind: Option<&'static str>,
    /// `Stable`, or anything else; [`VANISHING`], [`ARRIVING`], [`HEADLESS`].
    pub(crate) state: &'static str,
    /// Where the members come from.
    pub(crate) hosts: Vec<&'static str>,
    /// The topic.
    pub(crate) topic: &'static str,
    /// What is committed in each partition.
    pub(crate) committed: i64,
    /// Where each partition's log ends.
    pub(crate) end: i64,
    /// The largest timestamp in partition 0; that of each further one is larger by one.
    pub(crate) youngest: i64,
    /// The code with which it refuses to be described.
    pub(crate) refused: i16,
    /// How many bytes its last member tells the others, beside what it subscribes to.
    pub(crate) user_data: usize,
}

/// The state of a group that is gone once somebody asks about it.
pub(crate) const VANISHING: &str = "Vanishing";
/// The state of a group that another broker coordinated until groups were listed here.
pub(crate) const ARRIVING: &str = "Arriving";
/// The state of a group whose topic has no leader.
pub(crate) const HEADLESS: &str = "Headless";
const GROUP_ID_NOT_FOUND: i16 = 69;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap()
}

pub(crate) fn brokers(own: &Endpoint) -> Vec<MetadataResponseBroker> {
    vec![
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host(text(&own.host))
            .with_port(i32::from(own.port)),
    ]
}

pub(crate) fn partitions(groups: &HashMap<String, Group>, topic: &str) -> Vec<MetadataResponsePartition> {
    let group = groups.values().find(|group| group.topic == topic);
    let leader = BrokerId(if group.is_some_and(|group| group.state == HEADLESS) { -1 } else { 1 });
    let partition = |index| MetadataResponsePartition::default().with_partition_index(index).with_leader_id(leader);
    group.map_or_else(Vec::new, |group| (0..number(group.hosts.len())).map(partition).collect())
}

pub(crate) fn versions() -> [(ApiKey, (i16, i16)); 6] {
    [
        (ApiKey::FindCoordinator, own::<FindCoordinatorRequest>()),
        (ApiKey::DescribeGroups, own::<DescribeGroupsRequest>()),
        (ApiKey::ConsumerGroupDescribe, own::<ConsumerGroupDescribeRequest>()),
        (ApiKey::ShareGroupDescribe, own::<ShareGroupDescribeRequest>()),
        (ApiKey::OffsetFetch, own::<OffsetFetchRequest>()),
        (ApiKey::ListOffsets, own::<ListOffsetsRequest>()),
    ]
}

/// The subscription to one topic, as a client's own codec writes it.
fn subscription(topic: &str, user_data: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(3);
    bytes.put_i32(1);
    bytes.put_i16(i16::try_from(topic.len()).unwrap());
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(i32::try_from(user_data).unwrap());
    bytes.put_bytes(b'x', user_data);
    bytes.freeze()
}

/// The assignment of one partition, as a client's own codec writes it.
fn assignment(topic: &str, partition: i32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    bytes.put_i32(1);
    bytes.put_i16(i16::try_from(topic.len()).unwrap());
    bytes.put_slice(topic.as_bytes());
    bytes.put_i32(1);
    bytes.put_i32(partition);
    bytes.put_i32(-1);
    bytes.freeze()
}

pub(crate) fn answer(
    api: ApiKey,
    header: &RequestHeader,
    body: &mut Bytes,
    groups: &mut HashMap<String, Group>,
    own: &Endpoint,
) -> Bytes {
    let version = header.request_api_version;
    match api {
        ApiKey::FindCoordinator => {
            let request = FindCoordinatorRequest::decode(body, version).unwrap();
            let coordinators = request.coordinator_keys.into_iter().map(|key| {
                let code = groups.get(key.as_str()).map_or(0, |group| group.refused);
                Coordinator::default()
                    .with_key(key)
                    .with_node_id(BrokerId(1))
                    .with_host(text(&own.host))
                    .with_port(i32::from(own.port))
                    .with_error_code(code)
            });
            let response = FindCoordinatorResponse::default().with_coordinators(coordinators.collect());
            reply::<FindCoordinatorRequest>(header, &response)
        }
        ApiKey::ListGroups => {
            let states = ListGroupsRequest::decode(body, version).unwrap().states_filter;
            let wanted = groups.iter().filter(|(_, group)| {
                // Gone as it is, it had members when it was listed.
                states.is_empty()
                    || group.state == VANISHING
                    || states.iter().any(|state| state.as_str() == group.state)
            });
            let listed = wanted.map(|(id, group)| {
                let listed = ListedGroup::default().with_group_id(GroupId(text(id)));
                // Before version 4 there is no word for it on the wire.
                let listed = if version < 4 { listed } else { listed.with_group_state(text(group.state)) };
                // Before version 5 there is no word for it on the wire.
                if version < 5 {
                    return listed.with_protocol_type(text("consumer"));
                }
                let kind = group.kind.unwrap_or(if group.new_protocol { "Consumer" } else { "Classic" });
                listed.with_group_type(text(kind))
            });
            let response = ListGroupsResponse::default().with_groups(listed.collect());
            groups.values_mut().filter(|group| group.state == ARRIVING).for_each(|group| group.state = "Stable");
            reply::<ListGroupsRequest>(header, &response)
        }
        ApiKey::ShareGroupDescribe => {
            let request = ShareGroupDescribeRequest::decode(body, version).unwrap();
            let described = request.group_ids.into_iter().map(|id| {
                let described = share_group_describe_response::DescribedGroup::default().with_error_message(None);
                let Some(group) = groups.get(id.as_str()).filter(|group| group.kind == Some("Share")) else {
                    return described.with_group_id(id).with_error_code(GROUP_ID_NOT_FOUND);
                };
                let topic = TopicName(text(group.topic));
                let member = share_group_describe_response::Member::default().with_subscribed_topic_names(vec![topic]);
                described.with_group_id(id).with_members(vec![member])
            });
            let response = ShareGroupDescribeResponse::default().with_groups(described.collect());
            reply::<ShareGroupDescribeRequest>(header, &response)
        }
        ApiKey::DescribeGroups => {
            let request = DescribeGroupsRequest::decode(body, version).unwrap();
            groups.retain(|_, group| group.state != VANISHING);
            let described = request.groups.into_iter().map(|id| classic(&id, groups, version));
            reply::<DescribeGroupsRequest>(header, &DescribeGroupsResponse::default().with_groups(described.collect()))
        }
        ApiKey::ConsumerGroupDescribe => {
            let request = ConsumerGroupDescribeRequest::decode(body, version).unwrap();
            groups.retain(|_, group| group.state != VANISHING);
            let described = request.group_ids.into_iter().map(|id| of_the_new_protocol(&id, groups));
            let response = ConsumerGroupDescribeResponse::default().with_groups(described.collect());
            reply::<ConsumerGroupDescribeRequest>(header, &response)
        }
        ApiKey::OffsetFetch => {
            let request = OffsetFetchRequest::decode(body, version).unwrap();
            let found = request.groups.into_iter().map(|asked| {
                let Group { committed, topic, refused, .. } = groups[asked.group_id.as_str()];
                // Without topics, every topic is asked for of which there are offsets.
                let all = || {
                    let there = OffsetFetchRequestTopics::default().with_name(TopicName(text(topic)));
                    if committed < 0 { vec![] } else { vec![there.with_partition_indexes(vec![0])] }
                };
                let topics = asked.topics.unwrap_or_else(all).into_iter().map(|topic| {
                    let partition = |index| {
                        OffsetFetchResponsePartitions::default()
                            .with_partition_index(index)
                            .with_committed_offset(committed)
                    };
                    OffsetFetchResponseTopics::default()
                        .with_name(topic.name)
                        .with_partitions(topic.partition_indexes.into_iter().map(partition).collect())
                });
                let found = OffsetFetchResponseGroup::default().with_topics(topics.collect());
                found.with_group_id(asked.group_id).with_error_code(refused)
            });
            reply::<OffsetFetchRequest>(header, &OffsetFetchResponse::default().with_groups(found.collect()))
        }
        ApiKey::ListOffsets => {
            let request = ListOffsetsRequest::decode(body, version).unwrap();
            let found = request.topics.into_iter().map(|topic| {
                let group = groups.values().find(|group| group.topic == topic.name.as_str()).unwrap();
                let partitions = topic.partitions.iter().map(|asked| {
                    let found = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
                    match asked.timestamp {
                        -1 => found.with_offset(group.end),
                        -3 if group.youngest < 0 => found.with_error_code(group.refused),
                        -3 => found.with_timestamp(group.youngest + i64::from(asked.partition_index)).with_offset(1),
                        other => panic!("nobody asks for the time {other}"),
                    }
                });
                let partitions = partitions.collect();
                ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
            });
            reply::<ListOffsetsRequest>(header, &ListOffsetsResponse::default().with_topics(found.collect()))
        }
        other => panic!("nobody taught the fake {other:?}"),
    }
}

fn classic(id: &GroupId, groups: &HashMap<String, Group>, version: i16) -> describe_groups_response::DescribedGroup {
    let described =
        describe_groups_response::DescribedGroup::default().with_group_id(id.clone()).with_error_message(None);
    let found = groups.get(id.as_str());
    let Some(group) = found.filter(|group| !group.new_protocol && group.kind.is_none()) else {
        let described = described.with_group_state(text("Dead"));
        // Before KIP-1043 that was all.
        if version < 6 {
            return described;
        }
        let why = if found.is_some() { "is not a classic group." } else { "not found." };
        let message = format!("Group {} {why}", id.as_str());
        return described.with_error_code(GROUP_ID_NOT_FOUND).with_error_message(Some(text(&message)));
    };
    let member = |(index, host): (usize, &&str)| {
        let user_data = if index + 1 == group.hosts.len() { group.user_data } else { 0 };
        DescribedGroupMember::default()
            .with_client_host(text(host))
            .with_member_metadata(subscription(group.topic, user_data))
            .with_member_assignment(assignment(group.topic, number(index)))
    };
    described
        .with_error_code(group.refused)
        .with_group_state(text(group.state))
        .with_members(group.hosts.iter().enumerate().map(member).collect())
}

fn of_the_new_protocol(
    id: &GroupId,
    groups: &HashMap<String, Group>,
) -> consumer_group_describe_response::DescribedGroup {
    let described = consumer_group_describe_response::DescribedGroup::default().with_group_id(id.clone());
    let Some(group) = groups.get(id.as_str()).filter(|group| group.new_protocol) else {
        return described.with_error_code(GROUP_ID_NOT_FOUND).with_error_message(None);
    };
    let member = |(index, host): (usize, &&str)| {
        let held = TopicPartitions::default()
            .with_topic_name(TopicName(text(group.topic)))
            .with_partitions(vec![number(index)]);
        Member::default()
            .with_client_host(text(host))
            .with_assignment(Assignment::default().with_topic_partitions(vec![held]))
    };
    described
        .with_error_message(None)
        .with_group_state(text(group.state))
        .with_members(group.hosts.iter().enumerate().map(member).collect())
}
