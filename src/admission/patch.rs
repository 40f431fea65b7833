//! The additions to a Pod, as narrow `add` operations (RFC 6902). Nothing that the author wrote is changed, and nothing is added
//! twice: each addition looks for what is there by name.

use json_patch::{AddOperation, PatchOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use super::pod::{Container, Pod, Presence, VolumeMount};
use crate::api::annotations::{ACCESS, CONTAINERS, INJECTED};
use crate::api::reasons::Reason;
use crate::api::secret_layout::MOUNT_PATH;
use crate::intent::{Containers, Intent, Problem};

/// The volume that holds the credential Secret.
pub const CREDENTIALS_VOLUME: &str = "admittance-credentials";
/// The volume that holds the probe, and the init container that puts it there.
pub const PROBE_NAME: &str = "admittance-probe";
/// Where the probe is mounted.
pub const PROBE_PATH: &str = "/var/run/admittance";
/// Readable by every user of the Pod: the webhook cannot set fsGroup without changing what the author wrote.
const MODE_0444: u32 = 0o444;
/// The user of the probe's image, for Pods that would otherwise run it as root.
const PROBE_USER: u32 = 65_532;

/// What a patch is made of besides the Pod and its intent.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The image that the probe copies itself from.
    pub probe_image: &'a str,
    /// The version that is written into the annotation.
    pub version: &'a str,
}

/// The additions that a Pod needs; none where it has them all.
///
/// Warnings are for the author: what was left alone, and why.
///
/// # Errors
/// Names that the patch needs and that the Pod uses for something else, or containers that it does not have.
pub fn additions(
    pod: &Pod<'_>,
    intent: &Intent,
    parts: Parts<'_>,
) -> Result<(Vec<PatchOperation>, Vec<String>), Vec<Problem>> {
    let mut patch = Patch { pod, intent, operations: Vec::new(), warnings: Vec::new(), problems: Vec::new() };
    patch.containers_exist();
    patch.credentials_volume();
    patch.mounts("initContainers", pod.spec.init_containers.as_deref().unwrap_or_default(), false);
    let probed =
        patch.mounts("containers", pod.spec.containers.as_deref().unwrap_or_default(), patch.wants_readiness());
    if probed {
        patch.probe_volume();
        patch.probe_installer(parts.probe_image);
    }
    patch.mark(parts.version);
    if patch.problems.is_empty() { Ok((patch.operations, patch.warnings)) } else { Err(patch.problems) }
}

struct Patch<'p, 'a> {
    pod: &'p Pod<'a>,
    intent: &'p Intent,
    operations: Vec<PatchOperation>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

impl Patch<'_, '_> {
    fn add<'t>(&mut self, path: impl IntoIterator<Item = &'t str>, value: Value) {
        self.operations.push(PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path), value }));
    }

    /// Appends to an array, or makes it with its first element.
    fn append(&mut self, path: &[&str], exists: bool, value: Value) {
        if exists {
            self.add(path.iter().copied().chain(["-"]), value);
        } else {
            self.add(path.iter().copied(), Value::Array(vec![value]));
        }
    }

    fn containers_exist(&mut self) {
        let Containers::Named(names) = &self.intent.containers else { return };
        let spec = &self.pod.spec;
        let all = || spec.containers.iter().chain(&spec.init_containers).flatten();
        for name in names.iter().filter(|name| !all().any(|container| container.name == name.as_str())) {
            self.problems.push(Problem::new(
                Reason::NoSuchContainer,
                CONTAINERS,
                name,
                "is not a container of this Pod",
            ));
        }
    }

    fn wants_readiness(&self) -> bool {
        self.intent.readiness && self.pod.spec.os.as_ref().is_none_or(|os| os.name != "windows")
    }

    fn credentials_volume(&mut self) {
        let wanted = self.intent.secret_name();
        let volumes = self.pod.spec.volumes.as_deref();
        match volumes.unwrap_or_default().iter().find(|volume| volume.name == CREDENTIALS_VOLUME) {
            None => self.append(
                &["spec", "volumes"],
                volumes.is_some(),
                json!({"name": CREDENTIALS_VOLUME, "secret": {"secretName": wanted, "defaultMode": MODE_0444}}),
            ),
            Some(volume) => {
                let held = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_deref());
                if held != Some(&wanted) {
                    let rule = format!("is taken: Admittance needs this name for Secret \"{wanted}\"");
                    self.problems.push(Problem::new(Reason::NameTaken, "spec.volumes", CREDENTIALS_VOLUME, rule));
                }
            }
        }
    }

    /// Mounts the credentials, and adds the probe where asked. Returns whether any container has our probe.
    fn mounts(&mut self, list: &str, containers: &[Container<'_>], readiness: bool) -> bool {
        let mut probed = false;
        let chosen = |container: &Container<'_>| {
            container.name != PROBE_NAME && self.intent.containers.includes(&container.name)
        };
        let chosen: Vec<_> = containers.iter().enumerate().filter(|(_, container)| chosen(container)).collect();
        for (index, container) in chosen {
            let index = index.to_string();
            let has_mounts = container.volume_mounts.is_some();
            let mut first = !has_mounts;
            let mounts = container.volume_mounts.as_deref().unwrap_or_default();
            let credentials = self.mount_wanted(container, CREDENTIALS_VOLUME, MOUNT_PATH);
            let ours = mounts.iter().any(|mount| mount.name == PROBE_NAME);
            let probe = readiness && container.readiness_probe == Presence::Absent;
            let probe = probe && self.mount_free(container, PROBE_NAME, PROBE_PATH);
            for (wanted, volume, path) in
                [(credentials, CREDENTIALS_VOLUME, MOUNT_PATH), (probe && !ours, PROBE_NAME, PROBE_PATH)]
            {
                if wanted {
                    let mount = json!({"name": volume, "mountPath": path, "readOnly": true});
                    self.append(&["spec", list, &index, "volumeMounts"], !first, mount);
                    first = false;
                }
            }
            if probe {
                self.add(["spec", list, &index, "readinessProbe"], readiness_probe());
            }
            probed |= probe || ours;
        }
        probed
    }

    /// Whether the container still lacks this mount; what the author has at the same path stays, with a warning.
    fn mount_wanted(&mut self, container: &Container<'_>, volume: &str, path: &str) -> bool {
        let mounted = container.volume_mounts.iter().flatten().any(|mount| mount.name == volume);
        !mounted && self.mount_free(container, volume, path)
    }

    fn mount_free(&mut self, container: &Container<'_>, volume: &str, path: &str) -> bool {
        let taken = |mount: &VolumeMount<'_>| mount.name != volume && mount.mount_path.trim_end_matches('/') == path;
        let taken = container.volume_mounts.iter().flatten().any(taken);
        if taken {
            self.warnings.push(format!("container \"{}\" has its own mount at {path}: left alone", container.name));
        }
        !taken
    }

    fn probe_volume(&mut self) {
        // The credentials volume is there, or was added by an operation before this one: the array exists.
        match self.pod.spec.volumes.iter().flatten().find(|volume| volume.name == PROBE_NAME) {
            None => {
                self.append(&["spec", "volumes"], true, json!({"name": PROBE_NAME, "emptyDir": {"sizeLimit": "16Mi"}}));
            }
            Some(volume) if volume.empty_dir == Presence::Present => {}
            Some(_) => {
                let rule = "is taken: Admittance needs this name for the probe";
                self.problems.push(Problem::new(Reason::NameTaken, "spec.volumes", PROBE_NAME, rule));
            }
        }
    }

    fn probe_installer(&mut self, image: &str) {
        let init_containers = self.pod.spec.init_containers.as_deref();
        if init_containers.unwrap_or_default().iter().any(|container| container.name == PROBE_NAME) {
            return;
        }
        let mut security = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        // A Pod that runs as root by its own word would make the kubelet refuse this container.
        if self.pod.spec.security_context.as_ref().and_then(|context| context.run_as_user) == Some(0) {
            security["runAsUser"] = json!(PROBE_USER);
        }
        let mut container = json!({
            "name": PROBE_NAME,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/admittance-probe", "install", PROBE_PATH],
            "volumeMounts": [{"name": PROBE_NAME, "mountPath": PROBE_PATH}],
            "securityContext": security,
        });
        // Requests equal limits, so that a Guaranteed Pod stays one; a BestEffort Pod stays one without them.
        if self.has_resources() {
            let amount = json!({"cpu": "100m", "memory": "32Mi"});
            container["resources"] = json!({"requests": amount, "limits": amount});
        }
        self.append(&["spec", "initContainers"], init_containers.is_some(), container);
    }

    fn has_resources(&self) -> bool {
        let spec = &self.pod.spec;
        spec.containers
            .iter()
            .chain(&spec.init_containers)
            .flatten()
            .filter_map(|container| container.resources.as_ref())
            .any(|resources| resources.requests == Presence::Present || resources.limits == Presence::Present)
    }

    fn mark(&mut self, version: &str) {
        let metadata = &self.pod.metadata;
        let label = self.intent.workload.label();
        match metadata.labels.as_ref().map(|labels| labels.get(ACCESS)) {
            None => self.add(["metadata", "labels"], json!({ACCESS: label})),
            Some(None) => self.add(["metadata", "labels", ACCESS], Value::String(label)),
            Some(Some(found)) if **found == label => {}
            Some(Some(found)) => {
                let rule = format!("is not this Pod's access, \"{label}\": remove the label, Admittance sets it");
                self.problems.push(Problem::new(Reason::NameTaken, ACCESS, found, rule));
            }
        }
        // An intent is read from annotations, so the map is there.
        if metadata.annotations.iter().flatten().all(|(key, _)| key != INJECTED) {
            self.add(["metadata", "annotations", INJECTED], Value::String(version.to_owned()));
        }
    }
}

fn readiness_probe() -> Value {
    let program = format!("{PROBE_PATH}/admittance-probe");
    json!({
        "exec": {"command": [program, "ready", "--config", MOUNT_PATH, "--latch"]},
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    })
}
