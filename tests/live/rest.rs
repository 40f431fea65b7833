//! What is written while nothing happens: nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{HOME, Namespace, apply, get, idle_pod, unique, wait_for, wait_ready, wait_reason};
use crate::moves::topic_claim;
use crate::policy::metrics;
use crate::tools::kafka_tool;

/// A round of what comes by the clock: the comparison of topics, the sweep and the look at a cluster each come every 30 s.
const REST: Duration = Duration::from_secs(35);
/// How soon there must be such a rest: what other tests left is dealt with by then.
const SETTLED: Duration = Duration::from_secs(240);

/// The operator's writes by its own count, by kind, but for its Lease.
fn writes() -> BTreeMap<String, u64> {
    let page = metrics("operator");
    let mut found = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("admittance_writes_total{kind=\"")) {
        let (kind, count) = line.split_once("\"} ").unwrap_or_else(|| panic!("{line}"));
        if kind != "lease" {
            *found.entry(kind.to_owned()).or_default() += count.trim().parse::<u64>().unwrap();
        }
    }
    found
}

/// The versions of what the operator keeps, whoever counts it.
fn versions(namespace: &str) -> BTreeMap<String, String> {
    let lists = [
        get(&["accessclaims,topicclaims,secrets,pods", "--namespace", namespace]),
        get(&["brokerclusters", "--namespace", HOME]),
    ];
    let items = lists.iter().flat_map(|list| list["items"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let version = |item: &Value| {
        let name = format!("{} {}", text(&item["kind"]), text(&item["metadata"]["name"]));
        (name, text(&item["metadata"]["resourceVersion"]))
    };
    items.map(version).collect()
}

#[test]
fn at_rest_nothing_is_written_for_what_is_content_and_for_what_is_not() {
    let (space, other) = (Namespace::opted_in("live-rest"), Namespace::opted_in("live-rest-b"));
    let (ns, topic) = (space.0.as_str(), unique("live-rest.orders"));
    let (told, many) = (unique("live-rest.told"), unique("live-rest.many"));
    apply(&topic_claim(ns, "told", &told, &json!({"drift": "Report", "config": {"retention.ms": "100000"}})));
    apply(&topic_claim(ns, "many", &many, &json!({"replicas": 50})));
    apply(&idle_pod(
        ns,
        "app",
        &format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}"),
    ));
    wait_ready("pod", ns, "app");
    apply(&idle_pod(&other.0, "refused", &format!("kafka.admittance.dev/consumes: {topic}")));
    wait_reason("accessclaim", &other.0, "refused", "TopicOwnedElsewhere");
    wait_reason("topicclaim", ns, "many", "TooManyReplicas");
    wait_ready("topicclaim", ns, "told");
    let by_hand = ["--alter", "--entity-type", "topics", "--entity-name", &told, "--add-config", "retention.ms=5000"];
    kafka_tool("kafka-configs.sh", &by_hand);
    wait_for("the claim tells what was changed by hand", || {
        let status = get(&["topicclaim", "told", "--namespace", ns])["status"].clone();
        if status["drift"].is_array() { Ok(()) } else { Err(status.to_string()) }
    });
    wait_for("other tests' namespaces are gone", || {
        let leaving = get(&["namespaces", "--field-selector=status.phase=Terminating"])["items"].clone();
        if leaving.as_array().unwrap().is_empty() { Ok(()) } else { Err(leaving.to_string()) }
    });

    let kept = || (writes(), versions(ns), versions(&other.0));
    let (began, mut before, mut since) = (Instant::now(), kept(), Instant::now());
    assert!(before.0.values().sum::<u64>() > 0, "the operator has made accesses and counted no write");
    while since.elapsed() < REST {
        std::thread::sleep(Duration::from_secs(5));
        let now = kept();
        if now != before {
            assert!(began.elapsed() < SETTLED, "the operator does not come to rest: {before:?}, and then {now:?}");
            (before, since) = (now, Instant::now());
        }
    }
}
