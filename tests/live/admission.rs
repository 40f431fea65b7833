//! What the API server lets pass, patches and refuses.

use std::fs;

use crate::bed::{
    HOME, Namespace, apply, get, idle_pod, kubectl, pod, scale, try_kubectl, wait_for, wait_ready, with_input,
};

const ASKS: &str = "kafka.admittance.dev/produces: orders-of-admission";

#[test]
fn a_dry_run_shows_the_patch_and_leaves_nothing() {
    let space = Namespace::opted_in("live-dry-run");
    let manifest = idle_pod(&space.0, "dry", ASKS);
    let done = with_input(&["apply", "--dry-run=server", "--output=json", "--filename=-"], &manifest);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let pod: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(pod["metadata"]["labels"]["kafka.admittance.dev/access"], "dry");
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let secret = volumes.iter().find(|volume| volume["name"] == "admittance-credentials").unwrap();
    assert_eq!(secret["secret"]["secretName"], "dry-kafka-credentials");
    // A Pod that is really made after it has passed every queue of the operator by the time that it is ready.
    apply(&idle_pod(&space.0, "real", "kafka.admittance.dev/produces: orders-of-admission-real"));
    wait_ready("accessclaim", &space.0, "real");
    let left = get(&["accessclaims,topicclaims,secrets,pods", "--namespace", &space.0]);
    let names: Vec<_> =
        left["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| !name.contains("dry") && *name != "orders-of-admission"), "{names:?}");
    assert!(
        !crate::bed::kafka_tool("kafka-topics.sh", &["--list"]).lines().any(|topic| topic == "orders-of-admission")
    );
}

#[test]
fn bad_annotations_are_refused_with_place_value_and_rule() {
    let space = Namespace::opted_in("live-bad-input");
    for (annotation, said) in [
        ("kafka.admittance.dev/consumes: a/b", "InvalidTopicName: kafka.admittance.dev/consumes: \"a/b\""),
        (
            "kafka.admittance.dev/consumes: __consumer_offsets",
            "InternalTopic: kafka.admittance.dev/consumes: \"__consumer_offsets\"",
        ),
        (
            "kafka.admittance.dev/consumes: a, kafka.admittance.dev/probe: maybe",
            "InvalidValue: kafka.admittance.dev/probe: \"maybe\"",
        ),
        // Its author waits for Kafka, and no key that is known says so.
        ("kafka.admittance.dev/consume: a", "UnknownAnnotation: kafka.admittance.dev/consume: \"consume\""),
    ] {
        let done = with_input(&["apply", "--filename=-"], &idle_pod(&space.0, "bad", annotation));
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && error.contains(said), "{annotation}: {error}");
    }
}

#[test]
fn a_pod_with_a_forged_access_label_is_refused() {
    let space = Namespace::opted_in("live-forged");
    let manifest = idle_pod(&space.0, "forger", ASKS)
        .replace("annotations:", "labels: {kafka.admittance.dev/access: victim}, annotations:");
    let done = with_input(&["apply", "--filename=-"], &manifest);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    let said = r#"NameTaken: kafka.admittance.dev/access: "victim" is not this Pod's access, "forger""#;
    assert!(!done.status.success() && error.contains(said), "{error}");
}

#[test]
fn others_are_created_while_the_webhook_is_away_and_those_that_ask_are_refused_readably() {
    let (space, elsewhere) = (Namespace::opted_in("live-away"), Namespace::plain("live-elsewhere"));
    scale(HOME, "deployment/admittance-webhook", 0);
    let outcome = std::panic::catch_unwind(|| {
        apply(&idle_pod(&space.0, "quiet", ""));
        apply(&idle_pod(&elsewhere.0, "asks-elsewhere", ASKS));
        apply(&idle_pod(&elsewhere.0, "quiet", ""));
        let done = with_input(&["apply", "--filename=-"], &idle_pod(&space.0, "asks", ASKS));
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "the Pod was created without its access");
        assert!(error.contains("webhook") && error.contains("admittance"), "{error}");
    });
    scale(HOME, "deployment/admittance-webhook", 2);
    outcome.unwrap();
    // It takes over by itself.
    wait_for("an annotated Pod is created again", || {
        let done = with_input(&["apply", "--filename=-"], &idle_pod(&space.0, "asks", ASKS));
        done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
    });
    wait_ready("accessclaim", &space.0, "asks");
}

#[test]
fn a_pod_from_scratch_in_a_restricted_namespace_becomes_ready_by_the_probe() {
    let space = Namespace::opted_in("live-restricted");
    apply(&idle_pod(
        &space.0,
        "bare",
        "kafka.admittance.dev/consumes: restricted-in, kafka.admittance.dev/produces: restricted-out",
    ));
    let pod = wait_ready("pod", &space.0, "bare");
    let main = &pod["spec"]["containers"][0];
    assert_eq!(main["readinessProbe"]["exec"]["command"][1], "ready");
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "admittance-probe");
    assert_eq!(pod["metadata"]["annotations"]["kafka.admittance.dev/injected"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn no_secret_reaches_a_log_an_event_a_status_or_a_pod() {
    let space = Namespace::opted_in("live-canary");
    apply(&pod(&space.0, "canary", "kafka.admittance.dev/produces: canary", "localhost/pause:1", "[]"));
    wait_ready("pod", &space.0, "canary");
    let secret = get(&["secret", "canary-kafka-credentials", "--namespace", &space.0]);
    let encoded = secret["data"]["password"].as_str().unwrap().to_owned();
    let password = kubectl(&[
        "get",
        "secret",
        "canary-kafka-credentials",
        "--namespace",
        &space.0,
        "--template={{.data.password | base64decode}}",
    ]);
    assert_eq!(password.len(), 32);
    let mut places = vec![
        ("Pods", kubectl(&["get", "pods", "--all-namespaces", "--output=yaml"])),
        ("claims", kubectl(&["get", "accessclaims,topicclaims,brokerclusters", "--all-namespaces", "--output=yaml"])),
        ("Events", kubectl(&["get", "events", "--all-namespaces", "--output=yaml"])),
    ];
    for selector in ["app.kubernetes.io/component=webhook", "app.kubernetes.io/component=operator"] {
        places.push((selector, kubectl(&["logs", "--namespace", HOME, "--selector", selector, "--tail=-1"])));
    }
    if let Ok(audit) = std::env::var("BED_AUDIT_LOG") {
        places.push(("audit log", fs::read_to_string(audit).unwrap()));
    }
    for (place, text) in places {
        assert!(!text.is_empty(), "{place} are empty: nothing was searched");
        assert!(!text.contains(&password) && !text.contains(&encoded), "{place} hold the password");
    }
    let _ = try_kubectl(&["delete", "pod", "canary", "--namespace", &space.0, "--wait=false"]);
}
