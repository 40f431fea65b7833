//! Topics.

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kafka_protocol::{
    error::ResponseError,
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        metadata_request::MetadataRequestTopic,
        metadata_response::MetadataResponseTopic,
    },
};
use uuid::Uuid;

use super::cluster::NOT_TOLD;
use super::{Admin, At, BrokerId, missing, pool::Lane, readable, text};
use crate::kafka::{acl::Operation, error::Error};

const CREATE: &str = "CreateTopics";
const DELETE: &str = "DeleteTopics";
const GROW: &str = "CreatePartitions";
const METADATA: &str = "Metadata";
/// Since this version of Metadata it is told what we may do on a topic (KIP-430, Kafka 2.3).
const TELLS_OPERATIONS: i16 = 8;

/// The id that Kafka gives a topic when it is created: a name that comes back has another one (KIP-516).
///
/// Written and read as Kafka's own tools do: 22 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);

/// A text that is not a topic id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a topic id: expected 22 characters of URL-safe base64")]
pub struct NotATopicId(String);

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for TopicId {
    type Err = NotATopicId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| NotATopicId(text.to_owned()))
    }
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` for the brokers' default.
    pub partitions: Option<i32>,
    /// How many replicas of each; `None` for the brokers' default.
    pub replicas: Option<i16>,
    /// What differs from the brokers' defaults.
    pub configs: BTreeMap<String, String>,
    /// Where the replicas of each partition go, the preferred leader first; where it is empty, Kafka decides. Kafka takes this or the
    /// numbers above, which are not sent then.
    pub assignment: Vec<Vec<BrokerId>>,
}

/// A topic that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has; `None` where we may not read its configuration.
    pub partitions: Option<i32>,
    /// How many replicas each has; `None` where we may not read its configuration.
    pub replicas: Option<i16>,
}

/// A topic that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
    /// One of Kafka's own, such as `__consumer_offsets`.
    pub internal: bool,
    /// In the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// Who leads it, if anybody does.
    pub leader: Option<BrokerId>,
    /// Where it is kept.
    pub replicas: Vec<BrokerId>,
    /// Which of them have caught up.
    pub in_sync: Vec<BrokerId>,
}

impl Admin {
    /// Makes topics, each with a result of its own, in the order given. Names must differ from each other.
    ///
    /// A topic that is there already is [`Error::Invalid`] with the code `TopicAlreadyExists`.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<Result<CreatedTopic, Error>>, Error> {
        let settings = topics.iter().flat_map(|topic| &topic.configs).flat_map(|(key, value)| [key, value]);
        readable(CREATE, topics.iter().map(|topic| &topic.name).chain(settings).map(String::as_str))?;
        let creatable = topics.iter().map(|topic| {
            let config = |(name, value): (&String, &String)| {
                CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
            };
            let place = |(index, replicas): (i32, &Vec<BrokerId>)| {
                CreatableReplicaAssignment::default()
                    .with_partition_index(index)
                    .with_broker_ids(replicas.iter().map(|id| id.0.into()).collect())
            };
            let counted = topic.assignment.is_empty();
            CreatableTopic::default()
                .with_name(TopicName(text(&topic.name)))
                .with_num_partitions(topic.partitions.filter(|_| counted).unwrap_or(-1))
                .with_replication_factor(topic.replicas.filter(|_| counted).unwrap_or(-1))
                .with_assignments((0..).zip(&topic.assignment).map(place).collect())
                .with_configs(topic.configs.iter().map(config).collect())
        });
        let request =
            CreateTopicsRequest::default().with_topics(creatable.collect()).with_timeout_ms(self.server_timeout());
        let answer = self.write(Lane::Topics, request).await?;
        let wait = answer.reply.throttle_time_ms;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for topic in answer.reply.topics {
            let checked = Error::check(CREATE, &answer.peer, topic.error_code, topic.error_message.as_deref())
                .map_err(|error| error.throttled_for(wait));
            let created = checked.map(|()| CreatedTopic {
                id: TopicId(topic.topic_id.into_bytes()),
                partitions: Some(topic.num_partitions).filter(|count| *count > 0),
                replicas: Some(topic.replication_factor).filter(|count| *count > 0),
            });
            results.insert(topic.name.to_string(), created);
        }
        let names = topics.iter().map(|topic| &topic.name);
        Ok(names.map(|name| results.remove(name).unwrap_or_else(|| Err(missing(CREATE, &answer.peer, name)))).collect())
    }

    /// Deletes topics by id, each with a result of its own, in the order given. A topic that is gone already is a success.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn delete_topics(&self, ids: &[TopicId]) -> Result<Vec<Result<(), Error>>, Error> {
        let states =
            ids.iter().map(|id| DeleteTopicState::default().with_name(None).with_topic_id(Uuid::from_bytes(id.0)));
        let request =
            DeleteTopicsRequest::default().with_topics(states.collect()).with_timeout_ms(self.server_timeout());
        let answer = self.write(Lane::Topics, request).await?;
        let wait = answer.reply.throttle_time_ms;
        let mut results: BTreeMap<TopicId, _> = BTreeMap::new();
        for topic in answer.reply.responses {
            let gone = topic.error_code == ResponseError::UnknownTopicId.code();
            let code = if gone { 0 } else { topic.error_code };
            let checked = Error::check(DELETE, &answer.peer, code, topic.error_message.as_deref())
                .map_err(|error| error.throttled_for(wait));
            results.insert(TopicId(topic.topic_id.into_bytes()), checked);
        }
        Ok(ids.iter().map(|id| results.remove(id).unwrap_or_else(|| Err(missing(DELETE, &answer.peer, id)))).collect())
    }

    /// Brings topics to a total number of partitions, each with a result of its own, in the order given. A number that is
    /// not an increase is [`Error::Invalid`], so a stale repeat does no harm. Names must differ from each other.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn create_partitions(&self, totals: &[(String, i32)]) -> Result<Vec<Result<(), Error>>, Error> {
        let topics = totals.iter().map(|(name, total)| {
            CreatePartitionsTopic::default().with_name(TopicName(text(name))).with_count(*total).with_assignments(None)
        });
        let request =
            CreatePartitionsRequest::default().with_topics(topics.collect()).with_timeout_ms(self.server_timeout());
        let answer = self.write(Lane::Topics, request).await?;
        let wait = answer.reply.throttle_time_ms;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for topic in answer.reply.results {
            let checked = Error::check(GROW, &answer.peer, topic.error_code, topic.error_message.as_deref())
                .map_err(|error| error.throttled_for(wait));
            results.insert(topic.name.to_string(), checked);
        }
        let names = totals.iter().map(|(name, _)| name);
        Ok(names.map(|name| results.remove(name).unwrap_or_else(|| Err(missing(GROW, &answer.peer, name)))).collect())
    }

    /// The topic, if any broker that answers knows it. One that has just started may know less than the others.
    ///
    /// # Errors
    /// No broker answered.
    pub async fn describe_topic_anywhere(&self, name: &str) -> Result<Option<Topic>, Error> {
        let names = [name.to_owned()];
        let (mut answers, mut last) = (0, None);
        for broker in self.describe_cluster().await?.brokers {
            match self.describe_topics(&names, At::Broker(broker.id)).await {
                Ok(found) => {
                    answers += 1;
                    if let Some(topic) = found.into_iter().next().transpose()?.flatten() {
                        return Ok(Some(topic));
                    }
                }
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if answers == 0 => Err(error),
            _ => Ok(None),
        }
    }

    /// Describes topics by name, in the order given; `None` for one that this broker does not know. Nothing is created.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn describe_topics(&self, names: &[String], at: At) -> Result<Vec<Result<Option<Topic>, Error>>, Error> {
        let asked = || names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(text(name)))));
        let answer = self.read(at, |_| metadata_of(Some(asked().collect()))).await?;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for topic in answer.reply.topics {
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            results.insert(name, describe(topic, &answer.peer));
        }
        Ok(names
            .iter()
            .map(|name| results.remove(name).unwrap_or_else(|| Err(missing(METADATA, &answer.peer, name))))
            .collect())
    }

    /// What we may do on the topic of this name, whether it is there or not; empty where we may not see it. `None` where the broker does
    /// not say.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn operations_on_topic(&self, name: &str) -> Result<Option<Vec<Operation>>, Error> {
        let asked = || vec![MetadataRequestTopic::default().with_name(Some(TopicName(text(name))))];
        let request =
            |version| metadata_of(Some(asked())).with_include_topic_authorized_operations(version >= TELLS_OPERATIONS);
        let answer = self.read(At::Any, request).await?;
        let topic =
            answer.reply.topics.into_iter().find(|topic| topic.name.as_ref().is_some_and(|it| it.as_str() == name));
        let topic = topic.ok_or_else(|| missing(METADATA, &answer.peer, name))?;
        if topic.error_code == ResponseError::TopicAuthorizationFailed.code() {
            return Ok(Some(Vec::new()));
        }
        let bits = topic.topic_authorized_operations;
        describe(topic, &answer.peer)?;
        // Whoever is shown a topic may describe it: a broker that says otherwise does not know.
        let operations = Some(bits).filter(|bits| *bits != NOT_TOLD).map(Operation::from_bits);
        Ok(operations.filter(|operations| operations.contains(&Operation::Describe)))
    }

    /// Describes every topic that we may see, in the order of their names.
    ///
    /// # Errors
    /// See [`Error`]; one topic that cannot be described is an error, for a list must be complete or not be used.
    pub async fn list_topics(&self) -> Result<Vec<Topic>, Error> {
        let answer = self.read(At::Any, |_| metadata_of(None)).await?;
        let topics = answer.reply.topics.into_iter().filter_map(|topic| describe(topic, &answer.peer).transpose());
        let mut topics = topics.collect::<Result<Vec<_>, _>>()?;
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }
}

/// A request for topics (`None` for all) that creates nothing.
fn metadata_of(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false)
}

fn describe(topic: MetadataResponseTopic, peer: &str) -> Result<Option<Topic>, Error> {
    let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
    match ResponseError::try_from_code(topic.error_code) {
        None | Some(ResponseError::LeaderNotAvailable) => {}
        Some(ResponseError::UnknownTopicOrPartition) => return Ok(None),
        Some(code) => return Err(Error::from_code(METADATA, peer, code, &format!("topic `{name}`"))),
    }
    let brokers = |ids: Vec<kafka_protocol::messages::BrokerId>| ids.into_iter().map(|id| BrokerId(id.0)).collect();
    let mut partitions: Vec<_> = topic
        .partitions
        .into_iter()
        .map(|partition| Partition {
            index: partition.partition_index,
            leader: Some(BrokerId(partition.leader_id.0)).filter(|leader| leader.0 >= 0),
            replicas: brokers(partition.replica_nodes),
            in_sync: brokers(partition.isr_nodes),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    Ok(Some(Topic { name, id: TopicId(topic.topic_id.into_bytes()), internal: topic.is_internal, partitions }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_read_as_kafka_writes_them() {
        let id: TopicId = "MkU3OEVBNTcwNTJENDM2Qg".parse().unwrap();
        assert_eq!(id.to_string(), "MkU3OEVBNTcwNTJENDM2Qg");
        assert!("MkU3".parse::<TopicId>().is_err());
        assert!("MkU3OEVBNTcwNTJENDM2Q+".parse::<TopicId>().is_err());
    }
}
