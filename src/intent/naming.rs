//! The names that follow from a workload and its cluster.

use super::problem::shown;
use crate::api::names::{ClusterRef, GroupName, MAX_LABEL, MAX_OBJECT, WorkloadName, joined_name};
use crate::api::secret_layout::NAME_SUFFIX;

/// The name of the access of a workload on a cluster.
#[must_use]
pub fn access_name(workload: &WorkloadName, cluster: &ClusterRef, default_cluster: &ClusterRef) -> String {
    access_of(workload, (cluster != default_cluster).then_some(cluster))
}

/// The name of the credential Secret of a workload on a cluster.
#[must_use]
pub fn secret_name(workload: &WorkloadName, cluster: &ClusterRef, default_cluster: &ClusterRef) -> String {
    secret_of(workload, (cluster != default_cluster).then_some(cluster))
}

pub(super) fn access_of(workload: &WorkloadName, other_cluster: Option<&ClusterRef>) -> String {
    joined_name(&parts(workload, other_cluster), MAX_LABEL)
}

pub(super) fn secret_of(workload: &WorkloadName, other_cluster: Option<&ClusterRef>) -> String {
    let mut parts = parts(workload, other_cluster);
    parts.push(NAME_SUFFIX);
    joined_name(&parts, MAX_OBJECT)
}

/// What names are made of: a workload is one thing on the default cluster, and another on each other.
fn parts<'n>(workload: &'n WorkloadName, other_cluster: Option<&'n ClusterRef>) -> Vec<&'n str> {
    [workload.as_ref()].into_iter().chain(other_cluster.map(|cluster| cluster.name.as_str())).collect()
}

/// Reads the application id of a Kafka Streams application of a namespace: its prefix must be nobody else's.
///
/// # Errors
/// The rule that is broken, as the end of a sentence that begins with the id.
pub fn application(text: &str, namespace: &str) -> Result<GroupName, String> {
    let own = !namespace.is_empty() && text.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('.'));
    match GroupName::parse(text) {
        Err(error) => Err(error.to_string()),
        Ok(_) if !own => Err(format!("does not begin with \"{}.\", the namespace", shown(namespace))),
        Ok(_) if text.ends_with(['.', '-', '_']) => Err("does not end in a letter or digit".to_owned()),
        Ok(name) => Ok(name),
    }
}
