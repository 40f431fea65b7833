//! What is counted of accesses.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::drift::What;
use crate::runtime::metrics::DRIFT;

/// What somebody else changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Changed {
    what: What,
}

static CHANGED: LazyLock<Family<Changed, Counter>> = LazyLock::new(Family::default);

/// Shows it.
pub fn register(registry: &mut Registry) {
    DRIFT.register(registry, CHANGED.clone());
}

/// Counts what somebody else changed of one user.
pub(super) fn drift(found: impl Iterator<Item = What>) {
    for what in found {
        CHANGED.get_or_create(&Changed { what }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::{assert_shows, registry};

    #[test]
    fn drift_is_shown_as_the_table_says() {
        let mut registry = registry();
        register(&mut registry);
        drift([What::Rules].into_iter());
        assert_shows(&registry, &[DRIFT]);
    }
}
