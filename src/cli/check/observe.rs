//! What is read of a cluster to judge an installation. Nothing is written, and no Secret is read.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::annotations::{GROUP, INJECTION};
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::operator::LEASE;
use crate::runtime::kubernetes::{CallError, call};

const CALL: Duration = Duration::from_secs(10);

/// What was read, or why not.
pub type Read<T> = Result<T, String>;

/// A namespace, and the name of something in it.
pub type Place = (String, String);

/// Everything that a judgement needs.
#[derive(Debug)]
pub struct Seen {
    /// The API server's version, such as `v1.34.1`.
    pub server: String,
    /// The definitions of our resources that are there.
    pub definitions: Read<Vec<CustomResourceDefinition>>,
    /// The configurations that call a webhook of ours.
    pub configurations: Read<Vec<MutatingWebhookConfiguration>>,
    /// The configurations that call it for claims.
    pub validating: Read<Vec<ValidatingWebhookConfiguration>>,
    /// The endpoints of the Services that they name.
    pub endpoints: Read<Vec<EndpointSlice>>,
    /// The namespace of the installation; of several, the first's.
    pub home: String,
    /// The Lease of each operator that there must be.
    pub leases: Vec<(Place, Read<Option<Lease>>)>,
    /// Every Kafka.
    pub clusters: Read<Vec<BrokerCluster>>,
    /// Every access.
    pub accesses: Read<Vec<AccessClaim>>,
    /// Every claim on a topic.
    pub topics: Read<Vec<TopicClaim>>,
    /// The namespaces that are opted in.
    pub namespaces: Read<Vec<String>>,
    /// Every policy.
    pub policies: Read<Vec<ValidatingAdmissionPolicy>>,
    /// What binds them.
    pub bindings: Read<Vec<ValidatingAdmissionPolicyBinding>>,
    /// The nodes.
    pub nodes: Read<Vec<Node>>,
}

/// The name of our webhook in a configuration.
#[must_use]
pub fn webhook_name() -> String {
    format!("pods.{GROUP}")
}

/// The name of the webhook that judges claims, in a configuration.
#[must_use]
pub fn claims_webhook_name() -> String {
    format!("claims.{GROUP}")
}

/// Reads. `home` is the namespace of the installation where no configuration tells it.
///
/// # Errors
/// There is no answer from the API server at all.
pub async fn observe(client: &Client, home: &str) -> Result<Seen, CallError> {
    let version = call(CALL, "ask the API server for its version", client.apiserver_version()).await?;
    let ours = ListParams::default();
    let configurations = list::<MutatingWebhookConfiguration>(client, &ours, "list the webhook configurations").await;
    let configurations = configurations.map(|found| found.into_iter().filter(calls_us).collect::<Vec<_>>());
    let mut operators: Vec<Place> = configurations.iter().flatten().filter_map(operator).collect();
    if operators.is_empty() {
        operators.push((home.to_owned(), LEASE.to_owned()));
    }
    let homes: BTreeSet<&str> = operators.iter().map(|(namespace, _)| namespace.as_str()).collect();
    let endpoints = endpoints(client, &homes).await;
    let home = operators.first().map_or_else(|| home.to_owned(), |(namespace, _)| namespace.clone());
    let opted_in = ListParams::default().labels(&format!("{INJECTION}=enabled"));
    let definitions = list::<CustomResourceDefinition>(client, &ours, "list the custom resource definitions").await;
    Ok(Seen {
        server: version.git_version,
        definitions: definitions.map(|found| found.into_iter().filter(|one| one.spec.group == GROUP).collect()),
        configurations,
        validating: list(client, &ours, "list the validating webhook configurations").await,
        endpoints,
        leases: leases(client, operators).await,
        home,
        clusters: list(client, &ours, "list the BrokerClusters").await,
        accesses: list(client, &ours, "list the AccessClaims").await,
        topics: list(client, &ours, "list the TopicClaims").await,
        namespaces: list::<Namespace>(client, &opted_in, "list the Namespaces")
            .await
            .map(|found| found.iter().map(ResourceExt::name_any).collect()),
        policies: list(client, &ours, "list the ValidatingAdmissionPolicies").await,
        bindings: list(client, &ours, "list the ValidatingAdmissionPolicyBindings").await,
        nodes: list(client, &ours, "list the Nodes").await,
    })
}

async fn endpoints(client: &Client, namespaces: &BTreeSet<&str>) -> Read<Vec<EndpointSlice>> {
    let mut found = Vec::new();
    for namespace in namespaces {
        let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
        let listed = call(CALL, "list the EndpointSlices", slices.list(&ListParams::default())).await;
        found.extend(listed.map_err(|error| told(&error))?.items);
    }
    Ok(found)
}

async fn leases(client: &Client, operators: Vec<Place>) -> Vec<(Place, Read<Option<Lease>>)> {
    let mut found = Vec::new();
    for (namespace, name) in operators {
        let leases = Api::<Lease>::namespaced(client.clone(), &namespace);
        let lease = call(CALL, "read the Lease", leases.get_opt(&name)).await.map_err(|error| told(&error));
        found.push(((namespace, name), lease));
    }
    found
}

/// Lists a kind in all namespaces.
async fn list<K>(client: &Client, which: &ListParams, what: &'static str) -> Read<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::all(client.clone());
    Box::pin(call(CALL, what, api.list(which))).await.map(|list| list.items).map_err(|error| told(&error))
}

fn told(error: &CallError) -> String {
    match error.code() {
        Some(403) => format!("{error}; you may not look at it"),
        _ => error.to_string(),
    }
}

fn calls_us(configuration: &MutatingWebhookConfiguration) -> bool {
    configuration.webhooks.iter().flatten().any(|webhook| webhook.name == webhook_name())
}

/// The Lease of the operator beside a webhook. The chart calls both after the release; of a Service with a name of its own nothing follows.
fn operator(configuration: &MutatingWebhookConfiguration) -> Option<Place> {
    let ours = configuration.webhooks.iter().flatten().find(|webhook| webhook.name == webhook_name())?;
    let service = ours.client_config.service.as_ref()?;
    let lease = service.name.strip_suffix("-webhook").map(|release| format!("{release}-operator"));
    Some((service.namespace.clone(), lease.unwrap_or_else(|| LEASE.to_owned())))
}
