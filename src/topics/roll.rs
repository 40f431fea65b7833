//! Which brokers a cluster had of late. Pure: what time it is, is told.
//!
//! Before Kafka 4.0 a broker that is down is not listed, like one that is gone for good. In memory alone: whoever starts while one is down
//! has never seen it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::kafka::admin::BrokerId;

/// A broker that was not listed for so long is gone.
pub const GONE: Duration = Duration::from_secs(3600);

/// When each broker was listed last, by cluster (`namespace/name`).
#[derive(Debug, Default)]
pub struct Rolls(Mutex<HashMap<String, BTreeMap<BrokerId, Instant>>>);

impl Rolls {
    /// Takes note of the brokers that are listed now; those that are not, and were within [`GONE`].
    pub fn call(&self, cluster: &str, listed: impl Iterator<Item = BrokerId>, now: Instant) -> Vec<BrokerId> {
        let mut rolls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let roll = rolls.entry(cluster.to_owned()).or_default();
        roll.extend(listed.map(|broker| (broker, now)));
        roll.retain(|_, last| now.saturating_duration_since(*last) < GONE);
        roll.iter().filter(|(_, last)| **last < now).map(|(broker, _)| *broker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_missed_for_an_hour_in_its_cluster_alone() {
        let (rolls, start) = (Rolls::default(), Instant::now());
        for (minutes, cluster, listed, missed) in [
            (0, "a/b", &[0, 1, 2][..], &[][..]),
            (10, "a/b", &[0, 1], &[2]),
            (11, "a/c", &[0, 1], &[]),
            (20, "a/b", &[0, 2], &[1]),
            (69, "a/b", &[0, 2], &[1]),
            (70, "a/b", &[0, 2], &[]),
            (71, "a/b", &[2], &[0]),
            (300, "a/b", &[], &[]),
        ] {
            let now = start + Duration::from_secs(minutes * 60);
            let found = rolls.call(cluster, listed.iter().copied().map(BrokerId), now);
            assert_eq!(found, missed.iter().copied().map(BrokerId).collect::<Vec<_>>(), "minute {minutes}");
        }
    }
}
