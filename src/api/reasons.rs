//! The stable codes by which Admittance says why: in denials, conditions, Events, metrics and the reference.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $remedy:literal,)+) => {
        /// A reason code. The code is stable: people alert on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, for the reference page.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)+];

            /// The code as it is written in conditions, Events and denials.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)+ }
            }

            /// The reason of a code.
            #[must_use]
            pub fn of_code(code: &str) -> Option<Reason> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }

            /// What it says, for the reference page.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Reason::$name => $remedy,)+ }
            }
        }
    };
}

reasons! {
    /// A topic name in an annotation or a ConfigMap breaks Kafka's rules.
    InvalidTopicName => "Correct the name.",
    /// A topic name in an annotation or a ConfigMap is one of Kafka's internal ones.
    InternalTopic => "Name a topic of your own; topics that begin with '__' belong to Kafka.",
    /// The annotations name more topics than a Pod may have.
    TooManyTopics => "Split the workload, or ask for fewer topics.",
    /// The name of a consumer group or of a Kafka Streams application in an annotation breaks a rule.
    InvalidGroupName => "Correct the name in the annotation; the message says the rule.",
    /// The annotation names more consumer groups than a Pod may have.
    TooManyGroups => "Split the workload, or name groups that begin with the namespace: those need no annotation.",
    /// The value of an annotation, or of a key in a ConfigMap, is not one of those it may have.
    InvalidValue => "Use a value that the message allows.",
    /// The value of an annotation is longer than it may be, or holds characters that cannot be shown.
    MalformedValue => "Write plain names, separated by commas or spaces.",
    /// A key under our prefix is not part of the contract: most often a typing mistake.
    UnknownAnnotation => "Correct the key, or remove it.",
    /// No identity follows from the Pod's owner or name.
    NoWorkload => "Set the annotation kafka.admittance.dev/workload.",
    /// The annotation names containers that the Pod does not have.
    NoSuchContainer => "Name containers of this Pod.",
    /// The Pod has more containers than one that is given an access may have.
    TooManyContainers => "Split the Pod.",
    /// A volume, container or label of the Pod has a name that Admittance needs, and is something else.
    NameTaken => "Rename what the Pod has under this name.",
    /// The webhook could not finish in the time that the API server allows.
    DeadlineExceeded => "Create the Pod again; if it persists, give the webhook more CPU.",
    /// The request is not an AdmissionReview of what the webhook is for.
    MalformedReview => "Check the webhook configuration: its rules must be what the message says.",
    /// Everything is in place.
    Ready => "Nothing to do.",
    /// The topic, rights or user are being made.
    Provisioning => "Wait; it takes well under a second while Kafka answers.",
    /// The BrokerCluster that is asked for does not exist.
    ClusterNotFound => "Create the BrokerCluster, or correct kafka.admittance.dev/cluster.",
    /// Kafka cannot be reached.
    KafkaUnreachable => "Check the brokers and the BrokerCluster's bootstrapServers; Pods that wait start by themselves.",
    /// Kafka refused the operator's own credential or certificate.
    KafkaAuthenticationFailed => "Check the Secret that the BrokerCluster's adminSecret names, and its CA.",
    /// The operator's Kafka user lacks a right.
    KafkaAuthorizationFailed => "Grant the operator's Kafka user what the message lists; docs/operator/permissions.md has all that it needs.",
    /// Kafka refused the request; the message has Kafka's own words.
    KafkaRefused => "Read the message: it names Kafka's error.",
    /// The brokers have no authorizer: rules would be ignored, and everybody may do everything.
    NoAuthorizer => "Set authorizer.class.name on brokers and controllers, and restart them.",
    /// Everybody may use what no rule speaks of, so the first rule on a topic or group shuts out its other clients.
    EveryoneAllowed => "Give all clients rules and set allow.everyone.if.no.acl.found=false, or set acknowledgeOpenCluster in the BrokerCluster.",
    /// The listener does not offer the SASL mechanism that the BrokerCluster names.
    MechanismNotOffered => "Name a mechanism that the message lists, or add it to the brokers' sasl.enabled.mechanisms.",
    /// Another Kubernetes cluster has claimed this scope in this Kafka.
    ScopeClaimed => "Use another scope. If that Kubernetes cluster is no more, set adopt in the BrokerCluster to the uid that the message names.",
    /// The BrokerCluster is spoken to without TLS.
    InsecureListener => "Fit for a laboratory; else name a TLS listener, and tls instead of insecure.",
    /// The Secret that holds the operator's Kafka credential is missing or incomplete.
    AdminSecretInvalid => "Create the Secret with keys username and password (and ca.crt where tls.caSecret names it).",
    /// Another namespace owns the topic.
    TopicOwnedElsewhere => "Ask the owner for the RoleBinding that the message names, or choose a name of your own.",
    /// Nobody declared the topic, and the cluster's policy makes none for Pods under this name.
    TopicNotDeclared => "Declare a TopicClaim for it; the BrokerCluster's topics.undeclared says which topics need one.",
    /// The API server could not say whether the workload may use another namespace's topic.
    ReviewFailed => "Look at the API server and at the operator's rights; what was granted before stays.",
    /// Another namespace owns the consumer group.
    GroupOwnedElsewhere => "Ask the owner for the RoleBinding that the message names, or use a group <namespace>.….",
    /// The consumer group lives in Kafka, and nobody has claimed it.
    GroupUnclaimed => "Use a group <namespace>.…, or have the BrokerCluster's groups.adopt set to Any while it is taken over.",
    /// The cluster's policy allows groups under the namespace's own name only.
    GroupNotAllowed => "Use a group <namespace>.….",
    /// The namespace is not opted in: nothing new is given there.
    NotOptedIn => "Label the namespace kafka.admittance.dev/injection=enabled.",
    /// The BrokerCluster is not for workloads of this namespace.
    ClusterNotAllowed => "Ask for a label that the BrokerCluster's clients.namespaceSelector selects, or for another cluster.",
    /// The topic exists in Kafka and no TopicClaim covers it.
    TopicUnclaimed => "Declare a TopicClaim for it. Where its name does not begin with <namespace>., that works only while the BrokerCluster has topics.adopt: Any: ask your platform's operators.",
    /// Two TopicClaims name one topic; the older one has it.
    TopicConflict => "Remove one of the two TopicClaims.",
    /// The topic is not as its TopicClaim says; the message names what differs.
    TopicDrifted => "Change the TopicClaim or the topic; partitions can only grow.",
    /// A topic that was not as its TopicClaim says was put right.
    DriftReverted => "Nothing to do; to change a topic, change its TopicClaim, or let that say drift: Report.",
    /// The topic has more partitions than the TopicClaim says, and Kafka cannot take one away.
    TopicCannotShrink => "Let the TopicClaim say as many partitions as the topic has, or more; for fewer, make another topic.",
    /// The topic was in Kafka, and is not any more: its records are lost. It is not made anew by itself.
    TopicMissing => "Look for who deleted it. To begin with an empty topic, delete the TopicClaim and declare it again.",
    /// Kafka has fewer brokers than the topic is to have replicas.
    TooManyReplicas => "Ask for fewer replicas, or add brokers.",
    /// A topic of nearly this name is in Kafka: two names may not differ by '.' and '_' alone.
    TopicNameCollides => "Choose another name: Kafka cannot tell the metrics of the two apart.",
    /// The topic's replicas are not as many as claimed, and cannot be moved at present.
    ReplicasWait => "Read the message: it says what is waited for. They are moved by themselves when that ends.",
    /// Fewer replicas are claimed than the topic's min.insync.replicas: nothing could be written.
    TooFewReplicas => "Ask for more replicas, or lower min.insync.replicas first.",
    /// The shares of the disks that claims promise themselves are more than the cluster's limit.
    DiskSharesExceeded => "Ask for less in retention.diskFraction, or have topics.limits.maxDiskUse raised; older claims keep theirs.",
    /// The topic was deleted and made anew in Kafka by somebody else: its id is not the one on record.
    TopicReplaced => "Look for who did it. Under a name of the namespace's own, delete the TopicClaim and declare it again; else delete the topic in Kafka, then the TopicClaim.",
    /// The topic's name fits no pattern that the cluster allows to this namespace.
    TopicNameNotAllowed => "Choose a name that the message allows, or have the BrokerCluster's topics.limits.names changed.",
    /// The TopicClaim asks for more than the cluster allows, or for less.
    TopicLimitExceeded => "Ask for what the message allows, or have the BrokerCluster's topics.limits changed.",
    /// A setting of the TopicClaim has a value that it cannot have.
    InvalidTopicConfig => "Correct the value; the message says the field and the rule.",
    /// The TopicClaim has a setting that Kafka does not know.
    UnknownTopicConfig => "Correct the key, or remove it; Kafka's documentation lists them as topic configs.",
    /// A Secret of the wanted name exists and is not ours.
    SecretNotOurs => "Delete or rename that Secret, or ask for another name: kafka.admittance.dev/workload, or topic.kafka.nb/topic-secret where that names it.",
    /// More users are without an AccessClaim than are removed without a question.
    SweepHeld => "Find out where the claims went; if it is right that they are gone, release them as the message says.",
    /// No Pod and no owner wants the access any more; it ends when the cluster's `credentials.idleAfter` has passed.
    Idle => "Nothing to do; a Pod that asks again keeps it.",
    /// A new password is published, and every Pod is to get it.
    Rotated => "Nothing to do where the old password goes by itself; see the condition CredentialCurrent.",
    /// A new password replaced the old one at once, because the cluster has one mechanism: Pods that run still hold the old one.
    RotatedInPlace => "Restart the Pods of the workload; live connections stay, and new logins need the new password.",
    /// Pods that were there before the last rotation still have the old password, which works until they are gone.
    OldPasswordInUse => "Restart the Pods that the message names, or let the BrokerCluster's credentials.restart do it.",
    /// An old password has been in use for longer than the cluster's `credentials.maxOverlap`.
    RotationOverdue => "Restart the Pods that the message names.",
    /// Somebody changed the rules, the password or the quotas of an access's user in Kafka.
    AccessDrifted => "Find out who did it. With the BrokerCluster's credentials.drift: Revert it is put right; with Report it stays until somebody does so, what the workload asks for changes, or its password is rotated.",
    /// Another Kubernetes cluster on the same Kafka uses the groups or the transactional ids that begin with the namespace's name, or a group begins with a scope.
    GroupPrefixTaken => "Use names that begin with the prefix that the message names, as the Secret's group.id and transactional.id do.",
    /// A ConfigMap's properties cannot be read: a key is there twice, an escape is none, or a value is longer than Kafka reads.
    InvalidProperties => "Correct the properties; the topic stays as it was declared last.",
    /// A ConfigMap that describes a topic is larger than any topic needs.
    ConfigMapTooLarge => "Keep what does not describe the topic elsewhere, and take the label from the ConfigMap that holds it.",
    /// A ConfigMap has a key that says nothing about a topic. It is ignored.
    UnknownConfigMapKey => "Remove the key, or correct it.",
    /// A TopicClaim of the ConfigMap's name exists, and was not made of it.
    TopicClaimNotOurs => "Remove one of the two, or give the ConfigMap another name.",
    /// A ConfigMap has become a TopicClaim.
    TopicDeclared => "Nothing to do.",
    /// Two workloads share the name of one access.
    AccessTaken => "Set kafka.admittance.dev/workload to a name of its own.",
    /// A TopicClaim with `deletion: Delete` was deleted: its topic is deleted as well when the time to undo it has passed.
    DeletionAnnounced => "Nothing to do if that is right; to keep the topic, declare the TopicClaim again before the time that the message names.",
    /// The topic of a deleted TopicClaim is claimed again, and stays.
    DeletionUndone => "Nothing to do.",
    /// More topics would be deleted within an hour than the BrokerCluster's `topics.deletion.maxAnHour` or `maxShareAnHour` allows: none of them is.
    DeletionHeld => "Find out who deleted the claims; if it is right, release the topics as the message says, else declare the claims again.",
    /// The topic of a deleted TopicClaim was deleted in Kafka.
    TopicDeleted => "Nothing to do.",
    /// A TopicClaim was deleted, and its topic stays.
    TopicReleased => "Nothing to do; a TopicClaim of the same namespace takes the topic over again.",
    /// A topic is not deleted, because a claim names it or somebody has rights on it in Kafka.
    TopicInUse => "Look at whom the message names; when they are gone, the topic is deleted.",
    /// A topic is not deleted, because a consumer group has members that read it, or that do not tell what they read.
    GroupActive => "Stop the consumers of the group that the message names.",
    /// A topic is not deleted, because it holds records that are younger than the BrokerCluster's `topics.deletion.minRecordAge`.
    RecordsTooYoung => "Find out who still produces; when the youngest record is old enough, the topic is deleted.",
    /// The definition of TopicClaims was removed or replaced, so nobody has deleted the claims that went with it: the topics stay.
    DefinitionRemoved => "Nothing to do; declare the TopicClaims again.",
}

impl Reason {
    /// Whether it is about what a topic should look like: a topic that is there can be used all the same.
    #[must_use]
    pub const fn is_of_settings(self) -> bool {
        matches!(
            self,
            Self::TopicNameNotAllowed
                | Self::TopicLimitExceeded
                | Self::InvalidTopicConfig
                | Self::UnknownTopicConfig
                | Self::TopicCannotShrink
                | Self::TopicDrifted
                | Self::TooManyReplicas
                | Self::TooFewReplicas
                | Self::ReplicasWait
                | Self::DiskSharesExceeded
        )
    }

    /// Whether all is well, or was made so as somebody wished: an Event with it is no warning.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(
            self,
            Self::Ready
                | Self::Idle
                | Self::Rotated
                | Self::RotatedInPlace
                | Self::TopicDeclared
                | Self::TopicReleased
                | Self::DeletionUndone
                | Self::TopicDeleted
                | Self::DefinitionRemoved
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}
