//! The Secret. Every write says which state it replaces, so several replicas that start at once end with one authority.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};

use super::custody::{Custody, Damage};
use crate::api::annotations::{MANAGED_BY, MANAGER};
use crate::api::secret::Secret;
use crate::runtime::kubernetes::{CallError, call};

/// How long one call may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// By which name the API server records our writes.
pub(super) const FIELD_MANAGER: &str = "admittance-webhook";

/// The Secret that holds the authority.
#[derive(Debug, Clone)]
pub struct Store {
    api: Api<core::Secret>,
    name: String,
}

/// The Secret as it was read.
#[derive(Debug)]
pub struct Kept {
    /// What it holds; absent where there is no Secret.
    pub custody: Option<Result<Custody, Damage>>,
    object: Option<core::Secret>,
}

impl Kept {
    /// Whether we may write: there is no Secret yet, or it carries our mark.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.object.as_ref().is_none_or(|object| object.labels().get(MANAGED_BY).is_some_and(|value| value == MANAGER))
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is done.
    Done,
    /// Somebody was faster: what they wrote has to be read first.
    Outrun,
}

impl Store {
    /// The Secret of this name.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// The Secret's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the Secret.
    ///
    /// # Errors
    /// [`CallError`]; an unusable content is none.
    pub async fn read(&self) -> Result<Kept, CallError> {
        let object = call(LIMIT, "read the CA Secret", self.api.get_opt(&self.name)).await?;
        let custody = object.as_ref().map(|object| Custody::from_data(texts(object)));
        Ok(Kept { custody, object })
    }

    /// Writes the Secret, if it is still as it was read.
    ///
    /// # Errors
    /// [`CallError`]; a conflict is none.
    pub async fn write(&self, custody: &Custody, read: Kept) -> Result<Written, CallError> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let data = custody.to_data().into_iter().map(|(key, text)| (key.to_owned(), bytes(&text))).collect();
        let result = match read.object {
            Some(object) => {
                // The object keeps its resourceVersion, so the API server refuses to replace anything newer.
                let object = core::Secret { data: Some(data), ..object };
                call(LIMIT, "write the CA Secret", self.api.replace(&self.name, &params, &object)).await
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
                    ..ObjectMeta::default()
                };
                let object = core::Secret { metadata, data: Some(data), ..core::Secret::default() };
                call(LIMIT, "create the CA Secret", self.api.create(&params, &object)).await
            }
        };
        match result {
            Ok(_) => Ok(Written::Done),
            // 409: it exists already, or is newer. 404: it was deleted meanwhile.
            Err(error) if matches!(error.code(), Some(409 | 404)) => Ok(Written::Outrun),
            Err(error) => Err(error),
        }
    }
}

fn texts(object: &core::Secret) -> BTreeMap<&str, Secret> {
    let data = object.data.iter().flatten();
    data.map(|(key, value)| (key.as_str(), Secret::new(String::from_utf8_lossy(&value.0)))).collect()
}

fn bytes(text: &Secret) -> ByteString {
    ByteString(text.expose().as_bytes().to_vec())
}
