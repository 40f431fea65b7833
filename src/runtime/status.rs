//! Writes statuses: of the object that was looked at, and of no other.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::kubernetes::{CallError, call};
use super::writes;

const CALL: Duration = Duration::from_secs(5);

/// What must not have changed for a status to be written; else the API server answers with a conflict (409).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// It is the same object: one that was deleted and made anew is another.
    SameObject,
    /// It is the same object, and nobody has written it since: what somebody else wrote is looked at first.
    Unchanged,
}

/// Merges `status` into an object's status, and returns the object as it is then. The merge leaves what it does not name. `what` is a
/// verb with its object for errors, `kind` what the write is counted as.
///
/// # Errors
/// The API server refused, as it does where the object is no longer on its base, or did not answer.
pub async fn write<K>(
    client: &Client,
    object: &K,
    base: Base,
    status: Value,
    (what, kind): (&'static str, &'static str),
) -> Result<K, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let mut patch = json!({"metadata": {"uid": object.meta().uid}});
    if base == Base::Unchanged {
        patch["metadata"]["resourceVersion"] = json!(object.meta().resource_version);
    }
    patch["status"] = status;
    let (name, params) = (object.name_any(), PatchParams::default());
    let written = call(CALL, what, api.patch_status(&name, &params, &Patch::Merge(patch))).await?;
    writes::done(kind);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::runtime::fake_api::api_server;

    #[tokio::test]
    async fn a_status_carries_the_base_that_it_rests_on() {
        let metadata = json!({"namespace": "shop", "name": "orders", "uid": "u", "resourceVersion": "7"});
        let object: ConfigMap = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        for (base, metadata) in
            [(Base::SameObject, json!({"uid": "u"})), (Base::Unchanged, json!({"uid": "u", "resourceVersion": "7"}))]
        {
            let (client, sent) = api_server();
            write(&client, &object, base, json!({"ready": true}), ("write it", "test")).await.unwrap();
            let patch = json!({"metadata": metadata, "status": {"ready": true}});
            assert_eq!(*sent.lock().unwrap(), [("PATCH".to_owned(), patch)]);
        }
    }
}
