//! Topics by their claims: how many are made, and how many deleted, in a second.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use admittance::api::resources::{BrokerCluster, READY, TopicClaim, holds};
use kube::api::{Api, WatchEvent};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::cluster::{HOME, kafka_tool, set, wait_for};
use crate::space::Space;
use crate::table::Table;

/// How large a topic is, how many there are, and what a second may bring at least.
struct Kind {
    partitions: u32,
    replicas: u32,
    count: usize,
    budget: &'static str,
}

/// Kafka keeps a folder and four files a replica: of the larger topics there are fewer.
const KINDS: [Kind; 2] = [
    Kind { partitions: 3, replicas: 3, count: 200, budget: "" },
    Kind { partitions: 1, replicas: 1, count: 800, budget: "≥ 340" },
];

pub(crate) async fn run(client: &Client) {
    set(&json!({"topics": {"deletion": {"undo": "0s", "minRecordAge": "0s", "maxAnHour": 10_000}}}));
    let mut table = Table::new("Topics at once, and their end", &["a second", "n", "rate", "budget"]);
    for kind in KINDS {
        let space = Space::opted_in(client, &format!("topics-{}x{}", kind.partitions, kind.replicas)).await;
        let round = round(client, &space, &kind).await;
        let mut row = |what: &str, took: Duration, budget: &str| {
            let rate = format!("{:.1}", kind.count as f64 / took.as_secs_f64());
            table.row(&[what, &kind.count.to_string(), &rate, budget]);
        };
        let size = format!("{} partitions, {} replicas: ", kind.partitions, kind.replicas);
        row(&format!("{size}created and Ready, from the first claim on"), round.ready, kind.budget);
        row("  their claims accepted by the API server", round.claimed, "");
        row(&format!("{size}deleted, from the first claim's removal on"), round.deleted, kind.budget);
        row("  their claims removed by the API server", round.unclaimed, "");
        space.retire().await;
    }
    table.print();
    set(&json!({"topics": {"deletion": Value::Null}}));
}

/// What was measured.
struct Round {
    claimed: Duration,
    ready: Duration,
    unclaimed: Duration,
    deleted: Duration,
}

async fn round(client: &Client, space: &Space, kind: &Kind) -> Round {
    let names: Vec<_> = (0..kind.count).map(|number| format!("t{number}")).collect();
    let topic = |name: &str| format!("{}.{name}", space.name);
    let claims = names.iter().map(|name| claim(name, &topic(name), kind)).collect();
    let mut arrivals = Arrivals::of(&space.api::<TopicClaim>()).await;
    let mut waiting: HashSet<String> = names.iter().cloned().collect();
    let began = Instant::now();
    let creation = space.create_all::<TopicClaim>(claims);
    let ready = arrivals.until("every topic is ready", |event| {
        if let WatchEvent::Added(claim) | WatchEvent::Modified(claim) = event
            && claim.status.as_ref().is_some_and(|status| holds(&status.conditions, READY))
        {
            waiting.remove(&claim.name_any());
        }
        waiting.is_empty()
    });
    let ready = ready.await - began;
    let claimed = creation.await.unwrap();
    seen_by_kafka(&space.name, kind.count);

    let mut left: HashSet<String> = names.iter().map(|name| topic(name)).collect();
    let mut books = Arrivals::of(&Api::<BrokerCluster>::namespaced(client.clone(), HOME)).await;
    let began = Instant::now();
    let removal = space.remove_all::<TopicClaim>(names);
    let deleted = books.until("every topic is deleted", |event| {
        if let WatchEvent::Added(cluster) | WatchEvent::Modified(cluster) = event {
            let records = cluster.status.into_iter().flat_map(|status| status.deletions);
            for record in records.filter(|record| record.deleted.is_some()) {
                left.remove(&record.topic);
            }
        }
        left.is_empty()
    });
    let deleted = deleted.await - began;
    let unclaimed = removal.await.unwrap();
    seen_by_kafka(&space.name, 0);
    Round { claimed, ready, unclaimed, deleted }
}

fn claim(name: &str, topic: &str, kind: &Kind) -> TopicClaim {
    let spec = json!({
        "topicName": topic, "cluster": format!("{HOME}/default"), "deletion": "Delete",
        "partitions": kind.partitions, "replicas": kind.replicas,
    });
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
}

/// Waits until Kafka's own tool sees so many topics of a space: what the controller has committed is shown by a broker once it has made the
/// logs of it.
fn seen_by_kafka(space: &str, count: usize) {
    wait_for("Kafka's own tool sees the topics", || {
        let listed = kafka_tool("kafka-topics.sh", &["--list"]);
        let found = listed.lines().filter(|topic| topic.starts_with(&format!("{space}."))).count();
        (found == count).then_some(())
    });
}
