//! The operator's replicas, operators of a test's own, and how long what they look after may live.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, Spec, apply, get, idle_pod, kubectl, scale, try_kubectl, unique, wait_for, wait_ready,
};

const DEPLOYMENT: &str = "deployment/admittance-operator";
/// Whom its replicas act as.
pub(crate) const ACCOUNT: &str = "admittance-operator";
/// The Lease by which one replica leads.
pub(crate) const LEASE: &str = "admittance-operator";

/// An operator of the test's own, from the binary that can stop after its n-th write; stopped with the guard, by force.
///
/// It acts as the installation's service account: nobody else may write what it writes, and what that may not do fails here too.
pub(crate) struct Operator {
    process: Child,
    kubeconfig: PathBuf,
}

impl Operator {
    /// Starts one. Its Lease lies in a namespace: in that of the installation it leads in the installation's place, elsewhere beside it.
    pub(crate) fn start(namespace: &str, identity: &str, stop_after: Option<usize>) -> Self {
        Self::launch(&["--namespace", namespace], identity, stop_after)
    }

    /// Starts one that looks after some namespaces alone, in the installation's place.
    pub(crate) fn within(namespaces: &[&str], identity: &str) -> Self {
        Self::launch(&["--namespace", HOME, "--namespaces", &namespaces.join(",")], identity, None)
    }

    /// Starts one that makes topics of the ConfigMaps with these labels, in the installation's place.
    pub(crate) fn of_config_maps(selector: &str, identity: &str) -> Self {
        Self::launch(&["--namespace", HOME, "--topic-config-maps", selector], identity, None)
    }

    fn launch(arguments: &[&str], identity: &str, stop_after: Option<usize>) -> Self {
        // A file of its own each: one that ends takes its file with it, when its successor may have started already.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("admittance-live-{}-{identity}-{number}.json", std::process::id());
        let kubeconfig = std::env::temp_dir().join(name);
        write_kubeconfig(&kubeconfig);
        Self::spawn(kubeconfig, arguments, identity, stop_after)
    }

    /// Starts one at another API server, as whom a kubeconfig says.
    pub(crate) fn start_at(kubeconfig: &Path, namespace: &str, identity: &str) -> Self {
        Self::spawn(kubeconfig.to_owned(), &["--namespace", namespace], identity, None)
    }

    fn spawn(kubeconfig: PathBuf, arguments: &[&str], identity: &str, stop_after: Option<usize>) -> Self {
        let mut operator = Command::new(env!("CARGO_BIN_EXE_admittance"));
        operator.args(["operator", "--health-port", "18099", "--log", "warn"]);
        operator.args(arguments).args(["--identity", identity]);
        operator.args(["--default-cluster", &format!("{HOME}/default")]);
        operator.env("KUBECONFIG", &kubeconfig);
        if let Some(writes) = stop_after {
            operator.env("ADMITTANCE_STOP_AFTER_WRITE", writes.to_string());
        }
        let process = operator.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, kubeconfig }
    }

    pub(crate) fn has_stopped(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.kubeconfig);
    }
}

/// The way into the cluster that the tests have, with a token of the operator's in the place of their own certificate.
fn write_kubeconfig(path: &Path) {
    let token = kubectl(&["create", "token", ACCOUNT, "--namespace", HOME]);
    let mut config: Value =
        serde_json::from_str(&kubectl(&["config", "view", "--raw", "--minify", "--output=json"])).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(config.to_string().as_bytes()).unwrap();
}

/// Does something while no replica of the installation runs; they are back when it returns, whatever came of it.
pub(crate) fn without_operator<T>(work: impl FnOnce() -> T) -> T {
    // Who was killed has not handed its Lease over.
    let free = || try_kubectl(&["delete", "lease", LEASE, "--namespace", HOME]);
    scale(HOME, DEPLOYMENT, 0);
    let _ = free();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let _ = free();
    scale(HOME, DEPLOYMENT, 2);
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// A field of the BrokerCluster's `spec.credentials`, for as long as the guard lives.
pub(crate) fn credentials(field: &str, text: &str) -> Spec {
    Spec::set(&json!({"credentials": {field: text}}))
}

/// For how long a leader tries to renew before it stops, as src/runtime/lease.rs has it: nobody else may lead before that is over.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Who leads, and how often another one has come to.
fn leader() -> (String, u64) {
    let spec = get(&["lease", LEASE, "--namespace", HOME])["spec"].clone();
    let holder = spec["holderIdentity"].as_str().unwrap_or_default().to_owned();
    (holder, spec["leaseTransitions"].as_u64().unwrap_or_default())
}

/// The process `admittance` of a Pod: the testbed's Pods run on this machine.
fn process_of(pod: &str) -> String {
    let pod = get(&["pod", pod, "--namespace", HOME]);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    // As the two drivers of cgroups write it.
    let spellings = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
    let read = |pid: &str, file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let pids = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let found = pids.into_iter().find(|pid| {
        read(pid, "comm").trim() == "admittance"
            && spellings.iter().any(|spelling| read(pid, "cgroup").contains(spelling))
    });
    found.unwrap_or_else(|| panic!("no process of Pod {}", pod["metadata"]["name"]))
}

#[test]
fn another_replica_leads_when_the_lease_of_one_that_is_gone_has_run_out() {
    let space = Namespace::opted_in("live-leader");
    let (gone, before) = wait_for("a replica leads", || {
        let (holder, times) = leader();
        let pods = get(&["pods", "--namespace", HOME, "--selector=app.kubernetes.io/component=operator"]);
        let is_there = pods["items"].as_array().unwrap().iter().any(|pod| pod["metadata"]["name"] == holder);
        if is_there { Ok((holder, times)) } else { Err(holder) }
    });
    // A deletion by force still brings a SIGTERM, at which it would hand the Lease over: whoever stands still hears none. The kubelet kills
    // it a moment later.
    let began = Instant::now();
    assert!(Command::new("kill").args(["-STOP", &process_of(&gone)]).status().unwrap().success());
    kubectl(&["delete", "pod", &gone, "--namespace", HOME, "--grace-period=0", "--force"]);
    let topic = unique("leader");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let now = wait_for("another replica leads", || {
        let (holder, times) = leader();
        assert!(!holder.is_empty(), "the Lease was handed over, and did not run out");
        if holder == gone { Err(holder) } else { Ok(times) }
    });
    let silent = began.elapsed();
    assert!(silent > GIVE_UP, "it was replaced after {silent:?}, when it might still have worked");
    assert_eq!(now, before + 1);
    wait_ready("accessclaim", &space.0, "app");
    scale(HOME, DEPLOYMENT, 2);
}
