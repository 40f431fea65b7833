//! Every label and annotation that users or Admittance itself write. The reference page is generated from [`KEYS`].

/// The API group of the custom resources, and the prefix of every label and annotation.
pub const GROUP: &str = "kafka.admittance.dev";

/// Namespace label: `enabled` opts the namespace in. Pod label: `disabled` opts the Pod out.
pub const INJECTION: &str = "kafka.admittance.dev/injection";
/// Namespace label: `configmaps` makes topics of the ConfigMaps of a namespace that is opted in.
pub const TOPICS: &str = "kafka.admittance.dev/topics";
/// The value of [`TOPICS`].
pub const TOPICS_CONFIG_MAPS: &str = "configmaps";
/// The topics that the Pod reads.
pub const CONSUMES: &str = "kafka.admittance.dev/consumes";
/// The topics that the Pod writes.
pub const PRODUCES: &str = "kafka.admittance.dev/produces";
/// The `BrokerCluster` that the Pod speaks to.
pub const CLUSTER: &str = "kafka.admittance.dev/cluster";
/// The identity to share or to force.
pub const WORKLOAD: &str = "kafka.admittance.dev/workload";
/// Consumer groups beyond those of the namespace.
pub const GROUPS: &str = "kafka.admittance.dev/groups";
/// Whether the Pod's producers use transactions.
pub const TRANSACTIONS: &str = "kafka.admittance.dev/transactions";
/// The Kafka Streams application that the Pod belongs to.
pub const STREAMS: &str = "kafka.admittance.dev/streams";
/// The containers that receive the configuration.
pub const CONTAINERS: &str = "kafka.admittance.dev/containers";
/// The environment variables to add.
pub const ENV: &str = "kafka.admittance.dev/env";
/// The probes to add.
pub const PROBE: &str = "kafka.admittance.dev/probe";
/// How the Pod waits for its credentials.
pub const WAIT: &str = "kafka.admittance.dev/wait";
/// Pod label set by the patch: the access that the Pod shares. Secret label: the access whose credential it holds.
pub const ACCESS: &str = "kafka.admittance.dev/access";
/// The scheduling gate of a Pod that waits for its access before it has a node. The operator takes it away.
pub const GATE: &str = ACCESS;
/// Pod annotation set by the patch: the version of the webhook that wrote it.
pub const INJECTED: &str = "kafka.admittance.dev/injected";
/// `AccessClaim` annotation: `now` or `force` asks for a new password.
pub const ROTATE: &str = "kafka.admittance.dev/rotate";
/// `BrokerCluster` annotation: the word that releases users whose removal is held.
pub const RELEASE: &str = "kafka.admittance.dev/release-sweep";
/// `BrokerCluster` annotation: the word that releases topics whose deletion is held.
pub const RELEASE_DELETION: &str = "kafka.admittance.dev/release-deletion";
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

/// The contract of 2017 (nbogojevic/kafka-operator): the label without which none of its annotations counts.
pub const LABEL_2017: &str = "kafka-operator";
/// The values that [`LABEL_2017`] may have.
pub const LABEL_2017_VALUES: &[&str] = &["inject-credentials", "inject-creds"];
/// The spellings of 2017 for the topics that the Pod reads: its code's, its README's, and the bare one.
pub const CONSUMES_2017: &[&str] = &["topic.kafka.nb/consumes", "topic.kafka.nb/consumes-topics", "consumes"];
/// The spellings of 2017 for the topics that the Pod writes.
pub const PRODUCES_2017: &[&str] = &["topic.kafka.nb/produces", "topic.kafka.nb/produces-topics", "produces"];
/// The Secret that the operator of 2017 was to make.
pub const SECRET_2017: &str = "topic.kafka.nb/topic-secret";
/// The label of a ConfigMap that describes a topic.
pub const CONFIG_MAP_2017: &str = "config";
/// The value of [`CONFIG_MAP_2017`].
pub const CONFIG_MAP_2017_VALUE: &str = "kafka-topic";

/// Where a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A label of a Namespace or a Pod, written by people.
    OptIn,
    /// An annotation of a Pod, written by its author.
    PodAnnotation,
    /// An annotation of one of our resources, written by people.
    ClaimAnnotation,
    /// A label or annotation of a Pod, a Deployment or a ConfigMap, of the contract of 2017.
    Of2017,
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
        name: TOPICS,
        place: Place::OptIn,
        meaning: "On a Namespace that is opted in, `configmaps` makes topics of its ConfigMaps of the contract of 2017.",
        default: "ConfigMaps mean nothing",
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
        meaning: "The `BrokerCluster` to speak to: `name` (in the install's namespace) or `namespace/name`. On a Namespace, the default of \
                  Pods and claims in it that name none.",
        default: "the namespace's default, else the install's",
    },
    Key {
        name: WORKLOAD,
        place: Place::PodAnnotation,
        meaning: "The identity to share with other Pods of the namespace, or to force where the owner gives none.",
        default: "the name of the Pod's owner",
    },
    Key {
        name: GROUPS,
        place: Place::PodAnnotation,
        meaning: "Consumer groups beyond `<namespace>.*`, for applications whose group names are what they are: names separated by \
                  commas or spaces, at most 20.",
        default: "none",
    },
    Key {
        name: TRANSACTIONS,
        place: Place::PodAnnotation,
        meaning: "`enabled`: the transactional ids `<namespace>.<workload>` and `<namespace>.<workload>_*`; the Secret's `transactional.id` is the one to use. `disabled`: none.",
        default: "`disabled`",
    },
    Key {
        name: STREAMS,
        place: Place::PodAnnotation,
        meaning: "A Kafka Streams application id, with its group and internal topics. It begins with `<namespace>.` and ends in a \
                  letter or digit.",
        default: "none",
    },
    Key {
        name: CONTAINERS,
        place: Place::PodAnnotation,
        meaning: "The containers that receive the configuration: names separated by commas or spaces.",
        default: "all, init containers included",
    },
    Key {
        name: ENV,
        place: Place::PodAnnotation,
        meaning: "Environment variables, each where a container has none of that name. `generic`: `KAFKA_…`; `spring`: \
                  `SPRING_KAFKA_…`; `jaas`: `JAVA_TOOL_OPTIONS` with the JAAS file; `none`: files only.",
        default: "`none`",
    },
    Key {
        name: PROBE,
        place: Place::PodAnnotation,
        meaning: "Probes, each where a container has none of that kind; several are separated by commas or spaces. `readiness`: until \
                  the access has worked once; `readiness-live`: whenever it does not work; `startup`: the same check for \
                  five minutes from the start; `liveness`: restarts a consumer that is stuck; `none`: no probe.",
        default: "`readiness`",
    },
    Key {
        name: WAIT,
        place: Place::PodAnnotation,
        meaning: "`secret`: the kubelet starts the containers once the Secret exists. `gate`: the Pod is not even given a node before.",
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
        meaning: "On a BrokerCluster, the words that its condition `SweepHeld` names, separated by commas: each releases exactly the users that it was said of.",
        default: "none",
    },
    Key {
        name: RELEASE_DELETION,
        place: Place::ClaimAnnotation,
        meaning: "On a BrokerCluster, the word that its condition `DeletionHeld` names: it releases exactly the topics that the condition is about.",
        default: "none",
    },
    Key {
        name: LABEL_2017,
        place: Place::Of2017,
        meaning: "Label: `inject-credentials` or `inject-creds`. Without it, none of the annotations below counts.",
        default: "–",
    },
    Key { name: "topic.kafka.nb/consumes", place: Place::Of2017, meaning: "As `consumes` of ours.", default: "none" },
    Key { name: "topic.kafka.nb/consumes-topics", place: Place::Of2017, meaning: "The same.", default: "none" },
    Key { name: "consumes", place: Place::Of2017, meaning: "The same.", default: "none" },
    Key { name: "topic.kafka.nb/produces", place: Place::Of2017, meaning: "As `produces` of ours.", default: "none" },
    Key { name: "topic.kafka.nb/produces-topics", place: Place::Of2017, meaning: "The same.", default: "none" },
    Key { name: "produces", place: Place::Of2017, meaning: "The same.", default: "none" },
    Key {
        name: SECRET_2017,
        place: Place::Of2017,
        meaning: "On a Deployment, a Secret that is made beside `<workload>-kafka-credentials` and holds the same. On a Pod it is not \
                  heeded, and a Pod that names another one is told so.",
        default: "`<workload>-kafka-credentials`",
    },
    Key {
        name: CONFIG_MAP_2017,
        place: Place::Of2017,
        meaning: "Label of a ConfigMap: `kafka-topic` says that it describes a topic. The installation may have chosen another label.",
        default: "–",
    },
    Key {
        name: ACCESS,
        place: Place::Ours,
        meaning: "Label of an injected Pod: the access that it shares. A Pod that is created with one that is not its own is refused. \
                  Label of a credential Secret: the access that it belongs to.",
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

/// Whether an intent may follow from an annotation or label of this key: all that a copy of a Pod's metadata must keep.
#[must_use]
pub fn concerns_us(name: &str) -> bool {
    name.starts_with(GROUP) || lookup(name).is_some()
}

/// The part of a key behind the slash, if it is one of ours.
#[must_use]
pub fn short(name: &str) -> Option<&str> {
    name.strip_prefix(GROUP)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_2017_has_its_row() {
        for key in [CONSUMES_2017, PRODUCES_2017, &[LABEL_2017, SECRET_2017, CONFIG_MAP_2017]].concat() {
            assert!(lookup(key).is_some_and(|row| row.place == Place::Of2017), "{key}");
            assert!(concerns_us(key));
        }
        assert!(!concerns_us("topic.kafka.nb/generated"));
    }
}
