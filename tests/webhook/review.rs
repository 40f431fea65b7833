//! A review to send.

use admittance::admission::decide::{Gates, OnInvalid, Settings};
use admittance::admission::delivery::Delivery;
use admittance::api::names::ClusterRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub fn settings() -> Settings {
    Settings {
        default_cluster: ClusterRef { namespace: "admittance".into(), name: "default".into() },
        on_invalid: OnInvalid::Deny,
        probe_image: "probe:1".into(),
        probe_delivery: Delivery::Copy,
        gates: Gates::Offered,
        version: "1",
    }
}

/// A Pod that asks for the topic `orders`, in a review with this uid.
pub fn review(uid: &str) -> String {
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop", "uid": "1", "controller": true});
    let metadata = json!({
        "name": "shop-0",
        "annotations": {"kafka.admittance.dev/produces": "orders"},
        "ownerReferences": [owner],
    });
    let pod = json!({"metadata": metadata, "spec": {"containers": [{"name": "shop", "image": "shop"}]}});
    let request = json!({
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "ns",
        "operation": "CREATE",
        "object": pod,
    });
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).to_string()
}

/// The uid of an answer that patches the Pod.
pub fn patched(answer: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let response = &answer["response"];
    assert_eq!(response["allowed"], true, "{answer}");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    assert!(!serde_json::from_slice::<Vec<Value>>(&patch).unwrap().is_empty());
    response["uid"].as_str().unwrap().to_owned()
}
