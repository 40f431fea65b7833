//! What the clients of a cluster are told, and what becomes of what they ask for. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Unusable;
use crate::api::duration;
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{
    BrokerCluster, CredentialPolicy, Drift, GroupPolicy, QuotaPolicy, Restart, SaslMechanism, TopicPolicy,
};
use crate::api::selector::{NamespaceSelector, admits, admits_claims};
use crate::kafka::config::{ClientConfig, Credential, Endpoint, Tls};
use crate::kafka::scram::Mechanism;

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

/// What decisions take from a cluster that works.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// What every user there begins with that is ours.
    pub scope: Scope,
    /// Its terms.
    pub terms: Terms,
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

/// The terms of a cluster as its resource says them, with the certificates that its brokers are trusted by. Which mechanisms are
/// offered, only Kafka can say.
///
/// # Errors
/// [`Unusable`] where a value makes no sense.
pub fn terms(cluster: &BrokerCluster, ca_pem: Option<String>) -> Result<Terms, Unusable> {
    let external = &cluster.spec.external;
    Ok(Terms {
        bootstrap_servers: external.bootstrap_servers.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        security_protocol: if ca_pem.is_some() { SecurityProtocol::SaslSsl } else { SecurityProtocol::SaslPlaintext },
        ca_pem,
        mechanism: external.mechanism,
        mechanisms: Vec::new(),
        namespaces: cluster.spec.clients.clone().unwrap_or_default().namespace_selector,
        topics: cluster.spec.topics.clone(),
        groups: cluster.spec.groups,
        lifetimes: lifetimes(&cluster.spec.credentials)?,
        drift: cluster.spec.credentials.drift,
        quotas: cluster.spec.quotas.clone(),
        // Kafka says these.
        quotas_shown: false,
        neighbours: BTreeSet::new(),
    })
}

fn lifetimes(policy: &CredentialPolicy) -> Result<Lifetimes, Unusable> {
    let read = |text: &str| {
        duration::parse(text).map_err(|error| {
            let message = format!("spec.credentials: \"{text}\" is {error}");
            Unusable { reason: Reason::InvalidValue, message }
        })
    };
    Ok(Lifetimes {
        idle_after: read(&policy.idle_after)?,
        absent_after: read(&policy.absent_after)?,
        rotate_every: policy.rotate_every.as_deref().map(read).transpose()?,
        max_overlap: read(&policy.max_overlap)?,
        restart: policy.restart,
    })
}

/// How a user reaches a cluster.
///
/// # Errors
/// [`Unusable`] where the list of brokers cannot be read.
pub fn config(terms: &Terms, credential: Credential) -> Result<ClientConfig, Unusable> {
    let bootstrap = Endpoint::parse_list(&terms.bootstrap_servers)
        .map_err(|error| Unusable { reason: Reason::InvalidValue, message: error.to_string() })?;
    let mut config = ClientConfig::new(bootstrap);
    config.tls = terms.ca_pem.clone().map(|ca_pem| Tls { ca_pem });
    config.sasl = Some(credential);
    Ok(config)
}

/// The mechanism of the resource as the client names it.
#[must_use]
pub const fn mechanism(mechanism: SaslMechanism) -> Mechanism {
    match mechanism {
        SaslMechanism::ScramSha512 => Mechanism::Sha512,
        SaslMechanism::ScramSha256 => Mechanism::Sha256,
    }
}

/// The mechanism of the client as the resource names it.
#[must_use]
pub const fn named(mechanism: Mechanism) -> SaslMechanism {
    match mechanism {
        Mechanism::Sha512 => SaslMechanism::ScramSha512,
        Mechanism::Sha256 => SaslMechanism::ScramSha256,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::secret::Secret;

    fn read(servers: &str, credentials: &Value, ca_pem: Option<&str>) -> Result<Terms, Unusable> {
        let external = json!({"bootstrapServers": servers, "adminSecret": {"name": "admin"}});
        let spec = json!({"external": external, "credentials": credentials});
        let cluster = serde_json::from_value(json!({"metadata": {"name": "c"}, "spec": spec})).unwrap();
        terms(&cluster, ca_pem.map(str::to_owned))
    }

    #[test]
    fn clients_are_told_a_tidy_list_and_how_the_listener_is_guarded() {
        for (servers, ca_pem, list, protocol) in
            [("a:1", None, "a:1", "SASL_PLAINTEXT"), (" a:1 ,  b:2", Some("PEM"), "a:1,b:2", "SASL_SSL")]
        {
            let terms = read(servers, &json!({}), ca_pem).unwrap();
            assert_eq!((&*terms.bootstrap_servers, terms.security_protocol.as_str()), (list, protocol));
            let credential =
                Credential { mechanism: mechanism(terms.mechanism), username: "u".into(), password: Secret::new("p") };
            let config = config(&terms, credential).unwrap();
            assert_eq!(config.tls.map(|tls| tls.ca_pem).as_deref(), ca_pem);
            assert_eq!(config.bootstrap.len(), list.split(',').count());
        }
    }

    #[test]
    fn a_time_that_is_none_is_told_with_its_place() {
        let times = read("a:1", &json!({"rotateEvery": "2h", "idleAfter": "30m"}), None).unwrap().lifetimes;
        assert_eq!(
            (times.rotate_every, times.idle_after),
            (Some(Duration::from_secs(7200)), Duration::from_secs(1800))
        );
        for field in ["idleAfter", "absentAfter", "rotateEvery", "maxOverlap"] {
            let wrong = read("a:1", &json!({field: "soon"}), None).unwrap_err();
            assert_eq!(wrong.reason, Reason::InvalidValue, "{field}");
            assert!(wrong.message.starts_with("spec.credentials: \"soon\" is "), "{}", wrong.message);
        }
    }

    #[test]
    fn a_mechanism_is_the_same_to_the_client_and_to_the_resource() {
        for (ours, theirs) in
            [(SaslMechanism::ScramSha256, Mechanism::Sha256), (SaslMechanism::ScramSha512, Mechanism::Sha512)]
        {
            assert_eq!((mechanism(ours), named(theirs)), (theirs, ours));
        }
    }
}
