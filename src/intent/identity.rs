//! Who a Pod is: its workload, from its owner.
//!
//! The naming rules are those of the Kubernetes controllers: a Deployment's `ReplicaSet` is `<deployment>-<pod-template-hash>`, an
//! Argo Rollout's ends in `rollouts-pod-template-hash`, a `CronJob`'s Job in the scheduled time in minutes since 1970. Whoever has kinds of
//! the same names in an API group of their own names alike what they make: Volcano's `CronJob` its Jobs, with the minute. What is known of
//! the lives of Kubernetes' own is not known of these.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::{PodMeta, naming};
use crate::api::annotations::{ACCESS, INJECTED};
use crate::api::names::{ClusterRef, WorkloadName};

/// Scheduled minutes that a `CronJob`'s Job name can plausibly carry: 2017 to 2084.
const PLAUSIBLE_MINUTES: RangeInclusive<u64> = 25_000_000..=60_000_000;
/// Labels by which controllers mark the Pods of one template: a Deployment's, and an Argo Rollout's.
pub const TEMPLATE_HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];
/// The annotation that names the `DeploymentConfig` behind a `ReplicationController`.
pub const DEPLOYMENT_CONFIG: &str = "openshift.io/deployment-config.name";

/// The kinds whose lives are known, each with its API group.
const KNOWN: [(&str, &str); 7] = [
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("", "ReplicationController"),
    ("batch", "Job"),
    ("batch", "CronJob"),
];

/// The owner reference whose `controller` is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The API group of the owner's kind; empty for core.
    pub group: &'a str,
    /// The owner's kind, such as `ReplicaSet`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Owner<'a> {
    /// An owner as a reference to it has it.
    #[must_use]
    pub fn new(api_version: &'a str, kind: &'a str, name: &'a str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { group, kind, name }
    }

    /// Whether it is of a kind of Kubernetes' own: of others it is not known when their Pods come and go, nor where to look.
    #[must_use]
    pub fn is_known(&self) -> bool {
        KNOWN.contains(&(self.group, self.kind))
    }

    /// Its kind as people are told it: with the group, as in `StatefulSet.apps.kruise.io`, where it would be taken for another.
    #[must_use]
    pub fn shown_kind(&self) -> Cow<'a, str> {
        if self.is_known() || KNOWN.iter().all(|(_, kind)| *kind != self.kind) {
            return Cow::Borrowed(self.kind);
        }
        let group = if self.group.is_empty() { "core" } else { self.group };
        Cow::Owned(format!("{}.{group}", self.kind))
    }

    /// Bytes of its texts.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.group.len() + self.kind.len() + self.name.len()
    }
}

/// What follows from a Pod's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived<'a> {
    /// The workload's name.
    pub name: &'a str,
    /// The owner, where it is of no kind that we know: its Pods may come and go under a name that changes.
    pub unknown: Option<Owner<'a>>,
}

/// The workload of a Pod, or nothing where it has neither owner nor name.
#[must_use]
pub fn derive<'a>(pod: &PodMeta<'a>) -> Option<Derived<'a>> {
    let Some(owner) = pod.owner else {
        return Some(Derived { name: bare(pod)?, unknown: None });
    };
    // By the kind alone: who heeded the group would give each run of another's CronJob a user of its own.
    let name = match owner.kind {
        "ReplicaSet" => template_owner(pod, owner.name),
        "ReplicationController" => pod.annotations.get(DEPLOYMENT_CONFIG).copied().unwrap_or(owner.name),
        "Job" => cron_job(owner.name).unwrap_or(owner.name),
        _ => owner.name,
    };
    Some(Derived { name, unknown: (!owner.is_known()).then_some(owner) })
}

fn bare<'a>(pod: &PodMeta<'a>) -> Option<&'a str> {
    let generated = || pod.generate_name.map(|prefix| prefix.trim_end_matches(['-', '.']));
    // The prefix first: the operator sees the finished name, the webhook does not, and both must agree.
    generated().or(pod.name).filter(|name| !name.is_empty())
}

/// The workload of a Pod that was injected before and comes again without its owner, from a backup or as a copy: its label says whose it was,
/// and its volume is still that one's. To believe the label gives nobody more than the annotation that names a workload does, which the same
/// people write. A name that was cut and hashed cannot be told from a label.
#[must_use]
pub fn restored(pod: &PodMeta<'_>, other_cluster: Option<&ClusterRef>) -> Option<WorkloadName> {
    let label = *pod.labels.get(ACCESS).filter(|_| pod.owner.is_none() && pod.annotations.contains_key(INJECTED))?;
    let fits = |name: &WorkloadName| naming::access_of(name, other_cluster) == label;
    if bare(pod).and_then(|name| WorkloadName::parse(name).ok()).is_some_and(|name| fits(&name)) {
        return None;
    }
    let name = match other_cluster {
        None => label,
        Some(cluster) => label.strip_suffix(cluster.name.as_str())?.strip_suffix('-')?,
    };
    WorkloadName::parse(name).ok().filter(fits)
}

fn template_owner<'a>(pod: &PodMeta<'a>, replica_set: &'a str) -> &'a str {
    TEMPLATE_HASHES
        .into_iter()
        .filter_map(|label| pod.labels.get(label))
        .find_map(|hash| replica_set.strip_suffix(hash)?.strip_suffix('-').filter(|name| !name.is_empty()))
        .unwrap_or(replica_set)
}

fn cron_job(job: &str) -> Option<&str> {
    let (name, minutes) = job.rsplit_once('-')?;
    let plausible = minutes.len() == 8 && minutes.parse().is_ok_and(|minutes| PLAUSIBLE_MINUTES.contains(&minutes));
    (plausible && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod<'a>(kind: &'a str, owner: &'a str, labels: &[(&'a str, &'a str)]) -> PodMeta<'a> {
        PodMeta {
            labels: labels.iter().copied().collect(),
            owner: Some(Owner::new("apps/v1", kind, owner)),
            ..PodMeta::default()
        }
    }

    fn name<'a>(pod: &PodMeta<'a>) -> &'a str {
        derive(pod).unwrap().name
    }

    #[test]
    fn a_deployment_is_its_replica_set_without_exactly_the_hash() {
        assert_eq!(name(&pod("ReplicaSet", "web-5d4f8c", &[("pod-template-hash", "5d4f8c")])), "web");
        assert_eq!(name(&pod("ReplicaSet", "web-5d4f8c", &[("pod-template-hash", "other")])), "web-5d4f8c");
        assert_eq!(name(&pod("ReplicaSet", "web-5d4f8c", &[])), "web-5d4f8c");
        assert_eq!(name(&pod("ReplicaSet", "5d4f8c", &[("pod-template-hash", "5d4f8c")])), "5d4f8c");
        assert_eq!(name(&pod("ReplicaSet", "web-abc", &[("rollouts-pod-template-hash", "abc")])), "web");
    }

    #[test]
    fn jobs_of_a_cron_job_share_its_name() {
        assert_eq!(name(&pod("Job", "nightly-29410560", &[])), "nightly");
        assert_eq!(name(&pod("Job", "import-20241231", &[])), "import-20241231", "a date is no plausible minute");
        assert_eq!(name(&pod("Job", "import-7", &[])), "import-7");
        assert_eq!(name(&pod("Job", "29410560", &[])), "29410560");
    }

    #[test]
    fn bare_pods_are_named_the_same_before_and_after_they_have_a_name() {
        let before = PodMeta { generate_name: Some("batch-"), ..PodMeta::default() };
        let after = PodMeta { name: Some("batch-x7k2p"), ..before.clone() };
        assert_eq!(name(&before), "batch");
        assert_eq!(name(&after), "batch");
        assert_eq!(derive(&PodMeta::default()), None);
    }

    #[test]
    fn a_pod_that_comes_back_without_its_owner_is_who_it_was() {
        let billing = ClusterRef { namespace: "admittance".into(), name: "billing".into() };
        let pod = |name, label| PodMeta {
            name: Some(name),
            labels: [(ACCESS, label)].into(),
            annotations: [(INJECTED, "1")].into(),
            ..PodMeta::default()
        };
        let name = |pod: &PodMeta<'_>, other| restored(pod, other).map(|name| name.to_string());
        assert_eq!(name(&pod("db-0", "db"), None).as_deref(), Some("db"));
        assert_eq!(name(&pod("db-0", "db-billing"), Some(&billing)).as_deref(), Some("db"));
        assert_eq!(name(&pod("db-0", "db"), Some(&billing)), None, "the label is of another cluster");
        assert_eq!(name(&pod("db", "db"), None), None, "it follows from its name already");
        assert_eq!(name(&pod("db", "db-billing"), Some(&billing)), None);
        let long = "a".repeat(80);
        let hashed = naming::access_of(&WorkloadName::parse(&long).unwrap(), None);
        assert_eq!(name(&pod(&long, &hashed), None), None);
        assert_eq!(name(&pod("db-0", "Db"), None), None, "no workload has that name");
        let unmarked = PodMeta { annotations: Default::default(), ..pod("db-0", "db") };
        assert_eq!(name(&unmarked, None), None);
        let owned = PodMeta { owner: Some(Owner { group: "batch", kind: "Job", name: "import" }), ..pod("db-0", "db") };
        assert_eq!(name(&owned, None), None);
    }

    #[test]
    fn an_unknown_owner_is_said_to_be_one() {
        let pod = pod("Database", "main", &[]);
        assert_eq!(derive(&pod).unwrap(), Derived { name: "main", unknown: pod.owner });
    }

    #[test]
    fn a_kind_is_known_in_its_own_group_alone_and_named_alike_in_all() {
        for (version, kind, told) in [
            ("apps/v1", "ReplicaSet", ""),
            ("apps/v1", "Deployment", ""),
            ("apps/v1beta2", "StatefulSet", ""),
            ("apps/v1", "DaemonSet", ""),
            ("v1", "ReplicationController", ""),
            ("batch/v1", "Job", ""),
            ("batch/v1", "CronJob", ""),
            ("apps.kruise.io/v1beta1", "StatefulSet", "StatefulSet.apps.kruise.io"),
            ("batch.volcano.sh/v1alpha1", "Job", "Job.batch.volcano.sh"),
            ("batch/v1", "ReplicaSet", "ReplicaSet.batch"),
            ("v1", "Job", "Job.core"),
            ("", "DaemonSet", "DaemonSet.core"),
            ("apps.kruise.io/v1alpha1", "CloneSet", "CloneSet"),
            ("v1", "ConfigMap", "ConfigMap"),
        ] {
            let owner = Owner::new(version, kind, "web-29410560");
            let of_it = PodMeta { owner: Some(owner), ..PodMeta::default() };
            let Derived { name, unknown } = derive(&of_it).unwrap();
            assert_eq!(unknown.map_or("".into(), |owner| owner.shown_kind()), told, "{version} {kind}");
            assert_eq!(name, if kind == "Job" { "web" } else { "web-29410560" }, "{version} {kind}");
        }
    }
}
