//! How large the brokers' disks are, asked now and then. I/O; decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::answers::Answers;
use super::disk::{Disks, Size};
use super::roll::Rolls;
use crate::kafka::admin::Admin;
use crate::kafka::error::Error;

/// For how long an answer is believed: disks grow seldom, and many claims ask at a time.
const BELIEVED: Duration = Duration::from_secs(60);
/// For how long one is in which a broker is missing: it changes nothing that holds.
const BELIEVED_IN_PART: Duration = Duration::from_secs(5);

/// What was told.
#[derive(Debug, Default)]
pub struct Volumes {
    told: Answers<Disks>,
    rolls: Rolls,
}

impl Volumes {
    /// The disks of a cluster. Needs Describe on Cluster.
    ///
    /// # Errors
    /// No broker told how large its disks are.
    pub async fn of(&self, admin: &Admin, cluster: &str) -> Result<Disks, Error> {
        let believed = |disks: &Disks| if disks.complete { BELIEVED } else { BELIEVED_IN_PART };
        match self.told.recall(cluster, believed) {
            Some(disks) => Ok(disks),
            None => Ok(self.told.note(cluster, ask(admin, &self.rolls, cluster).await?)),
        }
    }
}

/// Asks each broker; those that are not listed, and were of late, count as well.
///
/// # Errors
/// No broker told how large its disks are.
pub async fn ask(admin: &Admin, rolls: &Rolls, name: &str) -> Result<Disks, Error> {
    let (cluster, topics) = tokio::try_join!(admin.describe_cluster(), admin.list_topics())?;
    // Before 4.0 a broker that is down is left out of the list; what it keeps still bears its number, and it may keep nothing yet.
    let missed = rolls.call(name, cluster.brokers.iter().map(|broker| broker.id), Instant::now());
    let missed = missed.into_iter().filter(|_| !cluster.shows_fenced);
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    let keepers = partitions.flat_map(|partition| &partition.replicas).copied();
    let mut told: BTreeMap<_, Option<Size>> = keepers.chain(missed).map(|broker| (broker, None)).collect();
    let mut last = None;
    for broker in cluster.brokers {
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
