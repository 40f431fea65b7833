//! How long trust still lasts.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// When the certificates end.
#[derive(Debug, Clone, Default)]
pub struct Expiry(Family<Which, Gauge>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Which {
    certificate: &'static str,
}

impl Expiry {
    /// Adds the metric to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When a certificate ends, in seconds since 1970: certificate=\"serving\" is this replica's own, \
             certificate=\"authority\" the one that signed it",
            self.0.clone(),
        );
    }

    /// The serving certificate's end.
    pub fn serving(&self, until: SystemTime) {
        self.set("serving", until);
    }

    /// The authority's end.
    pub fn authority(&self, until: SystemTime) {
        self.set("authority", until);
    }

    fn set(&self, certificate: &'static str, until: SystemTime) {
        let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.0.get_or_create(&Which { certificate }).set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
}
