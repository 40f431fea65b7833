//! Deployments that ask for themselves, as the contract of 2017 has it: what the operator keeps of them.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{ListParams, ObjectMeta};

use super::AccessKey;
use super::reach::{Scope, within};
use crate::api::annotations::{CLUSTER, LABEL_2017, LABEL_2017_VALUES, concerns_us};
use crate::api::names::{ClusterRef, MAX_LABEL, joined_name};
use crate::intent::{Intent, Owner, PodMeta, Problem, contract_2017};
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;

const CALL: Duration = Duration::from_secs(20);

/// The label selector of Deployments that may ask.
#[must_use]
pub fn selector() -> String {
    format!("{LABEL_2017} in ({})", LABEL_2017_VALUES.join(","))
}

/// A Deployment that asks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What it asks for, or what is wrong with it.
    pub intent: Result<Intent, Vec<Problem>>,
    /// Whether it names its cluster. Where it does not, the intent says the installation's default, and so do the names.
    pub names_cluster: bool,
    /// Counts the changes of its specification.
    generation: i64,
}

impl DeploymentFacts {
    /// Reads what it asks for; nothing where it asks for nothing.
    #[must_use]
    pub fn new(meta: ObjectMeta, default_cluster: &ClusterRef) -> Option<Self> {
        let (namespace, name, uid) = (meta.namespace?, meta.name?, meta.uid?);
        let intent = {
            let meta = asking(&namespace, &name, meta.labels.as_ref(), meta.annotations.as_ref());
            contract_2017::of_deployment(&meta, default_cluster).transpose()?
        };
        let names_cluster = meta.annotations.is_some_and(|annotations| annotations.contains_key(CLUSTER));
        Some(Self { namespace, name, uid, intent, names_cluster, generation: meta.generation.unwrap_or_default() })
    }

    /// The access that it asks for; where it cannot be read, the one of its name.
    #[must_use]
    pub fn access_key(&self) -> AccessKey {
        let access = match &self.intent {
            Ok(intent) => intent.access_name(),
            Err(_) => joined_name(&[&self.name], MAX_LABEL),
        };
        (self.namespace.clone(), access)
    }

    /// What its Pods are made from, by a text that changes when they do.
    #[must_use]
    pub fn template(&self) -> String {
        format!("Deployment/{}/{}/{}", self.name, self.uid, self.generation)
    }
}

/// A Deployment's own metadata, as its request is read from them.
#[must_use]
pub fn asking<'m>(
    namespace: &'m str,
    name: &'m str,
    labels: Option<&'m BTreeMap<String, String>>,
    annotations: Option<&'m BTreeMap<String, String>>,
) -> PodMeta<'m> {
    fn ours(map: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
        let pairs = map.into_iter().flatten().filter(|(key, _)| concerns_us(key));
        pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
    PodMeta {
        namespace,
        labels: ours(labels),
        annotations: ours(annotations),
        owner: Some(Owner { group: "apps", kind: "Deployment", name }),
        ..PodMeta::default()
    }
}

/// The Deployments that ask, listed live: of one namespace, or of all.
///
/// # Errors
/// The list is not complete.
pub async fn live(
    client: &Client,
    scope: &Scope,
    default_cluster: &ClusterRef,
) -> Result<Vec<DeploymentFacts>, CallError> {
    let api = within::<Deployment>(client, scope);
    let params = ListParams::default().labels(&selector());
    let mut found = Vec::new();
    pages::each_metadata(&api, CALL, "list Deployments", params, |meta| {
        found.extend(DeploymentFacts::new(meta, default_cluster));
    })
    .await?;
    Ok(found)
}
