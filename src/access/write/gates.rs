//! Lets Pods through that wait at a scheduling gate.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::api::annotations::GATE;
use crate::clusters::Halt;
use crate::runtime::kubernetes::call;
use crate::runtime::writes;
use crate::watch::AccessKey;

const CALL: Duration = Duration::from_secs(5);

/// Which Pods were let through, by uid. As large as what waits: an access's entry is kept to the Pods that it has.
#[derive(Debug, Default)]
pub struct Gates {
    known: Mutex<HashMap<AccessKey, BTreeSet<String>>>,
}

impl Gates {
    /// The Pods of an access that were let through; `living` are those that it has.
    pub fn let_through(&self, key: &AccessKey, living: &BTreeSet<String>) -> BTreeSet<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(uids) = known.get_mut(key) else { return BTreeSet::new() };
        uids.retain(|uid| living.contains(uid));
        let uids = uids.clone();
        if uids.is_empty() {
            known.remove(key);
        }
        uids
    }

    /// Notes Pods that were let through.
    pub fn opened(&self, key: &AccessKey, pods: &[(String, String)]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key.clone()).or_default().extend(pods.iter().map(|(_, uid)| uid.clone()));
    }
}

/// Takes our gate from Pods; one that has none, or is gone, is left alone.
///
/// # Errors
/// The API server refused, as it does where the chart gave no right to.
pub async fn open(client: &Client, namespace: &str, pods: &[(String, String)]) -> Result<(), Halt> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    for (name, uid) in pods {
        let Some(pod) = call(CALL, "read a Pod at the gate", api.get_opt(name)).await? else { continue };
        let gates = pod.spec.and_then(|spec| spec.scheduling_gates).unwrap_or_default();
        if pod.metadata.uid.as_deref() != Some(uid) || gates.iter().all(|gate| gate.name != GATE) {
            continue;
        }
        let left: Vec<_> = gates.iter().filter(|gate| gate.name != GATE).collect();
        // A strategic merge would keep what it does not name, and a plain one replaces the list: the version guards it.
        let patch = json!({
            "metadata": {"uid": uid, "resourceVersion": pod.metadata.resource_version},
            "spec": {"schedulingGates": left},
        });
        call(CALL, "open the gate of a Pod", api.patch(name, &PatchParams::default(), &Patch::Merge(patch))).await?;
        writes::done("pod_gate");
    }
    Ok(())
}
