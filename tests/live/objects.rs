//! Objects as `kubectl get --output=json` shows them, read in the test's own process: tests ask some thousand times, and to start takes a
//! kubectl a tenth of a second of CPU, on a machine whose CPU is what the tests wait for.

use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use kube::Client;
use kube::api::{GetParams, ListParams};
use kube::core::Request;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is asked where the connection is at fault: one that was kept may be from before the API server's restart.
const TRIES: usize = 3;

/// Names in one and more, where the API has it, and whether it is in a namespace.
type Kind = (&'static str, &'static str, &'static str, bool);

const KINDS: [Kind; 19] = [
    ("pod", "pods", "/api/v1", true),
    ("secret", "secrets", "/api/v1", true),
    ("configmap", "configmaps", "/api/v1", true),
    ("event", "events", "/api/v1", true),
    ("serviceaccount", "serviceaccounts", "/api/v1", true),
    ("service", "services", "/api/v1", true),
    ("namespace", "namespaces", "/api/v1", false),
    ("deployment", "deployments", "/apis/apps/v1", true),
    ("statefulset", "statefulsets", "/apis/apps/v1", true),
    ("replicaset", "replicasets", "/apis/apps/v1", true),
    ("job", "jobs", "/apis/batch/v1", true),
    ("cronjob", "cronjobs", "/apis/batch/v1", true),
    ("lease", "leases", "/apis/coordination.k8s.io/v1", true),
    ("role", "roles", "/apis/rbac.authorization.k8s.io/v1", true),
    ("rolebinding", "rolebindings", "/apis/rbac.authorization.k8s.io/v1", true),
    ("mutatingwebhookconfiguration", "mutatingwebhookconfigurations", "/apis/admissionregistration.k8s.io/v1", false),
    ("accessclaim", "accessclaims", "/apis/kafka.admittance.dev/v1alpha1", true),
    ("topicclaim", "topicclaims", "/apis/kafka.admittance.dev/v1alpha1", true),
    ("brokercluster", "brokerclusters", "/apis/kafka.admittance.dev/v1alpha1", true),
];

/// What is asked for.
#[derive(Default)]
struct Question<'q> {
    kinds: Vec<Kind>,
    name: Option<&'q str>,
    namespace: Option<&'q str>,
    everywhere: bool,
    params: ListParams,
}

/// What `kubectl get` answers to these arguments, or says; nothing where they are others than those that are known here.
pub(crate) fn get(arguments: &[&str]) -> Option<Result<Value, String>> {
    let question = Question::parse(arguments)?;
    if let Some(name) = question.name {
        let kind = *question.kinds.first()?;
        return Some(ask(move |path| Request::new(path).get(name, &GetParams::default()), &question, kind));
    }
    let mut items = Vec::new();
    for kind in &question.kinds {
        match ask(|path| Request::new(path).list(&question.params), &question, *kind) {
            Ok(list) => items.extend(items_of(list)),
            Err(said) => return Some(Err(said)),
        }
    }
    Some(Ok(json!({"apiVersion": "v1", "kind": "List", "items": items})))
}

impl<'q> Question<'q> {
    fn parse(arguments: &[&'q str]) -> Option<Self> {
        let (mut question, mut words) = (Self::default(), Vec::new());
        let mut arguments = arguments.iter().copied();
        while let Some(argument) = arguments.next() {
            let Some(option) = argument.strip_prefix("--") else {
                words.push(argument);
                continue;
            };
            if option == "all-namespaces" {
                question.everywhere = true;
                continue;
            }
            let (option, value) = option.split_once('=').map_or_else(|| Some((option, arguments.next()?)), Some)?;
            match option {
                "namespace" => question.namespace = Some(value),
                "selector" => question.params.label_selector = Some(value.to_owned()),
                "field-selector" => question.params.field_selector = Some(value.to_owned()),
                _ => return None,
            }
        }
        let (kinds, name) = match words.as_slice() {
            [one] => one.split_once('/').map_or((*one, None), |(kind, name)| (kind, Some(name))),
            [kind, name] => (*kind, Some(*name)),
            _ => return None,
        };
        let known = |word: &str| KINDS.into_iter().find(|(one, more, ..)| *one == word || *more == word);
        question.kinds = kinds.split(',').map(known).collect::<Option<_>>()?;
        question.name = name;
        Some(question)
    }

    fn path(&self, (_, plural, api, namespaced): Kind) -> String {
        if self.everywhere || !namespaced {
            return format!("{api}/{plural}");
        }
        format!("{api}/namespaces/{}/{plural}", self.namespace.unwrap_or("default"))
    }
}

/// In a list neither kind nor managed fields are said of each: kubectl adds the one and hides the other.
fn items_of(mut list: Value) -> Vec<Value> {
    let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
    let version = list["apiVersion"].take();
    let mut items: Vec<Value> = serde_json::from_value(list["items"].take()).unwrap();
    for item in &mut items {
        item["kind"] = json!(kind);
        item["apiVersion"] = version.clone();
        hide(item);
    }
    items
}

fn hide(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

type Asked<E> = Result<hyper::Request<Vec<u8>>, E>;

fn ask<E: std::fmt::Debug>(
    request: impl Fn(String) -> Asked<E>,
    question: &Question<'_>,
    kind: Kind,
) -> Result<Value, String> {
    let request = request(question.path(kind)).unwrap();
    let client = CLIENT.clone();
    let mut object = on_the_runtime(async move {
        let mut tries = 0;
        loop {
            tries += 1;
            let asked = tokio::time::timeout(PATIENCE, client.request::<Value>(request.clone())).await;
            match asked {
                Ok(Ok(object)) => return Ok(object),
                Ok(Err(kube::Error::Api(status))) => {
                    return Err(format!("Error from server ({}): {}\n", status.reason, status.message));
                }
                Ok(Err(error)) if tries == TRIES => {
                    return Err(format!("Unable to connect to the server: {error:?}\n"));
                }
                Err(_) => return Err(format!("Unable to connect to the server: no answer in {PATIENCE:?}\n")),
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    })?;
    hide(&mut object);
    Ok(object)
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
static CLIENT: LazyLock<Client> = LazyLock::new(|| on_the_runtime(async { Client::try_default().await.unwrap() }));

/// Some tests have a runtime of their own, in which no other may be waited for; but this thread may be held up.
fn on_the_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (answer, answered) = mpsc::channel();
    RUNTIME.spawn(async move { answer.send(work.await) });
    answered.recv().unwrap()
}
