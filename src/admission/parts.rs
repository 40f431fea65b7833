//! The things that a patch puts into a Pod, written as the Kubernetes API has them.

use serde::Serialize;

use super::resources::Resources;
use crate::api::annotations::GATE;
use crate::api::secret_layout::MOUNT_PATH;

/// The volume that holds the credential Secret.
pub const CREDENTIALS_VOLUME: &str = "admittance-credentials";
/// The volume that holds the probe, and the init container that puts it there.
pub const PROBE_NAME: &str = "admittance-probe";
/// Where the probe is mounted.
pub const PROBE_PATH: &str = "/var/run/admittance";
/// Where Kubernetes mounts the token of a Pod's service account in every container that has nothing there.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Readable by every user of the Pod: the webhook cannot set fsGroup without changing what the author wrote.
const MODE_0444: u32 = 0o444;
/// A probe that is there need not be fetched anew for each Pod.
const PULL_POLICY: &str = "IfNotPresent";
/// The user of the probe's image, for Pods that would otherwise run it as root.
const PROBE_USER: u32 = 65_532;

/// A volume.
#[derive(Debug, Clone, Serialize)]
pub struct Volume<'a> {
    name: &'static str,
    #[serde(flatten)]
    source: Source<'a>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum Source<'a> {
    Secret(SecretSource),
    EmptyDir(EmptyDir),
    Image(ImageSource<'a>),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretSource {
    secret_name: String,
    default_mode: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir {
    size_limit: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageSource<'a> {
    reference: &'a str,
    pull_policy: &'static str,
}

/// A gate that keeps a Pod from being given a node.
#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    name: &'static str,
}

impl Gate {
    /// Ours, which the operator takes away.
    #[must_use]
    pub const fn access() -> Self {
        Self { name: GATE }
    }
}

impl<'a> Volume<'a> {
    /// The volume of a credential Secret. The kubelet waits for the Secret: it is not optional.
    #[must_use]
    pub fn credentials(secret_name: String) -> Self {
        let source = Source::Secret(SecretSource { secret_name, default_mode: MODE_0444 });
        Self { name: CREDENTIALS_VOLUME, source }
    }

    /// The volume that the probe is installed into.
    #[must_use]
    pub fn probe() -> Self {
        Self { name: PROBE_NAME, source: Source::EmptyDir(EmptyDir { size_limit: "16Mi" }) }
    }

    /// The probe's image itself, in which the program lies at the root.
    #[must_use]
    pub fn probe_image(reference: &'a str) -> Self {
        Self { name: PROBE_NAME, source: Source::Image(ImageSource { reference, pull_policy: PULL_POLICY }) }
    }
}

/// A mount.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    name: &'static str,
    mount_path: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
}

impl Mount {
    /// The mount of the credentials.
    #[must_use]
    pub fn credentials() -> Self {
        Self { name: CREDENTIALS_VOLUME, mount_path: MOUNT_PATH, read_only: true }
    }

    /// The mount of the probe in the containers that run it.
    #[must_use]
    pub fn probe() -> Self {
        Self { name: PROBE_NAME, mount_path: PROBE_PATH, read_only: true }
    }
}

/// The init container that installs the probe: it passes Pod Security *restricted*, and needs no shell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installer<'a> {
    name: &'static str,
    image: &'a str,
    image_pull_policy: &'static str,
    command: [&'static str; 3],
    volume_mounts: Vec<Mount>,
    security_context: SecurityContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    allow_privilege_escalation: bool,
    capabilities: Capabilities,
    read_only_root_filesystem: bool,
    run_as_non_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_user: Option<u32>,
    seccomp_profile: SeccompProfile,
}

#[derive(Debug, Clone, Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Debug, Clone, Serialize)]
struct SeccompProfile {
    r#type: &'static str,
}

impl<'a> Installer<'a> {
    /// An installer from this image.
    #[must_use]
    pub fn new(image: &'a str) -> Self {
        Self {
            name: PROBE_NAME,
            image,
            image_pull_policy: PULL_POLICY,
            command: ["/admittance-probe", "install", PROBE_PATH],
            volume_mounts: vec![Mount { read_only: false, ..Mount::probe() }],
            security_context: SecurityContext {
                allow_privilege_escalation: false,
                capabilities: Capabilities { drop: ["ALL"] },
                read_only_root_filesystem: true,
                run_as_non_root: true,
                run_as_user: None,
                seccomp_profile: SeccompProfile { r#type: "RuntimeDefault" },
            },
            resources: None,
        }
    }

    /// Runs as the image's user even where the Pod says root: the kubelet would refuse the container.
    #[must_use]
    pub fn as_user_of_the_image(mut self) -> Self {
        self.security_context.run_as_user = Some(PROBE_USER);
        self
    }

    /// Has the probe's folder where the token of the service account would be mounted, which it does not need. Kubernetes' own plugin would
    /// change the Pod for it once more, and whoever changed it before would be asked again.
    #[must_use]
    pub fn without_a_token(mut self) -> Self {
        self.volume_mounts.push(Mount { mount_path: TOKEN_PATH, ..Mount::probe() });
        self
    }

    /// Has these requests and limits.
    #[must_use]
    pub fn with_resources(mut self, resources: Option<Resources>) -> Self {
        self.resources = resources;
        self
    }
}
