//! How much of the brokers a workload may use.

use serde_json::json;

use crate::bed::{
    HOME, Namespace, Spec, apply, idle_pod, kubectl, nothing_is_left, slots_of, try_get, unique, user_of, wait_for,
    wait_ready,
};
use crate::operator::credentials;
use crate::tools::kafka_tool;

/// Waits until Kafka has these limits of a user and none of those.
fn limits(user: &str, there: &[&str], gone: &[&str]) {
    wait_for(&format!("user {user} has {there:?}"), || {
        let said = slots_of(user);
        let right = there.iter().all(|limit| said.contains(limit)) && !gone.iter().any(|limit| said.contains(limit));
        if right { Ok(()) } else { Err(said) }
    });
}

#[test]
fn limits_come_and_go_with_the_policy_and_end_with_the_access() {
    let (space, topic) = (Namespace::opted_in("live-quotas"), unique("quotas"));
    let ns = space.0.as_str();
    apply(&idle_pod(ns, "before", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(ns, "before");
    let by_hand = ["--alter", "--entity-type", "users", "--entity-name", &user, "--add-config"];
    kafka_tool("kafka-configs.sh", &[&by_hand[..], &["controller_mutation_rate=9"]].concat());

    let policy = json!({
        "default": {"produceBytesPerSecond": 1_000_000, "requestPercentage": 300},
        "workloads": [{"namespace": ns, "workload": "after", "quotas": {"consumeBytesPerSecond": 4096}}],
    });
    let quotas = Spec::set(&json!({"quotas": policy}));
    limits(&user, &["producer_byte_rate=1000000", "request_percentage=300", "controller_mutation_rate=9"], &[]);
    apply(&idle_pod(ns, "after", &format!("kafka.admittance.dev/produces: {topic}")));
    let after = user_of(ns, "after");
    limits(&after, &["consumer_byte_rate=4096"], &["producer_byte_rate", "request_percentage"]);
    let shown = wait_ready("accessclaim", ns, "after")["status"]["quotas"].clone();
    assert_eq!(shown, json!({"consumeBytesPerSecond": 4096}));

    // A client that is not a Pod asks for less, and gets no more.
    apply(&format!(
        "apiVersion: kafka.admittance.dev/v1alpha1
kind: AccessClaim
metadata: {{name: manual, namespace: {ns}}}
spec:
  source: Manual
  workload: manual
  cluster: {HOME}/default
  serviceAccount: default
  produces: [{topic}]
  quotas: {{produceBytesPerSecond: 5000, requestPercentage: 900}}
"
    ));
    limits(&user_of(ns, "manual"), &["producer_byte_rate=5000", "request_percentage=300"], &[]);

    drop(quotas);
    limits(&user, &["controller_mutation_rate=9"], &["producer_byte_rate", "request_percentage"]);
    wait_for("the status says nothing of quotas", || {
        let status = try_get(&["accessclaim", "before", "--namespace", ns])?["status"].clone();
        if status["quotas"].is_null() { Ok(()) } else { Err(status.to_string()) }
    });
}

#[test]
fn a_user_that_ends_leaves_no_limit_behind() {
    let (space, topic) = (Namespace::opted_in("live-quotas-end"), unique("quotas-end"));
    let ns = space.0.as_str();
    let _patience = credentials("idleAfter", "3s");
    let _quotas = Spec::set(&json!({"quotas": {"default": {"produceBytesPerSecond": 1_000_000}}}));
    apply(&idle_pod(ns, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(ns, "app");
    limits(&user, &["producer_byte_rate=1000000"], &[]);
    kubectl(&["delete", "pod", "app", "--namespace", ns]);
    nothing_is_left(ns, "app", &user);
    limits(&user, &[], &["producer_byte_rate"]);
}
