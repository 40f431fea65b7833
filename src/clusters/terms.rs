//! What the clients of a cluster are told, and what becomes of what they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::names::Scope;
use crate::api::resources::{Drift, GroupPolicy, QuotaPolicy, Restart, SaslMechanism, TopicPolicy};
use crate::api::selector::{NamespaceSelector, admits, admits_claims};

/// The terms of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// How clients speak to the brokers.
    pub security_protocol: SecurityProtocol,
    /// The certificates that its brokers are trusted by, PEM; `None` without TLS.
    pub ca_pem: Option<String>,
    /// The mechanism of the users made here.
    pub mechanism: SaslMechanism,
    /// The mechanisms that the listener offers, sorted, as far as users can be made for them.
    pub mechanisms: Vec<SaslMechanism>,
    /// The namespaces that may use it; `None` for all that are opted in.
    pub namespaces: Option<NamespaceSelector>,
    /// What becomes of topics that nobody declared.
    pub topics: TopicPolicy,
    /// Whose consumer groups are that bear no namespace's name.
    pub groups: GroupPolicy,
    /// How long users and passwords live.
    pub lifetimes: Lifetimes,
    /// The scopes that other Kubernetes clusters claim in this Kafka.
    pub neighbours: BTreeSet<Scope>,
    /// What is done where somebody changed a user in Kafka.
    pub drift: Drift,
    /// How much of the brokers a workload may use.
    pub quotas: QuotaPolicy,
    /// Whether Kafka shows us quotas: then those that are left from before are found too.
    pub quotas_shown: bool,
}

/// How long users and passwords live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// How long an access outlives its last Pod and its owner.
    pub idle_after: Duration,
    /// How long a user may be without a claim that nobody saw end.
    pub absent_after: Duration,
    /// How old a password becomes.
    pub rotate_every: Option<Duration>,
    /// How long an old password may stay beside its successor without a word.
    pub max_overlap: Duration,
    /// What is done for Pods that still have an old one.
    pub restart: Restart,
}

impl Terms {
    /// Whether the workloads of a namespace with these labels may use the cluster.
    #[must_use]
    pub fn admit(&self, labels: &BTreeMap<String, String>) -> bool {
        admits(self.namespaces.as_ref(), labels)
    }

    /// Whether a namespace may have claims on topics of the cluster; see [`admits_claims`].
    #[must_use]
    pub fn admit_claims(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        admits_claims(self.namespaces.as_ref(), labels)
    }
}

/// How clients speak to the brokers, in Kafka's own spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// TLS, and SASL in it.
    SaslSsl,
    /// SASL alone: for laboratories.
    SaslPlaintext,
}

impl SecurityProtocol {
    /// Kafka's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SaslSsl => "SASL_SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
        }
    }
}
