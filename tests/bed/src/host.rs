//! What the machine must bring: Linux, root, and a few packages of the distribution.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::cache::Cache;
use crate::progress::Progress;

/// Where distributions put the CNI plugins.
pub const CNI_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// A program or plugin, and the Debian package that has it.
const FROM_DEBIAN: [(&str, &str); 15] = [
    ("runc", "runc"),
    ("ptp", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("hostname", "hostname"),
    ("tar", "tar"),
    ("mmdebstrap", "mmdebstrap"),
    ("gcc", "gcc"),
    ("mvn", "maven"),
    ("java", "default-jre-headless"),
    ("python3", "python3"),
    ("pip3", "python3-pip"),
];

/// Checks the machine, and installs missing Debian packages where that is possible.
///
/// # Errors
/// When something is missing that cannot be installed here; the error says what, and how to get it.
pub fn ensure_ready(cache: &Cache, progress: &Progress) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the testbed runs on Linux only: it is made of its namespaces and cgroups");
    ensure!(
        rustix::process::geteuid().is_root(),
        "the testbed makes network namespaces and mounts, and so must run as root: try `sudo -E env \"PATH=$PATH\" cargo bed up`"
    );
    let mut packages: Vec<&str> = missing().into_iter().map(|(_, package)| package).collect();
    packages.dedup();
    if !packages.is_empty() {
        install(&packages, cache, progress)?;
    }
    if find("go").is_none() {
        bail!(
            "Go is missing: install 1.21 or newer from go.dev/dl and put it on the PATH; it fetches the exact version by itself"
        );
    }
    Ok(())
}

/// What no folder of programs has.
fn missing() -> Vec<(&'static str, &'static str)> {
    FROM_DEBIAN.into_iter().filter(|(program, _)| find(program).is_none()).collect()
}

/// The folder of the CNI plugins.
pub fn cni_folder() -> &'static str {
    CNI_FOLDERS.into_iter().find(|folder| Path::new(folder).join("ptp").exists()).unwrap_or("/opt/cni/bin")
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].into_iter().chain(CNI_FOLDERS).map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn install(packages: &[&str], cache: &Cache, progress: &Progress) -> Result<()> {
    let list = packages.join(" ");
    if find("apt-get").is_none() {
        let lacking: Vec<String> =
            missing().iter().map(|(program, package)| format!("{program} ({package})")).collect();
        bail!(
            "missing programs, each with the Debian package that has it: {}. Install them with this system's package manager",
            lacking.join(", ")
        );
    }
    let step = progress.step(format!("Debian packages: {list}"));
    let log = cache.log("debian");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        step.run(&mut command, &log)
    };
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    // Package lists may be absent or out of date: then, and only then, fetch them.
    if apt(&arguments).is_err() {
        apt(&["update"])?;
        apt(&arguments)?;
    }
    let still = missing();
    ensure!(still.is_empty(), "installed {list}, and still there is no {still:?}");
    step.done();
    Ok(())
}
