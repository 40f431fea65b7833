//! How large the brokers' disks are, asked now and then. I/O; decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::disk::{Disks, Size};
use crate::clusters::Connection;
use crate::kafka::error::Error;

/// For how long an answer is believed: disks grow seldom, and many claims ask at a time.
const BELIEVED: Duration = Duration::from_secs(60);
/// For how long one is in which a broker is missing: it changes nothing that holds.
const BELIEVED_IN_PART: Duration = Duration::from_secs(5);

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
        let believed = |disks: &Disks| if disks.complete { BELIEVED } else { BELIEVED_IN_PART };
        if let Some((disks, _)) = known.filter(|(disks, since)| since.elapsed() < believed(disks)) {
            return Ok(disks);
        }
        let disks = ask(connection).await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.to_owned(), (disks, Instant::now()));
        Ok(disks)
    }
}

async fn ask(connection: &Connection) -> Result<Disks, Error> {
    let admin = &connection.admin;
    let (brokers, topics) = tokio::try_join!(admin.describe_cluster(), admin.list_topics())?;
    // Before 4.0 a broker that is down is left out of the list; what it keeps still bears its number.
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let keepers = partitions.flat_map(|partition| &partition.replicas);
    let mut told: BTreeMap<_, Option<Size>> = keepers.map(|broker| (*broker, None)).collect();
    let mut last = None;
    for broker in brokers.brokers {
        let dirs = if broker.fenced { Ok(Vec::new()) } else { admin.log_dirs(broker.id).await };
        match dirs {
            Ok(dirs) => drop(told.insert(broker.id, Size::of(&dirs))),
            Err(error) => {
                told.insert(broker.id, None);
                last = Some(error);
            }
        }
    }
    Disks::of(&told).ok_or_else(|| {
        let reason = "no broker tells how large its disks are: that takes Kafka 3.3 and Describe on Cluster";
        last.unwrap_or_else(|| Error::unreachable("DescribeLogDirs", "", reason))
    })
}
