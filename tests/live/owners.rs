//! Owners without Pods: what keeps an access, of every way in which Pods are made, and what does not.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, apply, get, idle_pod, kubectl, nothing_is_left, rules_of, unique, user_of, wait_for, wait_ready,
    with_input,
};
use crate::operator::credentials;

/// As the controller of CronJobs names what it makes.
const JOB: &str = "nightly-29410560";
/// As Argo's controller names what it makes of the Rollout `canary`.
const REPLICA_SET: &str = "canary-6f7d8c";

/// A workload that asks, and the parts of it that differ from kind to kind.
fn workload(namespace: &str, topic: &str, kind: &str, name: &str) -> String {
    let pod: Value =
        serde_saphyr::from_str(&idle_pod(namespace, name, &format!("kafka.admittance.dev/produces: {topic}"))).unwrap();
    let labels = json!({"app": name, "rollouts-pod-template-hash": "6f7d8c"});
    let mut template = json!({
        "metadata": {"labels": labels, "annotations": pod["metadata"]["annotations"]},
        "spec": pod["spec"],
    });
    let (version, spec) = match kind {
        "CronJob" => {
            template["spec"]["restartPolicy"] = json!("Never");
            // It is run by hand, and by itself not while the test lasts.
            let schedule = json!({"schedule": "0 0 1 1 *", "suspend": true});
            ("batch/v1", [schedule, json!({"jobTemplate": {"spec": {"template": template}}})])
        }
        _ => {
            let service = if kind == "StatefulSet" { json!({"serviceName": name}) } else { json!({}) };
            let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template});
            ("apps/v1", [service, spec])
        }
    };
    let spec: serde_json::Map<_, _> = spec.iter().flat_map(|part| part.as_object().unwrap().clone()).collect();
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}).to_string()
}

fn no_pod_is_left(namespace: &str) {
    wait_for("no Pod is left", || {
        let pods = get(&["pods", "--namespace", namespace]);
        if pods["items"].as_array().unwrap().is_empty() { Ok(()) } else { Err(pods["items"].to_string()) }
    });
}

#[test]
fn scaled_to_zero_or_between_two_runs_an_access_stays_until_its_owner_ends() {
    let (space, topic) = (Namespace::opted_in("live-owners"), unique("owners"));
    let ns = space.0.as_str();
    let _patience = credentials("idleAfter", "1s");
    for (kind, name) in [("StatefulSet", "state"), ("CronJob", "nightly"), ("ReplicaSet", REPLICA_SET)] {
        apply(&workload(ns, &topic, kind, name));
    }
    kubectl(&["create", "job", JOB, "--from=cronjob/nightly", "--namespace", ns]);
    let users = ["state", "nightly", "canary"].map(|access| (access, user_of(ns, access)));
    let owner = |access: &str| get(&["accessclaim", access, "--namespace", ns])["status"]["owners"].clone();
    assert_eq!(owner("state"), json!([{"kind": "StatefulSet", "name": "state"}]));
    assert_eq!(owner("nightly"), json!([{"kind": "CronJob", "name": "nightly"}]));
    assert_eq!(owner("canary"), json!([{"kind": "ReplicaSet", "name": REPLICA_SET}]));

    kubectl(&["scale", "statefulset/state", &format!("replicaset/{REPLICA_SET}"), "--replicas=0", "--namespace", ns]);
    // As its history's limit takes it.
    kubectl(&["delete", "job", JOB, "--namespace", ns]);
    no_pod_is_left(ns);
    // One of a kind that nobody knows lives by its Pods alone. Its end shows that the patience has passed.
    let holder = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "holder", "namespace": ns}});
    apply(&holder.to_string());
    let uid = get(&["configmap", "holder", "--namespace", ns])["metadata"]["uid"].as_str().unwrap().to_owned();
    let reference = format!(
        "ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: holder, uid: {uid}, controller: true}}], annotations:"
    );
    let pod = idle_pod(ns, "brief", &format!("kafka.admittance.dev/produces: {topic}"));
    let made = with_input(&["apply", "--filename=-"], &pod.replace("annotations:", &reference));
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success() && said.contains("lives by its Pods alone"), "{said}");
    let brief = user_of(ns, "holder");
    kubectl(&["delete", "pod", "brief", "--namespace", ns]);
    nothing_is_left(ns, "holder", &brief);
    get(&["configmap", "holder", "--namespace", ns]);
    for (access, user) in &users {
        assert!(rules_of(user).contains(&topic), "{access} has lost its rights");
        wait_ready("accessclaim", ns, access);
    }

    kubectl(&["delete", "statefulset/state", "cronjob/nightly", "--namespace", ns]);
    // As Argo's controller notes it when the Rollout has gone on to another one.
    let left = "rollout.argoproj.io/desired-replicas=3";
    kubectl(&["annotate", "replicaset", REPLICA_SET, left, "--namespace", ns]);
    for (access, user) in &users {
        nothing_is_left(ns, access, user);
    }
}
