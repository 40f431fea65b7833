//! Measurements on the testbed, run by `cargo bed bench`. Each prints a table with the budget beside each figure, and the machine's load
//! before and after it; what the rows mean is in `docs/benchmarks.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that cannot go on is none")]
#![allow(clippy::print_stdout, reason = "the tables are the result")]

mod admission;
mod arrivals;
mod audit;
mod burst;
mod cluster;
mod creation;
mod load;
mod memory;
mod metadata_log;
mod metrics;
mod probe;
mod process;
mod responder;
mod rest;
mod sample;
mod settings;
mod shares;
mod space;
mod table;
mod topics;
mod users;
mod workload;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures::FutureExt;
use kube::Client;

use crate::audit::told;
use crate::load::load;
use crate::memory::Readings;
use crate::settings::Settings;
use crate::shares::Shares;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if runtime.block_on(measure(&Settings::read())) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether every measurement came to its end.
async fn measure(settings: &Settings) -> bool {
    let client = Client::try_default().await.unwrap();
    let mut webhook = Readings::default();
    webhook.take("idle");
    // Accesses end with their Pods, so that none is left for the measurement that follows, and the end itself can be measured.
    let usual = cluster::set_idle_after("1ms");
    let mut done = true;
    done &= section(settings, "admission", admission::run(&client)).await;
    webhook.take("after reviews one by one");
    done &= section(settings, "creation", creation::run(&client)).await;
    done &= section(settings, "probe", probe::run(&client)).await;
    done &= section(settings, "users", users::run(&client)).await;
    done &= section(settings, "burst", burst::run(&client)).await;
    webhook.take("after the bursts");
    webhook.print();
    done &= section(settings, "topics", topics::run(&client)).await;
    done &= section(settings, "rest", rest::run(&client, settings)).await;
    cluster::set_idle_after(&usual);
    done
}

/// One measurement with the load around it. One that fails does not cost the others' results.
async fn section(settings: &Settings, name: &str, work: impl Future<Output = ()>) -> bool {
    if !settings.wants(name) {
        return true;
    }
    let (before, shares, audit) = (load(), Shares::now(), audit::Mark::now());
    let ended = AssertUnwindSafe(work).catch_unwind().await.is_ok();
    let failed = if ended { "" } else { "; it FAILED: see the message above" };
    println!("\n{name}: load {before} before, {} after{failed}", load());
    println!("{name}: CPU seconds: {}", shares.since());
    if let Some(calls) = audit.and_then(|mark| mark.calls()) {
        println!("{name}: the operator's calls: writes {}; reads {}", told(&calls.writes), told(&calls.reads));
    }
    ended
}
