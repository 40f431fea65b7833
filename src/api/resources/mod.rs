//! The custom resources of `kafka.admittance.dev/v1alpha1`.

mod access_claim;
mod broker_cluster;
mod conditions;
mod departed;
mod policy;
mod quotas;
mod topic_claim;

pub use access_claim::{
    AccessClaim, AccessClaimSpec, AccessClaimStatus, AccessSource, Grant, Refusal, Right, WorkloadOwner,
};
pub use broker_cluster::{
    AbsentUser, BrokerCluster, BrokerClusterSpec, BrokerClusterStatus, Clients, CredentialPolicy, External, Neighbour,
    Restart, SaslMechanism, SecretKeyRef, SecretRef, Tls,
};
pub use conditions::{Conditions, condition, holds, news};
pub use departed::{PendingDeletion, ReleasedTopic};
pub use policy::{Adoption, DeletionPolicy, GroupPolicy, TopicLimits, TopicPolicy, Undeclared};
pub use quotas::{QuotaPolicy, Quotas, WorkloadQuotas};
pub use topic_claim::{
    Deletion, Drift, MAX_CONFIG, MAX_CONFIG_KEY, MAX_CONFIG_VALUE, Retention, TopicClaim, TopicClaimSpec,
    TopicClaimStatus, TopicIntent, TopicSource,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The condition type that answers "can it be used?".
pub const READY: &str = "Ready";
/// The condition type that says whether a topic is other than its claim says.
pub const DRIFTED: &str = "Drifted";
/// The condition type that warns of a cluster that is spoken to without TLS.
pub const INSECURE: &str = "Insecure";
/// The condition type that tells of rights in Kafka that only some of the work needs, and that the operator's user lacks.
pub const RIGHTS_MISSING: &str = "RightsMissing";

/// The definitions of all resources, as the chart ships them and `admittance crds` prints them.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![BrokerCluster::crd(), TopicClaim::crd(), AccessClaim::crd()]
}

/// The cluster that a claim names, else the one on record.
fn placed<'c>(named: &'c str, on_record: Option<&'c str>) -> Option<&'c str> {
    [Some(named), on_record].into_iter().flatten().find(|cluster| !cluster.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_cluster_is_where_it_was_put() {
        for (named, on_record, at) in [
            ("a/b", None, Some("a/b")),
            ("a/b", Some("c/d"), Some("a/b")),
            ("", Some("c/d"), Some("c/d")),
            ("", Some(""), None),
            ("", None, None),
        ] {
            assert_eq!(placed(named, on_record), at, "{named} {on_record:?}");
        }
    }
}
