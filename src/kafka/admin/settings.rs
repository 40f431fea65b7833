//! Settings of topics.

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{DescribeConfigsRequest, describe_configs_request::DescribeConfigsResource},
};

use super::{Admin, At, missing, text};
use crate::kafka::error::Error;

const DESCRIBE: &str = "DescribeConfigs";
/// Kafka's number for topics (org.apache.kafka.common.config.ConfigResource).
const TOPIC: i8 = 2;
/// Kafka's number for what a topic has of its own (DescribeConfigsResponse.ConfigSource, `TOPIC_CONFIG`).
const OF_THE_TOPIC: i8 = 1;

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
}
