//! What the machine must bring: Linux, root, and a few packages of the distribution.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::bed::output;
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
    ("javac", "default-jdk-headless"),
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
    ensure_go()
}

/// The first Go that fetches the version that a module asks for. An older one says that the module's version is invalid, in the middle of
/// the build: Debian 12 has 1.19.
const GO: (u32, u32) = (1, 21);

fn ensure_go() -> Result<()> {
    let has = if find("go").is_none() {
        "Go is missing".to_owned()
    } else {
        let mut go = Command::new("go");
        // Its own version, and not that of a module that lies in this folder.
        let said = output(go.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").current_dir("/"))?;
        if go_version(&said).is_some_and(|version| version >= GO) {
            return Ok(());
        }
        format!("Go is too old (`go env GOVERSION` says `{}`)", said.trim())
    };
    bail!(
        "{has}: install {}.{} or newer from go.dev/dl and put it on the PATH; it fetches the exact version by itself",
        GO.0,
        GO.1
    )
}

/// The version in what `go env GOVERSION` says: `go1.21.3`, `go1.22rc1`, `devel go1.27-0a1b2c`. Nothing where it says nothing, as before 1.16.
fn go_version(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().find_map(|word| word.strip_prefix("go"))?;
    let (major, rest) = word.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_cannot_fetch_another_is_told_from_one_that_can() {
        for (said, enough) in [
            ("go1.26.8\n", true),
            ("go1.21\n", true),
            ("go1.21rc2\n", true),
            ("devel go1.27-0a1b2c Mon Nov 30\n", true),
            ("go2.0\n", true),
            ("go1.20.14\n", false),
            ("go1.19.8\n", false),
            ("go1.3\n", false),
            ("\n", false),
            ("unknown\n", false),
        ] {
            assert_eq!(go_version(said).is_some_and(|version| version >= GO), enough, "{said}");
        }
    }
}
