//! The cgroup that holds every process of a cluster, so that nothing of it can be forgotten.
//!
//! `/admittance-bed-NAME` in each hierarchy; below it `host/COMPONENT` for the processes started here, and `kubepods` for
//! those of the kubelet. Knows version 1 (a hierarchy for each
//! controller), on which the testbed was made, and version 2 (one for all).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::wait_until;

const ROOT: &str = "/sys/fs/cgroup";

/// Version 1 controllers that our own processes are put under: to account for them, and to give them their share. The others
/// are left to the kubelet, whose groups they serve.
const OWN: [&str; 4] = ["cpu", "cpuacct", "memory", "pids"];

/// The cgroup of a cluster, as the kubelet's `cgroupRoot` names it.
pub fn name(cluster: &str) -> String {
    format!("/admittance-bed-{cluster}")
}

fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The hierarchies of this machine.
fn hierarchies() -> Vec<PathBuf> {
    if unified() {
        return vec![PathBuf::from(ROOT)];
    }
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("cgroup.procs").exists()).collect()
}

fn groups(cluster: &str) -> Vec<PathBuf> {
    hierarchies().into_iter().map(|hierarchy| hierarchy.join(name(cluster).trim_start_matches('/'))).collect()
}

/// Makes the cluster's group in every hierarchy, ready for a kubelet. Harmless when it is there.
pub fn create(cluster: &str) -> Result<()> {
    for group in groups(cluster) {
        fs::create_dir_all(&group).with_context(|| format!("cannot make the cgroup {}", group.display()))?;
        // Version 1: a group without processors and memory nodes accepts no process, and does not inherit them.
        for file in ["cpuset.mems", "cpuset.cpus"] {
            let Some(parent) = group.parent() else { continue };
            if let Ok(value) = fs::read_to_string(parent.join(file))
                && group.join(file).exists()
            {
                fs::write(group.join(file), value.trim())?;
            }
        }
        if unified() {
            // Version 2: a controller exists below a group only if the group hands it down.
            for above in [Path::new(ROOT), group.as_path()] {
                for controller in ["cpuset", "cpu", "io", "memory", "pids", "hugetlb"] {
                    // A controller that this kernel lacks is one that the kubelet does not ask for.
                    let _ = fs::write(above.join("cgroup.subtree_control"), format!("+{controller}"));
                }
            }
        }
        // To the scheduler a group is one process: without more weight, a whole cluster would get as much as one compiler.
        for (file, weight) in [("cpu.shares", "8192"), ("cpu.weight", "800")] {
            if group.join(file).exists() {
                fs::write(group.join(file), weight)?;
            }
        }
    }
    Ok(())
}

/// A shell script that puts the shell into the group `host/PART` of the cluster and becomes the program in its arguments.
pub fn join_script(cluster: &str, part: &str) -> String {
    let mut script = String::new();
    for group in groups(cluster) {
        let hierarchy = group.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        if unified() || OWN.contains(&hierarchy.as_str()) {
            let group = group.join("host").join(part);
            let group = group.display();
            script.push_str(&format!("mkdir -p {group} && echo $$ >{group}/cgroup.procs || exit 125; "));
        }
    }
    script + "exec \"$@\""
}

/// All groups from the deepest up.
fn tree(group: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        tree(&entry.path(), found);
    }
    found.push(group.to_owned());
}

fn everything(cluster: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for group in groups(cluster).iter().filter(|group| group.exists()) {
        tree(group, &mut found);
    }
    found
}

/// The processes of a cluster, each once.
pub fn processes(cluster: &str) -> Vec<i32> {
    let files = everything(cluster).into_iter().map(|group| group.join("cgroup.procs"));
    let mut pids: Vec<i32> = files
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// CPU time used so far by the processes started here (`part` one of them) in nanoseconds; `None` where it cannot be read.
pub fn cpu_time(cluster: &str, part: &str) -> Option<u64> {
    let below = format!("{}/host/{part}", name(cluster).trim_start_matches('/'));
    if unified() {
        let text = fs::read_to_string(Path::new(ROOT).join(below).join("cpu.stat")).ok()?;
        let micros: u64 = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.parse().ok()?;
        return Some(micros * 1000);
    }
    fs::read_to_string(Path::new(ROOT).join("cpuacct").join(below).join("cpuacct.usage")).ok()?.trim().parse().ok()
}

/// Kills every process of the cluster and removes its groups.
///
/// # Errors
/// When the caller is one of them, or a process does not die within half a minute (stuck in the kernel, on a disk perhaps).
pub fn remove(cluster: &str) -> Result<()> {
    kill_all(cluster)?;
    wait_until("removing the cluster's cgroups", Duration::from_secs(15), || {
        let left = everything(cluster);
        left.iter().all(|group| fs::remove_dir(group).is_ok())
    })
}

/// Kills every process of the cluster and waits until they are gone.
///
/// # Errors
/// As [`remove`].
pub fn kill_all(cluster: &str) -> Result<()> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    ensure!(
        !processes(cluster).contains(&own),
        "this command runs inside of the cluster that it is to stop: run it outside"
    );
    // Again and again: a process may fork between the list and the signal.
    wait_until("the end of the cluster's processes", Duration::from_secs(30), || {
        let pids = processes(cluster);
        for pid in pids.iter().filter_map(|&pid| Pid::from_raw(pid)) {
            // Gone already is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        pids.is_empty()
    })
}
