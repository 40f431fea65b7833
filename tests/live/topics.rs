//! Topics as code, with Kafka's own tools as the witness.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, apply, event_of, get, idle_pod, kafka_tool, kubectl, try_kubectl, unique, wait_for, wait_ready,
    wait_reason, with_input,
};

/// A claim `orders` on a topic; `spec` is what it says besides, as YAML flow.
fn claim(namespace: &str, topic: &str, spec: &str) -> String {
    named("orders", namespace, topic, spec)
}

fn named(name: &str, namespace: &str, topic: &str, spec: &str) -> String {
    format!(
        "apiVersion: kafka.admittance.dev/v1alpha1
kind: TopicClaim
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{topicName: {topic}, cluster: admittance/default, {spec}}}
"
    )
}

/// What Kafka says of a topic: its first line has counts and configs.
fn described(topic: &str) -> String {
    let said = kafka_tool("kafka-topics.sh", &["--describe", "--topic", topic]);
    said.lines().find(|line| line.contains("PartitionCount")).unwrap_or(&said).to_owned()
}

/// Waits until Kafka's own word on a topic is as wanted.
fn kafka_says(topic: &str, what: &str, right: impl Fn(&str) -> bool) {
    wait_for(&format!("Kafka says of {topic}: {what}"), || {
        let said = described(topic);
        if right(&said) { Ok(()) } else { Err(said) }
    });
}

/// Changes a setting by hand: `--add-config` or `--delete-config`.
fn by_hand(topic: &str, change: &str, setting: &str) {
    let entity = ["--alter", "--entity-type", "topics", "--entity-name", topic];
    let said = kafka_tool("kafka-configs.sh", &[&entity[..], &[change, setting]].concat());
    assert!(said.contains("Completed"), "{said}");
}

fn condition(object: &Value, kind: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|said| said["type"] == kind).cloned()
}

fn wait_claim(namespace: &str, what: &str, right: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("the claim in {namespace}: {what}"), || {
        let object = get(&["topicclaim", "orders", "--namespace", namespace]);
        if right(&object) { Ok(object) } else { Err(object["status"].to_string()) }
    })
}

fn patch(namespace: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    kubectl(&["patch", "topicclaim", "orders", "--namespace", namespace, "--type=merge", "--patch", &patch]);
}

/// How often a claim was written.
fn version(namespace: &str, name: &str) -> String {
    get(&["topicclaim", name, "--namespace", namespace])["metadata"]["resourceVersion"].to_string()
}

#[test]
fn a_topic_is_made_grown_and_set_as_its_claim_says() {
    let (namespace, topic) = (Namespace::opted_in("live-topics"), unique("live-topics.made"));
    let ns = namespace.0.as_str();
    apply(&claim(
        ns,
        &topic,
        "partitions: 2, config: {cleanup.policy: compact, segment.ms: '7200000'}, retention: {time: 2d}",
    ));
    let made = wait_ready("topicclaim", ns, "orders");
    let said = described(&topic);
    for part in ["PartitionCount: 2", "cleanup.policy=compact", "retention.ms=172800000", "segment.ms=7200000"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(made["status"]["config"]["retention.ms"], "172800000");

    // Somebody else's setting is shown, and left alone; one that the claim does not name any more goes back.
    by_hand(&topic, "--add-config", "flush.ms=60000");
    patch(
        ns,
        &json!({"partitions": 4, "config": {"cleanup.policy": "delete", "segment.ms": null}, "retention": {"time": "1d"}}),
    );
    kafka_says(&topic, "the claim's new settings, and the foreign one", |said| {
        said.contains("PartitionCount: 4")
            && said.contains("cleanup.policy=delete")
            && said.contains("retention.ms=86400000")
            && said.contains("flush.ms=60000")
            && !said.contains("segment.ms")
    });
    let told = wait_claim(ns, "what Kafka has", |claim| claim["status"]["partitions"] == 4);
    assert_eq!(
        told["status"]["config"],
        json!({"cleanup.policy": "delete", "flush.ms": "60000", "retention.ms": "86400000"})
    );
    assert_eq!(told["status"]["managedConfig"], json!(["cleanup.policy", "retention.ms"]));
    assert!(told["status"]["drift"].is_null() && condition(&told, "Drifted").is_none(), "{told}");
    // Removed by hand: the foreign one goes as it came, and its going is told.
    by_hand(&topic, "--delete-config", "flush.ms");
    wait_claim(ns, "no foreign setting", |claim| claim["status"]["config"]["flush.ms"].is_null());
}

#[test]
fn what_somebody_changes_by_hand_is_put_right_or_told() {
    let (namespace, topic) = (Namespace::opted_in("live-drift"), unique("live-drift.orders"));
    let ns = namespace.0.as_str();
    apply(&claim(ns, &topic, "partitions: 1, config: {retention.ms: '100000'}"));
    wait_ready("topicclaim", ns, "orders");
    by_hand(&topic, "--add-config", "retention.ms=5000");
    kafka_says(&topic, "what the claim says again", |said| said.contains("retention.ms=100000"));
    let difference = "retention.ms: 5000 instead of 100000";
    assert!(event_of(ns, "orders", "DriftReverted").contains(difference));
    let told = wait_claim(ns, "what was put right", |claim| condition(claim, "Drifted").is_some());
    let drifted = condition(&told, "Drifted").unwrap();
    assert_eq!((&drifted["status"], &drifted["reason"]), (&json!("False"), &json!("DriftReverted")));
    assert!(drifted["message"].as_str().unwrap().contains(difference), "{drifted}");

    patch(ns, &json!({"drift": "Report"}));
    by_hand(&topic, "--add-config", "retention.ms=6000");
    let told = wait_claim(ns, "its drift", |claim| claim["status"]["drift"].is_array());
    assert_eq!(told["status"]["drift"], json!(["retention.ms: 6000 instead of 100000"]));
    assert_eq!(condition(&told, "Drifted").unwrap()["status"], "True");
    assert_eq!(condition(&told, "Ready").unwrap()["status"], "True", "it is there all the same");
    event_of(ns, "orders", "TopicDrifted");
    assert!(described(&topic).contains("retention.ms=6000"), "a report changes nothing");

    // Partitions that somebody added cannot be taken back: it is said, and the claim still keeps the rest.
    kafka_tool("kafka-topics.sh", &["--alter", "--topic", &topic, "--partitions", "3"]);
    patch(ns, &json!({"drift": "Revert"}));
    wait_reason("topicclaim", ns, "orders", "TopicCannotShrink");
    kafka_says(&topic, "the claim's retention, and three partitions", |said| {
        said.contains("retention.ms=100000") && said.contains("PartitionCount: 3")
    });
    // At rest, nothing is written, although the claim is not content.
    let before = version(ns, "orders");
    std::thread::sleep(std::time::Duration::from_secs(40));
    assert_eq!(version(ns, "orders"), before, "{}", get(&["topicclaim", "orders", "--namespace", ns])["status"]);
}

#[test]
fn bad_input_is_named_and_the_last_good_state_stays() {
    let (namespace, topic) = (Namespace::opted_in("live-bad"), unique("live-bad.orders"));
    let ns = namespace.0.as_str();
    for (wrong, says) in [
        ("partitions: 0", "spec.partitions"),
        ("partitions: -3", "spec.partitions"),
        ("replicas: 0", "spec.replicas"),
        ("retention: {time: soon}", "spec.retention.time"),
        ("retention: {time: 1d}, config: {retention.ms: '5'}", "not by both"),
    ] {
        let done = with_input(&["apply", "--filename=-"], &claim(ns, &topic, wrong));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(says), "{wrong}: {said}");
    }
    apply(&claim(ns, &topic, "partitions: 2, config: {retention.ms: '100000'}"));
    wait_ready("topicclaim", ns, "orders");

    // What cannot be is refused when it is written.
    let impossible = json!({"spec": {"config": {"retention.ms": "-2"}}}).to_string();
    let done =
        try_kubectl(&["patch", "topicclaim", "orders", "--namespace", ns, "--type=merge", "--patch", &impossible]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("retention.ms"), "{done:?}");
    // Broken after it was good: the topic stays as it was, and a claim that is put right is heeded.
    patch(ns, &json!({"config": {"retention.ms": "200000", "colour": "red"}}));
    wait_reason("topicclaim", ns, "orders", "UnknownTopicConfig");
    event_of(ns, "orders", "UnknownTopicConfig");
    assert!(described(&topic).contains("retention.ms=100000"), "{}", described(&topic));
    patch(ns, &json!({"config": {"colour": null, "retention.ms": "300000"}}));
    wait_ready("topicclaim", ns, "orders");
    assert!(described(&topic).contains("retention.ms=300000"), "{}", described(&topic));
    let shrunk = json!({"spec": {"partitions": 1}}).to_string();
    let done = try_kubectl(&["patch", "topicclaim", "orders", "--namespace", ns, "--type=merge", "--patch", &shrunk]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("can only grow"), "{done:?}");

    // What only Kafka can know.
    apply(&named("many", ns, &unique("live-bad.many"), "replicas: 50"));
    wait_reason("topicclaim", ns, "many", "TooManyReplicas");
    apply(&named("twin", ns, &topic.replacen('.', "_", 1), "partitions: 1"));
    wait_reason("topicclaim", ns, "twin", "TopicNameCollides");
    event_of(ns, "twin", "TopicNameCollides");
    apply(&named("second", ns, &topic, "partitions: 1"));
    wait_reason("topicclaim", ns, "second", "TopicConflict");
    wait_ready("topicclaim", ns, "orders");
    // A refusal is said once, and does not lead to the next.
    let versions = || ["many", "twin", "second"].map(|name| version(ns, name));
    let before = versions();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(versions(), before);
}

#[test]
fn a_topic_that_is_gone_is_missed_and_not_made_anew() {
    let (namespace, topic) = (Namespace::opted_in("live-missing"), unique("live-missing.orders"));
    let ns = namespace.0.as_str();
    apply(&claim(ns, &topic, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    kafka_tool("kafka-topics.sh", &["--delete", "--topic", &topic]);
    wait_reason("topicclaim", ns, "orders", "TopicMissing");
    event_of(ns, "orders", "TopicMissing");
    let listed = || kafka_tool("kafka-topics.sh", &["--list"]).lines().any(|line| line == topic);
    assert!(!listed());
    // Whoever declares it again wants an empty one.
    kubectl(&["delete", "topicclaim", "orders", "--namespace", ns]);
    apply(&claim(ns, &topic, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    assert!(listed());
}

#[test]
fn a_claim_tells_who_uses_its_topic() {
    let (namespace, topic) = (Namespace::opted_in("live-users"), unique("live-users.orders"));
    let ns = namespace.0.as_str();
    apply(&claim(ns, &topic, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    apply(&idle_pod(ns, "reader", &format!("kafka.admittance.dev/consumes: {topic}")));
    apply(&idle_pod(ns, "writer", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", ns, "reader");
    wait_ready("accessclaim", ns, "writer");
    let told = wait_claim(ns, "one user of each kind", |claim| {
        claim["status"]["consumerCount"] == 1 && claim["status"]["producerCount"] == 1
    });
    assert_eq!(told["status"]["consumers"], json!([format!("{ns}/reader")]));
    assert_eq!(told["status"]["producers"], json!([format!("{ns}/writer")]));
    let table = kubectl(&["get", "topicclaim", "orders", "--namespace", ns]);
    let row: Vec<_> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(&row[1..6], [topic.as_str(), "1", "3", "1", "1"], "{table}");
}
