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
    let mut metadata = json!({"uid": object.meta().uid});
    if base == Base::Unchanged {
        metadata["resourceVersion"] = json!(object.meta().resource_version);
    }
    let patch = Patch::Merge(json!({"metadata": metadata, "status": status}));
    let params = PatchParams::default();
    let written = call(CALL, what, api.patch_status(&object.name_any(), &params, &patch)).await?;
    writes::done(kind);
    Ok(written)
}
