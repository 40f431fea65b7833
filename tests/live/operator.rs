//! The operator's replicas, operators of a test's own, and how long what they look after may live.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::bed::{HOME, kubectl, scale, try_kubectl};

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

/// A time of the BrokerCluster's `spec.credentials`; the default again with the guard.
pub(crate) struct Lifetime(&'static str);

impl Lifetime {
    pub(crate) fn set(field: &'static str, text: &str) -> Self {
        let done = credentials(field, &json!(text));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Self(field)
    }
}

impl Drop for Lifetime {
    fn drop(&mut self) {
        let _ = credentials(self.0, &Value::Null);
    }
}

fn credentials(field: &str, value: &Value) -> Output {
    let patch = json!({"spec": {"credentials": {field: value}}}).to_string();
    try_kubectl(&["patch", "brokercluster", "default", "--namespace", HOME, "--type=merge", "--patch", &patch])
}
