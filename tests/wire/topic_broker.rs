//! The half of the broker that keeps topics' settings, counts partitions and deletes topics.

use std::collections::BTreeMap;

use admittance::kafka::admin::topics::TopicId;
use bytes::Bytes;
use kafka_protocol::{
    messages::{
        ApiKey, BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, RequestHeader,
        create_partitions_response::CreatePartitionsTopicResult,
        delete_topics_response::DeletableTopicResult,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
        metadata_response::MetadataResponsePartition,
    },
    protocol::{Decodable, StrBytes},
};

use crate::{fake::reply, offers::own};

/// The replicas of a partition, and those in sync.
pub(crate) type Kept = (Vec<i32>, Vec<i32>);

/// What it keeps of topics.
#[derive(Default)]
pub(crate) struct Topics {
    /// The settings that topics have of their own.
    pub(crate) settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Where the partitions of topics are kept, and who of those is in sync: the first of them leads.
    pub(crate) kept: BTreeMap<String, Vec<Kept>>,
    /// The delay that answers ask for, in milliseconds.
    pub(crate) throttle: i32,
}

pub(crate) fn versions() -> [(ApiKey, (i16, i16)); 3] {
    [
        (ApiKey::DeleteTopics, own::<DeleteTopicsRequest>()),
        (ApiKey::CreatePartitions, own::<CreatePartitionsRequest>()),
        (ApiKey::IncrementalAlterConfigs, own::<IncrementalAlterConfigsRequest>()),
    ]
}

/// The partitions of a topic, as Metadata tells of them.
pub(crate) fn partitions(topics: &Topics, name: &str) -> Vec<MetadataResponsePartition> {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    let partition = |(index, (replicas, in_sync)): (i32, &Kept)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(in_sync.first().copied().unwrap_or(-1)))
            .with_replica_nodes(ids(replicas))
            .with_isr_nodes(ids(in_sync))
    };
    topics.kept.get(name).map_or_else(Vec::new, |kept| (0..).zip(kept).map(partition).collect())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Answers what is about topics' settings and partitions, and about their end.
pub(crate) fn answer(
    api: ApiKey,
    header: &RequestHeader,
    body: &Bytes,
    (topics, refused): (&mut Topics, &std::collections::HashMap<String, i16>),
    members: &mut Vec<String>,
) -> Option<Bytes> {
    let (version, mut body) = (header.request_api_version, body.clone());
    let code = |name: &str| {
        let of_this_kind = || refused.get(&format!("{api:?} {name}"));
        refused.get(name).or_else(of_this_kind).copied().unwrap_or_default()
    };
    Some(match api {
        ApiKey::DescribeConfigs => {
            let request = DescribeConfigsRequest::decode(&mut body, version).unwrap();
            let results = request.resources.into_iter().map(|resource| {
                let name = resource.resource_name;
                members.push(name.to_string());
                let setting = |key: &str, value: Option<&str>, source| {
                    DescribeConfigsResourceResult::default()
                        .with_name(text(key))
                        .with_value(value.map(text))
                        .with_config_source(source)
                        .with_documentation(None)
                };
                let settings = topics.settings.get(name.as_str()).into_iter().flatten();
                let mut configs: Vec<_> = settings.map(|(key, value)| setting(key, Some(value), 1)).collect();
                // A default of the brokers', and one that nobody set.
                configs.extend([setting("segment.ms", Some("604800000"), 4), setting("flush.ms", Some("1"), 5)]);
                DescribeConfigsResult::default()
                    .with_error_code(code(name.as_str()))
                    .with_error_message(None)
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(name)
                    .with_configs(configs)
            });
            reply::<DescribeConfigsRequest>(header, &DescribeConfigsResponse::default().with_results(results.collect()))
        }
        ApiKey::IncrementalAlterConfigs => {
            let request = IncrementalAlterConfigsRequest::decode(&mut body, version).unwrap();
            let responses = request.resources.into_iter().map(|resource| {
                let name = resource.resource_name;
                let code = code(name.as_str());
                for config in resource.configs {
                    let value = config.value.as_deref().unwrap_or("-").to_owned();
                    members.push(format!("{}:{}:{}:{value}", &*name, config.config_operation, &*config.name));
                    let kept = topics.settings.entry(name.to_string()).or_default();
                    match (code, config.config_operation) {
                        (0, 0) => drop(kept.insert(config.name.to_string(), value)),
                        (0, _) => drop(kept.remove(&*config.name)),
                        _ => {}
                    }
                }
                AlterConfigsResourceResponse::default()
                    .with_error_code(code)
                    .with_error_message(None)
                    .with_resource_type(resource.resource_type)
                    .with_resource_name(name)
            });
            let response = IncrementalAlterConfigsResponse::default().with_responses(responses.collect());
            reply::<IncrementalAlterConfigsRequest>(header, &response)
        }
        ApiKey::CreatePartitions => {
            let request = CreatePartitionsRequest::decode(&mut body, version).unwrap();
            let results = request.topics.into_iter().map(|topic| {
                members.push(format!("{}:{}", &**topic.name, topic.count));
                let code = code(topic.name.as_str());
                CreatePartitionsTopicResult::default()
                    .with_name(topic.name)
                    .with_error_code(code)
                    .with_error_message(None)
            });
            let response = CreatePartitionsResponse::default()
                .with_throttle_time_ms(topics.throttle)
                .with_results(results.collect());
            reply::<CreatePartitionsRequest>(header, &response)
        }
        ApiKey::DeleteTopics => {
            let request = DeleteTopicsRequest::decode(&mut body, version).unwrap();
            let results = request.topics.into_iter().map(|topic| {
                assert!(topic.name.is_none(), "one that was made anew bears the name as well");
                let id = TopicId(topic.topic_id.into_bytes()).to_string();
                let code = code(&id);
                members.push(id);
                DeletableTopicResult::default()
                    .with_name(None)
                    .with_topic_id(topic.topic_id)
                    .with_error_code(code)
                    .with_error_message(None)
            });
            let response = DeleteTopicsResponse::default().with_responses(results.collect());
            reply::<DeleteTopicsRequest>(header, &response.with_throttle_time_ms(topics.throttle))
        }
        _ => return None,
    })
}
