//! Whether everyone may use what no rule speaks of, found out by trying: Kafka hides the setting once it is set
//! (`allow.everyone.if.no.acl.found` belongs to the authorizer, and DescribeConfigs tells only Kafka's own).
//!
//! Whoever is denied something that no rule speaks of shows that the Kafka is closed. Where our own user is denied nothing,
//! because it is a super user, a user is made for the question, asks it, and is removed. It has no rights, its password is
//! known to nobody, and no workload can have its name.

use std::time::Duration;

use kafka_protocol::error::ResponseError as Code;
use tokio::time::Instant;

use super::terms::{config, mechanism};
use super::{Connection, Unusable};
use crate::api::reasons::Reason;
use crate::kafka::acl::{AclFilter, ResourceType};
use crate::kafka::admin::cluster::Cluster;
use crate::kafka::admin::users::UserChange;
use crate::kafka::admin::{Admin, At, BrokerId};
use crate::kafka::config::Credential;
use crate::kafka::error::Error;
use crate::kafka::scram::{ScramKeys, generate_password};
use crate::runtime::writes;

/// What the names of the witness, and of what it asks about, begin with. No user and no topic of a workload can.
const WORD: &str = "admittance_witness.";
/// How long brokers may take until they let the witness in.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks, with writes only if there is no other way.
pub(super) async fn everyone_allowed(connection: &Connection, kafka: &Cluster) -> Result<bool, Unusable> {
    let name = format!("{WORD}{}", connection.claim.scope);
    let Some(broker) = kafka.brokers.iter().find(|broker| !broker.fenced).map(|broker| broker.id) else {
        let message = "no broker is there to be asked whether everyone is allowed".to_owned();
        return Err(Unusable { reason: Reason::KafkaUnreachable, message });
    };
    let question = Question { unruled: unruled(&connection.admin, &name).await?, name, broker };
    if !question.allowed(&connection.admin).await? {
        return Ok(false);
    }
    ask_witness(connection, &question).await
}

/// Something that no rule speaks of.
struct Question {
    name: String,
    /// The kinds of which no rule speaks of this name.
    unruled: Vec<ResourceType>,
    broker: BrokerId,
}

/// Of which kinds no rule, not even one on all names, speaks of a name. Where one does, the setting has no say.
async fn unruled(admin: &Admin, name: &str) -> Result<Vec<ResourceType>, Error> {
    let mut unruled = Vec::new();
    for kind in [ResourceType::Topic, ResourceType::Group] {
        if admin.describe_acls(&AclFilter::Affecting(kind, name.to_owned()), At::Any).await?.is_empty() {
            unruled.push(kind);
        }
    }
    Ok(unruled)
}

impl Question {
    /// Whether whoever asks is allowed to describe any of it.
    async fn allowed(&self, asker: &Admin) -> Result<bool, Error> {
        let names = [self.name.clone()];
        for kind in &self.unruled {
            let told = if *kind == ResourceType::Topic {
                asker.describe_topics(&names, At::Any).await?.pop().map(|told| told.map(|_| ()))
            } else {
                asker.describe_groups(&names, self.broker).await?.pop().map(|told| told.map(|_| ()))
            };
            match told {
                Some(Err(error)) => match error.code() {
                    Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => {}
                    // Kafka looks whether it may answer before it looks whether it can.
                    Some(Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress) => {
                        return Ok(true);
                    }
                    _ => return Err(error),
                },
                Some(Ok(())) | None => return Ok(true),
            }
        }
        Ok(false)
    }
}

async fn ask_witness(connection: &Connection, question: &Question) -> Result<bool, Unusable> {
    let failed = |error: String| Unusable { reason: Reason::Provisioning, message: error };
    let mechanism = mechanism(connection.terms.mechanism);
    let password = generate_password().map_err(|error| failed(error.to_string()))?;
    let keys = ScramKeys::generate(mechanism, &password).map_err(|error| failed(error.to_string()))?;
    let user = question.name.clone();
    let credential = Credential { mechanism, username: user.clone(), password };
    let witness = Admin::new(config(&connection.terms, credential)?)?;
    let upsert = UserChange::Upsert { user: user.clone(), keys };
    connection.batcher.alter_user(upsert).await?;
    writes::done("witness_upsert");
    let answer = asked(&witness, question).await;
    let removed = connection.batcher.alter_user(UserChange::Delete { user, mechanism }).await;
    removed?;
    writes::done("witness_delete");
    Ok(answer?)
}

/// Asks until the brokers know the witness.
async fn asked(witness: &Admin, question: &Question) -> Result<bool, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Also before the first try: each one that comes too early counts as a failed login.
        tokio::time::sleep(PAUSE).await;
        match question.allowed(witness).await {
            Err(error) if error.code() == Some(Code::SaslAuthenticationFailed) && Instant::now() < deadline => {}
            answer => return answer,
        }
    }
}
