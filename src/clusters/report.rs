//! Writes the status of a cluster.

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::api::resources::{BrokerCluster, BrokerClusterStatus};
use crate::runtime::kubernetes::{CallError, call, merge};
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Writes the status.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn report(client: &Client, cluster: &BrokerCluster, status: &BrokerClusterStatus) -> Result<(), CallError> {
    let api = Api::<BrokerCluster>::namespaced(client.clone(), &cluster.namespace().unwrap_or_default());
    let status = merge(&json!(cluster.status), json!(status));
    // Who sweeps writes there too: what somebody else wrote meanwhile is looked at first.
    let (uid, version) = (&cluster.metadata.uid, &cluster.metadata.resource_version);
    let patch = Patch::Merge(json!({"metadata": {"uid": uid, "resourceVersion": version}, "status": status}));
    let params = PatchParams::default();
    call(CALL, "write the BrokerCluster's status", api.patch_status(&cluster.name_any(), &params, &patch)).await?;
    writes::done("broker_cluster_status");
    Ok(())
}
