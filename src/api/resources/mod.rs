//! The custom resources of `kafka.admittance.dev/v1alpha1`.

mod access_claim;
mod broker_cluster;
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
pub use departed::{PendingDeletion, ReleasedTopic};
pub use policy::{Adoption, DeletionPolicy, GroupPolicy, TopicLimits, TopicPolicy, Undeclared};
pub use quotas::{QuotaPolicy, Quotas, WorkloadQuotas};
pub use topic_claim::{
    Deletion, Drift, Retention, TopicClaim, TopicClaimSpec, TopicClaimStatus, TopicIntent, TopicSource,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResourceExt;

use super::reasons::Reason;

/// The condition type that answers "can it be used?".
pub const READY: &str = "Ready";
/// The condition type that says whether a topic is other than its claim says.
pub const DRIFTED: &str = "Drifted";
/// The condition type that warns of a cluster that is spoken to without TLS.
pub const INSECURE: &str = "Insecure";

/// The definitions of all resources, as the chart ships them and `admittance crds` prints them.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![BrokerCluster::crd(), TopicClaim::crd(), AccessClaim::crd()]
}

/// Sets one condition. The transition time moves only when the status does; returns whether anything changed.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: &str,
    holds: bool,
    reason: Reason,
    message: &str,
    generation: Option<i64>,
    now: Time,
) -> bool {
    let status = if holds { "True" } else { "False" };
    let wanted = Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.code().to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: now,
    };
    let Some(found) = conditions.iter_mut().find(|condition| condition.type_ == kind) else {
        conditions.push(wanted);
        return true;
    };
    let since = if found.status == wanted.status {
        found.last_transition_time.clone()
    } else {
        wanted.last_transition_time.clone()
    };
    let wanted = Condition { last_transition_time: since, ..wanted };
    let changed = *found != wanted;
    *found = wanted;
    changed
}

/// The condition of a type, if it was ever set.
#[must_use]
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether a condition of this type holds.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    condition(conditions, kind).is_some_and(|condition| condition.status == "True")
}
