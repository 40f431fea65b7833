//! The `caBundle` in the webhook configuration: by server-side apply, as a field manager that owns nothing else.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::store::{FIELD_MANAGER, LIMIT};
use crate::runtime::kubernetes::{CallError, call};

/// The configuration by which the API server finds the webhook.
#[derive(Debug, Clone)]
pub struct Publisher {
    api: Api<MutatingWebhookConfiguration>,
    name: String,
}

/// What the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    uid: String,
    webhooks: Vec<(String, String)>,
}

impl Configuration {
    /// The `caBundle` of every webhook; empty where it has none.
    pub fn bundles(&self) -> impl Iterator<Item = &str> {
        self.webhooks.iter().map(|(_, bundle)| bundle.as_str())
    }
}

impl Publisher {
    /// The configuration of this name.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        Self { api: Api::all(client), name: name.to_owned() }
    }

    /// The configuration's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the configuration; `None` where there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read(&self) -> Result<Option<Configuration>, CallError> {
        let found = call(LIMIT, "read the MutatingWebhookConfiguration", self.api.get_opt(&self.name)).await?;
        Ok(found.map(|object| Configuration {
            uid: object.uid().unwrap_or_default(),
            webhooks: object
                .webhooks
                .unwrap_or_default()
                .into_iter()
                .map(|webhook| {
                    let bundle = webhook.client_config.ca_bundle.unwrap_or_default();
                    (webhook.name, String::from_utf8_lossy(&bundle.0).into_owned())
                })
                .collect(),
        }))
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
            .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": encoded}}))
            .collect();
        let patch = Patch::Apply(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.name, "uid": read.uid},
            "webhooks": webhooks,
        }));
        // Forced: nobody else has a reason to own this field, and a stale bundle keeps every Pod out.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = self.api.patch(&self.name, &params, &patch);
        call(LIMIT, "write the caBundle of the MutatingWebhookConfiguration", applied).await.map(|_| ())
    }
}
