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

/// The cluster by which an access of this name is the access of a workload on a cluster: that one, or the default's, as of a workload that
/// names no cluster, whose namespace may have another default than the installation. Nothing where it is neither's name.
#[must_use]
pub fn named_after<'n>(
    name: &str,
    workload: &WorkloadName,
    cluster: &'n ClusterRef,
    default_cluster: &'n ClusterRef,
) -> Option<&'n ClusterRef> {
    [cluster, default_cluster].into_iter().find(|named| access_name(workload, named, default_cluster) == name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_named_after_its_own_cluster_or_the_default() {
        let cluster = |name: &str| ClusterRef { namespace: "ops".into(), name: name.into() };
        let (default, other) = (cluster("default"), cluster("eu"));
        let workload = WorkloadName::parse("web").unwrap();
        for (on, name, after) in [
            (&default, "web", Some(&default)),
            (&default, "web-eu", None),
            (&other, "web-eu", Some(&other)),
            (&other, "web", Some(&default)),
            (&other, "web-us", None),
            (&other, "shop", None),
        ] {
            assert_eq!(named_after(name, &workload, on, &default), after, "{name} on {on}");
        }
    }
}
