//! How long trust still lasts.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runtime::metrics;

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
        metrics::CERTIFICATE_EXPIRY.register(registry, self.0.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_shown_as_the_table_says() {
        let (mut registry, expiry) = (metrics::registry(), Expiry::default());
        expiry.register(&mut registry);
        expiry.serving(SystemTime::now());
        metrics::assert_shows(&registry, &[metrics::CERTIFICATE_EXPIRY]);
    }
}
