//! Writes the status of a cluster.

use kube::Client;
use serde_json::json;

use crate::api::resources::{BrokerCluster, BrokerClusterStatus};
use crate::runtime::kubernetes::{CallError, merge};
use crate::runtime::status::{self, Base};

/// Writes the status.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn report(client: &Client, cluster: &BrokerCluster, status: &BrokerClusterStatus) -> Result<(), CallError> {
    let status = merge(&json!(cluster.status), json!(status));
    let words = ("write the BrokerCluster's status", "broker_cluster_status");
    // Who sweeps writes there too: what somebody else wrote meanwhile is looked at first.
    status::write(client, cluster, Base::Unchanged, status, words).await?;
    Ok(())
}
