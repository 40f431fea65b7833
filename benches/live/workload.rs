//! Pods that ask for Kafka, and never get a node: what is measured ends before one.

use admittance::api::annotations::{CONSUMES, PRODUCES};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// What a Pod asks for: it reads the one topic, and writes the other. With its group that makes three rules.
pub(crate) fn asks(consumes: &str, produces: &str) -> Value {
    json!({CONSUMES: consumes, PRODUCES: produces})
}

/// A Pod that no scheduler looks at. One that the scheduler finds no node for costs a status and an Event, which are not ours, and are
/// written while ours are measured.
pub(crate) fn unseen(name: &str, annotations: &Value) -> Pod {
    let object = json!({"metadata": {"name": name, "annotations": annotations}, "spec": nobodys()});
    serde_json::from_value(object).unwrap()
}

/// A Deployment of such Pods.
pub(crate) fn deployment(name: &str, replicas: usize, annotations: &Value) -> Deployment {
    let labels = json!({"app": name});
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": nobodys()},
        },
    }))
    .unwrap()
}

fn nobodys() -> Value {
    let mut spec = spec();
    spec["schedulerName"] = json!("nobody");
    spec
}

/// As large as Pods are.
fn spec() -> Value {
    let setting = |n| {
        let value = "a value of some fifty characters, as they are written";
        json!({"name": format!("SETTING_{n}"), "value": value})
    };
    let settings: Vec<_> = (0..60).map(setting).collect();
    json!({"containers": [{"name": "app", "image": "localhost/pause:1", "env": settings}]})
}
