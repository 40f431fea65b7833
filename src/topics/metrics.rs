//! What is counted of topics.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::resources::{READY, condition};
use crate::watch::World;

/// How a claim stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    /// The code.
    reason: String,
}

/// What became of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Drift {
    outcome: Outcome,
}

/// What became of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It was seen.
    Found,
    /// It was put right.
    Reverted,
}

static TOPICS: LazyLock<Family<Standing, Gauge>> = LazyLock::new(Family::default);
static DRIFT: LazyLock<Family<Drift, Counter>> = LazyLock::new(Family::default);

/// Shows them.
pub fn register(registry: &mut Registry) {
    registry.register("topics", "TopicClaims by the reason of their condition Ready", TOPICS.clone());
    registry.register(
        "topic_drift",
        "Differences between topics and their claims that came from elsewhere",
        DRIFT.clone(),
    );
}

/// Counts differences.
pub(super) fn drift(outcome: Outcome, count: usize) {
    DRIFT.get_or_create(&Drift { outcome }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Counts the claims that are watched.
pub(super) fn count(world: &World) {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for name in world.topics.names() {
        let Some(claim) = world.topics.get(&(&name.0, &name.1)) else { continue };
        let said = claim.status.as_ref().and_then(|status| condition(&status.conditions, READY));
        *counts.entry(said.map_or_else(|| "Provisioning".to_owned(), |said| said.reason.clone())).or_default() += 1;
    }
    // A reason that nobody has any more is not shown as it was.
    TOPICS.clear();
    for (reason, count) in counts {
        TOPICS.get_or_create(&Standing { reason }).set(count);
    }
}
