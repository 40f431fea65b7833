//! Every label and annotation that users or Admittance itself write. The reference page is generated from [`KEYS`].

/// The API group of the custom resources, and the prefix of every label and annotation.
pub const GROUP: &str = "kafka.admittance.dev";

/// Namespace label: `enabled` opts the namespace in. Pod label: `disabled` opts the Pod out.
pub const INJECTION: &str = "kafka.admittance.dev/injection";
/// The topics that the Pod reads.
pub const CONSUMES: &str = "kafka.admittance.dev/consumes";
/// The topics that the Pod writes.
pub const PRODUCES: &str = "kafka.admittance.dev/produces";
/// The `BrokerCluster` that the Pod speaks to.
pub const CLUSTER: &str = "kafka.admittance.dev/cluster";
/// The identity to share or to force.
pub const WORKLOAD: &str = "kafka.admittance.dev/workload";
/// The containers that receive the configuration.
pub const CONTAINERS: &str = "kafka.admittance.dev/containers";
/// The probes to add.
pub const PROBE: &str = "kafka.admittance.dev/probe";
/// How the Pod waits for its credentials.
pub const WAIT: &str = "kafka.admittance.dev/wait";
/// Pod label set by the patch: the access that the Pod shares.
pub const ACCESS: &str = "kafka.admittance.dev/access";
/// Pod annotation set by the patch: the version of the webhook that wrote it.
pub const INJECTED: &str = "kafka.admittance.dev/injected";
/// `AccessClaim` annotation: `now` or `force` asks for a new password.
pub const ROTATE: &str = "kafka.admittance.dev/rotate";
/// `BrokerCluster` annotation: the word that releases users whose removal is held.
pub const RELEASE: &str = "kafka.admittance.dev/release-sweep";
/// Secret annotation: how many new passwords it has seen since the first.
pub const ROTATION: &str = "kafka.admittance.dev/rotation";
/// Secret annotation: when its password was published (RFC 3339).
pub const PUBLISHED: &str = "kafka.admittance.dev/published";
/// Pod annotation of Kubernetes: the Pod mirrors a static one. It runs already, and may not refer to Secrets.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
/// Secret label: the Secret was written by the operator.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGER: &str = "admittance";

/// Where a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A label of a Namespace or a Pod, written by people.
    OptIn,
    /// An annotation of a Pod, written by its author.
    PodAnnotation,
    /// An annotation of one of our resources, written by people.
    ClaimAnnotation,
    /// A label or annotation that only Admittance writes.
    Ours,
}

/// One row of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The full key.
    pub name: &'static str,
    /// Who writes it, and where.
    pub place: Place,
    /// What it says, for the reference page.
    pub meaning: &'static str,
    /// What holds when it is absent.
    pub default: &'static str,
}

/// The whole contract, in the order of the reference page.
pub const KEYS: &[Key] = &[
    Key {
        name: INJECTION,
        place: Place::OptIn,
        meaning: "On a Namespace, `enabled` opts it in. On a Pod, `disabled` opts the Pod out.",
        default: "not opted in",
    },
    Key {
        name: CONSUMES,
        place: Place::PodAnnotation,
        meaning: "Topics that the Pod reads: names separated by commas or spaces, at most 100 together with `produces`.",
        default: "none",
    },
    Key {
        name: PRODUCES,
        place: Place::PodAnnotation,
        meaning: "Topics that the Pod writes: names separated by commas or spaces, at most 100 together with `consumes`.",
        default: "none",
    },
    Key {
        name: CLUSTER,
        place: Place::PodAnnotation,
        meaning: "The `BrokerCluster` to speak to: `name` (in the install's namespace) or `namespace/name`.",
        default: "the install's default",
    },
    Key {
        name: WORKLOAD,
        place: Place::PodAnnotation,
        meaning: "The identity to share with other Pods of the namespace, or to force where the owner gives none.",
        default: "the name of the Pod's owner",
    },
    Key {
        name: CONTAINERS,
        place: Place::PodAnnotation,
        meaning: "The containers that receive the configuration: names separated by commas or spaces.",
        default: "all, init containers included",
    },
    Key {
        name: PROBE,
        place: Place::PodAnnotation,
        meaning: "`readiness` adds a latched readiness probe where a container has none; `none` adds nothing.",
        default: "`readiness`",
    },
    Key {
        name: WAIT,
        place: Place::PodAnnotation,
        meaning: "`secret`: the kubelet starts the containers once the Secret exists.",
        default: "`secret`",
    },
    Key {
        name: ROTATE,
        place: Place::ClaimAnnotation,
        meaning: "On an AccessClaim, `now` asks for a new password; it waits until an earlier old one is out of use. `force` does not wait. The operator removes it.",
        default: "none",
    },
    Key {
        name: RELEASE,
        place: Place::ClaimAnnotation,
        meaning: "On a BrokerCluster, the word that its condition `SweepHeld` names: it releases exactly the users that the condition is about.",
        default: "none",
    },
    Key {
        name: ACCESS,
        place: Place::Ours,
        meaning: "Label of an injected Pod: the access that it shares. A Pod that is created with one that is not its own is refused.",
        default: "–",
    },
    Key {
        name: INJECTED,
        place: Place::Ours,
        meaning: "Annotation of an injected Pod: the version of the webhook that patched it.",
        default: "–",
    },
    Key {
        name: ROTATION,
        place: Place::Ours,
        meaning: "Annotation of a credential Secret: how many new passwords it has seen since the first.",
        default: "–",
    },
    Key {
        name: PUBLISHED,
        place: Place::Ours,
        meaning: "Annotation of a credential Secret: when its password was published.",
        default: "when the Secret was made",
    },
];

/// The row of a key, if the contract has it.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The part of a key behind the slash, if it is one of ours.
#[must_use]
pub fn short(name: &str) -> Option<&str> {
    name.strip_prefix(GROUP)?.strip_prefix('/')
}
