//! Looks for the owners of workloads. I/O; decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ReplicationController};
use kube::Client;
use kube::api::{Api, ObjectMeta};

use super::life::Ownership;
use crate::api::annotations::INJECTION;
use crate::api::resources::WorkloadOwner;
use crate::intent::{self, PodMeta, contract_2017};
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::deployments;

const CALL: Duration = Duration::from_secs(5);
const READ: &str = "read a workload's owner";

/// What became of owners.
///
/// # Errors
/// The API server did not answer: nothing is known.
pub async fn look(client: &Client, namespace: &str, owners: &[WorkloadOwner]) -> Result<Vec<Ownership>, CallError> {
    try_join_all(owners.iter().map(|owner| one(client, namespace, owner))).await
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Whether a Deployment itself asks, whether or not such are served: what was given to it then is not taken away by a setting.
async fn deployment(client: &Client, namespace: &str, name: &str) -> Result<bool, CallError> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let found = call(CALL, READ, api.get_metadata_opt(name)).await?;
    Ok(found.filter(|found| found.metadata.deletion_timestamp.is_none()).is_some_and(|found| {
        let ObjectMeta { labels, annotations, .. } = &found.metadata;
        contract_2017::deployment_asks(&deployments::asking(namespace, name, labels.as_ref(), annotations.as_ref()))
    }))
}

async fn one(client: &Client, namespace: &str, owner: &WorkloadOwner) -> Result<Ownership, CallError> {
    /// Reads one object; `parts` gives its template and how many Pods it is to have, or nothing where it makes no more.
    async fn read<K>(
        client: &Client,
        namespace: &str,
        name: &str,
        parts: impl FnOnce(K) -> Option<(PodTemplateSpec, i32)>,
    ) -> Result<Ownership, CallError>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let found = call(CALL, READ, Api::<K>::namespaced(client.clone(), namespace).get_opt(name)).await?;
        let found = found.filter(|found| found.meta().deletion_timestamp.is_none());
        let Some((template, replicas)) = found.and_then(parts) else { return Ok(Ownership::Gone) };
        let meta = template.metadata.unwrap_or_default();
        let labels = pairs(meta.labels.as_ref());
        let opted_out = labels.get(INJECTION) == Some(&"disabled");
        let annotations = pairs(meta.annotations.as_ref());
        let asks = !opted_out && intent::request::asks(&PodMeta { labels, annotations, ..PodMeta::default() });
        // Scaled to zero, its Pods may still be patched to ask when they come.
        Ok(if asks || replicas == 0 { Ownership::Asks } else { Ownership::Silent })
    }
    let name = &owner.name;
    match owner.kind.as_str() {
        "Deployment" if deployment(client, namespace, name).await? => Ok(Ownership::Asks),
        "Deployment" => {
            read::<Deployment>(client, namespace, name, |found| {
                found.spec.map(|spec| (spec.template, spec.replicas.unwrap_or(1)))
            })
            .await
        }
        "StatefulSet" => {
            read::<StatefulSet>(client, namespace, name, |found| {
                found.spec.map(|spec| (spec.template, spec.replicas.unwrap_or(1)))
            })
            .await
        }
        "ReplicaSet" => {
            read::<ReplicaSet>(client, namespace, name, |found| {
                found.spec.and_then(|spec| Some((spec.template?, spec.replicas.unwrap_or(1))))
            })
            .await
        }
        "ReplicationController" => {
            read::<ReplicationController>(client, namespace, name, |found| {
                found.spec.and_then(|spec| Some((spec.template?, spec.replicas.unwrap_or(1))))
            })
            .await
        }
        "DaemonSet" => {
            read::<DaemonSet>(client, namespace, name, |found| {
                let wanted = found.status.map_or(0, |status| status.desired_number_scheduled);
                found.spec.map(|spec| (spec.template, wanted))
            })
            .await
        }
        "CronJob" => {
            // Between two runs there is no Pod, however often it runs.
            read::<CronJob>(client, namespace, name, |found| {
                found.spec.and_then(|spec| spec.job_template.spec).map(|spec| (spec.template, 1))
            })
            .await
        }
        "Job" => {
            read::<Job>(client, namespace, name, |found| {
                // One that has finished makes no more Pods.
                let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
                let over = conditions.iter().any(|condition| {
                    matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
                });
                found.spec.filter(|_| !over).map(|spec| (spec.template, 1))
            })
            .await
        }
        _ => Ok(Ownership::Gone),
    }
}
