//! The disks of brokers (KIP-113, KIP-827).

use kafka_protocol::messages::DescribeLogDirsRequest;

use super::{Admin, At, BrokerId};
use crate::kafka::error::Error;

const API: &str = "DescribeLogDirs";

/// A folder of a broker's `log.dirs`, most often a disk of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Where it is.
    pub path: String,
    /// How large the volume is, in bytes; `None` from brokers before 3.3.
    pub total_bytes: Option<u64>,
    /// How much of it can still be used, in bytes; likewise.
    pub usable_bytes: Option<u64>,
    /// Whether the broker can use it; of one that has failed it tells neither size.
    pub online: bool,
}

impl Admin {
    /// The folders in which a broker keeps its logs, those that have failed included. Needs Describe on Cluster.
    ///
    /// # Errors
    /// See [`Error`]; without the right, Kafka answers with an empty list.
    pub async fn log_dirs(&self, broker: BrokerId) -> Result<Vec<LogDir>, Error> {
        // No topic: the sizes of all logs are nobody's question.
        let request = |_| DescribeLogDirsRequest::default().with_topics(Some(Vec::new()));
        let answer = self.read(At::Broker(broker), request).await?;
        Error::check(API, &answer.peer, answer.reply.error_code, None)?;
        let dirs = answer.reply.results.into_iter();
        Ok(dirs
            .map(|dir| LogDir {
                path: dir.log_dir.to_string(),
                // Kafka's word for "not told" is -1.
                total_bytes: u64::try_from(dir.total_bytes).ok(),
                usable_bytes: u64::try_from(dir.usable_bytes).ok(),
                online: dir.error_code == 0,
            })
            .collect())
    }
}
