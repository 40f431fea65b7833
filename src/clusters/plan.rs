//! What a look at a cluster means. Pure.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::observe::Seen;
use super::{Connection, Unusable};
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, BrokerClusterStatus, READY, condition, set_condition};

/// The status to write; nothing where the one that stands is right.
#[must_use]
pub fn plan(cluster: &BrokerCluster, observed: &Result<Seen, Unusable>, scope: &Scope) -> Option<BrokerClusterStatus> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let (reason, message) = match observed {
        Ok(seen) => {
            let alive = seen.kafka.brokers.iter().filter(|broker| !broker.fenced).count();
            status.brokers = i32::try_from(alive).ok();
            status.kafka_cluster_id = Some(seen.kafka.id.clone());
            status.scope = Some(scope.to_string());
            (Reason::Ready, format!("{alive} brokers answer"))
        }
        // An outage is told by a different broker each time: the first words stand until the reason is another.
        Err(unusable) => match condition(&before.conditions, READY) {
            Some(said) if said.reason == unusable.reason.code() => (unusable.reason, said.message.clone()),
            _ => (unusable.reason, unusable.message.clone()),
        },
    };
    let now = Time(Timestamp::now());
    set_condition(&mut status.conditions, READY, observed.is_ok(), reason, &message, cluster.metadata.generation, now);
    (status != before).then_some(status)
}

/// Whether the other controllers should look again: the connection came, went, or is another.
#[must_use]
pub fn differs(before: &Result<Arc<Connection>, Unusable>, observed: &Result<Seen, Unusable>) -> bool {
    match (before, observed) {
        (Ok(before), Ok(seen)) => !Arc::ptr_eq(before, &seen.connection),
        (Err(before), Err(now)) => before.reason != now.reason,
        _ => true,
    }
}
