//! Users with three rules each: how many are made, and how many revoked, in a second.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use admittance::api::resources::AccessClaim;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{PostParams, WatchEvent};
use kube::{Client, ResourceExt};

use crate::arrivals::Arrivals;
use crate::sample::Sample;
use crate::space::Space;
use crate::table::Table;
use crate::workload::{asks, unseen};

const USERS: usize = 300;
const ROUNDS: usize = 3;
const BUDGET: &str = "≥ 300";

/// What was measured in a round.
struct Round {
    pods_created: Duration,
    ready: Duration,
    ready_from_claim: Duration,
    pods_removed: Duration,
    revoked: Duration,
}

pub(crate) async fn run(client: &Client) {
    let space = Space::opted_in(client, "users").await;
    // Topics are made once, before: users alone are measured.
    let topics = asks(&format!("{}.in", space.name), &format!("{}.out", space.name));
    let mut claims = Arrivals::of(&space.api::<AccessClaim>()).await;
    space.api::<Pod>().create(&PostParams::default(), &unseen("first", &topics)).await.unwrap();
    space.all_ready(&mut claims, &["first".to_owned()]).await;
    drop(claims);
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        let names: Vec<_> = (0..USERS).map(|user| format!("r{number}-{user}")).collect();
        let pods = names.iter().map(|name| unseen(name, &topics)).collect();
        rounds.push(round(&space, names, pods).await);
    }
    let head = ["a second", "p50", "least", "rounds", "budget"];
    let mut table = Table::new(&format!("{USERS} new users with 3 rules each, at once, and their end"), &head);
    let mut row = |what: &str, of: fn(&Round) -> Duration, budget: &str| {
        let rates = Sample::of(rounds.iter().map(|round| USERS as f64 / of(round).as_secs_f64()).collect());
        let [median, least] = [0.5, 0.0].map(|share| format!("{:.1}", rates.at(share)));
        table.row(&[what, &median, &least, &rates.len().to_string(), budget]);
    };
    row("created and Ready, from the first Pod's creation", |round| round.ready, BUDGET);
    row("  of these from the first AccessClaim on", |round| round.ready_from_claim, "");
    row("  their Pods accepted by the API server", |round| round.pods_created, "");
    row("revoked, from the first Pod's removal", |round| round.revoked, BUDGET);
    row("  their Pods removed by the API server", |round| round.pods_removed, "");
    table.print();
    space.retire().await;
}

async fn round(space: &Space, names: Vec<String>, pods: Vec<Pod>) -> Round {
    let mut claims = Arrivals::of(&space.api::<AccessClaim>()).await;
    let began = Instant::now();
    let creation = space.create_all(pods);
    let (first, last) = space.all_ready(&mut claims, &names).await;
    let (ready, ready_from_claim) = (last - began, last - first);
    let pods_created = creation.await.unwrap();

    let mut left: HashSet<String> = names.iter().cloned().collect();
    let began = Instant::now();
    let removal = space.remove_all::<Pod>(names);
    let gone = claims.until("every access is revoked", |event| {
        if let WatchEvent::Deleted(claim) = event {
            left.remove(&claim.name_any());
        }
        left.is_empty()
    });
    let revoked = gone.await - began;
    Round { pods_created, ready, ready_from_claim, pods_removed: removal.await.unwrap(), revoked }
}
