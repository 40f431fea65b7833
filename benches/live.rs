//! Measurements on the testbed: admission through the API server beside a webhook that does nothing, a new workload's way to its
//! Secret, and what a call of the probe costs beside the JVM's check. Run by `cargo bed bench`; prints tables with the machine's load.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, reason = "the tables are the result")]
#![allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

const CREATES: usize = 300;
const WORKLOADS: usize = 100;
const CALLS: usize = 50;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::try_default().await.unwrap();
        println!("load before: {}", load());
        admission(&client).await;
        new_workloads(&client).await;
        probe(&client).await;
        println!("\nload after: {}", load());
    });
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

struct Times(Vec<Duration>);

impl Times {
    fn at(&mut self, share: f64) -> f64 {
        self.0.sort();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a short list")]
        let index = ((self.0.len() - 1) as f64 * share).round() as usize;
        self.0[index].as_secs_f64() * 1000.0
    }

    fn row(&mut self, what: &str) {
        println!(
            "| {what:<58} | {:>8.2} | {:>8.2} | {:>8.2} | {:>5} |",
            self.at(0.5),
            self.at(0.9),
            self.at(0.99),
            self.0.len()
        );
    }
}

fn header(title: &str) {
    println!("\n{title}\n");
    println!("| {:<58} | {:>8} | {:>8} | {:>8} | {:>5} |", "milliseconds", "p50", "p90", "p99", "n");
    println!("|{:-<60}|{:->10}|{:->10}|{:->10}|{:->7}|", "", "", "", "", "");
}

async fn namespace(client: &Client, name: &str, opted_in: bool) {
    let labels =
        if opted_in { json!({"kafka.admittance.dev/injection": "enabled"}) } else { json!({"bench-nothing": name}) };
    let object: Namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
    while accounts.get_opt("default").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn pod(name: &str, annotations: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            // Nobody takes it: what is measured ends before a node.
            "schedulerName": "nobody",
            "containers": [{"name": "app", "image": "localhost/pause:1", "env": filler()}],
        },
    }))
    .unwrap()
}

/// Brings a Pod to the size that Pods have.
fn filler() -> Vec<Value> {
    (0..60).map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value of some fifty characters, as they are written"})).collect()
}

/// Dry runs, so that nothing but admission differs: no webhook, one that answers "allowed" and nothing else, and ours.
async fn admission(client: &Client) {
    for (name, opted_in) in [("bench-none", false), ("bench-nothing", false), ("bench-inject", true)] {
        namespace(client, name, opted_in).await;
    }
    let template = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    let ours: Value = serde_json::from_str(&kubectl(&["get", template, "-o", "json"])).unwrap();
    let mut nothing = ours["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["webhooks"][0]["name"].as_str().unwrap().contains("admittance"))
        .unwrap()
        .clone();
    nothing["metadata"] = json!({"name": "bench-nothing"});
    // Our own server, asked about Pods that ask for nothing: the cost of a call as such.
    nothing["webhooks"][0]["name"] = json!("nothing.bench.admittance.dev");
    nothing["webhooks"][0]["namespaceSelector"] = json!({"matchLabels": {"bench-nothing": "bench-nothing"}});
    nothing["webhooks"][0].as_object_mut().unwrap().remove("matchConditions");
    let configuration: k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration =
        serde_json::from_value(nothing).unwrap();
    let configurations = Api::all(client.clone());
    configurations.create(&PostParams::default(), &configuration).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let asks = json!({"kafka.admittance.dev/produces": "bench-a", "kafka.admittance.dev/consumes": "bench-b"});
    let kinds = [("bench-none", json!({})), ("bench-nothing", json!({})), ("bench-inject", asks)];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for round in 0..CREATES + 20 {
        for (index, (namespace, annotations)) in kinds.iter().enumerate() {
            let pods = Api::<Pod>::namespaced(client.clone(), namespace);
            let pod = pod("bench", annotations);
            let began = Instant::now();
            pods.create(&dry, &pod).await.unwrap();
            if round >= 20 {
                times[index].push(began.elapsed());
            }
        }
    }
    header("Pod creation through the API server (dry run, in turn)");
    let names = ["no webhook", "a webhook that does nothing", "injection"];
    for (name, times) in names.into_iter().zip(times) {
        Times(times).row(name);
    }
    println!("\nthe API server's own clock (mean, whole cluster life):");
    for line in kubectl(&["get", "--raw", "/metrics"]).lines() {
        let ours =
            line.starts_with("apiserver_admission_webhook_admission_duration_seconds_") && line.contains("admittance");
        if ours && (line.contains("_sum") || line.contains("_count")) {
            println!("  {line}");
        }
    }
    configurations.delete("bench-nothing", &DeleteParams::default()).await.unwrap();
}

/// One new workload after the other: from the call that creates its Pod to the watch event of its Secret.
async fn new_workloads(client: &Client) {
    let name = "bench-new";
    namespace(client, name, true).await;
    let pods = Api::<Pod>::namespaced(client.clone(), name);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), name);
    let mut events = secrets.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let mut times = Vec::new();
    for number in 0..WORKLOADS + 5 {
        let workload = format!("w{number}");
        let asks = json!({
            "kafka.admittance.dev/produces": format!("bench-new-{number}"),
            "kafka.admittance.dev/consumes": format!("bench-new-{number}-in"),
        });
        let began = Instant::now();
        pods.create(&PostParams::default(), &pod(&workload, &asks)).await.unwrap();
        let wanted = format!("{workload}-kafka-credentials");
        let arrival = async {
            loop {
                match events.next().await.expect("the watch ended").unwrap() {
                    WatchEvent::Added(secret) if secret.name_any() == wanted => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), arrival).await.expect("the Secret did not arrive");
        if number >= 5 {
            times.push(began.elapsed());
        }
    }
    header("Pod create → Secret ready, new workload, 2 topics, 3 brokers");
    Times(times).row("one after the other");
}

/// The probe as a process of its own, with the files of a Secret, beside Kafka's JVM tool in a broker's Pod.
async fn probe(client: &Client) {
    let secrets = Api::<Secret>::namespaced(client.clone(), "bench-new");
    let secret = secrets.get("w0-kafka-credentials").await.unwrap();
    let folder = std::env::temp_dir().join(format!("admittance-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (key, bytes) in secret.data.unwrap() {
        fs::write(folder.join(key), bytes.0).unwrap();
    }
    let program = std::env::var("BED_PROBE").expect("BED_PROBE names the probe");
    let done = Command::new("python3")
        .args(["-c", COSTS, &CALLS.to_string(), &program, "ready", "--config"])
        .arg(&folder)
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(done.status.success(), "the probe failed: {}", String::from_utf8_lossy(&done.stderr));
    println!("\nProbe, a call: TLS, SCRAM, metadata, rights; beside the JVM's check\n");
    println!(
        "| {:<34} | {:>12} | {:>12} | {:>12} | {:>9} |",
        "", "CPU ms, p50", "wall ms, p50", "peak MiB", "MB on disk"
    );
    println!("|{:-<36}|{:->14}|{:->14}|{:->14}|{:->12}|", "", "", "", "", "");
    let (cpu, wall, peak) = costs(&String::from_utf8_lossy(&done.stdout));
    let size = fs::metadata(&program).unwrap().len() as f64 / 1e6;
    println!("| {:<34} | {cpu:>12.1} | {wall:>12.1} | {peak:>12.1} | {size:>10.2} |", "admittance-probe ready");
    let tool = "kafka-broker-api-versions.sh --bootstrap-server localhost:9092 --command-config /etc/kafka/admin/client.properties";
    let (cpu, wall, peak) =
        costs(&kubectl(&["exec", "--namespace", "kafka", "kafka-0", "--", "sh", "-c", &JVM.replace("TOOL", tool)]));
    println!(
        "| {:<34} | {cpu:>12.1} | {wall:>12.1} | {peak:>12.1} | {:>10} |",
        "kafka-broker-api-versions, 1 call", ""
    );
}

/// Runs a program so often, and prints the medians of its CPU and wall time in ms, and its peak memory in KiB.
const COSTS: &str = "
import os, statistics, sys, time
cpu, wall = [], []
for _ in range(int(sys.argv[1])):
    began = time.monotonic()
    child = os.posix_spawn(sys.argv[2], sys.argv[2:], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
    _, status, used = os.wait4(child, 0)
    assert status == 0, status
    wall.append(time.monotonic() - began)
    cpu.append(used.ru_utime + used.ru_stime)
    peak = used.ru_maxrss
print(statistics.median(cpu) * 1000, statistics.median(wall) * 1000, peak)
";

/// The same for one call of a tool inside of a broker's Pod, where only a shell is: the kernel's own counters while it runs.
const JVM: &str = "
began=$(date +%s%N)
TOOL >/dev/null 2>&1 & pid=$!
ticks=0; peak=0
while [ -d /proc/$pid ] && read -r line 2>/dev/null </proc/$pid/stat; do
    set -- ${line##*) }
    [ \"$1\" = Z ] && break
    ticks=$((${12} + ${13}))
    now=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status)
    [ \"${now:-0}\" -gt $peak ] && peak=$now
    sleep 0.05
done
wait $pid
echo $((ticks * 10)) $((($(date +%s%N) - began) / 1000000)) $peak
";

/// CPU ms, wall ms, and MiB of the line that both print.
fn costs(line: &str) -> (f64, f64, f64) {
    let numbers: Vec<f64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2] / 1024.0)
}

fn kubectl(arguments: &[&str]) -> String {
    let done = Command::new("kubectl").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "kubectl: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
