//! Three brokers in the cluster, each a controller as well, as a StatefulSet in the namespace `kafka`.
//!
//! What a test needs is in that namespace: the Secret `kafka-admin` (`username`, `password`, and `client.properties` for Java
//! tools), and the ConfigMap `kafka-ca` (`ca.crt`). Clients connect to `kafka.kafka.svc.cluster.local:9092`, by TLS and SCRAM.
//! The tools are in the brokers' own containers:
//!
//! ```text
//! cargo bed kubectl -n kafka exec kafka-0 -- kafka-topics.sh \
//!     --bootstrap-server kafka.kafka:9092 --command-config /etc/kafka/admin/client.properties --list
//! ```

mod credentials;

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::bed::{Bed, output};
use crate::cache::short_digest;
use crate::cluster::config::render;
use crate::cluster::pki::{self, Leaf};
use crate::images::kafka::{REFERENCE, USER};
use crate::progress::Progress;

/// The namespace, and the StatefulSet in it.
pub const NAMESPACE: &str = "kafka";
/// How many brokers.
pub const BROKERS: [&str; 3] = ["kafka-0", "kafka-1", "kafka-2"];
/// Where clients begin.
pub const BOOTSTRAP: &str = "kafka.kafka.svc.cluster.local:9092";

const MANIFESTS: &str = include_str!("../../templates/kafka.yaml");
pub(crate) const PROPERTIES: &str = include_str!("../../templates/server.properties");
pub(crate) const START: &str = include_str!("../../templates/start-broker.sh");

/// Three Java processes on two busy cores, after a restart of everything.
const READY: Duration = Duration::from_secs(240);

/// Applies the brokers and waits until all are Ready. Does nothing if they are.
///
/// # Errors
/// When they do not become Ready; the error says where to look.
pub fn up(bed: &Bed, progress: &Progress) -> Result<()> {
    let (manifests, digest) = manifests(bed)?;
    let question =
        "jsonpath={.spec.template.metadata.annotations.bed\\.admittance\\.dev/configuration} {.status.readyReplicas}";
    let present = bed.kubectl([
        "get",
        "statefulset",
        "kafka",
        "--namespace",
        NAMESPACE,
        "--ignore-not-found",
        "--output",
        question,
    ])?;
    if present == format!("{digest} {}", BROKERS.len()) {
        return Ok(());
    }
    let step = progress.step("three Kafka brokers ready");
    for broker in BROKERS {
        // The kubelet would make these folders as root's.
        let folder = bed.path("kafka").join(broker);
        fs::create_dir_all(&folder)?;
        chown(&folder, Some(USER), Some(USER))?;
    }
    bed.apply(&manifests)?;
    let limit = format!("--timeout={}s", READY.as_secs());
    output(&mut bed.kubectl_command(["rollout", "status", "statefulset/kafka", "--namespace", NAMESPACE, &limit]))
        .with_context(|| {
            format!("the brokers are not ready; look at `cargo bed --name {} logs kafka-0`", bed.name())
        })?;
    step.done();
    Ok(())
}

/// The brokers' certificates: what one broker shows to another, and to clients.
fn certificates() -> Vec<Leaf> {
    let leaf = |name: &'static str| {
        let domain = ["kafka.kafka.svc.cluster.local", "kafka.kafka.svc", "kafka.kafka"];
        let own = domain.map(|domain| format!("{name}.{domain}"));
        let addresses = own.into_iter().chain(domain.map(str::to_owned)).collect();
        // One name for all: it is the principal that brokers act as.
        Leaf { name, common_name: "kafka-broker".into(), organization: "bed", addresses }
    };
    BROKERS.map(leaf).into()
}

/// What the brokers are given: the Secret `kafka-broker`, the Secret `kafka-admin` and the ConfigMap `kafka-broker`.
struct Files {
    broker: Vec<(String, String)>,
    admin: Vec<(String, String)>,
    config: Vec<(String, String)>,
}

/// Made once in a folder, and the same ever after.
fn files(folder: &Path) -> Result<Files> {
    let pki = folder.join("pki");
    pki::ensure(&pki, "kafka", &certificates())?;
    let read = |file: &str| fs::read_to_string(pki.join(file)).with_context(|| format!("cannot read {file}"));
    let authority = read("ca.crt")?;
    let admin = credentials::ensure(&folder.join("admin.json"))?;
    let mut broker = vec![
        ("ca.crt".to_owned(), authority.clone()),
        ("cluster-id".to_owned(), admin.cluster_id.clone()),
        ("scram".to_owned(), admin.scram_arguments().join("\n") + "\n"),
    ];
    for name in BROKERS {
        broker.push((format!("{name}.pem"), read(&format!("{name}.key"))? + &read(&format!("{name}.crt"))?));
    }
    let config =
        [("server.properties", PROPERTIES), ("start.sh", START)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    Ok(Files { broker, admin: admin.client_files(authority), config: config.into() })
}

/// The files of a broker that runs alone, to record what a broker loads: each with its path, without the leading slash.
///
/// # Errors
/// When the folder for them cannot be written.
pub(crate) fn recording_files(folder: &Path) -> Result<Vec<(String, String)>> {
    let files = files(folder)?;
    let place = |part: &'static str, files: Vec<(String, String)>| {
        files.into_iter().map(move |(name, text)| (format!("etc/kafka/{part}/{name}"), text))
    };
    let mut all: Vec<_> = place("broker", files.broker).chain(place("admin", files.admin)).collect();
    // The later line counts. One voter, which is itself.
    let alone = "\ncontroller.quorum.voters=0@kafka-0.kafka.kafka.svc.cluster.local:9093\nmin.insync.replicas=1\n";
    all.extend(place("config", files.config).map(|(name, text)| {
        let text = if name.ends_with(".properties") { text + alone } else { text };
        (name, text)
    }));
    Ok(all)
}

/// Everything in the namespace, and a digest of it, which the Pods carry: another configuration is another Pod, and an
/// unchanged one need not be applied again.
fn manifests(bed: &Bed) -> Result<(String, String)> {
    let files = files(&bed.path("kafka-files"))?;
    let authority: Vec<_> = files.broker.iter().filter(|(name, _)| name == "ca.crt").cloned().collect();
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        object("Secret", "kafka-broker", "stringData", files.broker),
        object("Secret", "kafka-admin", "stringData", files.admin),
        object("ConfigMap", "kafka-ca", "data", authority),
        object("ConfigMap", "kafka-broker", "data", files.config),
    ];
    let mut text: String = objects.iter().map(|object| format!("{object}\n---\n")).collect();
    let digest = short_digest(&[&text, MANIFESTS]);
    let values = [
        ("image", REFERENCE.to_owned()),
        ("user", USER.to_string()),
        ("brokers", BROKERS.len().to_string()),
        ("data", bed.path("kafka").display().to_string()),
        ("digest", digest.clone()),
    ];
    text.push_str(&render(MANIFESTS, &values)?);
    Ok((text, digest))
}

fn object(kind: &str, name: &str, field: &str, content: Vec<(String, String)>) -> Value {
    let content: Map<String, Value> = content.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, field: content})
}
