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
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

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
const PROPERTIES: &str = include_str!("../../templates/server.properties");
const START: &str = include_str!("../../templates/start-broker.sh");

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

/// Everything in the namespace, the same for all of the cluster's life, and a digest of it, which the Pods carry: another
/// configuration is another Pod, and an unchanged one need not be applied again.
fn manifests(bed: &Bed) -> Result<(String, String)> {
    let pki = bed.path("kafka-pki");
    pki::ensure(&pki, "kafka", &certificates())?;
    let read = |file: &str| fs::read_to_string(pki.join(file)).with_context(|| format!("cannot read {file}"));
    let authority = read("ca.crt")?;
    let admin = credentials::ensure(&bed.path("kafka-admin.json"))?;

    let mut secrets = json!({"ca.crt": authority, "cluster-id": admin.cluster_id, "scram": admin.scram_arguments().join("\n") + "\n"});
    for broker in BROKERS {
        let pem = read(&format!("{broker}.key"))? + &read(&format!("{broker}.crt"))?;
        if let Some(fields) = secrets.as_object_mut() {
            fields.insert(format!("{broker}.pem"), Value::String(pem));
        }
    }
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        object("Secret", "kafka-broker", &json!({"stringData": secrets})),
        object("Secret", "kafka-admin", &json!({"stringData": admin.client_files(&authority)})),
        object("ConfigMap", "kafka-ca", &json!({"data": {"ca.crt": authority}})),
        object("ConfigMap", "kafka-broker", &json!({"data": {"server.properties": PROPERTIES, "start.sh": START}})),
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

fn object(kind: &str, name: &str, content: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}});
    if let (Some(fields), Some(content)) = (object.as_object_mut(), content.as_object()) {
        fields.extend(content.clone());
    }
    object
}
