//! What a candidate has seen of the Lease: whether it may take it, and whether the API server has forgotten something. Pure.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

use super::lease::DURATION;

/// What a replica saw, timed by its own clock: the clocks of two nodes are never compared.
#[derive(Debug, Default)]
pub(super) struct Observed {
    renewal: Option<MicroTime>,
    since: Option<Instant>,
    version: Option<u64>,
    /// The Lease as we wrote it last, if that was answered.
    pub(super) written: Option<Lease>,
}

impl Observed {
    /// Whether the Lease comes after what was seen of it before. It does not where etcd was restored from an older copy: then a
    /// watch that goes on from a version of the future is told nothing, for as long as it takes to come there again.
    pub(super) fn goes_on(&mut self, lease: &Lease) -> bool {
        // Versions are numbers that grow: <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.
        let version = lease.metadata.resource_version.as_ref().and_then(|version| version.parse().ok());
        let goes_on = version >= self.version || version.is_none();
        self.version = version.or(self.version);
        goes_on
    }

    /// Whether a candidate may take the Lease: it is free, its own, or of a holder that has been silent for too long.
    pub(super) fn may_take(&mut self, spec: Option<&LeaseSpec>, identity: &str, now: Instant) -> bool {
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder.is_empty() || holder == identity {
            return true;
        }
        let renewal = spec.and_then(|spec| spec.renew_time.clone());
        if self.renewal != renewal || self.since.is_none() {
            self.renewal = renewal;
            self.since = Some(now);
        }
        self.since.is_some_and(|since| now.duration_since(since) > DURATION)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::jiff::Timestamp;
    use kube::api::ObjectMeta;

    use super::*;

    const MOMENT: Duration = Duration::from_secs(2);

    fn held_by(holder: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_silent_holder_is_replaced_by_our_own_clock_only() {
        let (mut observed, start) = (Observed::default(), Instant::now());
        let old = held_by("other", 0);
        assert!(!observed.may_take(Some(&old), "me", start), "however old its stamp, it gets its time");
        assert!(!observed.may_take(Some(&old), "me", start + DURATION));
        assert!(observed.may_take(Some(&old), "me", start + DURATION + MOMENT));
    }

    #[test]
    fn a_renewal_starts_the_wait_again() {
        let (mut observed, start) = (Observed::default(), Instant::now());
        assert!(!observed.may_take(Some(&held_by("other", 1)), "me", start));
        assert!(!observed.may_take(Some(&held_by("other", 2)), "me", start + DURATION * 2));
        assert!(!observed.may_take(Some(&held_by("other", 2)), "me", start + DURATION * 3));
    }

    #[test]
    fn a_lease_from_before_what_was_seen_is_told_once() {
        let version = |version: &str| Lease {
            metadata: ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() },
            ..Lease::default()
        };
        let mut observed = Observed::default();
        let seen = ["99", "100", "100", "7", "8", "opaque", "9", "8"].map(|text| observed.goes_on(&version(text)));
        assert_eq!(seen, [true, true, true, false, true, true, true, false]);
    }

    #[test]
    fn a_free_lease_and_our_own_are_taken() {
        let mut observed = Observed::default();
        assert!(observed.may_take(None, "me", Instant::now()));
        assert!(observed.may_take(Some(&held_by("me", 1)), "me", Instant::now()));
        assert!(observed.may_take(Some(&held_by("", 1)), "me", Instant::now()));
    }
}
