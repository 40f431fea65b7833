//! Where everything is that names no cluster, as the operator decides it: where it is on record, else at the default of its namespace, else
//! at the installation's. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::input::{Input, Workload, Written};
use super::observe::Seen;
use crate::api::annotations::CLUSTER;
use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::api::resources::AccessClaim;
use crate::watch::unnamed::default_cluster;

/// Gives a cluster to all that names none: to the claims that are there first, since what is written of them stays with them.
pub fn place(input: &mut Input, seen: &mut Seen, install: &ClusterRef) {
    let Seen { topics, accesses, spaces, .. } = seen;
    let default = |namespace: &str| default_cluster(spaces.get(namespace), install);
    let default_of = |meta: &ObjectMeta| default(meta.namespace.as_deref().unwrap_or_default());
    for claim in topics.iter_mut() {
        claim.spec.cluster = claim.cluster().map_or_else(|| default_of(&claim.metadata), str::to_owned);
    }
    for claim in accesses.iter_mut() {
        claim.spec.cluster = claim.cluster().map_or_else(|| default_of(&claim.metadata), str::to_owned);
    }
    let there: BTreeMap<_, _> = topics.iter().map(|claim| (key(claim), &claim.spec.cluster)).collect();
    for Written { claim, .. } in input.topics.iter_mut().filter(|written| written.unnamed) {
        let key = key(claim);
        claim.spec.cluster = there.get(&key).map_or_else(|| default(&key.0), ToString::to_string);
    }
    let there: BTreeMap<_, _> = accesses.iter().map(|claim| (key(claim), claim)).collect();
    for Written { claim, .. } in input.accesses.iter_mut().filter(|written| written.unnamed) {
        let key = key(claim);
        claim.spec.cluster = there.get(&key).map_or_else(|| default(&key.0), |live| live.spec.cluster.clone());
    }
    let mut lost = Vec::new();
    for (key, workload) in &mut input.workloads {
        let placed = settle(workload, there.get(key).copied(), &default(&key.0), install);
        lost.extend(placed.err().map(|message| (key.clone(), workload.place.clone(), message)));
    }
    for (key, place, message) in lost {
        input.workloads.remove(&key);
        input.fault(&place, "AccessClaim", &key.0, &key.1, Some(Reason::InvalidValue.code().to_owned()), message);
    }
}

fn key(claim: &impl ResourceExt) -> (String, String) {
    (claim.namespace().unwrap_or_default(), claim.name_any())
}

/// Sends the Pods of a workload that name no cluster where its access is, or to the default.
fn settle(
    workload: &mut Workload,
    access: Option<&AccessClaim>,
    default: &str,
    install: &ClusterRef,
) -> Result<(), String> {
    for asked in workload.asked.iter_mut().filter(|asked| !asked.names_cluster) {
        let access = access.filter(|access| access.spec.workload == asked.intent.workload.as_ref());
        let text = access.map_or(default, |access| &access.spec.cluster);
        asked.intent.cluster = ClusterRef::parse(text, &install.namespace)
            .map_err(|error| format!("the Namespace's annotation {CLUSTER} \"{text}\" {error}"))?;
    }
    Ok(())
}
