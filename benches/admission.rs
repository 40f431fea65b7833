//! What one review costs in the process: the budget is 25 µs of CPU and 0.2 ms at the 99th percentile for 8 KB (design, §7).
//!
//! Criterion reports the mean of many calls in a row; the percentiles are those of single calls.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at a fault, and prints what it measured"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use admittance::admission::decide::{Gates, OnInvalid, Settings, answer};
use admittance::admission::delivery::Delivery;
use admittance::api::names::ClusterRef;
use criterion::Criterion;

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
    let mut criterion = Criterion::default().configure_from_args();
    for (name, body) in [("injected", REVIEW), ("not requested", &not_requested)] {
        criterion.bench_function(&format!("admission/{name}/{} bytes", body.len()), |bencher| {
            bencher.iter(|| answer(black_box(body), &settings).unwrap());
        });
        percentiles(name, body, &settings);
    }
    criterion.final_summary();
}

fn percentiles(name: &str, body: &[u8], settings: &Settings) {
    let before = on_cpu();
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            black_box(answer(black_box(body), settings).unwrap());
            start.elapsed()
        })
        .collect();
    let cpu = (on_cpu() - before) / u32::try_from(CALLS).unwrap();
    times.sort_unstable();
    let at = |permille: usize| times[(CALLS - 1) * permille / 1000];
    println!("admission/{name}: {cpu:?} of CPU, p50 {:?}, p99 {:?}, p99.9 {:?}", at(500), at(990), at(999));
}

/// The time that this thread has been on a CPU: unlike the clock on the wall, it does not grow while others run.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
