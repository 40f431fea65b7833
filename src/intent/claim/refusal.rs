//! Whether a cluster's policy lets a namespace have a claim at all. Pure.

use super::certain;
use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicLimits};
use crate::intent::limits::MAX_PROBLEMS;

/// What of a claim can never be under these limits, or may not be here; nothing where all is well. `admitted` is whether the cluster is for
/// claims of its namespace.
#[must_use]
pub fn refusal(claim: &TopicClaim, limits: &TopicLimits, admitted: bool) -> Option<(Reason, String)> {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    if !admitted {
        let message = format!(
            "BrokerCluster {} is not for namespace {namespace}, or the namespace is not opted in, so that its labels are not known",
            claim.spec.cluster
        );
        return Some((Reason::ClusterNotAllowed, message));
    }
    let found = certain(&claim.spec, limits, namespace);
    let reason = found.first()?.reason;
    let all = found
        .iter()
        .take(MAX_PROBLEMS)
        .map(|problem| format!("{}: \"{}\" {}", problem.place, problem.value, problem.rule));
    Some((reason, all.collect::<Vec<_>>().join("; ")))
}
