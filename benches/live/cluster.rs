//! The installation that is measured. `KUBECONFIG`, the tools and the network are the testbed's.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The namespace of the installation.
pub(crate) const HOME: &str = "admittance";
/// How long anything may take that is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);
const OPERATOR: &str = "deployment/admittance-operator";
const BROKER_CLUSTER: [&str; 4] = ["brokercluster", "default", "--namespace", HOME];

pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let done = Command::new("kubectl").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(
        done.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&done.stderr).trim_end()
    );
    String::from_utf8(done.stdout).unwrap()
}

pub(crate) fn get(arguments: &[&str]) -> Value {
    serde_json::from_str(&kubectl(&[&["get", "--output=json"], arguments].concat())).unwrap()
}

/// Runs a command in a broker's Pod.
pub(crate) fn in_broker(command: &[&str]) -> String {
    kubectl(&[&["exec", "--quiet", "--namespace=kafka", "kafka-0", "--"], command].concat())
}

/// What one of Kafka's own tools says to the administrator.
pub(crate) fn kafka_tool(tool: &str, arguments: &[&str]) -> String {
    let admin = ["--bootstrap-server", "kafka.kafka:9092", "--command-config", "/etc/kafka/admin/client.properties"];
    in_broker(&[&[tool], &admin[..], arguments].concat())
}

/// Asks until the answer is there.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// The Pods of a part of the installation, `operator` or `webhook`.
pub(crate) fn pods(component: &str) -> Vec<Value> {
    let selector = format!("--selector=app.kubernetes.io/component={component}");
    get(&["pods", "--namespace", HOME, &selector])["items"].as_array().unwrap().clone()
}

/// The operator's Pod that works; the others wait for the Lease.
pub(crate) fn leader() -> Value {
    wait_for("an operator leads", || {
        let lease = get(&["lease", "admittance-operator", "--namespace", HOME]);
        pods("operator").into_iter().find(|pod| pod["metadata"]["name"] == lease["spec"]["holderIdentity"])
    })
}

/// How often containers of the installation have been started again.
pub(crate) fn restarts() -> u64 {
    let pods = [pods("operator"), pods("webhook")].concat();
    let containers = pods.iter().flat_map(|pod| pod["status"]["containerStatuses"].as_array().into_iter().flatten());
    containers.map(|container| container["restartCount"].as_u64().unwrap()).sum()
}

/// Scales the operator, and waits until it is so: a Pod that terminates still works.
pub(crate) fn scale_operator(replicas: usize) {
    kubectl(&["scale", OPERATOR, "--namespace", HOME, &format!("--replicas={replicas}")]);
    wait_for("the operator is scaled", || {
        let ready = get(&[OPERATOR, "--namespace", HOME])["status"]["readyReplicas"].as_u64().unwrap_or(0);
        (pods("operator").len() == replicas && ready == replicas as u64).then_some(())
    });
}

/// Sets how long accesses outlive their Pods. What it was before.
pub(crate) fn set_idle_after(patience: &str) -> String {
    let before = get(&BROKER_CLUSTER)["spec"]["credentials"]["idleAfter"].as_str().unwrap_or("24h").to_owned();
    set(&json!({"credentials": {"idleAfter": patience}}));
    before
}

/// Changes the BrokerCluster's spec, and waits until the operator goes by it.
pub(crate) fn set(spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    kubectl(&[&["patch"], &BROKER_CLUSTER[..], &["--type=merge", "--patch", &patch]].concat());
    wait_for("the operator has read the BrokerCluster", || {
        let now = get(&BROKER_CLUSTER);
        let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|said| said["type"] == "Ready" && said["status"] == "True")?;
        (ready["observedGeneration"] == now["metadata"]["generation"]).then_some(())
    });
}
