//! Carries out the steps of a plan: one small function a step, each safe to do twice.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::credentials::{Subject as CredentialSubject, data, iterations};
use super::observe::{Held, Observation, SecretView, Subject};
use super::plan::{Plan, Stage, Step};
use super::{Context, Halt};
use crate::api::annotations::{MANAGED_BY, MANAGER};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, TopicClaim, TopicClaimSpec, TopicSource};
use crate::api::secret::Secret;
use crate::clusters::Connection;
use crate::clusters::observe::mechanism;
use crate::crypto;
use crate::kafka::acl::{AclBinding, Operation};
use crate::kafka::admin::users::UserChange;
use crate::kafka::batch::Ticket;
use crate::kafka::config::Credential;
use crate::kafka::proof::{Claim, Claimed, Proof};
use crate::kafka::scram::{ScramKeys, generate_password};
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

/// The deadline of one call of the API server.
const CALL: Duration = Duration::from_secs(5);
/// How long brokers may take to serve what was committed; afterwards everything is looked at afresh.
const PATIENCE: Duration = Duration::from_secs(12);

/// What the steps of one plan hand on to each other.
struct Work<'w> {
    context: &'w Context,
    seen: &'w Observation,
    subject: &'w Subject,
    plan: &'w Plan,
    credential: OnceCell<(Credential, ScramKeys, Ticket)>,
    rules: OnceCell<Option<Ticket>>,
    proof: OnceCell<Proof>,
    claim: OnceCell<AccessClaim>,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the proof said, if there was one.
    pub proof: Option<Proof>,
    /// The claim, if it was written.
    pub claim: Option<AccessClaim>,
}

/// Carries out a plan, stage by stage.
///
/// # Errors
/// The first step that failed; what was done stays, and the next look goes on from there.
pub async fn apply(context: &Context, seen: &Observation, plan: &Plan) -> Result<Applied, Halt> {
    let Some(subject) = &seen.subject else { return Ok(Applied::default()) };
    let work = Work {
        context,
        seen,
        subject,
        plan,
        credential: OnceCell::new(),
        rules: OnceCell::new(),
        proof: OnceCell::new(),
        claim: OnceCell::new(),
    };
    for stage in [Stage::Record, Stage::Provide, Stage::Prove, Stage::Publish] {
        let steps = plan.steps.iter().filter(|step| step.stage() == stage);
        try_join_all(steps.map(|step| work.step(step))).await?;
    }
    Ok(Applied { proof: work.proof.into_inner(), claim: work.claim.into_inner() })
}

impl Work<'_> {
    async fn step(&self, step: &Step) -> Result<(), Halt> {
        match step {
            Step::CreateClaim(spec) => self.create_claim(spec).await,
            Step::UpdateClaim { consumes, produces } => self.update_claim(consumes, produces).await,
            Step::ClaimTopic { topic, source } => self.claim_topic(topic, *source).await,
            Step::Grant(rules) => self.grant(rules).await,
            Step::Revoke(rules) => self.revoke(rules).await,
            Step::SetCredential => self.set_credential().await,
            Step::Prove { rules, topics } => self.prove(rules, topics).await,
            Step::Publish { replaces } => self.publish(replaces.as_deref()).await,
        }
    }

    fn kafka(&self) -> Result<(&Connection, &Held), Halt> {
        match &self.seen.held {
            Ok((connection, held)) => Ok((connection, held)),
            Err(unusable) => Err(Halt::Unusable(unusable.clone())),
        }
    }

    async fn create_claim(&self, spec: &AccessClaimSpec) -> Result<(), Halt> {
        let (namespace, name) = &self.seen.key;
        let claim = AccessClaim::new(name, spec.clone());
        let api = Api::<AccessClaim>::namespaced(self.context.client.clone(), namespace);
        let made = call(CALL, "create the AccessClaim", api.create(&PostParams::default(), &claim)).await?;
        writes::done("access_claim_create");
        // A plan writes one claim: the cell is empty.
        let _ = self.claim.set(made);
        Ok(())
    }

    async fn update_claim(&self, consumes: &[String], produces: &[String]) -> Result<(), Halt> {
        let (namespace, name) = &self.seen.key;
        let version = self.seen.claim.as_ref().and_then(|claim| claim.metadata.resource_version.clone());
        let api = Api::<AccessClaim>::namespaced(self.context.client.clone(), namespace);
        let patch =
            json!({"metadata": {"resourceVersion": version}, "spec": {"consumes": consumes, "produces": produces}});
        let patch = Patch::Merge(patch);
        let mut made = call(CALL, "update the AccessClaim", api.patch(name, &PatchParams::default(), &patch)).await?;
        writes::done("access_claim_update");
        made.metadata.managed_fields = None;
        self.context.world.accesses.renew(&self.seen.key, made.clone());
        let _ = self.claim.set(made);
        Ok(())
    }

    async fn claim_topic(&self, topic: &str, source: TopicSource) -> Result<(), Halt> {
        let name = crate::api::names::TopicName::parse(topic)
            .map_err(|error| Halt::refused(Reason::InvalidTopicName, format!("topic {topic}: {error}")))?
            .object_name();
        let spec = TopicClaimSpec {
            topic_name: topic.to_owned(),
            cluster: self.subject.cluster.clone(),
            partitions: None,
            replicas: None,
            source,
        };
        let claim = TopicClaim::new(&name, spec);
        let api = Api::<TopicClaim>::namespaced(self.context.client.clone(), &self.seen.key.0);
        call(CALL, "create the TopicClaim", api.create(&PostParams::default(), &claim)).await?;
        writes::done("topic_claim_create");
        Ok(())
    }

    async fn grant(&self, rules: &[AclBinding]) -> Result<(), Halt> {
        let ticket = self.kafka()?.0.batcher.create_acls(rules.to_vec()).await?;
        writes::done("acls_create");
        // A plan has one grant: the cell is empty.
        let _ = self.rules.set(ticket);
        Ok(())
    }

    async fn revoke(&self, rules: &[AclBinding]) -> Result<(), Halt> {
        self.kafka()?.0.batcher.delete_acls(rules.to_vec()).await?;
        writes::done("acls_delete");
        Ok(())
    }

    /// What was published wins; without it a new password is made, which counts for nothing until it is published.
    async fn set_credential(&self) -> Result<(), Halt> {
        let (connection, held) = self.kafka()?;
        let password = match held.secret.password() {
            Some(password) => password.clone(),
            None => generate_password().map_err(|error| Halt::Failed(error.to_string()))?,
        };
        let mechanism = mechanism(connection.terms.mechanism);
        let salt = crypto::random::<16>().map_err(|error| Halt::Failed(error.to_string()))?;
        let credential = Credential { mechanism, username: self.subject.username.clone(), password };
        let secret = credential.password.clone();
        let keys =
            tokio::task::spawn_blocking(move || ScramKeys::derive(mechanism, &secret, &salt, iterations(&secret)));
        let keys = keys.await.map_err(|error| Halt::Failed(error.to_string()))?;
        let change = UserChange::Upsert { user: self.subject.username.clone(), keys: keys.clone() };
        let ticket = connection.batcher.alter_user(change).await?;
        writes::done("scram_upsert");
        // A plan sets one credential: the cell is empty.
        let _ = self.credential.set((credential, keys, ticket));
        Ok(())
    }

    async fn prove(&self, rules: &[AclBinding], topics: &[String]) -> Result<(), Halt> {
        let (connection, held) = self.kafka()?;
        let login = match (self.credential.get(), held.secret.password()) {
            (Some((credential, keys, ticket)), _) => {
                Some(Claim { what: Claimed::Login(credential.clone(), Some(keys.clone())), ticket: Some(*ticket) })
            }
            (None, Some(password)) => {
                let mechanism = mechanism(connection.terms.mechanism);
                let username = self.subject.username.clone();
                let credential = Credential { mechanism, username, password: password.clone() };
                Some(Claim { what: Claimed::Login(credential, None), ticket: None })
            }
            (None, None) => None,
        };
        // Rules of one grant are one batch: one of them vouches for it. Without a grant each is looked at.
        let granted = self.rules.get().copied().flatten();
        let rules = rules.iter().filter(|rule| rule.operation != Operation::Describe);
        let rules = rules.map(|rule| Claim { what: Claimed::Rule(rule.clone()), ticket: granted });
        let topics = topics.iter().map(|topic| Claim { what: Claimed::Topic(topic.clone()), ticket: None });
        let claims = login.into_iter().chain(rules).chain(topics).collect();
        let proof = connection.batcher.prove(claims, PATIENCE).await.map_err(Halt::Unproven)?;
        let _ = self.proof.set(proof);
        Ok(())
    }

    /// Hands the credential out. A Secret that appeared meanwhile wins: the next look brings Kafka to it.
    async fn publish(&self, replaces: Option<&str>) -> Result<(), Halt> {
        let (connection, held) = self.kafka()?;
        let Some(password) =
            self.credential.get().map(|(credential, ..)| &credential.password).or_else(|| held.secret.password())
        else {
            return Ok(());
        };
        let (consumes, produces) = self.granted();
        let subject = CredentialSubject {
            namespace: &self.seen.key.0,
            workload: &self.subject.workload,
            username: &self.subject.username,
            consumes: &consumes,
            produces: &produces,
        };
        let bytes = |(key, text): (&str, Secret)| (key.to_owned(), ByteString(text.expose().as_bytes().to_vec()));
        let secret = KubeSecret {
            metadata: ObjectMeta {
                name: Some(self.subject.secret_name.clone()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), MANAGER.to_owned())])),
                resource_version: replaces.map(str::to_owned),
                ..ObjectMeta::default()
            },
            data: Some(data(subject, password, &connection.terms).into_iter().map(bytes).collect()),
            ..KubeSecret::default()
        };
        let api = Api::<KubeSecret>::namespaced(self.context.client.clone(), &self.seen.key.0);
        if replaces.is_some() {
            let mut merge = json!(secret);
            // A merge leaves what it does not name: what is gone must be named.
            if let (SecretView::Ours { data: stands, .. }, Some(data)) =
                (&held.secret, merge.get_mut("data").and_then(Value::as_object_mut))
            {
                stands.keys().for_each(|key| _ = data.entry(key.clone()).or_insert(Value::Null));
            }
            let merge = Patch::Merge(merge);
            call(CALL, "update the Secret", api.patch(&self.subject.secret_name, &PatchParams::default(), &merge))
                .await?;
            writes::done("secret_update");
        } else {
            call(CALL, "create the Secret", api.create(&PostParams::default(), &secret)).await?;
            writes::done("secret_create");
        }
        Ok(())
    }

    /// The topics that the proven rules are about, by what they allow.
    fn granted(&self) -> (Vec<String>, Vec<String>) {
        let rules = self.plan.steps.iter().find_map(|step| match step {
            Step::Prove { rules, .. } => Some(rules),
            _ => None,
        });
        let of = |operation| {
            let rules = rules.into_iter().flatten();
            let topics = rules.filter(|rule| {
                rule.operation == operation && rule.resource_type == crate::kafka::acl::ResourceType::Topic
            });
            topics.map(|rule| rule.resource_name.clone()).collect::<Vec<_>>()
        };
        (of(Operation::Read), of(Operation::Write))
    }
}
