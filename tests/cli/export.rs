//! `admittance export` of what a cluster holds.

use serde_json::{Value, json};

use crate::api::{Api, Objects, access_claim, list, sound, topic_claim};
use crate::program::{Ended, run_with};

const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1";

fn objects() -> Objects {
    let declared = topic_claim("shop", "orders", &json!({"partitions": 3, "config": {"cleanup.policy": "compact"}}));
    let implicit = topic_claim("shop", "audit", &json!({"source": "Producer"}));
    let mut of_config_map = topic_claim("shop", "events", &json!({}));
    of_config_map["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "events", "uid": "u"}]);
    let mut manual = access_claim("billing", "Ready", "proven");
    manual["spec"] = json!({
        "source": "Manual", "workload": "billing", "cluster": "admittance/default", "produces": ["orders"], "serviceAccount": "billing",
    });
    let accesses = list(&[access_claim("web", "Ready", "proven"), manual]);
    let mut objects = sound();
    objects.insert(format!("{OURS}/namespaces/shop/topicclaims"), list(&[of_config_map, implicit, declared.clone()]));
    objects.insert(format!("{OURS}/namespaces/shop/accessclaims"), accesses.clone());
    let elsewhere = topic_claim("a", "z", &json!({"deletion": "Delete"}));
    objects.insert(format!("{OURS}/topicclaims"), list(&[declared, elsewhere]));
    objects.insert(format!("{OURS}/accessclaims"), accesses);
    objects
}

fn export(objects: Objects, arguments: &[&str]) -> Ended {
    let api = Api::serve(objects);
    let ended = run_with(&[&["export"], arguments].concat(), "", &[("KUBECONFIG", &api.kubeconfig())]);
    assert_eq!(api.writes.lock().unwrap().as_slice(), [""; 0], "an export writes nothing");
    ended
}

#[test]
fn what_people_decided_is_printed_and_nothing_else() {
    let ended = export(objects(), &[]);
    let wanted = "\
apiVersion: kafka.admittance.dev/v1alpha1
kind: TopicClaim
metadata:
  name: orders
  namespace: shop
spec:
  topicName: orders
  cluster: admittance/default
  partitions: 3
  config:
    cleanup.policy: compact
---
apiVersion: kafka.admittance.dev/v1alpha1
kind: AccessClaim
metadata:
  name: billing
  namespace: shop
spec:
  source: Manual
  workload: billing
  cluster: admittance/default
  produces:
  - orders
  serviceAccount: billing
";
    assert_eq!((ended.code, ended.out.as_str()), (0, wanted), "{}", ended.err);
    assert!(ended.err.contains("left out, since they follow from Pods or ConfigMaps: 3"), "{}", ended.err);
}

#[test]
fn what_pods_led_to_is_declared_on_demand() {
    let ended = export(objects(), &["--implicit", "--without-namespace"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for name in ["audit", "events", "orders"] {
        assert!(ended.out.contains(&format!("  topicName: {name}\n")), "{}", ended.out);
    }
    assert!(!ended.out.contains("source: Producer") && !ended.out.contains("namespace: shop"), "{}", ended.out);
    assert!(
        ended.out.contains("# AccessClaim shop/web follows from the annotations of its Pods:\n#   consumes: orders\n")
    );
    assert!(!ended.out.contains("source: Pods"), "an access of Pods is no manifest: {}", ended.out);
}

#[test]
fn all_namespaces_are_sorted_and_json_is_a_list() {
    let ended = export(objects(), &["-A", "-o", "json"]);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let names: Vec<_> =
        found["items"].as_array().unwrap().iter().map(|item| item["metadata"]["namespace"].clone()).collect();
    assert_eq!((found["kind"].as_str(), names), (Some("List"), vec![json!("a"), json!("shop"), json!("shop")]));
    assert_eq!(found["items"][0]["spec"]["deletion"], "Delete");
}

#[test]
fn nobody_there_and_nothing_there_are_told_apart() {
    let mut undefined = sound();
    undefined.remove(&format!("{OURS}/topicclaims"));
    let ended = export(undefined, &["-A"]);
    assert_eq!(ended.code, 2, "the list is missing: {ended:?}");
    let mut empty = objects();
    for kind in ["topicclaims", "accessclaims"] {
        empty.insert(format!("{OURS}/{kind}"), list(&[]));
    }
    let ended = export(empty, &["-A"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.err);
    assert!(ended.err.contains("there are no claims in any namespace"), "{}", ended.err);
    let ended = run_with(&["export"], "", &[]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("try: kubectl"), "{}", ended.err);
}
