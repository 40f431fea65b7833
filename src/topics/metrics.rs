//! What is counted of topics.

use std::sync::LazyLock;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::TOPIC_DRIFT;

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

static DRIFT: LazyLock<Family<Drift, Counter>> = LazyLock::new(Family::default);

/// Shows it.
pub fn register(registry: &mut Registry) {
    TOPIC_DRIFT.register(registry, DRIFT.clone());
}

/// Counts differences.
pub(super) fn drift(outcome: Outcome, count: usize) {
    DRIFT.get_or_create(&Drift { outcome }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::{assert_shows, registry};

    #[test]
    fn drift_is_shown_as_the_table_says() {
        let mut registry = registry();
        register(&mut registry);
        drift(Outcome::Found, 1);
        assert_shows(&registry, &[TOPIC_DRIFT]);
    }
}
