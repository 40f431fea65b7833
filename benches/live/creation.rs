//! A new workload's way from the creation of its Pod to its Secret.

use std::time::Instant;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{PostParams, WatchEvent};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};

use crate::arrivals::Arrivals;
use crate::sample::Sample;
use crate::space::Space;
use crate::table::{MILLISECONDS, Table};
use crate::workload::{asks, unseen};

const WORKLOADS: usize = 100;
/// Not measured: connections are opened, and code is read for the first time.
const WARM_UP: usize = 5;

/// One after the other: from the call that creates a Pod to the watch event of its Secret.
pub(crate) async fn run(client: &Client) {
    let space = Space::opted_in(client, "new").await;
    let pods = space.api::<Pod>();
    let mut secrets = Arrivals::of(&space.api::<PartialObjectMeta<Secret>>()).await;
    let mut times = Vec::new();
    for number in 0..WORKLOADS + WARM_UP {
        let workload = format!("w{number}");
        let topic = format!("{}.{workload}", space.name);
        let pod = unseen(&workload, &asks(&format!("{topic}-in"), &topic));
        let began = Instant::now();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let wanted = format!("{workload}-kafka-credentials");
        let arrived = secrets.until("the Secret is there", |event| match event {
            WatchEvent::Added(secret) => secret.name_any() == wanted,
            _ => false,
        });
        let arrived = arrived.await;
        if number >= WARM_UP {
            times.push(arrived - began);
        }
    }
    let title = "Pod create → Secret ready, new workload, 2 topics, 3 brokers";
    let mut table = Table::new(title, &MILLISECONDS);
    table.times("one after the other", &Sample::times(&times), "p50 ≤ 75, p99 ≤ 300");
    table.print();
    space.retire().await;
}
