//! The `caBundle` in a webhook configuration: by server-side apply, as a field manager that owns nothing else.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use serde_json::json;

use super::store::{FIELD_MANAGER, LIMIT};
use crate::runtime::kubernetes::{CallError, call};

/// A configuration by which the API server finds the webhook. One that patches and one that validates have the same shape where a
/// `caBundle` is concerned.
#[derive(Debug, Clone)]
pub struct Publisher {
    api: Api<DynamicObject>,
    resource: ApiResource,
    name: String,
}

/// What the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    uid: String,
    webhooks: Vec<Webhook>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    name: String,
    client_config: ClientConfig,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    #[serde(default)]
    ca_bundle: Option<k8s_openapi::ByteString>,
}

impl Configuration {
    /// The `caBundle` of every webhook; empty where it has none.
    pub fn bundles(&self) -> impl Iterator<Item = String> {
        let bundles = self.webhooks.iter().map(|webhook| webhook.client_config.ca_bundle.as_ref());
        bundles.map(|bundle| bundle.map_or_else(String::new, |bundle| String::from_utf8_lossy(&bundle.0).into_owned()))
    }
}

impl Publisher {
    /// The `MutatingWebhookConfiguration` of this name.
    #[must_use]
    pub fn mutating(client: Client, name: &str) -> Self {
        Self::of(client, ApiResource::erase::<MutatingWebhookConfiguration>(&()), name)
    }

    /// The `ValidatingWebhookConfiguration` of this name.
    #[must_use]
    pub fn validating(client: Client, name: &str) -> Self {
        Self::of(client, ApiResource::erase::<ValidatingWebhookConfiguration>(&()), name)
    }

    fn of(client: Client, resource: ApiResource, name: &str) -> Self {
        Self { api: Api::all_with(client, &resource), resource, name: name.to_owned() }
    }

    /// The configuration's kind and name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.resource.kind, self.name)
    }

    /// Reads the configuration; `None` where there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self) -> Result<Option<Configuration>, CallError> {
        let read = async {
            let Some(mut object) = self.api.get_opt(&self.name).await? else { return Ok(None) };
            let webhooks = object.data.get_mut("webhooks").map(serde_json::Value::take);
            let webhooks: Option<Vec<Webhook>> =
                webhooks.map(serde_json::from_value).transpose().map_err(kube::Error::SerdeError)?;
            Ok(Some(Configuration { uid: object.uid().unwrap_or_default(), webhooks: webhooks.unwrap_or_default() }))
        };
        call(LIMIT, "read the webhook configuration", read).await
    }

    /// Writes the bundle into every webhook of the configuration.
    ///
    /// # Errors
    /// [`CallError`], also where the configuration was deleted or replaced since it was read: an apply would create it anew
    /// otherwise.
    pub async fn write(&self, read: &Configuration, bundle: &str) -> Result<(), CallError> {
        let encoded = k8s_openapi::ByteString(bundle.as_bytes().to_vec());
        let webhooks: Vec<_> = read
            .webhooks
            .iter()
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": encoded}}))
            .collect();
        let patch = Patch::Apply(json!({
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {"name": self.name, "uid": read.uid},
            "webhooks": webhooks,
        }));
        // Forced: nobody else has a reason to own this field, and a stale bundle keeps every Pod out.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = self.api.patch(&self.name, &params, &patch);
        call(LIMIT, "write the caBundle of the webhook configuration", applied).await.map(|_| ())
    }
}
