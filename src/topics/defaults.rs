//! What brokers give a topic where nobody says otherwise, asked now and then. I/O; decides nothing.

use std::time::Duration;

use super::answers::Answers;
use crate::clusters::Connection;
use crate::kafka::admin::configs::TopicDefaults;
use crate::kafka::error::Error;

/// For how long an answer is believed: brokers change it seldom, and many topics may be made at a time.
const BELIEVED: Duration = Duration::from_secs(60);

/// What was told.
#[derive(Debug, Default)]
pub struct Defaults(Answers<TopicDefaults>);

impl Defaults {
    /// What the brokers of a cluster give, by one of them; nothing is known where we may not read it, which takes DescribeConfigs on
    /// Cluster.
    ///
    /// # Errors
    /// No broker answered.
    pub async fn of(&self, connection: &Connection, cluster: &str) -> Result<TopicDefaults, Error> {
        if let Some(defaults) = self.0.recall(cluster, |_| BELIEVED) {
            return Ok(defaults);
        }
        let brokers = connection.admin.describe_cluster().await?.brokers;
        let mut told = Ok(TopicDefaults::default());
        for broker in brokers.into_iter().filter(|broker| !broker.fenced) {
            told = connection.admin.topic_defaults(broker.id).await;
            // Another may be up.
            if !told.as_ref().is_err_and(Error::is_retriable) {
                break;
            }
        }
        let defaults = match told {
            Err(Error::Denied(_)) => TopicDefaults::default(),
            told => told?,
        };
        Ok(self.0.note(cluster, defaults))
    }
}
