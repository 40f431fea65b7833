//! What accesses cost while nothing happens.

use std::time::{Duration, Instant};

use admittance::api::resources::AccessClaim;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::{Value, json};

use crate::arrivals::Arrivals;
use crate::audit::{self, told};
use crate::cluster::{LIMIT, get, leader, scale_operator, set};
use crate::metadata_log::{Growth, Mark};
use crate::metrics::Page;
use crate::process::Process;
use crate::settings::Settings;
use crate::space::Space;
use crate::table::Table;
use crate::workload::{asks, unseen};

/// The budget of CPU time, for each second at rest: 3 s in 5 minutes.
const CPU_SHARE: f64 = 3.0 / 300.0;
/// So many accesses are made at once: each wave has a deadline of its own, however many there are.
const WAVE: usize = 500;
/// For so long nothing is written before it is called rest.
const QUIET: Duration = Duration::from_secs(10);

pub(crate) async fn run(client: &Client, settings: &Settings) {
    // Kafka keeps a folder and four files a replica: so ten thousand topics fit on the testbed's brokers.
    set(&json!({"topics": {"defaultReplicas": 1}}));
    let space = Space::opted_in(client, "rest").await;
    let names: Vec<_> = (0..settings.accesses).map(|number| format!("w{number}")).collect();
    let topic = |name: &String| format!("{}.{name}", space.name);
    for wave in names.chunks(WAVE) {
        let pods = wave.iter().map(|name| unseen(name, &asks(&topic(name), &topic(name)))).collect();
        let mut claims = Arrivals::of(&space.api::<AccessClaim>()).await;
        let creation = space.create_all(pods);
        space.all_ready(&mut claims, wave).await;
        creation.await.unwrap();
    }
    let pod = leader();
    let name = pod["metadata"]["name"].as_str().unwrap();
    settle(name).await;

    let process = Process::of_pod(&pod);
    let began = Instant::now();
    let (writes, cpu, audit) = (Page::of_pod(name).writes(), process.cpu(), audit::Mark::now());
    let log = Mark::now();
    tokio::time::sleep(settings.rest).await;
    let (growth, seconds) = (log.growth(), began.elapsed().as_secs_f64());
    let (cpu, memory) = (process.cpu() - cpu, process.memory());
    let writes = Page::of_pod(name).writes() - writes;
    let calls = audit.map(|mark| mark.calls().expect("the audit log says what the operator called"));
    assert_eq!(leader()["metadata"]["name"], name, "another operator leads than before");

    let alone = without_operator(settings.rest).await;
    let count = |kind: &str| get(&[kind, "--all-namespaces"])["items"].as_array().unwrap().len();
    let (accesses, topics) = (count("accessclaims"), count("topicclaims"));
    let title = format!("At rest, {accesses} accesses and {topics} topics, for {seconds:.0} s");
    let mut table = Table::new(&title, &["", "figure", "budget"]);
    table.row(&["the operator's writes, by its own count", &writes.to_string(), "0"]);
    let (writes, reads) = calls.as_ref().map_or_else(
        || ("not known: no BED_AUDIT_LOG".to_owned(), String::new()),
        |calls| (told(&calls.writes), told(&calls.reads)),
    );
    table.row(&["its writes to the API server, by the audit log", &writes, "0"]);
    table.row(&["its reads of the API server, by the audit log", &reads, ""]);
    let more = growth.records - alone.a_second() * growth.seconds;
    table.row(&["records of Kafka's metadata, with the operator", &records(&growth), ""]);
    table.row(&["records of Kafka's metadata, without it", &records(&alone), ""]);
    table.row(&["records more than without it, in that time", &format!("{more:.1}"), "0, within ± 3"]);
    let budget = format!("≤ {:.2} (3 in 300 s)", CPU_SHARE * seconds);
    table.row(&["the operator's CPU time, s", &format!("{cpu:.2}"), &budget]);
    table.row(&["the operator's memory, MiB", &format!("{:.1}", memory.resident), "≤ 64 with 10 000 accesses"]);
    table.row(&["its peak since its start, MiB", &format!("{:.1}", memory.peak), ""]);
    table.print();
    for wave in names.chunks(WAVE) {
        space.remove_all::<Pod>(wave.to_vec()).await.unwrap();
    }
    space.retire().await;
    set(&json!({"topics": {"defaultReplicas": Value::Null}}));
}

fn records(growth: &Growth) -> String {
    format!("{:.0} in {:.1} s, {:.3} a second", growth.records, growth.seconds, growth.a_second())
}

/// Waits until the operator has nothing more to write.
async fn settle(operator: &str) {
    let began = Instant::now();
    let (mut writes, mut since) = (Page::of_pod(operator).writes(), Instant::now());
    assert!(writes > 0.0, "the operator has made accesses and counted no write");
    while since.elapsed() < QUIET {
        assert!(began.elapsed() < LIMIT, "the operator does not come to rest: {writes} writes so far");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Page::of_pod(operator).writes();
        if now > writes {
            (writes, since) = (now, Instant::now());
        }
    }
}

/// What brokers append by themselves: the same time, without an operator.
async fn without_operator(rest: Duration) -> Growth {
    scale_operator(0);
    let log = Mark::now();
    tokio::time::sleep(rest).await;
    let growth = log.growth();
    scale_operator(2);
    growth
}
