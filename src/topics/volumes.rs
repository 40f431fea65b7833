//! How large the brokers' disks are, asked now and then. I/O; decides nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::disk::Disks;
use crate::clusters::Connection;
use crate::kafka::error::Error;

/// For how long an answer is believed: disks grow seldom, and many claims ask at a time.
const BELIEVED: Duration = Duration::from_secs(60);

/// What was told, by cluster (`namespace/name`), and when.
#[derive(Debug, Default)]
pub struct Volumes(Mutex<HashMap<String, (Disks, Instant)>>);

impl Volumes {
    /// The disks of a cluster. Needs Describe on Cluster.
    ///
    /// # Errors
    /// No broker told how large its disks are.
    pub async fn of(&self, connection: &Connection, cluster: &str) -> Result<Disks, Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).copied();
        if let Some((disks, _)) = known.filter(|(disks, since)| disks.complete && since.elapsed() < BELIEVED) {
            return Ok(disks);
        }
        let disks = ask(connection).await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.to_owned(), (disks, Instant::now()));
        Ok(disks)
    }
}

async fn ask(connection: &Connection) -> Result<Disks, Error> {
    let admin = &connection.admin;
    let brokers = admin.describe_cluster().await?.brokers;
    let (mut sum, mut told, mut last) = (0_u128, 0_u128, None);
    for broker in brokers.iter().filter(|broker| !broker.fenced) {
        match admin.log_dirs(broker.id).await {
            Ok(dirs) => {
                let sizes: Vec<u64> = dirs.iter().filter_map(|dir| dir.total_bytes).collect();
                if !sizes.is_empty() {
                    told += 1;
                    sum += sizes.into_iter().map(u128::from).sum::<u128>();
                }
            }
            Err(error) => last = Some(error),
        }
    }
    let count = brokers.len() as u128;
    match (told, last) {
        (0, Some(error)) => Err(error),
        (0, None) => Err(Error::unreachable(
            "DescribeLogDirs",
            "",
            "no broker tells how large its disks are: that takes Kafka 3.3 and Describe on Cluster",
        )),
        (told, _) => Ok(Disks { total: sum / told * count, complete: told == count }),
    }
}
