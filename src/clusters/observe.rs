//! Reads the credential of a cluster and asks Kafka who it is. I/O; decides nothing.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::Api;
use kube::{Client, ResourceExt};

use super::{Connection, Lifetimes, Terms, Unusable};
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, CredentialPolicy, SaslMechanism};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::kafka::admin::Admin;
use crate::kafka::admin::cluster::Cluster;
use crate::kafka::batch::Batcher;
use crate::kafka::config::{ClientConfig, Credential, Endpoint, Tls};
use crate::kafka::error::Error;
use crate::kafka::scram::Mechanism;
use crate::runtime::duration;
use crate::runtime::kubernetes::call;

/// The deadline of one read from the API server.
const CALL: Duration = Duration::from_secs(5);
/// The deadline of one look at Kafka: TCP, TLS, SASL and an answer.
const LOOK: Duration = Duration::from_secs(10);

/// A cluster that answered.
#[derive(Debug)]
pub struct Seen {
    /// The connection, an old one where nothing changed.
    pub connection: Arc<Connection>,
    /// What Kafka says of itself.
    pub kafka: Cluster,
}

/// Looks at a cluster, by the connection that exists where its inputs are the same.
///
/// # Errors
/// [`Unusable`]: why the cluster cannot be worked with.
pub async fn observe(
    client: &Client,
    cluster: &BrokerCluster,
    before: Option<&Arc<Connection>>,
) -> Result<Seen, Unusable> {
    let external = &cluster.spec.external;
    let secrets = Api::<KubeSecret>::namespaced(client.clone(), &cluster.namespace().unwrap_or_default());
    let admin_secret = read(&secrets, &external.admin_secret.name).await?;
    let ca_secret = read(&secrets, &external.tls.ca_secret.name).await?;
    let terms = Terms {
        bootstrap_servers: external.bootstrap_servers.split(',').map(str::trim).collect::<Vec<_>>().join(","),
        ca_pem: text(&ca_secret, &external.tls.ca_secret.key)?,
        mechanism: external.mechanism,
        mechanisms: vec![SaslMechanism::ScramSha512, SaslMechanism::ScramSha256],
        topics: cluster.spec.topics.clone(),
        lifetimes: lifetimes(&cluster.spec.credentials)?,
    };
    let credential = Credential {
        mechanism: mechanism(terms.mechanism),
        username: text(&admin_secret, keys::USERNAME)?,
        password: Secret::new(text(&admin_secret, keys::PASSWORD)?),
    };
    let connection = match before {
        Some(before) if before.terms == terms && before.credential == credential => Arc::clone(before),
        _ => Arc::new(connect(terms, credential)?),
    };
    let kafka = match tokio::time::timeout(LOOK, connection.admin.describe_cluster()).await {
        Ok(answer) => answer.map_err(|error| unusable(&error))?,
        Err(_) => {
            let message =
                format!("no broker of {} answered within {} s", connection.terms.bootstrap_servers, LOOK.as_secs());
            return Err(Unusable { reason: Reason::KafkaUnreachable, message });
        }
    };
    Ok(Seen { connection, kafka })
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

async fn read(secrets: &Api<KubeSecret>, name: &str) -> Result<KubeSecret, Unusable> {
    let invalid = |message| Unusable { reason: Reason::AdminSecretInvalid, message };
    let found =
        call(CALL, "read the Secret", secrets.get_opt(name)).await.map_err(|error| invalid(error.to_string()))?;
    found.ok_or_else(|| invalid(format!("Secret {name} does not exist in the BrokerCluster's namespace")))
}

fn text(secret: &KubeSecret, key: &str) -> Result<String, Unusable> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| {
        let message = format!("Secret {} has no text under key {key}", secret.name_any());
        Unusable { reason: Reason::AdminSecretInvalid, message }
    })
}

fn connect(terms: Terms, credential: Credential) -> Result<Connection, Unusable> {
    let bootstrap = Endpoint::parse_list(&terms.bootstrap_servers)
        .map_err(|error| Unusable { reason: Reason::InvalidValue, message: error.to_string() })?;
    let mut config = ClientConfig::new(bootstrap);
    config.tls = Some(Tls { ca_pem: terms.ca_pem.clone() });
    config.sasl = Some(credential.clone());
    let admin = Admin::new(config).map_err(|error| unusable(&error))?;
    Ok(Connection { batcher: Batcher::new(&admin), admin, credential, terms })
}

/// The mechanism of the resource as the client names it.
#[must_use]
pub fn mechanism(mechanism: SaslMechanism) -> Mechanism {
    match mechanism {
        SaslMechanism::ScramSha512 => Mechanism::Sha512,
        SaslMechanism::ScramSha256 => Mechanism::Sha256,
    }
}

/// What an error of Kafka means for a cluster.
fn unusable(error: &Error) -> Unusable {
    Unusable { reason: error.into(), message: error.to_string() }
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        use kafka_protocol::error::ResponseError as Code;
        match (error, error.code()) {
            (_, Some(Code::SaslAuthenticationFailed)) => Self::KafkaAuthenticationFailed,
            (Error::Denied(_), _) => Self::KafkaAuthorizationFailed,
            (Error::Retriable(_), _) => Self::KafkaUnreachable,
            _ => Self::KafkaRefused,
        }
    }
}
