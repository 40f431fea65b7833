//! A thousand Pods of a hundred new workloads at once.

use std::collections::HashSet;
use std::time::Instant;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::{ListParams, WatchEvent};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};

use crate::arrivals::Arrivals;
use crate::cluster::restarts;
use crate::metrics::Page;
use crate::sample::Sample;
use crate::space::Space;
use crate::table::Table;
use crate::workload::{asks, deployment};

const WORKLOADS: usize = 100;
const REPLICAS: usize = 10;

pub(crate) async fn run(client: &Client) {
    let space = Space::opted_in(client, "burst").await;
    let names: Vec<_> = (0..WORKLOADS).map(|number| format!("w{number}")).collect();
    let topic = |name: &String| format!("{}.{name}", space.name);
    let deployments = names.iter().map(|name| deployment(name, REPLICAS, &asks(&topic(name), &topic(name))));
    let deployments = deployments.collect::<Vec<Deployment>>();
    let (before, restarted) = (Page::of_api_server(), restarts());

    let mut secrets = Arrivals::of(&space.api::<PartialObjectMeta<Secret>>()).await;
    let mut pods = Arrivals::of(&space.api::<PartialObjectMeta<Pod>>()).await;
    let mut wanted: HashSet<_> = names.iter().map(|name| format!("{name}-kafka-credentials")).collect();
    let (mut there, mut arrivals) = (HashSet::new(), Vec::new());
    let began = Instant::now();
    let creation = space.create_all(deployments);
    let (_, all_pods) = tokio::join!(
        secrets.until("every Secret is there", |event| {
            if let WatchEvent::Added(secret) = event
                && wanted.remove(&secret.name_any())
            {
                arrivals.push(began.elapsed().as_secs_f64());
            }
            wanted.is_empty()
        }),
        pods.until("every Pod is there", |event| {
            if let WatchEvent::Added(pod) = event {
                there.insert(pod.name_any());
            }
            there.len() >= WORKLOADS * REPLICAS
        }),
    );
    creation.await.unwrap();

    let title = format!("{} Pods of {WORKLOADS} new workloads at once, a topic each", WORKLOADS * REPLICAS);
    let mut table = Table::new(&title, &["", "p50", "last", "budget"]);
    let arrivals = Sample::of(arrivals);
    let [median, last] = [0.5, 1.0].map(|share| format!("{:.2}", arrivals.at(share)));
    table.row(&["seconds until a Secret is there", &median, &last, "all ≤ 10"]);
    let seconds = format!("{:.2}", (all_pods - began).as_secs_f64());
    table.row(&["seconds until a Pod is there", "", &seconds, ""]);
    let (denied, warned) = warnings(&space).await;
    let after = Page::of_api_server();
    let (reviews, failed) = (after.reviews() - before.reviews(), after.failed_reviews() - before.failed_reviews());
    assert!(reviews >= (WORKLOADS * REPLICAS) as f64, "the API server has counted {reviews} reviews");
    let restarted = restarts() - restarted;
    for (what, count) in [
        ("Warning Events about accesses", warned.to_string()),
        ("Pods that were refused, and tried again", denied.to_string()),
        ("reviews without an answer (5xx)", failed.to_string()),
        ("restarts of operator and webhook", restarted.to_string()),
    ] {
        table.row(&[what, "", &count, "0"]);
    }
    table.print();
    space.retire().await;
}

/// How many Events say that a Pod was refused, and how many warn of what we did; what they say is printed.
async fn warnings(space: &Space) -> (usize, usize) {
    let warnings = ListParams::default().fields("type=Warning");
    let events = space.api::<Event>().list(&warnings).await.unwrap().items;
    let ours = |event: &&Event| {
        let reporter = event.reporting_component.iter().chain(event.source.iter().flat_map(|from| &from.component));
        let about = event.involved_object.kind.as_deref();
        about == Some("AccessClaim") || reporter.into_iter().any(|name| name.contains("admittance"))
    };
    let (denied, warned): (Vec<_>, Vec<_>) = (
        events.iter().filter(|event| event.reason.as_deref() == Some("FailedCreate")).collect(),
        events.iter().filter(ours).collect(),
    );
    let mut said = HashSet::new();
    for event in denied.iter().chain(&warned) {
        if said.insert(&event.reason) {
            println!("Warning {:?}: {:?}", event.reason, event.message);
        }
    }
    (denied.len(), warned.len())
}
