//! What the operator's tables hold: bytes of resident memory for each Pod, AccessClaim and TopicClaim, as they are kept of objects like an
//! API server's. The budget is 64 MiB for the whole operator with 10 000 of each (design, §7).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at a fault, and prints what it measured"
)]

use admittance::api::names::ClusterRef;
use admittance::api::resources::{AccessClaim, TopicClaim};
use admittance::watch::World;
use admittance::watch::reach::Reach;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

const OBJECTS: usize = 10_000;

fn main() {
    let cluster = ClusterRef { namespace: "admittance".into(), name: "default".into() };
    let world = World::new(cluster, Reach::default());
    let empty = resident();
    println!("before there is anything: {:.1} MiB", empty / 1024.0);
    measure("a Pod", |number| {
        let pod: Pod = serde_json::from_value(pod(number)).unwrap();
        let facts = world.pod_facts(&pod.metadata).unwrap();
        world.pods.put((facts.namespace.clone(), facts.name.clone()), facts);
    });
    measure("an AccessClaim", |number| {
        let claim: AccessClaim = serde_json::from_value(access(number)).unwrap();
        world.accesses.put(("shop".into(), name(number)), world.placed_access(claim));
    });
    measure("a TopicClaim", |number| {
        let claim: TopicClaim = serde_json::from_value(topic(number)).unwrap();
        world.topics.put(("shop".into(), name(number)), world.placed_topic(claim));
    });
    println!("all of them: {:.1} MiB", (resident() - empty) / 1024.0);
}

fn measure(what: &str, put: impl Fn(usize)) {
    let before = resident();
    (0..OBJECTS).for_each(put);
    println!("{what}: {:.0} bytes", (resident() - before) * 1024.0 / OBJECTS as f64);
}

/// Kilobytes of this process that are in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn name(number: usize) -> String {
    format!("payment-service-{number}")
}

fn meta(number: usize) -> Value {
    json!({
        "name": name(number), "namespace": "shop", "uid": format!("6a7d9d0c-6a0e-4c0f-9d52-{number:012}"),
        "resourceVersion": format!("{}", 1_000_000 + number), "generation": 1, "creationTimestamp": "2026-11-30T09:00:00Z",
        "finalizers": ["kafka.admittance.dev/kafka-user"],
    })
}

fn ready(message: &str) -> Value {
    json!({
        "type": "Ready", "status": "True", "reason": "Ready", "message": message, "observedGeneration": 1,
        "lastTransitionTime": "2026-11-30T09:00:00Z",
    })
}

fn pod(number: usize) -> Value {
    let name = name(number);
    let mut meta = meta(number);
    meta["name"] = format!("{name}-5d4f8b7c96-x2x9z").into();
    meta["generateName"] = format!("{name}-5d4f8b7c96-").into();
    meta["labels"] = json!({"app": name, "pod-template-hash": "5d4f8b7c96", "kafka.admittance.dev/access": name});
    meta["annotations"] = json!({
        "kafka.admittance.dev/consumes": format!("shop.{name}"), "kafka.admittance.dev/produces": format!("shop.{name}"),
        "kafka.admittance.dev/injected": "0.1.0", "prometheus.io/scrape": "true",
    });
    meta["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-5d4f8b7c96"), "controller": true,
        "uid": format!("7a7d9d0c-6a0e-4c0f-9d52-{number:012}"),
    }]);
    json!({"metadata": meta})
}

fn access(number: usize) -> Value {
    let name = name(number);
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "AccessClaim", "metadata": meta(number),
        "spec": {
            "source": "Pods", "workload": name, "cluster": "admittance/default", "consumes": [format!("shop.{name}")],
            "produces": [format!("shop.{name}")],
        },
        "status": {
            "conditions": [ready("the Secret's credential works with 4 rules on all brokers")],
            "username": format!("adm.0123456789.shop.{name}"), "secretName": format!("{name}-kafka"),
            "owners": [{"kind": "Deployment", "name": name}], "serviceAccounts": ["default"],
            "grants": [], "refused": [], "groups": [], "leftGroups": [],
            "rules": "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2",
        },
    })
}

fn topic(number: usize) -> Value {
    let name = name(number);
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim", "metadata": meta(number),
        "spec": {
            "topicName": format!("shop.{name}"), "cluster": "admittance/default", "drift": "Revert",
            "source": "Consumer",
        },
        "status": {
            "conditions": [ready("the topic has 1 partition with 3 replicas")],
            "cluster": "admittance/default", "topicId": "7a7d9d0c-6a0e-4c0f-9d52-000000000000", "partitions": 1, "replicas": 3,
            "consumers": [format!("shop/{name}")], "producers": [format!("shop/{name}")], "consumerCount": 1, "producerCount": 1,
        },
    })
}
