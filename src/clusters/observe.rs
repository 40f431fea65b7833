//! Reads the credential of a cluster and asks Kafka who it is, how it is guarded, and what is claimed in it. I/O; decides nothing.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::Api;
use kube::{Client, ResourceExt};

use super::claim::{Claim, EVERY, taken};
use super::rights::Rights;
use super::terms::{config, mechanism, named, terms};
use super::{Connection, Terms, Unusable};
use crate::api::pem::certificates;
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, External};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::kafka::acl::AclFilter;
use crate::kafka::admin::cluster::Cluster;
use crate::kafka::admin::configs::AllowEveryone;
use crate::kafka::admin::{Admin, At};
use crate::kafka::batch::Batcher;
use crate::kafka::config::{ClientConfig, Credential};
use crate::kafka::error::Error;
use crate::runtime::kubernetes::call;

/// The deadline of one read from the API server.
const CALL: Duration = Duration::from_secs(5);
/// The deadline of one look at Kafka: TCP, TLS, SASL and some answers.
const LOOK: Duration = Duration::from_secs(10);
/// The name of no topic: asking about it shows what we may do on any.
const NO_TOPIC: &str = "admittance_claim.no-topic";

/// A cluster that answered.
#[derive(Debug)]
pub struct Seen {
    /// The connection, an old one where nothing changed.
    pub connection: Arc<Connection>,
    /// What Kafka says of itself.
    pub kafka: Cluster,
    /// What we may do.
    pub rights: Rights,
    /// Every claim in this Kafka, sorted.
    pub claims: Vec<Claim>,
    /// Whether everyone may use what no rule speaks of; `None` where Kafka does not tell, and a witness has to be asked.
    pub open: Option<bool>,
    /// How often, since this look began, we have waited for everybody's claims to be seen.
    pub settled: u32,
}

impl Seen {
    /// With terms that say what Kafka has told: to be asked once everybody's claims have settled, so that whoever is served by the connection
    /// knows of every neighbour.
    #[must_use]
    pub fn told(self) -> Self {
        let Connection { batcher, admin, credential, claim, terms } = &*self.connection;
        // Where we may not ask, nothing is known to have changed.
        if self.kafka.operations.as_ref().is_some_and(Vec::is_empty) {
            return self;
        }
        let others = self.claims.iter().filter(|other| other.scope != claim.scope);
        let neighbours = others.map(|other| other.scope.clone()).collect();
        let terms = Terms { quotas_shown: self.rights.shows_quotas(), neighbours, ..terms.clone() };
        if terms == self.connection.terms {
            return self;
        }
        let (batcher, admin, credential, claim) = (batcher.clone(), admin.clone(), credential.clone(), claim.clone());
        Self { connection: Arc::new(Connection { batcher, admin, credential, claim, terms }), ..self }
    }
}

/// Looks at a cluster, by the connection that exists where its inputs are the same.
///
/// # Errors
/// [`Unusable`]: why the cluster cannot be worked with.
pub async fn observe(
    client: &Client,
    cluster: &BrokerCluster,
    before: Option<&Arc<Connection>>,
    claim: Claim,
) -> Result<Seen, Unusable> {
    let (mut terms, credential) = reach(client, cluster, before).await?;
    if let Some(before) = before {
        terms.quotas_shown = before.terms.quotas_shown;
        terms.neighbours.clone_from(&before.terms.neighbours);
    }
    let servers = terms.bootstrap_servers.clone();
    tokio::time::timeout(LOOK, look(terms, credential, claim, before)).await.unwrap_or_else(|_| {
        let message = format!("no broker of {servers} answered within {} s", LOOK.as_secs());
        Err(Unusable { reason: Reason::KafkaUnreachable, message })
    })
}

/// How a cluster is reached, and as whom: from its resource and the Secrets that it names, or, while these cannot be read, as before.
///
/// # Errors
/// [`Unusable`]: a Secret cannot be read or lacks something, or the resource makes no sense.
pub async fn reach(
    client: &Client,
    cluster: &BrokerCluster,
    before: Option<&Arc<Connection>>,
) -> Result<(Terms, Credential), Unusable> {
    let external = &cluster.spec.external;
    let secrets = Api::<KubeSecret>::namespaced(client.clone(), &cluster.namespace().unwrap_or_default());
    let (username, password, ca_pem) = match inputs(&secrets, external).await {
        Ok(inputs) => inputs,
        // What the Secrets say cannot be known for a while: what they said is as good, and everybody who is at work goes on.
        Err(Trouble::Away(why)) if let Some(before) = before => {
            tracing::info!(cluster = cluster.name_any(), why, "the last credential that was read is used");
            let Credential { username, password, .. } = before.credential.clone();
            (username, password, before.terms.ca_pem.clone())
        }
        Err(Trouble::Away(message)) => return Err(Unusable { reason: Reason::AdminSecretInvalid, message }),
        Err(Trouble::Wrong(unusable)) => return Err(unusable),
    };
    let terms = terms(cluster, ca_pem)?;
    let credential = Credential { mechanism: mechanism(terms.mechanism), username, password };
    Ok((terms, credential))
}

async fn look(
    mut terms: Terms,
    credential: Credential,
    claim: Claim,
    before: Option<&Arc<Connection>>,
) -> Result<Seen, Unusable> {
    let same = before.filter(|before| {
        let now = (&terms.bootstrap_servers, &terms.ca_pem, &credential);
        now == (&before.terms.bootstrap_servers, &before.terms.ca_pem, &before.credential)
    });
    let (admin, batcher) = match same {
        Some(before) => (before.admin.clone(), before.batcher.clone()),
        None => connect(config(&terms, credential.clone())?)?,
    };
    // Without a login: a mechanism that is not offered is seen here, and not as a login that fails.
    let offered = admin.mechanisms(credential.mechanism).await?;
    terms.mechanisms = offered.into_iter().map(named).collect();
    if !terms.mechanisms.contains(&terms.mechanism) {
        let offered: Vec<_> = terms.mechanisms.iter().map(|mechanism| mechanism.as_str()).collect();
        let offered = if offered.is_empty() { "no SCRAM mechanism".to_owned() } else { offered.join(" and ") };
        let message = format!("external.mechanism is {}; the listener offers {offered}", terms.mechanism.as_str());
        return Err(Unusable { reason: Reason::MechanismNotOffered, message });
    }
    let connection = match before {
        Some(before) if before.terms == terms && before.credential == credential && before.claim == claim => {
            Arc::clone(before)
        }
        _ => Arc::new(Connection { batcher, admin, credential, claim, terms }),
    };
    Ok(ask(connection).await?)
}

/// Asks Kafka everything that a decision needs.
///
/// # Errors
/// See [`Error`].
pub async fn ask(connection: Arc<Connection>) -> Result<Seen, Error> {
    let admin = &connection.admin;
    let kafka = admin.describe_cluster().await?;
    if kafka.operations.as_ref().is_some_and(Vec::is_empty) {
        // Without Describe on Cluster every further question is refused.
        let rights = Rights { cluster: kafka.operations.clone(), topics: None, rules: Vec::new() };
        return Ok(Seen { kafka, rights, claims: Vec::new(), open: None, settled: 0, connection });
    }
    let (topics, claims, open) = tokio::join!(admin.operations_on_topic(NO_TOPIC), claims(admin), open(admin, &kafka));
    let (topics, claims, open) = (topics?, claims?, open?);
    let mut rights = Rights { cluster: kafka.operations.clone(), topics, rules: Vec::new() };
    if Rights::incomplete(rights.cluster.as_deref(), rights.topics.as_deref()) {
        for who in [connection.credential.username.as_str(), "*"] {
            let filter = AclFilter::Principal(format!("User:{who}"));
            rights.rules.extend(admin.describe_acls(&filter, At::Any).await?);
        }
    }
    Ok(Seen { kafka, rights, claims, open, settled: 0, connection })
}

/// What the configuration of the first broker that answers says. Kafka hides settings of an authorizer once they are set: then nothing
/// is known.
async fn open(admin: &Admin, kafka: &Cluster) -> Result<Option<bool>, Error> {
    let live: Vec<_> = kafka.brokers.iter().filter(|broker| !broker.fenced).map(|broker| broker.id).collect();
    if live.is_empty() {
        return Ok(None);
    }
    match admin.broker_security(live).await {
        Ok(security) => Ok(match security.allow_everyone {
            AllowEveryone::Unset => Some(false),
            AllowEveryone::Set(open) => Some(open),
            AllowEveryone::Hidden => None,
        }),
        // We lack DescribeConfigs on Cluster: a witness can be asked instead.
        Err(Error::Denied(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every claim in a Kafka, sorted.
///
/// # Errors
/// See [`Error`]; `Denied` with the code `SecurityDisabled` where there is no authorizer.
pub async fn claims(admin: &Admin) -> Result<Vec<Claim>, Error> {
    let rules = admin.describe_acls(&EVERY, At::Any).await?;
    let mut claims: Vec<Claim> = rules.iter().filter_map(Claim::of_rule).collect();
    claims.sort();
    Ok(claims)
}

/// Looks live whether the scope is still ours alone. To be asked before anything is taken away or deleted in Kafka.
///
/// # Errors
/// [`Unusable`]: Kafka did not answer, our claim is gone, or somebody else's stands beside it.
pub async fn verify_claim(connection: &Connection) -> Result<(), Unusable> {
    let claims = claims(&connection.admin).await?;
    let ours = &connection.claim;
    if let Some(rival) = claims.iter().find(|claim| claim.scope == ours.scope && claim.uid != ours.uid) {
        return Err(taken(&ours.scope, &rival.uid));
    }
    if !claims.contains(ours) {
        let message = format!("our claim on scope {} is not in Kafka; it is looked at afresh", ours.scope);
        return Err(Unusable { reason: Reason::ScopeClaimed, message });
    }
    Ok(())
}

/// Why a cluster's Secrets were not read.
#[derive(Debug)]
enum Trouble {
    /// The API server does not answer, or has too much to do.
    Away(String),
    /// They are not there, not allowed to be read, or not as they should be.
    Wrong(Unusable),
}

impl From<Unusable> for Trouble {
    fn from(unusable: Unusable) -> Self {
        Self::Wrong(unusable)
    }
}

/// The name, the password and the trust of a cluster.
async fn inputs(secrets: &Api<KubeSecret>, external: &External) -> Result<(String, Secret, Option<String>), Trouble> {
    let admin_secret = read(secrets, &external.admin_secret.name).await?;
    let ca_pem = match (&external.tls, external.insecure) {
        (Some(tls), false) => Some(ca(&read(secrets, &tls.ca_secret.name).await?, &tls.ca_secret.key)?),
        (None, true) => None,
        // The API server refuses this, but for a null, which to its rules is something.
        (Some(_), true) | (None, false) => {
            let message = "exactly one of external.tls and external.insecure: true is needed".to_owned();
            return Err(Unusable { reason: Reason::InvalidValue, message }.into());
        }
    };
    Ok((text(&admin_secret, keys::USERNAME)?, Secret::new(text(&admin_secret, keys::PASSWORD)?), ca_pem))
}

async fn read(secrets: &Api<KubeSecret>, name: &str) -> Result<KubeSecret, Trouble> {
    let invalid = |message| Unusable { reason: Reason::AdminSecretInvalid, message };
    let found = call(CALL, "read the Secret", secrets.get_opt(name)).await.map_err(|error| match error.code() {
        Some(code) if code < 500 && code != 429 => Trouble::Wrong(invalid(error.to_string())),
        _ => Trouble::Away(error.to_string()),
    })?;
    found.ok_or_else(|| invalid(format!("Secret {name} does not exist in the BrokerCluster's namespace")).into())
}

fn text(secret: &KubeSecret, key: &str) -> Result<String, Unusable> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.trim().is_empty());
    // The end of a line belongs to the file that the Secret was made of.
    text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).ok_or_else(|| {
        let message = format!("Secret {} has no text under key {key}", secret.name_any());
        Unusable { reason: Reason::AdminSecretInvalid, message }
    })
}

/// The certificates of a CA, which every workload's Secret is given: nothing of what stands beside them.
fn ca(secret: &KubeSecret, key: &str) -> Result<String, Unusable> {
    let wrong = |rule: &str| {
        let message = format!("Secret {}, key {key}: {rule}", secret.name_any());
        Unusable { reason: Reason::AdminSecretInvalid, message }
    };
    let found = certificates(&text(secret, key)?).map_err(|beside| wrong(&beside.to_string()))?;
    if found.is_empty() { Err(wrong("no BEGIN CERTIFICATE is in it")) } else { Ok(found.trim_end().to_owned()) }
}

fn connect(config: ClientConfig) -> Result<(Admin, Batcher), Unusable> {
    // Nothing is asked yet: what cannot be used is the CA, for the list of brokers was read before.
    let admin = Admin::new(config)
        .map_err(|error| Unusable { reason: Reason::AdminSecretInvalid, message: error.to_string() })?;
    let batcher = Batcher::new(&admin);
    Ok((admin, batcher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::scram::Mechanism;

    #[test]
    fn the_end_of_a_line_is_no_part_of_a_password() {
        for (held, password) in [("cGFzcyB3b3Jk", Some("pass word")), ("czNjcmV0DQo=", Some("s3cret")), ("Cg==", None)]
        {
            let secret = serde_json::from_value(serde_json::json!({"data": {keys::PASSWORD: held}})).unwrap();
            assert_eq!(text(&secret, keys::PASSWORD).ok().as_deref(), password);
        }
    }

    #[test]
    fn of_a_ca_the_certificates_are_taken_and_a_key_beside_them_is_refused() {
        let block = |label| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let (certificate, key) = (block("CERTIFICATE"), block("EC PRIVATE KEY"));
        let of = |text: &str| {
            let data = [("ca.crt".to_owned(), k8s_openapi::ByteString(text.as_bytes().to_vec()))].into();
            ca(&KubeSecret { data: Some(data), ..KubeSecret::default() }, "ca.crt")
        };
        assert_eq!(of(&format!("# ours\n{certificate}\n")).unwrap(), certificate.trim_end());
        for (text, said) in [(format!("{certificate}{key}"), "PRIVATE KEY"), ("ours".to_owned(), "BEGIN CERTIFICATE")] {
            let unusable = of(&text).unwrap_err();
            assert_eq!(unusable.reason, Reason::AdminSecretInvalid);
            assert!(unusable.message.contains(said) && !unusable.message.contains("AAAA"), "{}", unusable.message);
        }
    }

    #[test]
    fn a_ca_that_is_none_is_the_secrets_fault() {
        let external = serde_json::json!({"bootstrapServers": "a:1", "adminSecret": {"name": "admin"}});
        let cluster = serde_json::json!({"metadata": {"name": "c"}, "spec": {"external": external}});
        let cluster: BrokerCluster = serde_json::from_value(cluster).unwrap();
        let password = Secret::new("hunter2");
        let credential = Credential { mechanism: Mechanism::Sha512, username: "admin".into(), password };
        let terms = terms(&cluster, Some("no PEM".to_owned())).unwrap();
        let unusable = connect(config(&terms, credential).unwrap()).unwrap_err();
        assert_eq!(unusable.reason, Reason::AdminSecretInvalid);
        assert!(unusable.message.contains("BEGIN CERTIFICATE"), "{}", unusable.message);
    }
}
