//! Looks for the Pods that read a Secret, ours or hand-made. I/O; decides nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::{Api, ListParams};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::access::password::rotation::Reader;
use crate::runtime::kubernetes::CallError;
use crate::runtime::pages;

const CALL: Duration = Duration::from_secs(10);
/// Pods on a page, which may be of a megabyte each.
const PAGE: u32 = 20;
/// Pages that are read at the same time, for the same reason: two of lists that have all the time that they need, so that not all that begin
/// together end without an answer, and two in turn, so that a list of one page waits for no endless one.
static LISTS: Semaphore = Semaphore::const_new(2);
static PAGES: Semaphore = Semaphore::const_new(2);
/// The namespaces whose Pods are listed.
static LANES: LazyLock<Mutex<HashMap<String, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);
/// For how long they are, the wait for others included.
const LIMIT: Duration = Duration::from_secs(6);
const READ: &str = "look for Pods that read the Secret";
/// The condition by which the kubelet says that a Pod's sandbox stands (Kubernetes' KEP-3085).
const STANDS: &str = "PodReadyToStartContainers";

/// A Pod that reads one of some Secrets.
#[derive(Debug, Clone)]
pub struct Found {
    /// The Pod.
    pub reader: Reader,
    /// Those of the Secrets that it reads.
    pub reads: BTreeSet<String>,
}

/// The Pods of a namespace that have not ended and read one of some Secrets. Anybody may make so many Pods, and so large ones, that the list
/// is long: nobody waits for it longer than a while, for what is to be taken comes after it.
///
/// # Errors
/// The API server did not answer in time: nothing is known.
pub async fn of(client: &Client, namespace: &str, secrets: &[&str]) -> Result<Vec<Found>, CallError> {
    let overdue = |_| Err(CallError::Overdue { what: READ, limit: LIMIT });
    timeout(LIMIT, all(client, namespace, secrets)).await.unwrap_or_else(overdue)
}

async fn all(client: &Client, namespace: &str, secrets: &[&str]) -> Result<Vec<Found>, CallError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let params = ListParams::default().limit(PAGE).fields("status.phase!=Succeeded,status.phase!=Failed");
    let lane = lane(namespace);
    let _alone = lane.acquire().await;
    let mut found = Vec::new();
    let take = |pod: Listed| found.extend(reader(pod, secrets));
    let whole = LISTS.try_acquire().ok();
    let turns = if whole.is_some() { None } else { Some(&PAGES) };
    pages::each_in_turn(&api, CALL, READ, params, turns, take).await?;
    Ok(found)
}

/// Where the lists of a namespace wait for each other: many at once would have all turns.
fn lane(namespace: &str) -> Arc<Semaphore> {
    let mut lanes = LANES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lane) = lanes.get(namespace).and_then(Weak::upgrade) {
        return lane;
    }
    lanes.retain(|_, lane| lane.strong_count() > 0);
    let lane = Arc::new(Semaphore::new(1));
    lanes.insert(namespace.to_owned(), Arc::downgrade(&lane));
    lane
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

fn reader(pod: Listed, secrets: &[&str]) -> Option<Found> {
    let created = pod.metadata.creation_timestamp?.0;
    let reads: BTreeSet<String> =
        secrets.iter().filter(|secret| reads(&pod.spec, secret)).map(|secret| (*secret).to_owned()).collect();
    let reader = Reader { name: pod.metadata.name, created, started: has_started(&pod.status) };
    (!reads.is_empty()).then_some(Found { reader, reads })
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
    use futures::future::join_all;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::runtime::fake_api::answering;

    /// The turns are everybody's.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

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
        let variable = json!({"name": junk, "value": junk});
        let key = json!({"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}});
        let pod = json!({
            "metadata": {"name": "web", "creationTimestamp": "2026-11-30T09:00:00Z", "annotations": {"junk": junk}},
            "spec": {"containers": [{"name": "c", "args": [junk], "env": [variable, key]}], "volumes": null},
            "status": {"phase": "Pending", "message": junk},
        });
        let listed: Listed = serde_json::from_str(&pod.to_string()).unwrap();
        let held = format!("{listed:?}");
        assert!(held.len() < 1000, "{} characters", held.len());
        let Found { reader: found, reads } = reader(listed.clone(), &["other", "s"]).unwrap();
        assert_eq!((found.name.as_str(), found.started, reads), ("web", false, ["s".to_owned()].into()));
        assert!(reader(listed, &["other"]).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn of_lists_that_begin_together_and_are_too_much_for_all_some_are_read() {
        let _alone = ALONE.lock().await;
        // Forty pages of 100 ms: four seconds where it is alone.
        let client = answering(|asked| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let page = asked.query.split("continue=").nth(1).and_then(|token| token.split('&').next()?.parse().ok());
            let next = page.unwrap_or(0) + 1;
            let metadata = json!({"continue": if next < 40 { next.to_string() } else { String::new() }});
            (200, json!({"metadata": metadata, "items": []}))
        });
        let names: Vec<String> = (0..20).map(|number| format!("together-{number}")).collect();
        let lists = join_all(names.iter().map(|name| of(&client, name, &["s"]))).await;
        assert!(lists.iter().any(Result::is_ok), "{lists:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_without_an_end_is_waited_for_a_while_and_keeps_no_other_namespace_waiting() {
        let _alone = ALONE.lock().await;
        let client = answering(|asked| async move {
            let endless = asked.path.contains("crowded");
            if endless {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let pod = json!({
                "metadata": {"name": "web", "creationTimestamp": "2026-11-30T09:00:00Z"},
                "spec": {"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
            });
            let metadata = json!({"continue": if endless { "more" } else { "" }});
            (200, json!({"metadata": metadata, "items": [pod]}))
        });
        let began = Instant::now();
        let crowded = join_all((0..20).map(|_| of(&client, "crowded", &["s"])));
        let quiet = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let found = of(&client, "quiet", &["s"]).await.unwrap();
            (found.len(), began.elapsed())
        };
        let (crowded, (found, after)) = tokio::join!(crowded, quiet);
        assert_eq!((found, after < Duration::from_secs(1)), (1, true), "{after:?}");
        for list in crowded {
            assert!(matches!(list, Err(CallError::Overdue { .. })), "{list:?}");
        }
        assert!(began.elapsed() < LIMIT + Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(LANES.lock().unwrap().get("crowded").is_none_or(|lane| lane.strong_count() == 0));
    }
}
