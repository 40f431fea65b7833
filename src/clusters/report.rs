//! Writes the status of a cluster.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::api::resources::{BrokerCluster, BrokerClusterStatus};
use crate::runtime::kubernetes::{CallError, call};
use crate::runtime::writes;
use crate::watch::table::Name;

const CALL: Duration = Duration::from_secs(5);

/// Writes the status.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn report(
    client: &Client,
    name: &Name,
    version: Option<&str>,
    status: &BrokerClusterStatus,
) -> Result<(), CallError> {
    let api = Api::<BrokerCluster>::namespaced(client.clone(), &name.0);
    // Who sweeps writes there too: what somebody else wrote meanwhile is looked at first.
    let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "status": status}));
    call(CALL, "write the BrokerCluster's status", api.patch_status(&name.1, &PatchParams::default(), &patch)).await?;
    writes::done("broker_cluster_status");
    Ok(())
}
