//! The project's tests, from the quick to the real: what `cargo bed test` runs, and what CI runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;
use std::time::Instant;
use std::{env, fs, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use console::style;
use serde_json::Value;

use crate::bed::Bed;
use crate::commands::{down, up};
use crate::images::project::{self, Optimised};
use crate::install::install;
use crate::live;
use crate::progress::{Progress, note};
use crate::{host, selfcheck, tools};

/// A floor of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Floor {
    /// Format, lints, licences, and all tests that need no cluster.
    Fast,
    /// The testbed itself: it heals, and it leaves nothing.
    Bed,
    /// The product on a real Kubernetes with a real Kafka.
    Live,
    /// The same with the image that is shipped, for what takes many minutes: every crash point, two leaders, a broker away, an API server that forgot. Not part of a run of all floors.
    Siege,
}

/// What the names of tests begin with that take many minutes.
const SIEGE: &str = "siege::";

/// What compiles the tests of the live floor.
const LIVE: [&str; 4] = ["test", "--no-run", "--test", "live"];

/// A cluster, and two beside it: what tests wait for on one, others work in.
fn three(bed: &Bed) -> Result<[Bed; 3]> {
    let beside = |number| Bed::open(&format!("{}-{number}", bed.name()));
    Ok([bed.clone(), beside(2)?, beside(3)?])
}

/// Runs one floor, or all from the bottom that a change has to pass.
///
/// # Errors
/// The first check or test that fails.
pub fn test(bed: &Bed, floor: Option<Floor>, progress: &Progress) -> Result<()> {
    let floors = floor.map_or_else(|| vec![Floor::Fast, Floor::Bed, Floor::Live], |floor| vec![floor]);
    // Who lacks something is told before ten minutes of other checks; and the bed's own test looks at the machine before any cluster is up.
    if floors != [Floor::Fast] {
        host::ensure_ready(bed.cache(), progress)?;
    }
    thread::scope(|scope| {
        // Tests that begin wait more than they work. Meanwhile the rest of what a later floor needs is compiled.
        let mut ahead = None;
        for current in floors {
            let began = Instant::now();
            note(&format!("\n{}", style(format!("floor: {current:?}")).bold()));
            match current {
                Floor::Fast => {
                    let rest = || {
                        scope.spawn(|| {
                            project::build_probe(bed, progress)?;
                            build(&LIVE, progress, bed).map(drop)
                        })
                    };
                    fast(bed, progress, || ahead = floor.is_none().then(rest))?;
                }
                Floor::Bed => selfcheck::run(progress)?,
                Floor::Live => {
                    if let Some(ahead) = ahead.take() {
                        finished(ahead)?;
                    }
                    live(&three(bed)?, Optimised::Little, |name| !name.starts_with(SIEGE), progress)?;
                }
                // Here there is time to compile what is shipped: without debug assertions, and optimised over all crates at once.
                Floor::Siege => {
                    live(std::slice::from_ref(bed), Optimised::Fully, |name| name.starts_with(SIEGE), progress)?;
                }
            }
            note(&format!("{} floor {current:?} in {:.0} s", style("✓").green(), began.elapsed().as_secs_f64()));
        }
        Ok(())
    })
}

fn finished<T>(work: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    work.join().map_err(|_| anyhow!("what ran beside broke off"))?
}

/// `compiled` is called when what is tested here is compiled.
fn fast(bed: &Bed, progress: &Progress, compiled: impl FnOnce()) -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    // Cargo leaves out of all targets those that run where they are named alone.
    let probe = ["--package", "admittance", "--no-default-features", "--features", "probe"];
    for targets in
        [&["--workspace", "--all-targets"][..], &["--workspace", "--test", "live", "--bench", "live"], &probe]
    {
        cargo(&[&["clippy", "--locked"], targets, &["--", "--deny", "warnings"]].concat())?;
    }
    cargo(&["test", "--locked", "--workspace", "--no-run"])?;
    compiled();
    cargo(&["test", "--locked", "--workspace"])?;
    let deny = tools::cargo_deny(bed.cache(), progress)?;
    let mut check = Command::new(deny);
    run(check.current_dir(project::workspace()).args(["--all-features", "check", "bans", "licenses", "sources"]))
}

/// On clusters of their own, which are removed after a success and kept for a look after a failure.
fn live(beds: &[Bed], optimised: Optimised, wanted: impl Fn(&str) -> bool, progress: &Progress) -> Result<()> {
    let Some(first) = beds.first() else { return Ok(()) };
    let program = build(&LIVE, progress, first)?;
    let start = |bed: &Bed| {
        up(bed, true, progress)?;
        install(bed, optimised, progress)
    };
    if let Err(error) = live::run(&program, beds, start, wanted) {
        bail!("{error}. The clusters are kept: cargo bed --name {} status", first.name());
    }
    beds.iter().try_for_each(|bed| down(bed, progress))
}

/// Compiles a test or benchmark with what the live floor needs, outside of the cluster, whose network has no registry.
///
/// # Errors
/// When it does not compile.
pub fn build(arguments: &[&str], progress: &Progress, bed: &Bed) -> Result<PathBuf> {
    let step = progress.step(format!("cargo {}", arguments.join(" ")));
    let mut build = Command::new(cargo_program());
    build.current_dir(project::workspace()).args(arguments);
    build.args(["--locked", "--workspace", "--message-format=json-render-diagnostics"]);
    let log = bed.cache().log("cargo-live");
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let done = build.stdin(Stdio::null()).stderr(fs::File::create(&log)?).output()?;
    ensure!(done.status.success(), "cargo {} failed: see {}", arguments.join(" "), log.display());
    let lines = String::from_utf8_lossy(&done.stdout).into_owned();
    let executable = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| matches!(message.pointer("/target/kind/0").and_then(Value::as_str), Some("test" | "bench")))
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .next_back();
    step.done();
    executable.context("cargo named no test program")
}

fn cargo(arguments: &[&str]) -> Result<()> {
    note(&style(format!("cargo {}", arguments.join(" "))).cyan().to_string());
    run(Command::new(cargo_program()).current_dir(project::workspace()).args(arguments))
}

fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a program with its output where ours goes.
fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    ensure!(status.success(), "{program} failed ({status})");
    Ok(())
}
