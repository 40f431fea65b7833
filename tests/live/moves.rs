//! Replicas that are moved, and shares of the disks. Kafka's own tools are the witness.

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, apply, get, kafka_tool, kubectl, try_kubectl, unique, wait_for, wait_ready, wait_reason,
};

/// A declared topic with more of a specification.
pub(crate) fn topic_claim(namespace: &str, name: &str, topic: &str, more: &Value) -> String {
    let mut spec = json!({"topicName": topic, "cluster": format!("{HOME}/default")});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim", "metadata": metadata, "spec": spec})
        .to_string()
}

/// The replicas of each partition, and those that are in sync, as Kafka's own tool lists them.
pub(crate) fn replicas_of(topic: &str) -> Vec<(usize, usize)> {
    let said = kafka_tool("kafka-topics.sh", &["--describe", "--topic", topic]);
    let count = |line: &str, what: &str| {
        let list = line.split(what).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        list.split(',').filter(|id| !id.is_empty()).count()
    };
    let partitions = said.lines().filter(|line| line.contains("\tPartition: "));
    partitions.map(|line| (count(line, "Replicas: "), count(line, "Isr: "))).collect()
}

/// What is left of a throttle, of a topic and of all brokers, as Kafka's own tool lists it; none is an empty list.
pub(crate) fn throttles_of(topic: &str) -> Vec<String> {
    let of_topic = ["--describe", "--entity-type", "topics", "--entity-name", topic];
    let of_brokers = ["--describe", "--entity-type", "brokers", "--entity-default"];
    let said = [kafka_tool("kafka-configs.sh", &of_topic), kafka_tool("kafka-configs.sh", &of_brokers)];
    assert!(said[0].contains(topic) && said[1].contains("brokers"), "{said:?}");
    said.concat().lines().filter(|line| line.contains(".throttled.")).map(str::to_owned).collect()
}

pub(crate) fn claim_replicas(namespace: &str, claim: &str, replicas: usize) {
    let patch = json!({"spec": {"replicas": replicas}}).to_string();
    kubectl(&["patch", "topicclaim", claim, "--namespace", namespace, "--type=merge", "--patch", &patch]);
}

/// Waits until every partition has as many replicas, all in sync, the claim is ready, and nothing is left of a throttle.
pub(crate) fn wait_moved(namespace: &str, claim: &str, topic: &str, replicas: usize) {
    wait_for(&format!("topic {topic} has {replicas} replicas"), || {
        let found = replicas_of(topic);
        let done = !found.is_empty() && found.iter().all(|counts| *counts == (replicas, replicas));
        if done {
            Ok(())
        } else {
            Err(format!("{found:?} {}", get(&["topicclaim", claim, "--namespace", namespace])["status"]))
        }
    });
    wait_for(&format!("nothing of topic {topic} is moved any more"), || {
        let status = get(&["topicclaim", claim, "--namespace", namespace])["status"].clone();
        let throttles = throttles_of(topic);
        let done = status["moving"].is_null() && status["replicas"] == replicas && throttles.is_empty();
        if done { Ok(()) } else { Err(format!("{throttles:?} {status}")) }
    });
    wait_ready("topicclaim", namespace, claim);
}

/// A setting of the cluster's topic policy for as long as this lives.
pub(crate) struct Policy(Value);

impl Policy {
    pub(crate) fn set(fields: Value) -> Self {
        patch_policy(&fields);
        let Value::Object(mut fields) = fields else { panic!("{fields}") };
        fields.values_mut().for_each(|value| *value = Value::Null);
        Self(Value::Object(fields))
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        patch_policy(&self.0);
    }
}

fn patch_policy(fields: &Value) {
    let patch = json!({"spec": {"topics": fields}}).to_string();
    let done =
        try_kubectl(&["patch", "brokercluster", "default", "--namespace", HOME, "--type=merge", "--patch", &patch]);
    if !std::thread::panicking() {
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn a_topic_gets_another_replica_and_gives_it_back_and_no_throttle_is_left() {
    let (space, topic) = (Namespace::plain("live-moves"), unique("moves"));
    apply(&topic_claim(&space.0, "moved", &topic, &json!({"partitions": 3, "replicas": 1})));
    wait_ready("topicclaim", &space.0, "moved");
    assert_eq!(replicas_of(&topic), [(1, 1); 3]);
    claim_replicas(&space.0, "moved", 2);
    wait_moved(&space.0, "moved", &topic, 2);
    // Brokers of this Kafka want two in sync.
    claim_replicas(&space.0, "moved", 1);
    wait_reason("topicclaim", &space.0, "moved", "TooFewReplicas");
    claim_replicas(&space.0, "moved", 4);
    wait_reason("topicclaim", &space.0, "moved", "TooManyReplicas");
    assert_eq!(replicas_of(&topic), [(2, 2); 3], "the last good state stays");
    claim_replicas(&space.0, "moved", 3);
    wait_moved(&space.0, "moved", &topic, 3);
    claim_replicas(&space.0, "moved", 2);
    wait_moved(&space.0, "moved", &topic, 2);
}

#[test]
fn a_throttle_of_somebody_else_is_waited_for_and_left_alone() {
    let (space, topic) = (Namespace::plain("live-throttled"), unique("braked"));
    apply(&topic_claim(&space.0, "throttled", &topic, &json!({"partitions": 1, "replicas": 2})));
    wait_ready("topicclaim", &space.0, "throttled");
    let theirs = "leader.replication.throttled.replicas=0:0";
    let alter = ["--alter", "--entity-type", "topics", "--entity-name", &topic];
    kafka_tool("kafka-configs.sh", &[&alter[..], &["--add-config", theirs]].concat());
    claim_replicas(&space.0, "throttled", 3);
    wait_reason("topicclaim", &space.0, "throttled", "ReplicasWait");
    assert!(throttles_of(&topic)[0].contains(theirs));
    assert_eq!(replicas_of(&topic), [(2, 2)]);
    let theirs = "leader.replication.throttled.replicas";
    kafka_tool("kafka-configs.sh", &[&alter[..], &["--delete-config", theirs]].concat());
    wait_moved(&space.0, "throttled", &topic, 3);
}

/// What a topic keeps of each partition, as Kafka's own tool lists it.
fn retention_bytes_of(topic: &str) -> Result<u64, String> {
    let said = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "topics", "--entity-name", topic]);
    let found =
        said.split_once("retention.bytes=").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
    found.and_then(|digits: String| digits.parse().ok()).ok_or(said)
}

#[test]
fn a_share_of_the_disks_is_whole_segments_and_the_oldest_keep_theirs() {
    const SEGMENT: u64 = 1 << 20;
    let (space, topic) = (Namespace::plain("live-shares"), unique("shares"));
    let claim = |name: &str, share: &str| {
        let config = json!({"segment.bytes": SEGMENT.to_string()});
        let more = json!({"partitions": 2, "replicas": 2, "config": config, "retention": {"diskFraction": share}});
        topic_claim(&space.0, name, &format!("{topic}-{name}"), &more)
    };
    apply(&claim("first", "0.01"));
    wait_ready("topicclaim", &space.0, "first");
    let kept = wait_for("the share is a limit", || retention_bytes_of(&format!("{topic}-first")));
    assert!(kept % SEGMENT == 0 && kept > SEGMENT, "{kept} bytes of each of four replicas");

    let _limit = Policy::set(json!({"limits": {"maxDiskUse": "0.015"}}));
    apply(&claim("second", "0.01"));
    wait_reason("topicclaim", &space.0, "second", "DiskSharesExceeded");
    let second = get(&["topicclaim", "second", "--namespace", &space.0]);
    let message = second["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("0.02") && message.contains("0.015"), "{message}");
    wait_ready("topicclaim", &space.0, "first");
    apply(&claim("second", "0.005"));
    wait_ready("topicclaim", &space.0, "second");
    assert_eq!(retention_bytes_of(&format!("{topic}-first")), Ok(kept));
}
