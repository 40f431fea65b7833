//! Rolls out anew what still has an old password.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::access::password::rotation::WELL_AFTER;
use crate::api::resources::WorkloadOwner;
use crate::clusters::Halt;
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);
/// The annotation by which `kubectl rollout restart` makes a template new.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Rolls a workload out anew, once for a publication: of that the time is given, and the time that it is.
///
/// # Errors
/// The API server refused, as it does where the chart gave no right to.
pub async fn once(
    client: &Client,
    namespace: &str,
    owner: &WorkloadOwner,
    times: (Timestamp, Timestamp),
) -> Result<(), Halt> {
    async fn of_kind<K>(
        client: &Client,
        namespace: &str,
        name: &str,
        (published, now): (Timestamp, Timestamp),
    ) -> Result<(), Halt>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let api = Api::<K>::namespaced(client.clone(), namespace);
        let Some(found) = call(CALL, "read a workload", api.get_opt(name)).await? else { return Ok(()) };
        let pointer = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
        let found = serde_json::to_value(&found).map_err(|error| Halt::Failed(error.to_string()))?;
        let last = found.pointer(pointer).and_then(|text| text.as_str()?.parse::<Timestamp>().ok());
        // Pods of a rollout right after the publication may have been given the old Secret. Whoever else restarts a workload does so by
        // the clock of their own machine: a time that is still to come says nothing of when that was.
        let after = |last: Timestamp| last.duration_since(published) >= WELL_AFTER;
        if last.is_some_and(|last| after(last) && last.duration_since(now) <= WELL_AFTER) {
            return Ok(());
        }
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {(RESTARTED): now.to_string()}}}}});
        let params = PatchParams::default();
        match call(CALL, "restart a workload", api.patch(name, &params, &Patch::Merge(patch))).await {
            Ok(_) => writes::done("workload_restart"),
            // Everything else goes on; who has the old password is reported all the same.
            Err(error) if error.code() == Some(403) => {
                tracing::warn!(namespace, name, %error, "no right to restart: see the chart's operator.restartsWorkloads");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
    match owner.kind.as_str() {
        "Deployment" => of_kind::<Deployment>(client, namespace, &owner.name, times).await,
        "StatefulSet" => of_kind::<StatefulSet>(client, namespace, &owner.name, times).await,
        "DaemonSet" => of_kind::<DaemonSet>(client, namespace, &owner.name, times).await,
        // Others make no Pods anew, or do so by themselves.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::runtime::fake_api::answering;

    #[tokio::test]
    async fn a_workload_is_restarted_once_well_after_a_publication_whatever_clock_somebody_else_has() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let owner = WorkloadOwner { kind: "Deployment".to_owned(), name: "web".to_owned() };
        for (last, now, restarts) in [
            (None, 1066, true),
            (Some(900), 1066, true),
            (Some(1030), 1066, true),
            (Some(1066), 1066, false),
            // What was heard of the time later may be a moment earlier.
            (Some(1068), 1066, false),
            (Some(1061), 90_000, false),
            // Ten seconds after the publication, by a machine that is minutes ahead.
            (Some(1190), 1066, true),
        ] {
            let patched = Arc::new(AtomicBool::new(false));
            let noted = patched.clone();
            let client = answering(move |asked| {
                noted.fetch_or(asked.method == "PATCH", Ordering::Relaxed);
                let annotations = last.map(|last| json!({(RESTARTED): at(last).to_string()}));
                let template = json!({"metadata": {"annotations": annotations}});
                let spec = json!({"selector": {}, "template": template});
                let metadata = json!({"name": "web", "namespace": "shop"});
                let deployment = json!({
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec,
                });
                std::future::ready((200, deployment))
            });
            once(&client, "shop", &owner, (at(1000), at(now))).await.unwrap();
            assert_eq!(patched.load(Ordering::Relaxed), restarts, "{last:?} at {now}");
        }
    }
}
