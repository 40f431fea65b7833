//! Asks whether a consumer group exists. I/O; decides nothing.

use std::time::Duration;

use tokio::time::timeout;

use crate::api::reasons::Reason;
use crate::clusters::{Connection, Unusable};

/// For how long it may take: a silent broker must not hold up what is to be taken.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether a group exists, and why that is not known where it is not.
pub async fn of(connection: &Connection, name: &str) -> (bool, Option<Unusable>) {
    match timeout(LIMIT, connection.batcher.group_exists(name.to_owned())).await {
        Ok(Ok(exists)) => (exists, None),
        Ok(Err(error)) => (false, Some(error.into())),
        Err(_) => {
            let message = format!("no broker said within {} s whether group {name} exists", LIMIT.as_secs());
            (false, Some(Unusable { reason: Reason::KafkaUnreachable, message }))
        }
    }
}
