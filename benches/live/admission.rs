//! What admission costs the creation of a Pod.

use std::time::{Duration, Instant};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::get;
use crate::metrics::{Line, OURS, Page};
use crate::responder::Responder;
use crate::sample::Sample;
use crate::space::Space;
use crate::table::{MILLISECONDS, Table};
use crate::workload::{asks, unseen};

const CREATES: usize = 300;
/// Not measured: connections are opened, and code is read for the first time.
const WARM_UP: usize = 20;
const NOTHING: &str = "nothing.bench.admittance.dev";
const UNASKED: &str = "unasked.bench.admittance.dev";
/// The rows, each of a namespace, and the webhook by which Pods of it are reviewed.
const ROWS: [(&str, Option<&str>); 4] = [
    ("no webhook", None),
    ("a webhook that does nothing", Some(NOTHING)),
    ("ours, of a Pod that asks for nothing", Some(UNASKED)),
    ("injection", Some(OURS)),
];
const CLOCK: &str = "apiserver_admission_webhook_admission_duration_seconds";

/// Dry runs, so that nothing but admission differs: no webhook, one that answers "allowed" and nothing else, ours of a Pod that does not ask
/// for Kafka, and ours of one that does.
pub(crate) async fn run(client: &Client) {
    let none = Space::labelled(client, "none", ("bench", "none")).await;
    let nothing = Space::labelled(client, "nothing", ("bench", "nothing")).await;
    let unasked = Space::labelled(client, "unasked", ("bench", "unasked")).await;
    let inject = Space::opted_in(client, "inject").await;
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let responder = Responder::start().await;
    for (name, space, address) in [(NOTHING, &nothing, Some(responder.client_config())), (UNASKED, &unasked, None)] {
        let configuration = of_a_namespace(name, &space.name, address);
        configurations.create(&PostParams::default(), &configuration).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    let asks = asks("bench-in", "bench-out");
    let kinds = [(&none, json!({})), (&nothing, json!({})), (&unasked, json!({})), (&inject, asks)];
    let mut times = [const { Vec::new() }; ROWS.len()];
    let mut before = Page::of_api_server();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for round in 0..CREATES + WARM_UP {
        if round == WARM_UP {
            before = Page::of_api_server();
        }
        for ((space, annotations), times) in kinds.iter().zip(&mut times) {
            let (pods, pod) = (space.api::<Pod>(), unseen("bench", annotations));
            let began = Instant::now();
            pods.create(&dry, &pod).await.unwrap();
            if round >= WARM_UP {
                times.push(began.elapsed());
            }
        }
    }
    let after = Page::of_api_server();
    for space in [&nothing, &unasked] {
        configurations.delete(&space.name, &DeleteParams::default()).await.unwrap();
    }

    let mut table = Table::new("Pod creation through the API server (dry run, in turn)", &MILLISECONDS);
    for ((what, _), times) in ROWS.into_iter().zip(&times) {
        table.times(what, &Sample::times(times), "");
    }
    table.print();
    clock(&before, &after);
    for space in [none, nothing, unasked, inject] {
        space.retire().await;
    }
}

/// A webhook with all settings of ours, but for Pods of this namespace, whatever they ask for; at another address, if one is given.
fn of_a_namespace(name: &str, namespace: &str, address: Option<Value>) -> MutatingWebhookConfiguration {
    let all = get(&["mutatingwebhookconfigurations"]);
    let ours = all["items"].as_array().unwrap().iter().find(|item| item["webhooks"][0]["name"] == OURS);
    let mut webhook: Value = ours.unwrap()["webhooks"][0].clone();
    webhook["name"] = json!(name);
    webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    webhook.as_object_mut().unwrap().remove("matchConditions");
    if let Some(address) = address {
        webhook["clientConfig"] = address;
    }
    serde_json::from_value(json!({"metadata": {"name": namespace}, "webhooks": [webhook]})).unwrap()
}

/// What the API server itself has measured: call and patch, without what else it does for a Pod.
fn clock(before: &Page, after: &Page) {
    let head = ["milliseconds, mean", "a call", "calls a Pod", "a Pod", "budget"];
    let mut table = Table::new("The same, by the API server's own clock", &head);
    for (what, name) in ROWS.into_iter().filter_map(|(what, name)| Some((what, name?))) {
        let budget = if name == OURS { "≤ 1.5 a Pod" } else { "" };
        let of = |line: &Line| line.label("name") == name && line.label("operation") == "CREATE";
        let grown = |part: &str| {
            let metric = format!("{CLOCK}_{part}");
            after.sum(&metric, of) - before.sum(&metric, of)
        };
        let (sum, count, pods) = (grown("sum") * 1000.0, grown("count"), CREATES as f64);
        assert!(count >= pods, "{name}: the API server has counted {count} calls for {CREATES} Pods");
        let [call, calls, pod] = [sum / count, count / pods, sum / pods].map(|number| format!("{number:.2}"));
        table.row(&[what, &call, &calls, &pod, budget]);
    }
    table.print();
}
