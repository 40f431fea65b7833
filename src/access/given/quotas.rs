//! How much of the brokers a workload may use. Pure.

use crate::api::resources::{AccessClaim, AccessSource, QuotaPolicy, Quotas};
use crate::kafka::admin::quotas::Quota;

/// The quotas of a workload: its own in the policy, else its namespace's, else the default; of a manual claim never more than these.
#[must_use]
pub fn effective(policy: &QuotaPolicy, namespace: &str, workload: &str, claim: Option<&AccessClaim>) -> Quotas {
    let of = |name: Option<&str>| {
        let mut named = policy.workloads.iter();
        named.find(|of| of.namespace == namespace && of.workload.as_deref() == name).map(|of| of.quotas)
    };
    let allowed = of(Some(workload)).or_else(|| of(None)).or(policy.default).unwrap_or_default();
    let manual = claim.filter(|claim| claim.spec.source == AccessSource::Manual);
    let asked = manual.and_then(|claim| claim.spec.quotas).unwrap_or_default();
    Quotas {
        produce_bytes_per_second: less(allowed.produce_bytes_per_second, asked.produce_bytes_per_second),
        consume_bytes_per_second: less(allowed.consume_bytes_per_second, asked.consume_bytes_per_second),
        request_percentage: less(allowed.request_percentage, asked.request_percentage),
    }
}

/// The lower of two limits; none is the highest.
fn less<T: Ord>(allowed: Option<T>, asked: Option<T>) -> Option<T> {
    [allowed, asked].into_iter().flatten().min()
}

impl From<Quotas> for Quota {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Kafka keeps floating numbers; beyond 2^53 bytes a second nobody counts"
    )]
    fn from(quotas: Quotas) -> Self {
        Self {
            producer_byte_rate: quotas.produce_bytes_per_second.map(|bytes| bytes as f64),
            consumer_byte_rate: quotas.consume_bytes_per_second.map(|bytes| bytes as f64),
            request_percentage: quotas.request_percentage.map(f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{AccessClaimSpec, WorkloadQuotas};

    fn produce(bytes: i64) -> Quotas {
        Quotas { produce_bytes_per_second: Some(bytes), ..Quotas::default() }
    }

    fn policy() -> QuotaPolicy {
        let of = |namespace: &str, workload: Option<&str>, quotas| WorkloadQuotas {
            namespace: namespace.to_owned(),
            workload: workload.map(str::to_owned),
            quotas,
        };
        let workloads = vec![
            of("shop", None, produce(200)),
            of("shop", Some("import"), Quotas { request_percentage: Some(50), ..Quotas::default() }),
        ];
        QuotaPolicy { default: Some(produce(100)), workloads }
    }

    fn claim(source: AccessSource, quotas: Quotas) -> AccessClaim {
        AccessClaim::new("app", AccessClaimSpec { source, quotas: Some(quotas), ..AccessClaimSpec::empty() })
    }

    #[test]
    fn the_nearest_entry_stands_in_the_place_of_the_default() {
        assert_eq!(effective(&policy(), "web", "app", None), produce(100));
        assert_eq!(effective(&policy(), "shop", "app", None), produce(200));
        let import = effective(&policy(), "shop", "import", None);
        assert_eq!((import.produce_bytes_per_second, import.request_percentage), (None, Some(50)));
        assert!(effective(&QuotaPolicy::default(), "shop", "import", None).is_empty());
    }

    #[test]
    fn a_claim_lowers_and_never_raises() {
        for (asked, given) in [(50, 50), (500, 100)] {
            let claim = claim(AccessSource::Manual, produce(asked));
            assert_eq!(effective(&policy(), "web", "app", Some(&claim)), produce(given));
        }
        let consumes = Quotas { consume_bytes_per_second: Some(7), ..Quotas::default() };
        let both = effective(&policy(), "web", "app", Some(&claim(AccessSource::Manual, consumes)));
        assert_eq!(both, Quotas { produce_bytes_per_second: Some(100), ..consumes });
        let of_pods = claim(AccessSource::Pods, produce(1));
        assert_eq!(
            effective(&policy(), "web", "app", Some(&of_pods)),
            produce(100),
            "that of Pods is not people's word"
        );
    }
}
