//! The testbed's own test, on a cluster of its own: what dies is healed by `up`, and `down` leaves nothing.
//!
//! It needs root and the cache, so it is a command and no `cargo test`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, STATE, output, wait_until};
use crate::cluster::{cgroup, components, namespace, process};
use crate::commands::{down, up};
use crate::progress::{Progress, note};

/// The cluster that it makes and removes; nobody else's.
const NAME: &str = "bedtest";

/// What a machine has, as far as a cluster may change it.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    links: BTreeSet<String>,
    rules: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Traces {
    fn take() -> Result<Self> {
        Ok(Self {
            processes: processes(),
            mounts: namespace::mounts_below(Path::new("/"))?.iter().map(|path| path.display().to_string()).collect(),
            namespaces: lines(&output(Command::new("ip").args(["netns", "list"]))?),
            links: lines(&output(Command::new("ip").args(["-brief", "link"]))?),
            rules: lines(&output(&mut Command::new("iptables-save"))?),
            cgroups: lines(&output(Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", "*bed*"]))?),
            folders: ["/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods", STATE]
                .into_iter()
                .filter(|path| Path::new(path).exists())
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    // Comments of iptables-save carry the time.
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// Programs of a cluster of this name, or of the components wherever they run for it.
fn processes() -> BTreeSet<String> {
    let own = format!("{STATE}/{NAME}");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&own))
        .collect()
}

/// Runs it.
///
/// # Errors
/// When something is not healed, or something is left.
pub fn run(progress: &Progress) -> Result<()> {
    let bed = Bed::open(NAME)?;
    down(&bed, progress)?;
    let before = Traces::take()?;
    let began = Instant::now();
    up(&bed, false, progress)?;
    note(&format!("first up: {:.1} s", began.elapsed().as_secs_f64()));
    let result = heals(&bed, progress);
    let began = Instant::now();
    down(&bed, progress)?;
    note(&format!("down: {:.1} s", began.elapsed().as_secs_f64()));
    result?;
    ensure!(cgroup::processes(NAME).is_empty(), "processes are left in the cluster's cgroup");
    let after = Traces::take()?;
    ensure!(before == after, "the cluster left traces\nbefore: {before:#?}\nafter: {after:#?}");
    note("down left nothing");
    Ok(())
}

fn heals(bed: &Bed, progress: &Progress) -> Result<()> {
    let began = Instant::now();
    up(bed, false, progress)?;
    note(&format!("up when all is up: {:.1} s", began.elapsed().as_secs_f64()));
    run_pod(bed, "before")?;
    for component in components::all(bed) {
        let pid = process::pid(bed, component.name).with_context(|| format!("{} does not run", component.name))?;
        kill(&[pid])?;
        wait_until("the end of a killed process", Duration::from_secs(10), || {
            process::pid(bed, component.name).is_none()
        })?;
        let began = Instant::now();
        up(bed, false, progress)?;
        ensure!(process::pid(bed, component.name).is_some_and(|new| new != pid), "{} was not healed", component.name);
        note(&format!("killed {}, healed in {:.1} s", component.name, began.elapsed().as_secs_f64()));
    }
    cgroup::kill_all(NAME)?;
    // As a restart of the machine would leave it.
    namespace::remove(bed)?;
    let began = Instant::now();
    up(bed, false, progress)?;
    note(&format!("killed every process and removed the namespaces, healed in {:.1} s", began.elapsed().as_secs_f64()));
    cgroup::kill_all(NAME)?;
    namespace::remove(bed)?;
    // As a set-up that was broken off would leave it: both namespaces, and nothing inside.
    namespace::make(bed, "exit 0")?;
    let began = Instant::now();
    up(bed, false, progress)?;
    note(&format!("broke the set-up of the namespaces off, healed in {:.1} s", began.elapsed().as_secs_f64()));
    run_pod(bed, "after")
}

fn kill(pids: &[i32]) -> Result<()> {
    for pid in pids.iter().filter_map(|&pid| Pid::from_raw(pid)) {
        kill_process(pid, Signal::KILL)?;
    }
    Ok(())
}

/// A Pod that runs, from image to network, and is gone again.
fn run_pod(bed: &Bed, name: &str) -> Result<()> {
    let image = format!("--image={}", crate::images::python::REFERENCE);
    let run = ["run", name, &image, "--restart=Never", "--image-pull-policy=Never", "--command", "--"];
    let resolve =
        ["python3", "-c", "import socket; socket.create_connection(('kubernetes.default.svc.cluster.local', 443), 10)"];
    bed.kubectl(run.iter().chain(&resolve))?;
    bed.kubectl(["wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "pod", name])
        .with_context(|| format!("Pod {name} did not succeed: {}", bed.kubectl(["logs", name]).unwrap_or_default()))?;
    bed.kubectl(["delete", "pod", name, "--now"]).map(drop)
}
