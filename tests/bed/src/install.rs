//! The project in the cluster: its image, its chart, as a user would install them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bed::{Bed, output, wait_until};
use crate::images::project::{self, Optimised};
use crate::progress::Progress;

/// The namespace of the installation, and the name of the release.
pub const NAMESPACE: &str = "admittance";
/// The brokers, as clients are told.
const BOOTSTRAP: &str = "kafka.kafka.svc.cluster.local:9092";
/// The Secret with the Kafka administrator's credential and the brokers' CA.
const ADMIN_SECRET: &str = "kafka-admin";

/// Builds the image, loads it, and installs or upgrades the chart.
///
/// # Errors
/// When the build fails, or the installation does not become ready.
pub fn install(bed: &Bed, optimised: Optimised, progress: &Progress) -> Result<()> {
    let image = project::build_and_load(bed, optimised, progress)?;
    let step = progress.step("helm upgrade --install admittance charts/admittance");
    bed.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"))?;
    copy_admin_secret(bed)?;
    let chart = project::workspace().join("charts/admittance");
    bed.kubectl(["apply", "--server-side", "--force-conflicts", "--filename", &text(&chart.join("crds"))])?;
    let (repository, tag) = image.reference.rsplit_once(':').context("the image's reference has no tag")?;
    let values = [
        ("image.repository", repository),
        ("image.tag", tag),
        ("kafka.bootstrapServers", BOOTSTRAP),
        ("kafka.adminSecret", ADMIN_SECRET),
        ("kafka.caSecret", ADMIN_SECRET),
    ];
    let mut helm = bed.enter_command("helm");
    helm.args(["upgrade", "--install", NAMESPACE, &text(&chart), "--namespace", NAMESPACE, "--wait", "--timeout=3m"]);
    // Everything that can be tried on the testbed is on.
    helm.args(["--set", "gates.enabled=true", "--set", "operator.restartsWorkloads=true"]);
    helm.args(["--set", "contract2017.deployments=true", "--set", "contract2017.configMaps=true"]);
    helm.args(values.iter().flat_map(|(key, value)| ["--set-string".to_owned(), format!("{key}={value}")]));
    output(&mut helm)?;
    wait_until("the operator reaches Kafka", Duration::from_secs(60), || {
        let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        bed.kubectl(["get", "brokercluster", "default", "--namespace", NAMESPACE, "--output", ready])
            .is_ok_and(|said| said == "True")
    })?;
    step.done();
    Ok(())
}

/// What a platform operator does by hand: puts the Kafka administrator's credential where the chart looks for it.
fn copy_admin_secret(bed: &Bed) -> Result<()> {
    let held = bed.kubectl(["get", "secret", ADMIN_SECRET, "--namespace", "kafka", "--output=json"])?;
    let held: Value = serde_json::from_str(&held)?;
    let copy = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ADMIN_SECRET, "namespace": NAMESPACE},
        "data": held.get("data"),
    });
    bed.apply(&copy.to_string())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
