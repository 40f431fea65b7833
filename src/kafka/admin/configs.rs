//! What brokers are configured with, as far as it decides whether we can work with them, and what topics become on them.

use std::collections::BTreeMap;

use kafka_protocol::messages::{DescribeConfigsRequest, describe_configs_request::DescribeConfigsResource};

use super::{Admin, At, BrokerId, race, text};
use crate::kafka::error::Error;

const API: &str = "DescribeConfigs";
/// Kafka's number for broker resources (org.apache.kafka.common.config.ConfigResource).
const BROKER: i8 = 4;
const AUTHORIZER: &str = "authorizer.class.name";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";
const MECHANISMS: &str = "sasl.enabled.mechanisms";
const REPLICAS: &str = "default.replication.factor";
const SEGMENT: &str = "log.segment.bytes";
/// How long records are kept, the first that is set; and how many milliseconds its unit has.
const RETENTION: [(&str, i64); 3] =
    [("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)];

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

/// What a topic gets where nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicDefaults {
    /// The replicas of each partition.
    pub replicas: Option<i32>,
    /// The size of a segment, in bytes.
    pub segment_bytes: Option<u64>,
    /// How long records are kept, in milliseconds; less than 0 for ever.
    pub retention_ms: Option<i64>,
}

impl Admin {
    /// What topics get from a broker's own settings. Needs DescribeConfigs on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn topic_defaults(&self, broker: BrokerId) -> Result<TopicDefaults, Error> {
        let retention = RETENTION.iter().map(|(key, _)| *key);
        let told = self.broker_settings(broker, [REPLICAS, SEGMENT].into_iter().chain(retention)).await?;
        let number = |key: &str| told.get(key)?.as_deref()?.parse::<i64>().ok();
        let kept = RETENTION.iter().find_map(|(key, unit)| Some(number(key)?.saturating_mul(*unit)));
        Ok(TopicDefaults {
            replicas: number(REPLICAS).and_then(|count| i32::try_from(count).ok()),
            segment_bytes: number(SEGMENT).and_then(|bytes| u64::try_from(bytes).ok()),
            retention_ms: kept,
        })
    }

    /// Reads the security settings of whichever of these brokers answers first. Needs DescribeConfigs on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn broker_security(&self, brokers: Vec<BrokerId>) -> Result<BrokerSecurity, Error> {
        let told = race::first(brokers, |broker| {
            let admin = self.clone();
            async move { admin.broker_settings(broker, [AUTHORIZER, ALLOW_EVERYONE, MECHANISMS].into_iter()).await }
        })
        .await?;
        let value = |key: &str| told.get(key).and_then(Option::as_deref);
        let allow_everyone = match (told.contains_key(ALLOW_EVERYONE), value(ALLOW_EVERYONE)) {
            (_, Some(value)) => AllowEveryone::Set(value.eq_ignore_ascii_case("true")),
            (true, None) => AllowEveryone::Hidden,
            (false, None) => AllowEveryone::Unset,
        };
        let names = value(MECHANISMS).unwrap_or_default().split(',').map(|name| name.trim().to_owned());
        Ok(BrokerSecurity {
            authorizer: value(AUTHORIZER).map(str::to_owned),
            allow_everyone,
            mechanisms: names.filter(|name| !name.is_empty()).collect(),
        })
    }

    /// These of a broker's settings, as far as it has them; nothing for one that it hides or that is empty.
    async fn broker_settings(
        &self,
        broker: BrokerId,
        keys: impl Iterator<Item = &'static str>,
    ) -> Result<BTreeMap<String, Option<String>>, Error> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(text(&broker.to_string()))
            .with_configuration_keys(Some(keys.map(text).collect()));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.read(At::Broker(broker), |_| request.clone()).await?;
        let mut told = BTreeMap::new();
        for result in answer.reply.results {
            Error::check(API, &answer.peer, result.error_code, result.error_message.as_deref())?;
            told.extend(result.configs.into_iter().map(|one| {
                (one.name.to_string(), one.value.map(|value| value.to_string()).filter(|value| !value.is_empty()))
            }));
        }
        Ok(told)
    }
}
