//! What the API server lets pass, patches and refuses.

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::bed::{
    HOME, Namespace, apply, event_about, get, idle_pod, kubectl, pod, scale, try_kubectl, unique, wait_for, wait_ready,
    with_input,
};
use crate::policy::metrics;

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
        !crate::tools::kafka_tool("kafka-topics.sh", &["--list"]).lines().any(|topic| topic == "orders-of-admission")
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

/// What a Secret holds under a key.
fn held(namespace: &str, secret: &str, key: &str) -> String {
    let template = format!("--template={{{{index .data \"{key}\" | base64decode}}}}");
    kubectl(&["get", "secret", secret, "--namespace", namespace, &template])
}

/// A BrokerCluster, and the Secret of its name, by which the operator logs in at the Kafka of the first with a wrong password; gone with the
/// guard.
struct Wrong(String);

impl Wrong {
    fn login() -> Self {
        let wrong = Self(unique("wrong-login"));
        let name = &wrong.0;
        let mut external = get(&["brokercluster", "default", "--namespace", HOME])["spec"]["external"].clone();
        external["adminSecret"]["name"] = json!(name);
        let password = unique("a-password-that-nobody-has");
        for object in [
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": HOME},
                "stringData": {"username": "admin", "password": password},
            }),
            json!({
                "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "BrokerCluster",
                "metadata": {"name": name, "namespace": HOME}, "spec": {"external": external},
            }),
        ] {
            apply(&object.to_string());
        }
        wrong
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "brokercluster,secret", &self.0, "--namespace", HOME]);
    }
}

#[test]
fn no_secret_reaches_a_log_an_event_a_status_or_a_pod() {
    // Of this namespace the audit log has whole Pods, as admission made them: `audit-policy.yaml`.
    let space = Namespace::opted_in("live-canary");
    apply(&pod(&space.0, "canary", "kafka.admittance.dev/produces: canary", "localhost/pause:1", "[]"));
    wait_ready("pod", &space.0, "canary");
    // What goes wrong is told, in a status, an Event and a log: a login that the brokers refuse.
    let wrong = Wrong::login();
    event_about("BrokerCluster", HOME, &wrong.0, "KafkaAuthenticationFailed", "");
    let user = held(&space.0, "canary-kafka-credentials", "password");
    assert_eq!(user.len(), 32);
    // Any line of a key gives it away.
    let key = held(HOME, "admittance-webhook-ca", "ca.key");
    let key_line = key.lines().filter(|line| !line.contains("-----")).max_by_key(|line| line.len()).unwrap().to_owned();
    let secrets = [
        ("a user's password", user),
        ("the operator's own password", held(HOME, "kafka-admin", "password")),
        ("the password that was refused", held(HOME, &wrong.0, "password")),
        ("the CA's key", key_line),
        (
            "the CA's key, encoded",
            get(&["secret", "admittance-webhook-ca", "--namespace", HOME])["data"]["ca.key"].to_string(),
        ),
    ];
    let mut places = vec![
        ("Pods", kubectl(&["get", "pods", "--all-namespaces", "--output=yaml"])),
        ("claims", kubectl(&["get", "accessclaims,topicclaims,brokerclusters", "--all-namespaces", "--output=yaml"])),
        ("Events", kubectl(&["get", "events", "--all-namespaces", "--output=yaml"])),
    ];
    for selector in ["app.kubernetes.io/component=webhook", "app.kubernetes.io/component=operator"] {
        places.push((selector, kubectl(&["logs", "--namespace", HOME, "--selector", selector, "--tail=-1"])));
    }
    places.extend(["webhook", "operator"].map(|program| ("metrics", metrics(program))));
    if let Ok(audit) = std::env::var("BED_AUDIT_LOG") {
        let text = fs::read_to_string(audit).unwrap();
        // Else the policy has no whole Pods of this namespace, and nothing was searched.
        assert!(text.contains(r#""secretName":"canary-kafka-credentials""#), "the audit log does not hold the Pod");
        places.push(("audit log", text));
    }
    for (place, text) in places {
        assert!(!text.is_empty(), "{place} are empty: nothing was searched");
        for (secret, words) in &secrets {
            let words = words.trim_matches('"');
            assert!(words.len() >= 16, "{secret} is no secret: {} characters", words.len());
            assert!(!text.contains(words) && !text.contains(&BASE64_STANDARD.encode(words)), "{place} hold {secret}");
        }
    }
    let logs = kubectl(&["logs", "--namespace", HOME, "--selector=app.kubernetes.io/component=operator", "--tail=-1"]);
    assert!(logs.contains(&wrong.0), "the login that was refused is in no log: nothing was tried");
    let _ = try_kubectl(&["delete", "pod", "canary", "--namespace", &space.0, "--wait=false"]);
}
