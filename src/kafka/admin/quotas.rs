//! Client quotas of users (KIP-546).

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest,
    alter_client_quotas_request::{EntityData, EntryData, OpData},
    describe_client_quotas_request::ComponentData,
};

use super::{Admin, At, missing, pool::Lane, text};
use crate::kafka::error::Error;

const ALTER: &str = "AlterClientQuotas";
const DESCRIBE: &str = "DescribeClientQuotas";
/// The type of the entities that are spoken of here.
const USER: &str = "user";
/// Kafka's numbers for how an entity is matched.
const EXACT: i8 = 0;
const ANY: i8 = 2;

const PRODUCER: &str = "producer_byte_rate";
const CONSUMER: &str = "consumer_byte_rate";
const REQUEST: &str = "request_percentage";

/// What a user may use, a broker. `None` is no limit of the user's own: Kafka's default for users then holds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quota {
    /// Bytes that it may send in a second.
    pub producer_byte_rate: Option<f64>,
    /// Bytes that it may be sent in a second.
    pub consumer_byte_rate: Option<f64>,
    /// The share of the request threads' time, in percent of one thread.
    pub request_percentage: Option<f64>,
}

impl Quota {
    fn values(&self) -> [(&'static str, Option<f64>); 3] {
        [(PRODUCER, self.producer_byte_rate), (CONSUMER, self.consumer_byte_rate), (REQUEST, self.request_percentage)]
    }

    fn set(&mut self, key: &str, value: f64) {
        match key {
            PRODUCER => self.producer_byte_rate = Some(value),
            CONSUMER => self.consumer_byte_rate = Some(value),
            REQUEST => self.request_percentage = Some(value),
            // Limits that are not set here, such as controller_mutation_rate, are left alone.
            _ => {}
        }
    }
}

impl Admin {
    /// Brings the quotas of users to these, each with a result of its own, in the order given; a limit that is `None` is
    /// removed, and one that is not there already is no error. Names must differ. Needs AlterConfigs on Cluster.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_quotas(&self, quotas: &[(String, Quota)]) -> Result<Vec<Result<(), Error>>, Error> {
        let entries = quotas.iter().map(|(user, quota)| {
            let op = |(key, value): (&str, Option<f64>)| {
                OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
            };
            let entity = EntityData::default().with_entity_type(text(USER)).with_entity_name(Some(text(user)));
            EntryData::default().with_entity(vec![entity]).with_ops(quota.values().into_iter().map(op).collect())
        });
        let request = AlterClientQuotasRequest::default().with_entries(entries.collect());
        let answer = self.write(Lane::Users, request).await?;
        let mut results: BTreeMap<String, _> = BTreeMap::new();
        for entry in answer.reply.entries {
            let checked = Error::check(ALTER, &answer.peer, entry.error_code, entry.error_message.as_deref());
            // One that is not of one named user was not asked for.
            if let [entity] = entry.entity.as_slice()
                && &*entity.entity_type == USER
                && let Some(name) = &entity.entity_name
            {
                results.insert(name.to_string(), checked);
            }
        }
        let users = quotas.iter().map(|(user, _)| user);
        Ok(users.map(|user| results.remove(user).unwrap_or_else(|| Err(missing(ALTER, &answer.peer, user)))).collect())
    }

    /// The quota of one user; no limits where it has none of its own. Needs DescribeConfigs on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_quota(&self, user: &str) -> Result<Quota, Error> {
        Ok(self.quotas(Some(user)).await?.remove(user).unwrap_or_default())
    }

    /// The quotas of all users that have any of their own. Needs DescribeConfigs on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_quotas(&self) -> Result<BTreeMap<String, Quota>, Error> {
        self.quotas(None).await
    }

    async fn quotas(&self, user: Option<&str>) -> Result<BTreeMap<String, Quota>, Error> {
        let component = ComponentData::default()
            .with_entity_type(text(USER))
            .with_match_type(if user.is_some() { EXACT } else { ANY })
            .with_match(user.map(text));
        // Strict: entities that are a user and something else are others.
        let request = DescribeClientQuotasRequest::default().with_components(vec![component]).with_strict(true);
        let answer = self.read(At::Any, |_| request.clone()).await?;
        let reply = answer.reply;
        Error::check(DESCRIBE, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let mut found = BTreeMap::new();
        for entry in reply.entries.into_iter().flatten() {
            let [entity] = entry.entity.as_slice() else { continue };
            // Without a name it is the default of all users.
            let Some(name) = entity.entity_name.as_ref().filter(|_| &*entity.entity_type == USER) else { continue };
            let mut quota = Quota::default();
            for value in entry.values {
                // Kafka takes positive numbers alone; another would never equal what is wanted.
                if !value.value.is_finite() || value.value <= 0.0 {
                    let reason = format!("the quota {} of user {} is {}", &*value.key, &**name, value.value);
                    return Err(Error::protocol(DESCRIBE, &answer.peer, reason));
                }
                quota.set(&value.key, value.value);
            }
            found.insert(name.to_string(), quota);
        }
        Ok(found)
    }
}
