//! Settings of topics and brokers, key by key (KIP-339).

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};

use super::{Admin, At, missing, pool::Lane, text};
use crate::kafka::error::Error;

const ALTER: &str = "IncrementalAlterConfigs";
const DESCRIBE: &str = "DescribeConfigs";
/// Kafka's numbers for what has settings (org.apache.kafka.common.config.ConfigResource).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Kafka's numbers for what is done to a setting (org.apache.kafka.clients.admin.AlterConfigOp).
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

    fn name(&self) -> &str {
        match self {
            Self::Topic(name) => name,
            // The empty name stands for all brokers (KIP-226).
            Self::EveryBroker => "",
        }
    }
}

/// Settings by key; as a change, `None` takes the resource's own value away.
pub type Settings = BTreeMap<String, Option<String>>;

impl Admin {
    /// Changes these settings and no others, each resource atomically and with a result of its own, in the order given. Resources must
    /// differ. Needs AlterConfigs on the topic, or on Cluster for brokers.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_configs(&self, changes: &[(Configured, Settings)]) -> Result<Vec<Result<(), Error>>, Error> {
        let resources = changes.iter().map(|(resource, settings)| {
            let configs = settings.iter().map(|(key, value)| {
                AlterableConfig::default()
                    .with_name(text(key))
                    .with_config_operation(if value.is_some() { SET } else { DELETE })
                    .with_value(value.as_deref().map(text))
            });
            AlterConfigsResource::default()
                .with_resource_type(resource.kind())
                .with_resource_name(text(resource.name()))
                .with_configs(configs.collect())
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
        let answer = self.write(Lane::Topics, request).await?;
        let mut results: BTreeMap<(i8, String), _> = BTreeMap::new();
        for result in answer.reply.responses {
            let checked = Error::check(ALTER, &answer.peer, result.error_code, result.error_message.as_deref());
            results.insert((result.resource_type, result.resource_name.to_string()), checked);
        }
        let asked = changes.iter().map(|(resource, _)| (resource.kind(), resource.name().to_owned()));
        Ok(asked.map(|key| results.remove(&key).unwrap_or_else(|| Err(missing(ALTER, &answer.peer, &key.1)))).collect())
    }

    /// Reads settings by key, each resource with a result of its own, in the order given. A topic has a value for every key that Kafka
    /// knows, its own or a default; all brokers together have only what somebody set; one that is there and hidden is `None`. Needs
    /// DescribeConfigs on the topic, or on Cluster.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn describe_configs(
        &self,
        resources: &[Configured],
        keys: &[&str],
    ) -> Result<Vec<Result<Settings, Error>>, Error> {
        let asked = || {
            let resource = |resource: &Configured| {
                DescribeConfigsResource::default()
                    .with_resource_type(resource.kind())
                    .with_resource_name(text(resource.name()))
                    .with_configuration_keys(Some(keys.iter().map(|key| text(key)).collect()))
            };
            resources.iter().map(resource).collect()
        };
        let answer = self.read(At::Any, |_| DescribeConfigsRequest::default().with_resources(asked())).await?;
        let mut results: BTreeMap<(i8, String), _> = BTreeMap::new();
        for result in answer.reply.results {
            let checked = Error::check(DESCRIBE, &answer.peer, result.error_code, result.error_message.as_deref());
            let settings = result.configs.into_iter();
            let settings =
                settings.map(|config| (config.name.to_string(), config.value.map(|value| value.to_string()))).collect();
            results.insert((result.resource_type, result.resource_name.to_string()), checked.map(|()| settings));
        }
        let wanted = resources.iter().map(|resource| (resource.kind(), resource.name().to_owned()));
        Ok(wanted
            .map(|key| results.remove(&key).unwrap_or_else(|| Err(missing(DESCRIBE, &answer.peer, &key.1))))
            .collect())
    }
}
