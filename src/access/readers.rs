//! Looks for the Pods that read a Secret, ours or hand-made. I/O; decides nothing.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Pod, PodSpec};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::rotation::Reader;
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;

const CALL: Duration = Duration::from_secs(10);
/// The condition by which the kubelet says that a Pod's sandbox stands (Kubernetes' KEP-3085).
const STANDS: &str = "PodReadyToStartContainers";

/// The Pods of a namespace that have not ended and read one of some Secrets.
///
/// # Errors
/// The API server did not answer: nothing is known.
pub async fn of(client: &Client, namespace: &str, secrets: &[&str]) -> Result<Vec<Reader>, CallError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut readers = Vec::new();
    pages::each(&api, CALL, "look for Pods that read the Secret", params, |pod| {
        readers.extend(reader(&pod, secrets));
    })
    .await?;
    Ok(readers)
}

fn reader(pod: &Pod, secrets: &[&str]) -> Option<Reader> {
    let spec = pod.spec.as_ref()?;
    let created = pod.metadata.creation_timestamp.as_ref()?.0;
    let reads_one = secrets.iter().any(|secret| reads(spec, secret));
    reads_one.then(|| Reader { name: pod.name_any(), created, started: has_started(pod) })
}

/// Whether a Pod's sandbox stands, which comes after its volumes, or one of its containers has run.
fn has_started(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let mut conditions = status.conditions.iter().flatten();
    let stands = conditions.any(|said| said.type_ == STANDS && said.status == "True");
    let ran = |state: &Option<ContainerState>| {
        state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    let began = |said: &ContainerStatus| said.restart_count > 0 || ran(&said.state) || ran(&said.last_state);
    let containers =
        [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    stands || containers.into_iter().flatten().flatten().any(began)
}

fn reads(spec: &PodSpec, secret: &str) -> bool {
    let volumes = spec.volumes.iter().flatten();
    let mounted = volumes.into_iter().any(|volume| {
        volume.secret.as_ref().is_some_and(|source| source.secret_name.as_deref() == Some(secret))
            || volume.projected.as_ref().is_some_and(|projected| {
                let sources = projected.sources.iter().flatten();
                sources.into_iter().any(|source| source.secret.as_ref().is_some_and(|source| source.name == secret))
            })
    });
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    mounted || containers.into_iter().any(|container| reads_by_variable(container, secret))
}

fn reads_by_variable(container: &Container, secret: &str) -> bool {
    let whole = container.env_from.iter().flatten();
    let single = container.env.iter().flatten();
    whole.into_iter().any(|from| from.secret_ref.as_ref().is_some_and(|from| from.name == secret))
        || single.into_iter().any(|variable| {
            let from = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
            from.is_some_and(|from| from.name == secret)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> PodSpec {
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
            let pod = Pod { status: Some(serde_saphyr::from_str(status).unwrap()), ..Pod::default() };
            assert_eq!(has_started(&pod), started, "{status}");
        }
        assert!(!has_started(&Pod::default()));
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
}
