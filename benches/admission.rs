//! What one review costs in the process: the budget is 25 µs of CPU and 0.2 ms at the 99th percentile for 8 KB (design, §7).
//!
//! Criterion reports the mean of many calls in a row; the percentiles are those of single calls.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at a fault, and prints what it measured"
)]

#[path = "live/load.rs"]
mod load;
#[path = "live/sample.rs"]
mod sample;
#[path = "live/table.rs"]
#[allow(dead_code, reason = "tables of milliseconds are those of the measurements on the cluster")]
mod table;

use std::hint::black_box;
use std::time::{Duration, Instant};

use admittance::admission::decide::{Gates, OnInvalid, Settings, answer};
use admittance::admission::delivery::Delivery;
use admittance::api::names::ClusterRef;
use criterion::Criterion;

use crate::load::load;
use crate::sample::Sample;
use crate::table::Table;

/// A Deployment's Pod with a token volume, probes and managed fields, as an API server sends it.
const REVIEW: &[u8] = include_bytes!("review.json");
/// Single calls that the percentiles are taken from.
const CALLS: usize = 200_000;

fn settings() -> Settings {
    Settings {
        default_cluster: ClusterRef { namespace: "admittance".into(), name: "default".into() },
        on_invalid: OnInvalid::Deny,
        probe_image: "admittance-probe:bench".into(),
        probe_delivery: Delivery::Copy,
        gates: Gates::Offered,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// The review of a Pod that asks for nothing: what a call costs before anything is decided.
fn not_requested() -> Vec<u8> {
    let text = std::str::from_utf8(REVIEW).unwrap();
    text.replace("kafka.admittance.dev/", "kafka.example.com/").into_bytes()
}

fn main() {
    let settings = settings();
    let not_requested = not_requested();
    let before = load();
    let mut criterion = Criterion::default().configure_from_args();
    let head = ["microseconds", "bytes", "CPU, mean", "p50", "p99", "p99.9", "n", "budget"];
    let mut table = Table::new("A review in the process", &head);
    let budget = "CPU ≤ 25, p99 ≤ 200";
    for (name, body, budget) in [("injected", REVIEW, budget), ("not requested", &not_requested, "")] {
        criterion.bench_function(&format!("admission/{name}/{} bytes", body.len()), |bencher| {
            bencher.iter(|| answer(black_box(body), &settings).unwrap());
        });
        let (cpu, times) = single_calls(body, &settings);
        let [p50, p99, most] = [0.5, 0.99, 0.999].map(|share| times.at(share) * 1000.0);
        let [cpu, p50, p99, most] = [cpu, p50, p99, most].map(|number| format!("{number:.1}"));
        table.row(&[name, &body.len().to_string(), &cpu, &p50, &p99, &most, &times.len().to_string(), budget]);
    }
    criterion.final_summary();
    table.print();
    println!("\nin the process: load {before} before, {} after", load());
}

/// The CPU time of a call at the mean, in microseconds, and the times of all, one by one.
fn single_calls(body: &[u8], settings: &Settings) -> (f64, Sample) {
    let before = on_cpu();
    let times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            black_box(answer(black_box(body), settings).unwrap());
            start.elapsed()
        })
        .collect();
    let cpu = (on_cpu() - before) / u32::try_from(CALLS).unwrap();
    (cpu.as_secs_f64() * 1e6, Sample::times(&times))
}

/// The time that this thread has been on a CPU: unlike the clock on the wall, it does not grow while others run.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
