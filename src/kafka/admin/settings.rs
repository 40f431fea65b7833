//! Settings of topics.

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeConfigsRequest, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};

use super::{Admin, At, missing, pool::Lane, text};
use crate::kafka::error::Error;

const DESCRIBE: &str = "DescribeConfigs";
const ALTER: &str = "IncrementalAlterConfigs";
/// Kafka's number for topics (org.apache.kafka.common.config.ConfigResource).
const TOPIC: i8 = 2;
/// Kafka's number for what a topic has of its own (DescribeConfigsResponse.ConfigSource, `TOPIC_CONFIG`).
const OF_THE_TOPIC: i8 = 1;
/// Kafka's numbers for what is done with a setting (AlterConfigOp.OpType).
const SET: i8 = 0;
const DELETE: i8 = 1;

/// What is done with a setting of a topic, by its key: a value, or `None` for the brokers' default again.
pub type Changes = BTreeMap<String, Option<String>>;

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

    /// Changes single settings of topics and leaves all others as they are; each topic with a result of its own, in the order given.
    /// Names must differ from each other. Needs AlterConfigs on each Topic.
    ///
    /// A setting that Kafka does not know, or a value that it does not take, is [`Error::Invalid`] with the code `InvalidConfig`; none of
    /// that topic's changes is made then.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_settings(&self, changes: &[(String, Changes)]) -> Result<Vec<Result<(), Error>>, Error> {
        let alterable = |(key, value): (&String, &Option<String>)| {
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(if value.is_some() { SET } else { DELETE })
                .with_value(value.as_deref().map(text))
        };
        let resources = changes.iter().map(|(name, changes)| {
            AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(name))
                .with_configs(changes.iter().map(alterable).collect())
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
        let answer = self.write(Lane::Topics, request).await?;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for topic in answer.reply.responses {
            let checked = Error::check(ALTER, &answer.peer, topic.error_code, topic.error_message.as_deref());
            results.insert(topic.resource_name.to_string(), checked);
        }
        let names = changes.iter().map(|(name, _)| name);
        Ok(names.map(|name| results.remove(name).unwrap_or_else(|| Err(missing(ALTER, &answer.peer, name)))).collect())
    }
}
