//! Every write to Kubernetes or Kafka is counted here right after it succeeded: at rest the counter stands still.
//!
//! In a build with debug assertions, which is never one that is shipped, a test stops the process right after its n-th write.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Write {
    /// The object and the verb, such as `secret_create`.
    pub kind: &'static str,
}

/// Writes since the start, by kind.
pub static WRITES: LazyLock<Family<Write, Counter>> = LazyLock::new(Family::default);

/// Notes a write that has just succeeded.
pub fn done(kind: &'static str) {
    WRITES.get_or_create(&Write { kind }).inc();
    tracing::debug!(write = kind, "written");
    #[cfg(debug_assertions)]
    failpoint::hit(kind);
}

#[cfg(debug_assertions)]
mod failpoint {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static LIMIT: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("ADMITTANCE_STOP_AFTER_WRITE").ok().and_then(|n| n.parse().ok()));
    static COUNT: AtomicU64 = AtomicU64::new(0);

    /// Stops the process as a kill would, without any clean-up, once the limit is reached.
    pub(super) fn hit(kind: &'static str) {
        let count = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::info!(write = kind, count, "failpoint");
        if *LIMIT == Some(count) {
            std::process::abort();
        }
    }
}
