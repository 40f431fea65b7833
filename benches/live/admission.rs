//! What admission costs the creation of a Pod.

use std::time::{Duration, Instant};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::get;
use crate::metrics::{Line, OURS, Page};
use crate::sample::Sample;
use crate::space::Space;
use crate::table::{MILLISECONDS, Table};
use crate::workload::{asks, unseen};

const CREATES: usize = 300;
/// Not measured: connections are opened, and code is read for the first time.
const WARM_UP: usize = 20;
const NOTHING: &str = "nothing.bench.admittance.dev";
const CLOCK: &str = "apiserver_admission_webhook_admission_duration_seconds";

/// Dry runs, so that nothing but admission differs: no webhook, one that answers "allowed" and nothing else, and ours.
pub(crate) async fn run(client: &Client) {
    let none = Space::labelled(client, "none", ("bench", "none")).await;
    let nothing = Space::labelled(client, "nothing", ("bench", "nothing")).await;
    let inject = Space::opted_in(client, "inject").await;
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let configuration = does_nothing(&nothing.name);
    configurations.create(&PostParams::default(), &configuration).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let kinds = [(&none, json!({})), (&nothing, json!({})), (&inject, asks("bench-in", "bench-out"))];
    let mut times = [const { Vec::new() }; 3];
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
    configurations.delete(&nothing.name, &DeleteParams::default()).await.unwrap();

    let mut table = Table::new("Pod creation through the API server (dry run, in turn)", &MILLISECONDS);
    for (what, times) in ["no webhook", "a webhook that does nothing", "injection"].into_iter().zip(&times) {
        table.times(what, &Sample::times(times), "");
    }
    table.print();
    clock(&before, &after);
    for space in [none, nothing, inject] {
        space.retire().await;
    }
}

/// Our own server, asked about Pods that ask for nothing: the cost of a call as such.
fn does_nothing(namespace: &str) -> MutatingWebhookConfiguration {
    let all = get(&["mutatingwebhookconfigurations"]);
    let ours = all["items"].as_array().unwrap().iter().find(|item| item["webhooks"][0]["name"] == OURS);
    let mut webhook: Value = ours.unwrap()["webhooks"][0].clone();
    webhook["name"] = json!(NOTHING);
    webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    webhook.as_object_mut().unwrap().remove("matchConditions");
    serde_json::from_value(json!({"metadata": {"name": namespace}, "webhooks": [webhook]})).unwrap()
}

/// What the API server itself has measured: call and patch, without what else it does for a Pod.
fn clock(before: &Page, after: &Page) {
    let head = ["milliseconds, mean", "a call", "calls a Pod", "a Pod", "budget"];
    let mut table = Table::new("The same, by the API server's own clock", &head);
    for (what, name, budget) in [("a webhook that does nothing", NOTHING, ""), ("injection", OURS, "≤ 1.5 a Pod")] {
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
