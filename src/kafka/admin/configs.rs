//! What brokers are configured with, as far as it decides whether we can work with them.

use kafka_protocol::messages::{DescribeConfigsRequest, describe_configs_request::DescribeConfigsResource};

use super::{Admin, At, BrokerId, text};
use crate::kafka::error::Error;

const API: &str = "DescribeConfigs";
/// Kafka's number for broker resources (org.apache.kafka.common.config.ConfigResource).
const BROKER: i8 = 4;
const AUTHORIZER: &str = "authorizer.class.name";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";
const MECHANISMS: &str = "sasl.enabled.mechanisms";

/// How a broker decides who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSecurity {
    /// The authorizer's class; `None` where there is none, and everybody may do everything.
    pub authorizer: Option<String>,
    /// Whether a resource without rules is open to everybody.
    pub allow_everyone: AllowEveryone,
    /// The SASL mechanisms of listeners that do not name their own.
    pub mechanisms: Vec<String>,
}

/// `allow.everyone.if.no.acl.found` belongs to the authorizer, not to Kafka's own settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowEveryone {
    /// Not set: closed, Kafka's default.
    Unset,
    /// Set, to this value.
    Set(bool),
    /// Set, to a value that the broker keeps to itself (it hides settings whose type it does not know).
    Hidden,
}

impl Admin {
    /// Reads a broker's security settings. Needs DescribeConfigs on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn broker_security(&self, broker: BrokerId) -> Result<BrokerSecurity, Error> {
        let keys = [AUTHORIZER, ALLOW_EVERYONE, MECHANISMS].map(text).to_vec();
        let resource = DescribeConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(text(&broker.to_string()))
            .with_configuration_keys(Some(keys));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.read(At::Broker(broker), |_| request.clone()).await?;
        let mut security =
            BrokerSecurity { authorizer: None, allow_everyone: AllowEveryone::Unset, mechanisms: Vec::new() };
        for result in answer.reply.results {
            Error::check(API, &answer.peer, result.error_code, result.error_message.as_deref())?;
            for config in result.configs {
                let value = config.value.as_deref().filter(|value| !value.is_empty());
                match &*config.name {
                    AUTHORIZER => security.authorizer = value.map(str::to_owned),
                    ALLOW_EVERYONE => {
                        let set = value.map(|value| AllowEveryone::Set(value.eq_ignore_ascii_case("true")));
                        security.allow_everyone = set.unwrap_or(AllowEveryone::Hidden);
                    }
                    MECHANISMS => {
                        let names = value.unwrap_or_default().split(',').map(|name| name.trim().to_owned());
                        security.mechanisms = names.filter(|name| !name.is_empty()).collect();
                    }
                    _ => {}
                }
            }
        }
        Ok(security)
    }
}
