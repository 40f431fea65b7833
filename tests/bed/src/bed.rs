//! A cluster's paths, and the ways into it. What `cargo bed` does, and what tests and benchmarks of the project call.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cache::Cache;
use crate::cluster::cgroup;

/// Where all clusters keep their state. Short, because the paths of Unix sockets must stay below 108 bytes.
pub const STATE: &str = "/var/lib/admittance-bed";

/// The longest name of a cluster, for the same reason.
const NAME_LIMIT: usize = 20;

/// One cluster, whether it is up or not.
#[derive(Debug, Clone)]
pub struct Bed {
    name: String,
    folder: PathBuf,
    cache: Cache,
}

impl Bed {
    /// The cluster of this name. Nothing is started.
    ///
    /// # Errors
    /// When the name is not 1 to 20 lower-case letters, digits and dashes, or there is no place for a cache.
    pub fn open(name: &str) -> Result<Self> {
        let fits = !name.is_empty()
            && name.len() <= NAME_LIMIT
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            && !name.starts_with('-');
        ensure!(fits, "`{name}` cannot name a cluster: use 1 to {NAME_LIMIT} lower-case letters, digits and dashes");
        Ok(Self { name: name.to_owned(), folder: Path::new(STATE).join(name), cache: Cache::open()? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cache it is built from.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// A path below the cluster's state folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The administrator's kubeconfig. Its server address is reachable from inside only: see [`Bed::enter_command`].
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("config/admin.kubeconfig")
    }

    /// The API server's audit log, one JSON event a line: who created, changed or removed what; with their content only the Pods of
    /// the test that looks for passwords there.
    pub fn audit_log(&self) -> PathBuf {
        self.path("log/audit.json")
    }

    /// Where the log of a component of the control plane or the node is.
    pub fn component_log(&self, component: &str) -> PathBuf {
        self.path("log").join(format!("{component}.log"))
    }

    /// A command that runs inside: the cluster's network, its mounts, its DNS, its cgroup; `KUBECONFIG` set, kubectl and helm
    /// on the PATH, the present working directory kept. Every step of the way in replaces the one before it, so the process
    /// that is spawned becomes the program: its exit code and its signals are its own.
    pub fn enter_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter_from("env", "exec");
        if let Ok(here) = env::current_dir() {
            command.arg(format!("--wdns={}", here.display()));
        }
        command.arg("--").arg(program);
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.path("bin")).chain(env::split_paths(&path));
        if let Ok(joined) = env::join_paths(folders) {
            command.env("PATH", joined);
        }
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The way in, by way of the program `first`, which must become its arguments: a shell joins a cgroup of the cluster and
    /// becomes `nsenter`; the caller adds nsenter's options and the program.
    pub(crate) fn enter_from(&self, first: &str, group: &str) -> Command {
        let mut command = Command::new(first);
        command.args(["sh", "-c"]).arg(cgroup::join_script(&self.name, group)).args(["sh", "nsenter"]);
        for (option, file) in [("--net", "ns/net"), ("--mount", "ns/mnt")] {
            command.arg(format!("{option}={}", self.path(file).display()));
        }
        command
    }

    /// A kubectl command with these arguments, inside.
    pub fn kubectl_command<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut command = self.enter_command(self.path("bin/kubectl"));
        command.args(arguments);
        command
    }

    /// Runs kubectl and returns its standard output.
    ///
    /// # Errors
    /// When kubectl fails; the error carries what it wrote to standard error.
    pub fn kubectl<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<String> {
        output(&mut self.kubectl_command(arguments))
    }

    /// Applies manifests by server-side apply, as field manager `bed`.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let mut command = self.kubectl_command([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=bed",
            "--filename=-",
        ]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().ok_or_else(|| anyhow!("kubectl has no standard input"))?;
        input.write_all(manifests.as_bytes()).context("cannot hand the manifests to kubectl")?;
        drop(input);
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(())
    }

    /// Whether something inside listens on this address.
    pub fn listens(&self, address: Ipv4Addr, port: u16) -> bool {
        let Ok(space) = File::open(self.path("ns/net")) else { return false };
        // A network namespace is entered by a thread: this one ends with the question.
        thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).is_ok()
                && TcpStream::connect_timeout(&SocketAddr::from((address, port)), Duration::from_secs(1)).is_ok()
        })
        .join()
        .unwrap_or(false)
    }

    /// Whether the cluster was started and not taken down.
    pub fn exists(&self) -> bool {
        self.kubeconfig().exists()
    }

    /// Fails with the next command to try if the cluster is not there.
    ///
    /// # Errors
    /// When the cluster was never started, or was taken down.
    pub fn ensure_exists(&self) -> Result<()> {
        if !self.exists() {
            bail!("cluster `{}` is not up: start it with `cargo bed --name {} up`", self.name, self.name);
        }
        Ok(())
    }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or fails; the error carries its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr);
        bail!("{} ({}): {}", last_words(command), done.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The program and arguments after the way in, for an error's text.
fn last_words(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let start = words.iter().position(|word| word == "--").map_or(0, |at| at + 1);
    words.get(start..).unwrap_or_default().join(" ")
}

/// Asks until the answer is yes or the deadline has passed.
///
/// # Errors
/// When the deadline passes; `what` names what did not happen.
pub fn wait_until(what: &str, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        if ready() {
            return Ok(());
        }
        ensure!(began.elapsed() < limit, "{what}: not within {} s", limit.as_secs());
        // A question that costs much (a whole kubectl) is asked less often: it slows down what it waits for.
        thread::sleep(Duration::from_millis(50).max(asked.elapsed() * 2));
    }
}

/// Writes a file if its content differs, whole or not at all, readable by its owner alone if it is `secret`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_file(path: &Path, content: &str, secret: bool) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).with_context(|| format!("cannot write {}", beside.display()))?;
    // Before the content: a secret is never readable by others, not even for a moment.
    file.set_permissions(fs::Permissions::from_mode(if secret { 0o600 } else { 0o644 }))?;
    file.write_all(content.as_bytes())?;
    Ok(fs::rename(&beside, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_path_or_a_socket_are_refused() {
        for name in ["", "Dev", "a/b", "..", "-x", "a-name-of-21-letters-"] {
            assert!(Bed::open(name).is_err(), "{name}");
        }
        assert_eq!(Bed::open("dev-2").unwrap().folder(), Path::new("/var/lib/admittance-bed/dev-2"));
    }

    #[test]
    fn an_error_names_the_program_and_not_the_way_in() {
        let mut command = Command::new("sh");
        command.args(["-c", "script", "nsenter", "--", "kubectl", "get", "pods"]);
        assert_eq!(last_words(&command), "kubectl get pods");
    }

    #[test]
    fn a_secret_file_is_its_owners_alone() {
        let path = env::temp_dir().join(format!("bed-secret-{}", std::process::id()));
        write_file(&path, "one", true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write_file(&path, "two", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        fs::remove_file(path).unwrap();
    }
}
