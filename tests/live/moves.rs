//! Replicas that are moved, and shares of the disks. Kafka's own tools are the witness.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, Spec, apply, event_of, exec, get, kubectl, try_get, unique, wait_for, wait_ready, wait_reason,
};
use crate::tools::kafka_tool;

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

/// The brokers that keep each partition, the preferred leader first, as Kafka's own tool lists them.
fn keepers_of(topic: &str) -> BTreeMap<u32, Vec<u32>> {
    let said = kafka_tool("kafka-topics.sh", &["--describe", "--topic", topic]);
    let word = |line: &str, what: &str| -> String {
        let rest = line.split(what).nth(1).unwrap_or_else(|| panic!("{said}"));
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let partitions = said.lines().filter(|line| line.contains("\tPartition: "));
    let of = |line: &str| {
        let brokers = word(line, "Replicas: ").split(',').map(|id| id.parse().unwrap()).collect();
        (word(line, "\tPartition: ").parse().unwrap(), brokers)
    };
    partitions.map(of).collect()
}

/// Whoever has a partition of fewer replicas has it where there are more, and the preferred leader is the same.
fn only_necessary_moves(fewer: &BTreeMap<u32, Vec<u32>>, more: &BTreeMap<u32, Vec<u32>>) {
    assert!(!fewer.is_empty() && fewer.keys().eq(more.keys()), "{fewer:?} {more:?}");
    for (partition, brokers) in fewer {
        let others = &more[partition];
        let kept = brokers.iter().all(|broker| others.contains(broker));
        assert!(kept && brokers[0] == others[0], "partition {partition}: {brokers:?}, {others:?}");
    }
}

/// Every partition has replicas in both racks: brokers 0 and 1 are in one, 2 is in the other.
fn in_both_racks(keepers: &BTreeMap<u32, Vec<u32>>) {
    for (partition, brokers) in keepers {
        let in_the_other = brokers.iter().filter(|broker| **broker == 2).count();
        assert!(in_the_other == 1 && brokers.len() > 1, "partition {partition}: {brokers:?}");
    }
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
        let status = try_get(&["topicclaim", claim, "--namespace", namespace])?["status"].clone();
        let throttles = throttles_of(topic);
        let done = status["moving"].is_null() && status["replicas"] == replicas && throttles.is_empty();
        if done { Ok(()) } else { Err(format!("{throttles:?} {status}")) }
    });
    wait_ready("topicclaim", namespace, claim);
}

#[test]
fn a_topic_gets_another_replica_and_gives_it_back_and_no_throttle_is_left() {
    let (space, topic) = (Namespace::plain("live-moves"), unique("moves"));
    apply(&topic_claim(&space.0, "moved", &topic, &json!({"partitions": 3, "replicas": 1})));
    wait_ready("topicclaim", &space.0, "moved");
    assert_eq!(replicas_of(&topic), [(1, 1); 3]);
    let one = keepers_of(&topic);
    claim_replicas(&space.0, "moved", 2);
    wait_moved(&space.0, "moved", &topic, 2);
    let two = keepers_of(&topic);
    only_necessary_moves(&one, &two);
    assert!(one.values().any(|brokers| brokers[0] != 2), "some begin in the rack of two brokers: {one:?}");
    in_both_racks(&two);
    // Brokers of this Kafka want two in sync.
    claim_replicas(&space.0, "moved", 1);
    wait_reason("topicclaim", &space.0, "moved", "TooFewReplicas");
    let told = event_of(&space.0, "moved", "TooFewReplicas");
    assert!(told.contains("min.insync.replicas"), "{told}");
    claim_replicas(&space.0, "moved", 4);
    wait_reason("topicclaim", &space.0, "moved", "TooManyReplicas");
    let told = event_of(&space.0, "moved", "TooManyReplicas");
    assert!(told.contains("4 replicas"), "{told}");
    assert_eq!(keepers_of(&topic), two, "the last good state stays");
    claim_replicas(&space.0, "moved", 3);
    wait_moved(&space.0, "moved", &topic, 3);
    let three = keepers_of(&topic);
    only_necessary_moves(&two, &three);
    claim_replicas(&space.0, "moved", 2);
    wait_moved(&space.0, "moved", &topic, 2);
    let two = keepers_of(&topic);
    only_necessary_moves(&two, &three);
    in_both_racks(&two);
    let moves = kafka_tool("kafka-reassign-partitions.sh", &["--list"]);
    assert!(moves.contains("partition reassignments") && !moves.contains(&topic), "{moves}");
}

#[test]
fn a_throttle_of_somebody_else_is_waited_for_and_left_alone() {
    let (space, topic) = (Namespace::plain("live-throttled"), unique("braked"));
    let more = json!({"partitions": 2, "replicas": 2, "retention": {"size": "64Mi"}});
    apply(&topic_claim(&space.0, "throttled", &topic, &more));
    wait_ready("topicclaim", &space.0, "throttled");
    assert_eq!(retention_bytes_of(&topic), Ok(64 << 20), "a size is of each partition");
    let theirs = "leader.replication.throttled.replicas=0:0";
    let alter = ["--alter", "--entity-type", "topics", "--entity-name", &topic];
    kafka_tool("kafka-configs.sh", &[&alter[..], &["--add-config", theirs]].concat());
    claim_replicas(&space.0, "throttled", 3);
    wait_reason("topicclaim", &space.0, "throttled", "ReplicasWait");
    assert!(throttles_of(&topic)[0].contains(theirs));
    assert_eq!(replicas_of(&topic), [(2, 2), (2, 2)]);
    let theirs = "leader.replication.throttled.replicas";
    kafka_tool("kafka-configs.sh", &[&alter[..], &["--delete-config", theirs]].concat());
    wait_moved(&space.0, "throttled", &topic, 3);
}

/// What a topic keeps of each partition, as Kafka's own tool lists it.
pub(crate) fn retention_bytes_of(topic: &str) -> Result<u64, String> {
    let said = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "topics", "--entity-name", topic]);
    let found =
        said.split_once("retention.bytes=").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
    found.and_then(|digits: String| digits.parse().ok()).ok_or(said)
}

/// How large the disks of the brokers are together, as `df` lists them.
fn disks() -> u64 {
    let size = |broker: &str| {
        let df = ["df", "--block-size=1", "--output=size", "/var/lib/kafka/data"];
        let (done, said) = exec("kafka", broker, &df);
        let size = said.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
        size.filter(|_| done).unwrap_or_else(|| panic!("{said}"))
    };
    ["kafka-0", "kafka-1", "kafka-2"].map(size).iter().sum()
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
    // A replica takes up to a segment more than it keeps, and the rest of a segment is not used.
    let (share, taken) = (disks() / 100, 4 * kept);
    assert!(taken.abs_diff(share) <= share / 50 + 8 * SEGMENT, "{taken} bytes are kept, a hundredth is {share}");

    let _limit = Spec::set(&json!({"topics": {"limits": {"maxDiskUse": "0.015"}}}));
    apply(&claim("second", "0.01"));
    wait_reason("topicclaim", &space.0, "second", "DiskSharesExceeded");
    let second = get(&["topicclaim", "second", "--namespace", &space.0]);
    let message = second["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("0.02") && message.contains("0.015"), "{message}");
    let told = event_of(&space.0, "second", "DiskSharesExceeded");
    assert!(told.contains("0.02") && told.contains("0.015"), "{told}");
    let listed = kafka_tool("kafka-topics.sh", &["--list"]);
    let is_there = |name: &str| listed.lines().any(|line| line == format!("{topic}-{name}"));
    assert!(is_there("first") && !is_there("second"), "{listed}");
    wait_ready("topicclaim", &space.0, "first");
    apply(&claim("second", "0.005"));
    wait_ready("topicclaim", &space.0, "second");
    assert_eq!(retention_bytes_of(&format!("{topic}-first")), Ok(kept));

    let more = json!({"spec": {"partitions": 4}}).to_string();
    kubectl(&["patch", "topicclaim", "first", "--namespace", &space.0, "--type=merge", "--patch", &more]);
    let kept = wait_for("the share is divided anew", || match retention_bytes_of(&format!("{topic}-first")) {
        Ok(bytes) if bytes < kept => Ok(bytes),
        other => Err(format!("{other:?}")),
    });
    let taken = 8 * kept;
    assert!(taken.abs_diff(share) <= share / 50 + 16 * SEGMENT, "{taken} bytes are kept, a hundredth is {share}");
}
