//! The testbed's own components, from inside of the cluster: stopped, started again as they were, and started a second time elsewhere.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bed::{kubectl, try_kubectl, wait_for};

/// Who serves what etcd holds.
const WRITERS: [&str; 2] = ["etcd", "kube-apiserver"];
/// Who would go on from what etcd has forgotten: their watches are told nothing until its revisions have caught up. So all of them are
/// started anew: <https://kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd/#restoring-an-etcd-cluster>.
const READERS: [&str; 5] = ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns"];

/// The cluster's state folder.
fn state() -> PathBuf {
    let config = PathBuf::from(std::env::var_os("KUBECONFIG").expect("KUBECONFIG is the testbed's"));
    config.ancestors().nth(2).unwrap().to_owned()
}

/// A component that runs, and how it was started.
pub(super) struct Component {
    name: &'static str,
    record: PathBuf,
    /// Of its configuration, for the testbed.
    digest: String,
    pid: String,
    words: Vec<String>,
}

impl Component {
    pub(super) fn of(name: &'static str) -> Self {
        let record = state().join("pids").join(name);
        let text = fs::read_to_string(&record).unwrap();
        let [pid, _, digest] = text.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let words = line.split_terminator('\0').map(str::to_owned).collect();
        Self { name, digest: digest.to_owned(), pid: pid.to_owned(), words, record }
    }

    /// Its program, and what that was started with.
    pub(super) fn words(&self) -> (&str, &[String]) {
        let (program, arguments) = self.words.split_first().unwrap();
        (program, arguments)
    }

    fn stop(&self) {
        assert!(Command::new("kill").args(["-9", &self.pid]).status().unwrap().success(), "{}", self.name);
        wait_for(&format!("{} has ended", self.name), || match start_time(&self.pid) {
            None => Ok(()),
            Some(_) => Err(self.pid.clone()),
        });
    }

    /// Starts it again, to outlive the test, with a record by which the testbed knows it.
    fn start(&self) {
        let (program, arguments) = self.words();
        let log = state().join("log").join(format!("{}.log", self.name));
        let log = OpenOptions::new().append(true).open(log).unwrap();
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", state().join("bin").display());
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", path).current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let pid = command.spawn().unwrap().id().to_string();
        let started = start_time(&pid).expect("it ended at once");
        fs::write(&self.record, format!("{pid} {started} {}\n", self.digest)).unwrap();
    }
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`. Nothing if there is none, or only a zombie.
fn start_time(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    // Until its last thread has ended, its port is taken.
    if fields.next()? == "Z" && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1 {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// A copy of what etcd holds; removed with the guard.
pub(super) struct Copy(PathBuf);

impl Copy {
    /// Stops the API server for the time of it.
    pub(super) fn take() -> Self {
        let copy = Self(state().join("etcd.copy"));
        while_stopped(&WRITERS, || copy_folder(&state().join("etcd"), &copy.0));
        copy
    }

    /// Puts it in the place of what etcd holds now, and starts everybody anew who watches the API server.
    pub(super) fn restore(&self) {
        while_stopped(&[&WRITERS[..], &READERS].concat(), || copy_folder(&self.0, &state().join("etcd")));
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Does something while components do not run; they start again in their order.
fn while_stopped(names: &[&'static str], work: impl FnOnce()) {
    let components: Vec<Component> = names.iter().map(|name| Component::of(name)).collect();
    components.iter().rev().for_each(Component::stop);
    work();
    let (writers, readers) = components.split_at(WRITERS.len());
    writers.iter().for_each(Component::start);
    wait_for("the API server is ready", || {
        let done = try_kubectl(&["get", "--raw=/readyz", "--request-timeout=5s"]);
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    });
    readers.iter().for_each(Component::start);
    kubectl(&["wait", "node", "--all", "--for=condition=Ready", "--timeout=60s"]);
}

fn copy_folder(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("--archive").args([from, to]).status().unwrap().success());
}
