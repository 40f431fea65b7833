//! As much of an API server as the command line reads: objects by path, and what was asked.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use admittance::api::resources::definitions;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Objects by the path under which they are read.
pub type Objects = BTreeMap<String, Value>;

const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// A server, and a kubeconfig that leads to it.
pub struct Api {
    folder: TempDir,
    /// Requests that were no reads.
    pub writes: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct World {
    objects: Arc<Objects>,
    writes: Arc<Mutex<Vec<String>>>,
}

impl Api {
    /// Serves these objects, and 404 for everything else. A value that is a number is answered as that status.
    pub fn serve(objects: Objects) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let world = World { objects: Arc::new(objects), writes: Arc::default() };
        let writes = world.writes.clone();
        let router = Router::new().fallback(answer).with_state(world);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "shop"}}],
        });
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        Self { folder, writes, _runtime: runtime }
    }

    pub fn kubeconfig(&self) -> String {
        self.folder.path().join("config").to_str().unwrap().to_owned()
    }
}

async fn answer(State(world): State<World>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if request.method() != Method::GET {
        world.writes.lock().unwrap().push(format!("{} {path}", request.method()));
    }
    let (status, body) = match world.objects.get(&path) {
        Some(Value::Number(code)) => (u16::try_from(code.as_u64().unwrap()).unwrap(), json!({})),
        Some(object) => (200, object.clone()),
        None => (404, json!({})),
    };
    let reason = if status == 403 { "Forbidden" } else { "NotFound" };
    let failure = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": status});
    let body = if status == 200 { body } else { failure };
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()
}

/// A list as the API server sends it.
pub fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// The condition of something that is ready, or is not and says why.
pub fn ready(reason: &str, message: &str) -> Value {
    let status = if reason == "Ready" { "True" } else { "False" };
    json!([{
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }])
}

pub fn broker_cluster(reason: &str, message: &str) -> Value {
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "BrokerCluster",
        "metadata": {"name": "default", "namespace": "admittance"},
        "spec": {"external": {"bootstrapServers": "kafka:9092", "tls": {"caSecret": {"name": "ca"}}, "adminSecret": {"name": "a"}}},
        "status": {"conditions": ready(reason, message), "brokers": 3},
    })
}

pub fn access_claim(name: &str, reason: &str, message: &str) -> Value {
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "AccessClaim",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"source": "Pods", "workload": name, "cluster": "admittance/default", "consumes": ["orders"]},
        "status": {"conditions": ready(reason, message)},
    })
}

/// A claim on a topic of its own name, declared unless `more` says otherwise.
pub fn topic_claim(namespace: &str, name: &str, more: &Value) -> Value {
    let mut spec = json!({
        "topicName": name, "cluster": "admittance/default", "deletion": "Keep", "drift": "Revert", "source": "Declared",
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec,
    })
}

/// An installation as the chart makes it, and as it should be.
pub fn sound() -> Objects {
    let lease = json!({
        "metadata": {"name": "admittance-operator", "namespace": "admittance"},
        "spec": {"holderIdentity": "operator-1", "leaseDurationSeconds": 8, "renewTime": "9999-01-01T00:00:00.000000Z"},
    });
    let webhook = json!({
        "name": "pods.kafka.admittance.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
        "clientConfig": {"caBundle": "Y2E=", "service": {"name": "admittance-webhook", "namespace": "admittance"}},
    });
    let of_claims = json!({
        "name": "claims.kafka.admittance.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
        "clientConfig": webhook["clientConfig"],
    });
    let endpoint = |ready: bool| json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}});
    let slice = json!({
        "metadata": {"name": "s", "namespace": "admittance", "labels": {"kubernetes.io/service-name": "admittance-webhook"}},
        "addressType": "IPv4", "endpoints": [endpoint(true), endpoint(true), endpoint(false)],
    });
    let policy = |name: &str| json!({"metadata": {"name": name}, "spec": {}});
    let binding =
        |name: &str| json!({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
    let definition = |definition| {
        let mut definition = serde_json::to_value(definition).unwrap();
        definition["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
        definition
    };
    let node = json!({"metadata": {"name": "n1"}, "status": {"nodeInfo": {
        "kubeletVersion": "v1.35.0", "containerRuntimeVersion": "containerd://2.1.0", "architecture": "", "bootID": "",
        "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
    }}});
    let names = ["admittance-injected", "admittance-frozen", "admittance-claims"];
    let namespace = json!({"metadata": {"name": "shop", "labels": {"kafka.admittance.dev/injection": "enabled"}}});
    let definitions: Vec<_> = definitions().into_iter().map(definition).collect();
    [
        ("/version".into(), json!({
            "major": "1", "minor": "35", "gitVersion": "v1.35.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",
            "goVersion": "", "compiler": "", "platform": "",
        })),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions".into(), list(&definitions)),
        (format!("{ADMISSION}/mutatingwebhookconfigurations"), list(&[json!({"metadata": {"name": "admittance"}, "webhooks": [webhook]})])),
        (format!("{ADMISSION}/validatingwebhookconfigurations"), list(&[json!({"metadata": {"name": "admittance"}, "webhooks": [of_claims]})])),
        (format!("{ADMISSION}/validatingadmissionpolicies"), list(&names.map(policy))),
        (format!("{ADMISSION}/validatingadmissionpolicybindings"), list(&names.map(binding))),
        ("/apis/discovery.k8s.io/v1/namespaces/admittance/endpointslices".into(), list(&[slice])),
        ("/apis/coordination.k8s.io/v1/namespaces/admittance/leases/admittance-operator".into(), lease),
        (format!("{OURS}/brokerclusters"), list(&[broker_cluster("Ready", "3 brokers")])),
        (format!("{OURS}/namespaces/admittance/brokerclusters/default"), broker_cluster("Ready", "3 brokers")),
        (format!("{OURS}/accessclaims"), list(&[access_claim("producer", "Ready", "proven on 3 of 3 brokers")])),
        (format!("{OURS}/topicclaims"), list(&[])),
        (format!("{OURS}/namespaces/shop/topicclaims"), list(&[])),
        ("/api/v1/namespaces".into(), list(std::slice::from_ref(&namespace))),
        ("/api/v1/namespaces/shop".into(), namespace),
        ("/api/v1/namespaces/plain".into(), json!({"metadata": {"name": "plain"}})),
        ("/api/v1/namespaces/kube-system".into(), json!({"metadata": {"name": "kube-system", "uid": "u-1"}})),
        ("/api/v1/namespaces/shop/events".into(), list(&[])),
        ("/api/v1/nodes".into(), list(&[node])),
    ]
    .into()
}
