//! Topics as code, with Kafka's own tools as the witness.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, apply, event_about, get, idle_pod, kubectl, try_get, try_kubectl, unique, user_of, wait_for, wait_ready,
    wait_reason, with_input,
};
use crate::policy::metrics;
use crate::tools::kafka_tool;

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
        let object = try_get(&["topicclaim", "orders", "--namespace", namespace])?;
        if right(&object) { Ok(object) } else { Err(object["status"].to_string()) }
    })
}

fn patch(namespace: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    kubectl(&["patch", "topicclaim", "orders", "--namespace", namespace, "--type=merge", "--patch", &patch]);
}

/// An Event about a claim, not about a Pod or a ConfigMap of its name; what it says.
fn event_of(namespace: &str, claim: &str, reason: &str) -> String {
    event_about("TopicClaim", namespace, claim, reason, "")
}

/// The names of all topics.
fn listed() -> Vec<String> {
    kafka_tool("kafka-topics.sh", &["--list"]).lines().map(|line| line.trim().to_owned()).collect()
}

/// What the operator's replicas count together in a series.
fn counted(series: &str) -> f64 {
    let page = metrics("operator");
    page.lines().filter_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok()).sum()
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
    let counts = || {
        let totals = ["Found", "Reverted"].map(|what| format!("admittance_topic_drift_total{{outcome=\"{what}\"}}"));
        totals.map(|series| counted(&series))
    };
    let [found, reverted] = counts();
    by_hand(&topic, "--add-config", "retention.ms=5000");
    kafka_says(&topic, "what the claim says again", |said| said.contains("retention.ms=100000"));
    let difference = "retention.ms: 5000 instead of 100000";
    assert!(event_of(ns, "orders", "DriftReverted").contains(difference));
    let told = wait_claim(ns, "what was put right", |claim| condition(claim, "Drifted").is_some());
    let drifted = condition(&told, "Drifted").unwrap();
    assert_eq!((&drifted["status"], &drifted["reason"]), (&json!("False"), &json!("DriftReverted")));
    assert!(drifted["message"].as_str().unwrap().contains(difference), "{drifted}");
    let now = counts();
    assert!(now[0] > found && now[1] > reverted, "it is counted: {now:?} after {:?}", [found, reverted]);

    patch(ns, &json!({"drift": "Report"}));
    by_hand(&topic, "--add-config", "retention.ms=6000");
    let told = wait_claim(ns, "its drift", |claim| claim["status"]["drift"].is_array());
    assert_eq!(told["status"]["drift"], json!(["retention.ms: 6000 instead of 100000"]));
    assert_eq!(condition(&told, "Drifted").unwrap()["status"], "True");
    assert_eq!(condition(&told, "Ready").unwrap()["status"], "True", "it is there all the same");
    event_of(ns, "orders", "TopicDrifted");
    // Claims of other tests, of which some are on their way out, may differ too.
    let shown = || {
        let claims = get(&["topicclaims", "--all-namespaces"]);
        let drifts = claims["items"].as_array().unwrap().iter().map(|claim| claim["status"]["drift"].as_array());
        drifts.map(|drift| drift.map_or(0, Vec::len)).sum::<usize>()
    };
    wait_for("every difference is counted", || {
        let (counted, shown) = (counted("admittance_topic_differences"), shown());
        if counted.to_string() == shown.to_string() { Ok(()) } else { Err(format!("{counted} of {shown}")) }
    });
    assert!(described(&topic).contains("retention.ms=6000"), "a report changes nothing");

    // Partitions that somebody added cannot be taken back: it is said, and the claim still keeps the rest.
    kafka_tool("kafka-topics.sh", &["--alter", "--topic", &topic, "--partitions", "3"]);
    patch(ns, &json!({"drift": "Revert"}));
    wait_reason("topicclaim", ns, "orders", "TopicCannotShrink");
    event_of(ns, "orders", "TopicCannotShrink");
    kafka_says(&topic, "the claim's retention, and three partitions", |said| {
        said.contains("retention.ms=100000") && said.contains("PartitionCount: 3")
    });
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

    // What cannot be is refused when it is written, of a claim that is good as well.
    let refused = |spec: Value, says: &str| {
        let patch = json!({"spec": spec}).to_string();
        let done =
            try_kubectl(&["patch", "topicclaim", "orders", "--namespace", ns, "--type=merge", "--patch", &patch]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(says), "{patch}: {said}");
    };
    refused(json!({"config": {"retention.ms": "-2"}}), "retention.ms");
    for count in [0, -3] {
        refused(json!({"partitions": count}), "spec.partitions");
        refused(json!({"replicas": count}), "spec.replicas");
    }
    refused(json!({"partitions": 1}), "can only grow");
    refused(json!({"topicName": format!("{topic}-b")}), "topicName is immutable");
    refused(json!({"cluster": "admittance/other"}), "cluster can be neither changed, added nor removed");
    // Broken after it was good: the topic stays as it was, and a claim that is put right is heeded.
    patch(ns, &json!({"config": {"retention.ms": "200000", "colour": "red"}}));
    wait_reason("topicclaim", ns, "orders", "UnknownTopicConfig");
    event_of(ns, "orders", "UnknownTopicConfig");
    let said = described(&topic);
    assert!(said.contains("retention.ms=100000") && said.contains("PartitionCount: 2"), "{said}");
    patch(ns, &json!({"config": {"colour": null, "retention.ms": "300000"}}));
    wait_ready("topicclaim", ns, "orders");
    // Kafka 3.9 takes so small a segment, and this one does not.
    patch(ns, &json!({"config": {"segment.bytes": "14", "retention.ms": "400000"}}));
    wait_reason("topicclaim", ns, "orders", "InvalidTopicConfig");
    let told = event_of(ns, "orders", "InvalidTopicConfig");
    assert!(told.contains("segment.bytes"), "{told}");
    let said = described(&topic);
    assert!(said.contains("retention.ms=300000") && !said.contains("segment.bytes"), "{said}");
    patch(ns, &json!({"config": {"segment.bytes": null, "retention.ms": "300000"}}));
    wait_ready("topicclaim", ns, "orders");

    // What only Kafka can know, or the other claims.
    let (many, twin) = (unique("live-bad.many"), topic.replacen('.', "_", 1));
    let other = Namespace::opted_in("live-bad-b");
    apply(&named("many", ns, &many, "replicas: 50"));
    apply(&named("twin", ns, &twin, "partitions: 1"));
    apply(&named("second", ns, &topic, "partitions: 5"));
    apply(&named("theirs", &other.0, &topic, "partitions: 5"));
    for (space, name, reason) in [
        (ns, "many", "TooManyReplicas"),
        (ns, "twin", "TopicNameCollides"),
        (ns, "second", "TopicConflict"),
        (&other.0, "theirs", "TopicOwnedElsewhere"),
    ] {
        wait_reason("topicclaim", space, name, reason);
        event_of(space, name, reason);
    }
    wait_ready("topicclaim", ns, "orders");
    let said = described(&topic);
    assert!(said.contains("retention.ms=300000") && said.contains("PartitionCount: 2"), "{said}");
    let topics = listed();
    assert!(topics.contains(&topic) && !topics.contains(&many) && !topics.contains(&twin), "{topics:?}");
    // A refusal is said once, and does not lead to the next.
    let versions = || ["many", "twin", "second"].map(|name| version(ns, name));
    let before = versions();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(versions(), before);
}

#[test]
fn a_topic_that_is_gone_is_missed_and_one_that_somebody_made_anew_is_left_alone() {
    let (namespace, topic) = (Namespace::opted_in("live-missing"), unique("live-missing.orders"));
    let (ns, gone) = (namespace.0.as_str(), format!("{topic}-gone"));
    apply(&claim(ns, &topic, "partitions: 1"));
    apply(&named("gone", ns, &gone, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    wait_ready("topicclaim", ns, "gone");
    for topic in [&topic, &gone] {
        kafka_tool("kafka-topics.sh", &["--delete", "--topic", topic]);
    }
    kafka_tool(
        "kafka-topics.sh",
        &["--create", "--topic", &topic, "--partitions", "1", "--config", "retention.ms=5000"],
    );
    let theirs = described(&topic);
    assert!(theirs.contains("PartitionCount: 1") && theirs.contains("retention.ms=5000"), "{theirs}");
    wait_reason("topicclaim", ns, "gone", "TopicMissing");
    event_of(ns, "gone", "TopicMissing");
    assert!(!listed().contains(&gone));
    wait_reason("topicclaim", ns, "orders", "TopicReplaced");
    event_of(ns, "orders", "TopicReplaced");
    // Whatever the claim says from here on, the topic is not its own.
    patch(ns, &json!({"partitions": 3, "config": {"retention.ms": "100000"}}));
    let told = wait_claim(ns, "the change was looked at", |claim| {
        condition(claim, "Ready").is_some_and(|said| said["observedGeneration"] == claim["metadata"]["generation"])
    });
    assert_eq!(condition(&told, "Ready").unwrap()["reason"], "TopicReplaced");
    assert_eq!(described(&topic), theirs, "its id, its partitions and its settings are as somebody made them");

    // Whoever declares a topic again that is gone wants an empty one.
    kubectl(&["delete", "topicclaim", "gone", "--namespace", ns]);
    apply(&named("gone", ns, &gone, "partitions: 1"));
    wait_ready("topicclaim", ns, "gone");
    assert!(listed().contains(&gone));
}

/// A quota of changes for the operator's own user of Kafka; none again with the guard.
struct Slow;

impl Slow {
    const USER: [&'static str; 5] = ["--alter", "--entity-type", "users", "--entity-name", "admin"];

    fn set() -> Self {
        let said = kafka_tool(
            "kafka-configs.sh",
            &[&Self::USER[..], &["--add-config", "controller_mutation_rate=1"]].concat(),
        );
        assert!(said.contains("Completed"), "{said}");
        Self
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let quota = ["--delete-config", "controller_mutation_rate"];
        kafka_tool("kafka-configs.sh", &[&Self::USER[..], &quota].concat());
    }
}

#[test]
fn a_quota_of_changes_delays_topics_and_no_bad_one_keeps_a_good_one_back() {
    const GOOD: usize = 20;
    let (namespace, topic) = (Namespace::opted_in("live-slow"), unique("live-slow.t"));
    let ns = namespace.0.as_str();
    // It is there before its twin, which it stands in the way of.
    apply(&claim(ns, &topic, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    let _slow = Slow::set();
    let good = (0..GOOD).map(|n| named(&format!("good-{n}"), ns, &format!("{topic}-{n}"), "partitions: 1"));
    let bad = [
        named("many", ns, &format!("{topic}-many"), "replicas: 50"),
        named("twin", ns, &topic.replacen('.', "_", 1), "partitions: 1"),
    ];
    apply(&bad.into_iter().chain(good).collect::<Vec<_>>().join("---\n"));
    wait_for("the quota delays some of them", || {
        let claims = get(&["topicclaims", "--namespace", ns]).to_string();
        if claims.contains("controller_mutation_rate") { Ok(()) } else { Err(claims) }
    });
    wait_reason("topicclaim", ns, "many", "TooManyReplicas");
    wait_reason("topicclaim", ns, "twin", "TopicNameCollides");
    for n in 0..GOOD {
        wait_ready("topicclaim", ns, &format!("good-{n}"));
    }
    let topics = listed();
    let there = topics.iter().filter(|name| name.starts_with(&format!("{topic}-"))).count();
    assert_eq!(there, GOOD, "{topics:?}");
    assert!(!topics.contains(&topic.replacen('.', "_", 1)), "{topics:?}");
}

#[test]
fn a_claim_tells_who_uses_its_topic() {
    let (namespace, topic) = (Namespace::opted_in("live-users"), unique("live-users.orders"));
    let ns = namespace.0.as_str();
    apply(&claim(ns, &topic, "partitions: 1"));
    wait_ready("topicclaim", ns, "orders");
    apply(&idle_pod(ns, "reader", &format!("kafka.admittance.dev/consumes: {topic}")));
    apply(&idle_pod(ns, "writer", &format!("kafka.admittance.dev/produces: {topic}")));
    let users = ["reader", "writer"].map(|access| user_of(ns, access));
    let told = wait_claim(ns, "one user of each kind", |claim| {
        claim["status"]["consumerCount"] == 1 && claim["status"]["producerCount"] == 1
    });
    assert_eq!(told["status"]["consumers"], json!([format!("{ns}/reader")]));
    assert_eq!(told["status"]["producers"], json!([format!("{ns}/writer")]));
    let table = kubectl(&["get", "topicclaim", "orders", "--namespace", ns]);
    let row: Vec<_> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(&row[1..8], [topic.as_str(), "1", "3", "1", "1", "True", "Ready"], "{table}");
    let rules = kafka_tool("kafka-acls.sh", &["--list", "--topic", &topic]);
    for user in &users {
        assert!(rules.contains(&format!("principal=User:{user},")), "{user}: {rules}");
    }
}
