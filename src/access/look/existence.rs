//! Asks whether a consumer group or a topic exists. I/O; decides nothing.

use std::time::Duration;

use tokio::time::timeout;

use crate::api::reasons::Reason;
use crate::clusters::{Connection, Unusable};
use crate::kafka::admin::topics::TopicId;
use crate::kafka::error::Error;

/// For how long it may take: a silent broker must not hold up what is to be taken.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether a group exists, and why that is not known where it is not.
pub async fn of(connection: &Connection, name: &str) -> (bool, Option<Unusable>) {
    match told(connection.batcher.group_exists(name.to_owned()), "group", name).await {
        Ok(exists) => (exists, None),
        Err(why) => (false, Some(why)),
    }
}

/// The id of a topic, where there is one, as some broker says; `anywhere`: what that one does not know is asked of all others.
///
/// # Errors
/// Why that is not known.
pub async fn of_topic(connection: &Connection, name: &str, anywhere: bool) -> Result<Option<TopicId>, Unusable> {
    let asked = async {
        let found = match connection.batcher.describe_topic(name.to_owned()).await? {
            None if anywhere => connection.admin.describe_topic_anywhere(name).await?,
            found => found,
        };
        Ok(found.map(|topic| topic.id))
    };
    told(asked, "topic", name).await
}

async fn told<T>(asked: impl Future<Output = Result<T, Error>>, what: &str, name: &str) -> Result<T, Unusable> {
    match timeout(LIMIT, asked).await {
        Ok(told) => told.map_err(Unusable::from),
        Err(_) => {
            let message = format!("no broker said within {} s whether {what} {name} exists", LIMIT.as_secs());
            Err(Unusable { reason: Reason::KafkaUnreachable, message })
        }
    }
}
