//! How long an access lives, and what is left of it.

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, apply, get, idle_pod, kubectl, rules_of, slots_of, try_kubectl, unique, wait_for, wait_ready,
    wait_reason,
};

/// A Deployment of one Pod that does nothing.
fn deployment(namespace: &str, name: &str, annotations: &str) -> String {
    let pod: Value = serde_saphyr::from_str(&idle_pod(namespace, name, annotations)).unwrap();
    let template = json!({
        "metadata": {"labels": {"app": name}, "annotations": pod["metadata"]["annotations"]},
        "spec": pod["spec"],
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    })
    .to_string()
}

/// Sets the cluster's patience, and puts it back with the guard.
pub(crate) struct IdleAfter;

impl IdleAfter {
    pub(crate) fn set(text: &str) -> Self {
        let patch = json!({"spec": {"credentials": {"idleAfter": text}}}).to_string();
        kubectl(&["patch", "brokercluster", "default", "--namespace", HOME, "--type=merge", "--patch", &patch]);
        Self
    }
}

impl Drop for IdleAfter {
    fn drop(&mut self) {
        let patch = json!({"spec": {"credentials": {"idleAfter": "24h"}}}).to_string();
        let _ =
            try_kubectl(&["patch", "brokercluster", "default", "--namespace", HOME, "--type=merge", "--patch", &patch]);
    }
}

fn user_of(namespace: &str, access: &str) -> String {
    wait_ready("accessclaim", namespace, access)["status"]["username"].as_str().unwrap().to_owned()
}

fn nothing_is_left(namespace: &str, access: &str, user: &str) {
    wait_for("rules, user, Secret and claim are gone", || {
        let (rules, slots) = (rules_of(user), slots_of(user));
        let objects = get(&["accessclaims,secrets", "--namespace", namespace]);
        let named = |item: &Value| item["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(access));
        let objects = objects["items"].as_array().unwrap().iter().any(named);
        let left = rules.contains("ALLOW") || slots.contains("iterations=") || objects;
        if left { Err(format!("{rules}{slots}objects: {objects}")) } else { Ok(()) }
    });
}

#[test]
fn scaled_to_zero_it_stays_and_without_an_owner_it_ends() {
    let (space, topic) = (Namespace::opted_in("live-life"), unique("life"));
    let _patience = IdleAfter::set("3s");
    apply(&deployment(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(&space.0, "app");
    kubectl(&["scale", "deployment/app", "--replicas=0", "--namespace", &space.0]);
    wait_for("no Pod is left", || {
        let pods = get(&["pods", "--namespace", &space.0]);
        if pods["items"].as_array().unwrap().is_empty() { Ok(()) } else { Err("Pods".to_owned()) }
    });
    // Another access that comes and ends shows that the patience has passed.
    apply(&idle_pod(&space.0, "brief", &format!("kafka.admittance.dev/produces: {topic}")));
    let brief = user_of(&space.0, "brief");
    kubectl(&["delete", "pod", "brief", "--namespace", &space.0]);
    nothing_is_left(&space.0, "brief", &brief);
    assert!(rules_of(&user).contains(&topic), "the Deployment is still there");
    wait_ready("accessclaim", &space.0, "app");

    kubectl(&["delete", "deployment", "app", "--namespace", &space.0]);
    nothing_is_left(&space.0, "app", &user);
    // The topic is an asset: it stays.
    assert!(get(&["topicclaims", "--namespace", &space.0]).to_string().contains(&topic));
}

#[test]
fn a_deployment_that_drops_its_annotations_loses_its_access() {
    let (space, topic) = (Namespace::opted_in("live-dropped"), unique("dropped"));
    apply(&deployment(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(&space.0, "app");
    apply(&deployment(&space.0, "app", ""));
    wait_reason("accessclaim", &space.0, "app", "Idle");
    nothing_is_left(&space.0, "app", &user);
}

#[test]
fn who_comes_back_in_time_keeps_the_password() {
    let (space, topic) = (Namespace::opted_in("live-back"), unique("back"));
    let pod = idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}"));
    apply(&pod);
    let user = user_of(&space.0, "app");
    let secret = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
    kubectl(&["delete", "pod", "app", "--namespace", &space.0]);
    wait_reason("accessclaim", &space.0, "app", "Idle");
    apply(&pod);
    wait_reason("accessclaim", &space.0, "app", "Ready");
    let claim = get(&["accessclaim", "app", "--namespace", &space.0]);
    assert_eq!(claim["status"]["idleSince"], Value::Null);
    let again = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
    assert_eq!(secret["data"], again["data"]);
    assert!(rules_of(&user).contains(&topic));
}
