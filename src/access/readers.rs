//! Looks for the Pods that read a Secret, ours or hand-made. I/O; decides nothing.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::{Api, ListParams};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

use super::rotation::Reader;
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;

const CALL: Duration = Duration::from_secs(10);
/// Pods on a page, which may be of a megabyte each.
const PAGE: u32 = 20;
/// Lists that are read at the same time, for the same reason.
static LISTS: Semaphore = Semaphore::const_new(4);
/// The condition by which the kubelet says that a Pod's sandbox stands (Kubernetes' KEP-3085).
const STANDS: &str = "PodReadyToStartContainers";

/// The Pods of a namespace that have not ended and read one of some Secrets.
///
/// # Errors
/// The API server did not answer: nothing is known.
pub async fn of(client: &Client, namespace: &str, secrets: &[&str]) -> Result<Vec<Reader>, CallError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let params = ListParams::default().limit(PAGE).fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut readers = Vec::new();
    let _turn = LISTS.acquire().await;
    pages::each(&api, CALL, "look for Pods that read the Secret", params, |pod: Listed| {
        readers.extend(reader(pod, secrets));
    })
    .await?;
    Ok(readers)
}

/// What is read of a Pod: which Secrets it names, and how far it has come. Anybody may put a megabyte of arguments and variables into one.
#[derive(Deserialize, Debug, Clone, Default)]
#[serde(default)]
struct Listed {
    metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    creation_timestamp: Option<Time>,
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    volumes: Option<Vec<Volume>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Deserialize, Debug, Clone)]
struct Volume {
    secret: Option<SecretVolume>,
    projected: Option<Projected>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct SecretVolume {
    secret_name: Option<String>,
}

#[derive(Deserialize, Debug, Clone)]
struct Projected {
    sources: Option<Vec<Source>>,
}

#[derive(Deserialize, Debug, Clone)]
struct Source {
    secret: Option<Named>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct Container {
    env: Option<Vec<Variable>>,
    env_from: Option<Vec<Variables>>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct Variable {
    value_from: Option<ValueFrom>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct ValueFrom {
    secret_key_ref: Option<Named>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct Variables {
    secret_ref: Option<Named>,
}

#[derive(Deserialize, Debug, Clone)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Option<Vec<Condition>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize, Debug, Clone)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    restart_count: i32,
    state: Option<ContainerState>,
    last_state: Option<ContainerState>,
}

#[derive(Deserialize, Debug, Clone)]
struct ContainerState {
    running: Option<IgnoredAny>,
    terminated: Option<IgnoredAny>,
}

fn reader(pod: Listed, secrets: &[&str]) -> Option<Reader> {
    let created = pod.metadata.creation_timestamp?.0;
    let reads_one = secrets.iter().any(|secret| reads(&pod.spec, secret));
    reads_one.then(|| Reader { name: pod.metadata.name, created, started: has_started(&pod.status) })
}

/// Whether a Pod's sandbox stands, which comes after its volumes, or one of its containers has run.
fn has_started(status: &Status) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    let stands = conditions.any(|said| said.kind == STANDS && said.status == "True");
    let ran = |state: &Option<ContainerState>| {
        state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    let began = |said: &ContainerStatus| said.restart_count > 0 || ran(&said.state) || ran(&said.last_state);
    let containers =
        [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    stands || containers.into_iter().flatten().flatten().any(began)
}

fn reads(spec: &Spec, secret: &str) -> bool {
    let is_it = |named: &Named| named.name == secret;
    let mounted = spec.volumes.iter().flatten().any(|volume| {
        volume.secret.as_ref().is_some_and(|source| source.secret_name.as_deref() == Some(secret))
            || volume.projected.as_ref().is_some_and(|projected| {
                let mut sources = projected.sources.iter().flatten();
                sources.any(|source| source.secret.as_ref().is_some_and(is_it))
            })
    });
    let mut containers = spec.containers.iter().chain(&spec.init_containers).flatten();
    mounted || containers.any(|container| reads_by_variable(container, is_it))
}

fn reads_by_variable(container: &Container, is_it: impl Fn(&Named) -> bool) -> bool {
    let mut whole = container.env_from.iter().flatten();
    let mut single = container.env.iter().flatten();
    whole.any(|from| from.secret_ref.as_ref().is_some_and(&is_it))
        || single.any(|variable| {
            let from = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
            from.is_some_and(&is_it)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> Spec {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_pod_has_started_once_anything_of_it_stands() {
        for (status, started) in [
            ("{}", false),
            (
                "{conditions: [{type: PodScheduled, status: 'True'}, {type: PodReadyToStartContainers, status: 'False'}]}",
                false,
            ),
            (
                "{containerStatuses: [{name: c, image: i, imageID: '', ready: false, restartCount: 0, state: {waiting: {}}, lastState: {}}]}",
                false,
            ),
            ("{conditions: [{type: PodReadyToStartContainers, status: 'True'}]}", true),
            (
                "{containerStatuses: [{name: c, image: i, imageID: '', ready: false, restartCount: 0, state: {running: {}}}]}",
                true,
            ),
            (
                "{initContainerStatuses: [{name: c, image: i, imageID: '', ready: true, restartCount: 0, state: {terminated: {exitCode: 0}}}]}",
                true,
            ),
            (
                "{ephemeralContainerStatuses: [{name: c, image: i, imageID: '', ready: false, restartCount: 0, lastState: {terminated: {exitCode: 1}}}]}",
                true,
            ),
            (
                "{containerStatuses: [{name: c, image: i, imageID: '', ready: false, restartCount: 1, state: {waiting: {}}}]}",
                true,
            ),
        ] {
            assert_eq!(has_started(&serde_saphyr::from_str(status).unwrap()), started, "{status}");
        }
        assert!(!has_started(&Status::default()));
    }

    #[test]
    fn every_way_of_reading_a_secret_counts() {
        for yaml in [
            "{containers: [], volumes: [{name: a, secret: {secretName: s}}]}",
            "{containers: [], volumes: [{name: a, projected: {sources: [{secret: {name: s}}]}}]}",
            "{containers: [{name: c, envFrom: [{secretRef: {name: s}}]}]}",
            "{containers: [], initContainers: [{name: c, env: [{name: P, valueFrom: {secretKeyRef: {name: s, key: password}}}]}]}",
        ] {
            assert!(reads(&spec(yaml), "s"), "{yaml}");
            assert!(!reads(&spec(yaml), "other"), "{yaml}");
        }
    }

    #[test]
    fn what_else_is_in_a_pod_is_not_held() {
        let junk = "x".repeat(300_000);
        let variable = serde_json::json!({"name": junk, "value": junk});
        let key = serde_json::json!({"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}});
        let pod = serde_json::json!({
            "metadata": {"name": "web", "creationTimestamp": "2026-11-30T09:00:00Z", "annotations": {"junk": junk}},
            "spec": {"containers": [{"name": "c", "args": [junk], "env": [variable, key]}], "volumes": null},
            "status": {"phase": "Pending", "message": junk},
        });
        let listed: Listed = serde_json::from_str(&pod.to_string()).unwrap();
        let held = format!("{listed:?}");
        assert!(held.len() < 1000, "{} characters", held.len());
        let found = reader(listed.clone(), &["other", "s"]).unwrap();
        assert_eq!((found.name.as_str(), found.started), ("web", false));
        assert_eq!(reader(listed, &["other"]), None);
    }
}
