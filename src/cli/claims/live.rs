//! Claims of a cluster. Reads only.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, ListParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;

/// Long enough for ten thousand claims from an API server that has other things to do.
const CALL: Duration = Duration::from_secs(30);

/// Every object of a kind in a namespace, or in all.
///
/// # Errors
/// The API server refused or did not answer.
pub async fn list<K>(client: &Client, namespace: Option<&str>, what: &'static str) -> Result<Vec<K>, CallError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api = match namespace {
        Some(namespace) => Api::<K>::namespaced(client.clone(), namespace),
        None => Api::<K>::all(client.clone()),
    };
    let mut found = Vec::new();
    let params = ListParams::default().limit(pages::PAGE);
    pages::each(&api, CALL, what, params, |object| found.push(object)).await?;
    Ok(found)
}
