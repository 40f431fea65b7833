//! How long an access lives, and what is left of it.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, apply, get, idle_pod, kubectl, nothing_is_left, rules_of, unique, user_of, wait_for, wait_ready,
    wait_reason,
};
use crate::operator::credentials;

/// A Deployment of one Pod that does nothing.
pub(crate) fn deployment(namespace: &str, name: &str, annotations: &str) -> String {
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

#[test]
fn scaled_to_zero_it_stays_and_without_an_owner_it_ends() {
    let (space, topic) = (Namespace::opted_in("live-life"), unique("life"));
    let _patience = credentials("idleAfter", "3s");
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
