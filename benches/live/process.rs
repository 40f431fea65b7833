//! A program in a Pod, as the kernel sees it: the testbed's Pods run on this machine.

use std::fs;

use serde_json::Value;

/// The kernel counts CPU time for user space in hundredths of a second, whatever its own clock.
const TICKS: f64 = 100.0;

/// One process.
pub(crate) struct Process {
    folder: String,
}

/// What a process has in memory, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: f64,
    /// The most since its start.
    pub(crate) peak: f64,
}

impl Process {
    /// The process `admittance` of a Pod.
    pub(crate) fn of_pod(pod: &Value) -> Self {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        // As the two drivers of cgroups write it.
        let spellings = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
        let read = |folder: &str, file: &str| fs::read_to_string(format!("{folder}/{file}")).unwrap_or_default();
        let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().display().to_string());
        let found = folders.into_iter().find(|folder| {
            read(folder, "comm").trim() == "admittance"
                && spellings.iter().any(|spelling| read(folder, "cgroup").contains(spelling))
        });
        Self { folder: found.unwrap_or_else(|| panic!("no process of Pod {}", pod["metadata"]["name"])) }
    }

    /// CPU time since its start, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_seconds(&fs::read_to_string(format!("{}/stat", self.folder)).unwrap())
    }

    pub(crate) fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("{}/status", self.folder)).unwrap();
        let read = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
        };
        Memory { resident: read("VmRSS:"), peak: read("VmHWM:") }
    }
}

/// The CPU seconds that a process' `stat` tells of: fields 14 and 15 (proc(5)); what stands before the parenthesis may contain spaces.
pub(crate) fn cpu_seconds(stat: &str) -> f64 {
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}
