//! Settings of topics and brokers, key by key (KIP-339).

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeConfigsRequest, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};

use super::{Admin, At, missing, pool::Lane, readable, text};
use crate::kafka::error::Error;

const DESCRIBE: &str = "DescribeConfigs";
const ALTER: &str = "IncrementalAlterConfigs";
/// Kafka's numbers for what has settings (org.apache.kafka.common.config.ConfigResource).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Kafka's number for what a topic has of its own (DescribeConfigsResponse.ConfigSource, `TOPIC_CONFIG`).
const OF_THE_TOPIC: i8 = 1;
/// Kafka's numbers for what is done with a setting (AlterConfigOp.OpType).
const SET: i8 = 0;
const DELETE: i8 = 1;

/// What has settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Configured {
    /// A topic, by name.
    Topic(String),
    /// All brokers that have no value of their own: Kafka's cluster-wide default.
    EveryBroker,
}

impl Configured {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => TOPIC,
            Self::EveryBroker => BROKER,
        }
    }

    /// What it is called: the empty name stands for all brokers (KIP-226).
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Topic(name) => name,
            Self::EveryBroker => "",
        }
    }
}

/// What is done with a setting, by its key: a value, or `None` to take away what the resource has of its own.
pub type Changes = BTreeMap<String, Option<String>>;

/// What settings are, by key; `None` for one that is there and hidden.
pub type Values = BTreeMap<String, Option<String>>;

/// The settings that a topic has of its own, as the broker writes them.
pub type Overrides = BTreeMap<String, String>;

impl Admin {
    /// The settings that topics have of their own, in the order given; `None` for a topic that this broker does not know. Needs
    /// DescribeConfigs on each Topic.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn describe_settings(
        &self,
        topics: &[String],
        at: At,
    ) -> Result<Vec<Result<Option<Overrides>, Error>>, Error> {
        let asked = topics.iter().map(|name| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(asked.collect());
        let answer = self.read(at, |_| request.clone()).await?;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for topic in answer.reply.results {
            let unknown = topic.error_code == ResponseError::UnknownTopicOrPartition.code();
            let code = if unknown { 0 } else { topic.error_code };
            let checked = Error::check(DESCRIBE, &answer.peer, code, topic.error_message.as_deref());
            let own = topic.configs.into_iter().filter(|config| config.config_source == OF_THE_TOPIC);
            let own = own.filter_map(|config| Some((config.name.to_string(), config.value?.to_string())));
            let found = checked.map(|()| (!unknown).then(|| own.collect()));
            results.insert(topic.resource_name.to_string(), found);
        }
        let answered = |name| results.remove(name).unwrap_or_else(|| Err(missing(DESCRIBE, &answer.peer, name)));
        Ok(topics.iter().map(answered).collect())
    }

    /// What these settings are, each resource with a result of its own, in the order given. A topic has a value for every key that Kafka
    /// knows, its own or a default; all brokers together have only what somebody set. Needs DescribeConfigs on each Topic, or on Cluster.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn values(&self, resources: &[Configured], keys: &[&str]) -> Result<Vec<Result<Values, Error>>, Error> {
        let asked = resources.iter().map(|resource| {
            DescribeConfigsResource::default()
                .with_resource_type(resource.kind())
                .with_resource_name(text(resource.name()))
                .with_configuration_keys(Some(keys.iter().map(|key| text(key)).collect()))
        });
        let request = DescribeConfigsRequest::default().with_resources(asked.collect());
        let answer = self.read(At::Any, |_| request.clone()).await?;
        let mut results: BTreeMap<(i8, String), _> = BTreeMap::new();
        for found in answer.reply.results {
            let checked = Error::check(DESCRIBE, &answer.peer, found.error_code, found.error_message.as_deref());
            let value = |value: StrBytes| value.to_string();
            let values = found.configs.into_iter().map(|config| (config.name.to_string(), config.value.map(value)));
            results.insert((found.resource_type, found.resource_name.to_string()), checked.map(|()| values.collect()));
        }
        Ok(in_order(DESCRIBE, &answer.peer, resources.iter(), results))
    }

    /// Changes single settings and leaves all others as they are; each resource with a result of its own, in the order given. Resources
    /// must differ from each other. Needs AlterConfigs on each Topic, or on Cluster for brokers.
    ///
    /// A setting that Kafka does not know, or a value that it does not take, is [`Error::Invalid`] with the code `InvalidConfig`; none of
    /// that resource's changes is made then.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_settings(&self, changes: &[(Configured, Changes)]) -> Result<Vec<Result<(), Error>>, Error> {
        let settings = changes.iter().flat_map(|(_, changes)| changes);
        readable(ALTER, settings.flat_map(|(key, value)| [Some(key), value.as_ref()]).flatten().map(String::as_str))?;
        let alterable = |(key, value): (&String, &Option<String>)| {
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(if value.is_some() { SET } else { DELETE })
                .with_value(value.as_deref().map(text))
        };
        let resources = changes.iter().map(|(resource, changes)| {
            AlterConfigsResource::default()
                .with_resource_type(resource.kind())
                .with_resource_name(text(resource.name()))
                .with_configs(changes.iter().map(alterable).collect())
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
        let answer = self.write(Lane::Topics, request).await?;
        let mut results: BTreeMap<(i8, String), _> = BTreeMap::new();
        for done in answer.reply.responses {
            let checked = Error::check(ALTER, &answer.peer, done.error_code, done.error_message.as_deref());
            results.insert((done.resource_type, done.resource_name.to_string()), checked);
        }
        Ok(in_order(ALTER, &answer.peer, changes.iter().map(|(resource, _)| resource), results))
    }
}

/// The results in the order in which was asked.
fn in_order<'a, T>(
    api: &str,
    peer: &str,
    asked: impl Iterator<Item = &'a Configured>,
    mut results: BTreeMap<(i8, String), Result<T, Error>>,
) -> Vec<Result<T, Error>> {
    let key = |resource: &Configured| (resource.kind(), resource.name().to_owned());
    asked.map(|one| results.remove(&key(one)).unwrap_or_else(|| Err(missing(api, peer, one.name())))).collect()
}
