//! An operator pointed at an API server that knows nobody, with the Kafka and the scope of one that does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::control_plane::Component;
use super::disaster::{cluster, in_kafka};
use crate::bed::{HOME, Namespace, apply, get, idle_pod, kubectl, try_kubectl, unique, user_of, wait_for, with_input};
use crate::operator::Operator;
use crate::tools::kafka_tool;

/// It is looked twice for missing users in this time.
const LOOKS: Duration = Duration::from_secs(75);
/// Ports of the testbed's etcd and API server, and of those beside them.
const PORTS: [(&str, &str); 3] = [("2379", "12379"), ("2380", "12380"), ("6443", "16443")];

/// An API server beside the testbed's, with an etcd of its own; both end with the guard.
struct Empty {
    processes: Vec<Child>,
    folder: PathBuf,
    kubeconfig: PathBuf,
}

impl Empty {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(unique("admittance-live-empty"));
        fs::create_dir_all(&folder).unwrap();
        let kubeconfig = folder.join("admin.json");
        fs::write(&kubeconfig, moved(&kubectl(&["config", "view", "--raw", "--minify", "--output=json"]))).unwrap();
        let processes = ["etcd", "kube-apiserver"].map(|name| like(name, &folder)).into();
        let empty = Self { processes, folder, kubeconfig };
        wait_for("the empty API server answers", || empty.kubectl(&["get", "namespace", "default"]).map(drop));
        empty
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let done = try_kubectl(&[&["--kubeconfig", self.kubeconfig.to_str().unwrap()], arguments].concat());
        if done.status.success() {
            Ok(String::from_utf8(done.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&done.stderr).into_owned())
        }
    }

    fn create(&self, object: &Value) {
        let create = ["--kubeconfig", self.kubeconfig.to_str().unwrap(), "create", "--filename=-"];
        let done = with_input(&create, &object.to_string());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn cluster(&self) -> Value {
        let get = ["get", "brokercluster", "default", "--namespace", HOME, "--output=json"];
        serde_json::from_str(&self.kubectl(&get).unwrap()).unwrap()
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Arguments with the ports beside the testbed's.
fn moved(text: &str) -> String {
    PORTS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(&format!(":{from}"), &format!(":{to}")))
}

/// A component started as the testbed's own was, elsewhere.
fn like(name: &'static str, folder: &Path) -> Child {
    let component = Component::of(name);
    let (program, arguments) = component.words();
    let mut command = Command::new(program);
    for word in arguments {
        let word = match word.split_once('=') {
            Some((flag @ ("--data-dir" | "--audit-log-path"), _)) => {
                format!("{flag}={}", folder.join(flag.trim_start_matches('-')).display())
            }
            Some(("--secure-port", port)) => moved(&format!("--secure-port=:{port}")).replace("=:", "="),
            _ => moved(word),
        };
        command.arg(word);
    }
    let log = File::create(folder.join(name)).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// All rules in Kafka.
fn rules() -> Vec<String> {
    let listed = kafka_tool("kafka-acls.sh", &["--list"]);
    let mut rules: Vec<String> = listed.lines().map(|line| line.trim().to_owned()).collect();
    rules.sort();
    rules
}

#[test]
fn an_operator_at_an_empty_api_server_is_told_whose_the_scope_is_and_touches_nothing() {
    let space = Namespace::opted_in("live-emptied");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {}", unique("emptied"))));
    let user = user_of(&space.0, "app");
    let (ours, before) = (cluster(), (in_kafka(&user), rules()));
    assert!(before.1.iter().any(|rule| rule.contains("ALLOW")), "{before:?}");

    let empty = Empty::start();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/admittance/crds");
    empty.kubectl(&["create", "--filename", crds]).unwrap();
    empty.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}));
    let admin = get(&["secret", "kafka-admin", "--namespace", HOME]);
    let metadata = |name: &str| json!({"name": name, "namespace": HOME});
    empty.create(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("kafka-admin"), "data": admin["data"]}),
    );
    let mut theirs = json!({
        "apiVersion": ours["apiVersion"], "kind": "BrokerCluster", "metadata": metadata("default"), "spec": ours["spec"],
    });
    theirs["spec"]["scope"] = ours["status"]["scope"].clone();
    // However short the time, who is not known here is not missing.
    theirs["spec"]["credentials"]["absentAfter"] = json!("1s");
    wait_for("the definitions are served", || empty.kubectl(&["get", "brokerclusters", "--namespace", HOME]));
    empty.create(&theirs);
    let operator = Operator::start_at(&empty.kubeconfig, HOME, "pointed-elsewhere");
    let refused = |status: &Value| {
        let ready = status["conditions"].as_array().and_then(|all| all.iter().find(|said| said["type"] == "Ready"));
        ready.is_some_and(|ready| ready["status"] == "False" && ready["reason"] == "ScopeClaimed")
    };
    wait_for("it is told whose the scope is", || {
        let status = empty.cluster()["status"].clone();
        if refused(&status) { Ok(()) } else { Err(status.to_string()) }
    });
    let told = Instant::now();
    while told.elapsed() < LOOKS {
        std::thread::sleep(Duration::from_secs(5));
        let status = empty.cluster()["status"].clone();
        assert!(refused(&status) && status["absent"].as_array().is_none_or(Vec::is_empty), "{status}");
    }
    drop(operator);
    assert_eq!((in_kafka(&user), rules()), before);
    assert_eq!(cluster()["status"]["claimedBy"], ours["status"]["claimedBy"]);
}
