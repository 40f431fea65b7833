//! Carries out the steps of a plan: one small function a step, each safe to do twice.

use futures::future::try_join_all;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::password::credentials::{data, iterations};
use super::plan::Plan;
use super::seen::{Held, Observation, Subject};
use super::step::{Handout, Stage, Step};
use super::write::gates;
use super::write::objects::{self, Publication};
use super::write::restart;
use super::{CHANGED, Context};
use crate::api::resources::{AccessClaim, AccessClaimSpec};
use crate::clusters::{Connection, Halt};
use crate::crypto;
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::UserChange;
use crate::kafka::batch::Ticket;
use crate::kafka::config::Credential;
use crate::kafka::proof::{Claim, Claimed, Proof};
use crate::kafka::scram::{Mechanism, ScramKeys, generate_password};
use crate::runtime::writes;

/// What the steps of one plan hand on to each other.
struct Work<'w> {
    context: &'w Context,
    seen: &'w Observation,
    connection: Option<&'w Connection>,
    subject: &'w Subject,
    credential: OnceCell<(Credential, ScramKeys, Ticket)>,
    rules: OnceCell<Option<Ticket>>,
    proof: OnceCell<Proof>,
    claim: Mutex<Option<AccessClaim>>,
    secret_uid: OnceCell<String>,
    confirmed: OnceCell<String>,
    patience: Duration,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// What the proof said, if there was one.
    pub proof: Option<Proof>,
    /// The claim, if it was written.
    pub claim: Option<AccessClaim>,
}

/// Carries out a plan on what was seen, and on the cluster that it was seen of, stage by stage. `patience` is how long brokers may take to
/// serve what was committed.
///
/// # Errors
/// The first step that failed; what was done stays, and the next look goes on from there.
pub async fn apply(
    context: &Context,
    (seen, connection): (&Observation, Option<&Connection>),
    plan: &Plan,
    patience: Duration,
) -> Result<Applied, Halt> {
    let Some(subject) = &seen.subject else { return Ok(Applied::default()) };
    let work = Work {
        context,
        seen,
        connection,
        subject,
        credential: OnceCell::new(),
        rules: OnceCell::new(),
        proof: OnceCell::new(),
        claim: Mutex::default(),
        secret_uid: OnceCell::new(),
        confirmed: OnceCell::new(),
        patience,
    };
    staged(&plan.steps, |step| work.step(step)).await?;
    Ok(Applied {
        proof: work.proof.into_inner(),
        claim: work.claim.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}

/// Runs steps stage by stage, those of one stage side by side.
async fn staged<'s, F>(steps: &'s [Step], run: impl Fn(&'s Step) -> F) -> Result<(), Halt>
where
    F: Future<Output = Result<(), Halt>>,
{
    let mut unsettled = Ok(());
    for stage in Stage::ALL {
        let done = try_join_all(steps.iter().filter(|step| step.stage() == stage).map(&run)).await.map(drop);
        match stage {
            // What is to be taken is taken, whatever becomes of the record; nothing else follows where that is not as it was seen.
            Stage::Unsettle => unsettled = done,
            Stage::Revoke => {
                done?;
                std::mem::replace(&mut unsettled, Ok(()))?;
            }
            _ => done?,
        }
    }
    Ok(())
}

impl Work<'_> {
    async fn step(&self, step: &Step) -> Result<(), Halt> {
        let (client, key) = (&self.context.client, &self.seen.key);
        match step {
            Step::ConfirmEnd => {
                let version = objects::confirm_end(self.context, key, self.claim_seen()?).await?;
                // A plan confirms once: the cell is empty.
                let _ = self.confirmed.set(version);
                Ok(())
            }
            Step::CreateClaim(spec) => self.create_claim(spec).await,
            Step::UpdateClaim(spec) => self.update_claim(spec).await,
            Step::ClaimTopic { topic, source } => {
                objects::claim_topic(client, &key.0, &self.subject.cluster, topic, *source).await
            }
            Step::RecordRotation { count, clear } => {
                let written = objects::record_rotation(client, self.claim_seen()?, *count, *clear).await?;
                if let Some(written) = written {
                    self.noted(written);
                }
                Ok(())
            }
            Step::RecordCluster => {
                let written = objects::record_cluster(client, self.claim_seen()?, &self.subject.cluster).await?;
                self.noted(written);
                Ok(())
            }
            Step::ForgetRules => {
                self.noted(objects::forget_rules(client, self.claim_seen()?).await?);
                Ok(())
            }
            Step::Grant(rules) => self.grant(rules).await,
            Step::Revoke(rules) => self.revoke(rules).await,
            Step::SetQuotas(wanted) => self.limit(Quota::from(*wanted)).await,
            Step::RemoveQuotas => self.limit(Quota::default()).await,
            Step::SetCredential { mechanism, fresh } => self.set_credential(*mechanism, *fresh).await,
            Step::Prove { rules, topics, mechanism } => self.prove(rules, topics, *mechanism).await,
            Step::Publish { replaces, rotation, handout } => {
                let uid =
                    self.publish(&self.subject.secret_name, replaces.as_deref(), *rotation, handout, None).await?;
                // A plan publishes once: the cell is empty.
                let _ = self.secret_uid.set(uid);
                Ok(())
            }
            Step::Copy { name, replaces, anew, handout } => self.copy(name, replaces.as_deref(), *anew, handout).await,
            Step::Restart(owner) => match self.kafka()?.1.secret.ours() {
                Some(ours) => restart::once(client, &key.0, owner, (ours.published, self.context.clock.now())).await,
                None => Ok(()),
            },
            Step::OpenGates { pods } => {
                gates::open(client, &key.0, pods).await?;
                self.context.gates.opened(key, pods);
                Ok(())
            }
            Step::RemoveCredential(slots) => self.remove_credential(slots).await,
            Step::Unpublish { name, uid, resource_version } => {
                objects::unpublish(client, (&key.0, name), uid, resource_version).await
            }
            Step::DeleteClaim => {
                let version = self.confirmed.get().ok_or(CHANGED)?;
                objects::delete_claim(client, key, self.claim_seen()?, version).await
            }
        }
    }

    fn kafka(&self) -> Result<(&Connection, &Held), Halt> {
        match &self.seen.held {
            Ok((_, held)) => Ok((self.connection.ok_or(CHANGED)?, held)),
            Err(unusable) => Err(Halt::Unusable(unusable.clone())),
        }
    }

    fn claim_seen(&self) -> Result<&AccessClaim, Halt> {
        self.seen.claim.as_deref().ok_or(CHANGED)
    }

    /// The claim as it was seen, or as a step before has left it.
    fn latest(&self) -> Result<AccessClaim, Halt> {
        let written = self.claim.lock().unwrap_or_else(PoisonError::into_inner).clone();
        written.map_or_else(|| self.claim_seen().cloned(), Ok)
    }

    /// The claim as the last write returned it: what is reported goes on from there.
    fn wrote(&self, claim: AccessClaim) {
        *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
    }

    /// The same, of a write that concerns nobody else: nobody looks again because of it.
    fn noted(&self, claim: AccessClaim) {
        self.context.world.renew_access(claim.clone());
        self.wrote(claim);
    }

    async fn create_claim(&self, spec: &AccessClaimSpec) -> Result<(), Halt> {
        let made = objects::create_claim(&self.context.client, &self.seen.key, spec).await?;
        self.wrote(made);
        Ok(())
    }

    async fn update_claim(&self, spec: &AccessClaimSpec) -> Result<(), Halt> {
        // Who shares a topic or a group with it is told by the watch.
        let made = objects::update_claim(&self.context.client, &self.latest()?, spec).await?;
        self.wrote(made);
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

    async fn limit(&self, quota: Quota) -> Result<(), Halt> {
        self.kafka()?.0.batcher.alter_quota(self.subject.username.clone(), quota).await?;
        writes::done("quotas_alter");
        Ok(())
    }

    async fn remove_credential(&self, slots: &[Mechanism]) -> Result<(), Halt> {
        let batcher = &self.kafka()?.0.batcher;
        // A request of Kafka's names each user once.
        for mechanism in slots {
            let change = UserChange::Delete { user: self.subject.username.clone(), mechanism: *mechanism };
            batcher.alter_user(change).await?;
            writes::done("scram_delete");
        }
        Ok(())
    }

    /// What was published wins unless a new password is asked for; one that is made counts for nothing until it is published.
    async fn set_credential(&self, mechanism: Mechanism, fresh: bool) -> Result<(), Halt> {
        let (connection, held) = self.kafka()?;
        let password = match held.secret.password() {
            Some(password) if !fresh => password.clone(),
            _ => generate_password().map_err(|error| Halt::Failed(error.to_string()))?,
        };
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

    async fn prove(&self, rules: &[AclBinding], topics: &[String], mechanism: Mechanism) -> Result<(), Halt> {
        let (connection, held) = self.kafka()?;
        let login = match (self.credential.get(), held.secret.password()) {
            (Some((credential, keys, ticket)), _) => {
                Some(Claim { what: Claimed::Login(credential.clone(), Some(keys.clone())), ticket: Some(*ticket) })
            }
            (None, Some(password)) => {
                let username = self.subject.username.clone();
                let credential = Credential { mechanism, username, password: password.clone() };
                Some(Claim { what: Claimed::Login(credential, None), ticket: None })
            }
            (None, None) => None,
        };
        // Rules of one grant are one batch: one of them vouches for it. Without a grant each is looked at.
        let granted = self.rules.get().copied().flatten();
        let rules = rules.iter().map(|rule| Claim { what: Claimed::Rule(rule.clone()), ticket: granted });
        let topics = topics.iter().map(|topic| Claim { what: Claimed::Topic(topic.clone()), ticket: None });
        let claims = login.into_iter().chain(rules).chain(topics).collect();
        let proof = connection.batcher.prove(claims, self.patience).await?;
        let _ = self.proof.set(proof);
        Ok(())
    }

    /// Writes a further Secret, which goes with the first one.
    async fn copy(&self, name: &str, replaces: Option<&str>, anew: bool, handout: &Handout) -> Result<(), Halt> {
        let stands = self.kafka()?.1.secret.ours();
        let uid = self.secret_uid.get().or(stands.map(|ours| &ours.uid)).ok_or(CHANGED)?;
        let rotation = anew.then(|| stands.map_or(0, |ours| ours.rotation));
        self.publish(name, replaces, rotation, handout, Some((&self.subject.secret_name, uid))).await.map(drop)
    }

    async fn publish(
        &self,
        name: &str,
        replaces: Option<&str>,
        rotation: Option<i64>,
        handout: &Handout,
        copy_of: Option<(&str, &str)>,
    ) -> Result<String, Halt> {
        let (connection, held) = self.kafka()?;
        let Some(password) =
            self.credential.get().map(|(credential, ..)| &credential.password).or_else(|| held.secret.password())
        else {
            return Err(CHANGED);
        };
        let data = data(handout, (&self.subject.username, password), &connection.terms);
        let stands = if copy_of.is_some() { held.copy(name) } else { held.secret.ours() };
        let keys = stands.into_iter().flat_map(|ours| ours.data.keys());
        let foreign = keys.filter(|key| !data.contains_key(key.as_str())).cloned().collect();
        let (key, name) = (&self.seen.key, (self.seen.key.0.as_str(), name));
        let publication = Publication { name, replaces, data, foreign, rotation, access: &key.1, copy_of };
        objects::publish(&self.context.client, &self.context.clock, publication).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// What was run of steps, in order, where these fail; and the step whose failure came out.
    async fn run(steps: &[Step], fail: &[Step]) -> (Vec<Step>, Option<String>) {
        let ran = Mutex::new(Vec::new());
        let outcome = staged(steps, |step| {
            ran.lock().unwrap().push(step.clone());
            ready(if fail.contains(step) { Err(Halt::Failed(format!("{step:?}"))) } else { Ok(()) })
        });
        let failed = outcome.await.err().map(|halt| halt.to_string());
        (ran.into_inner().unwrap(), failed)
    }

    #[tokio::test]
    async fn what_is_to_be_taken_is_taken_though_the_record_cannot_be_changed_and_nothing_follows() {
        let (end, forget, revoke) = (Step::ConfirmEnd, Step::ForgetRules, Step::Revoke(Vec::new()));
        let (grant, delete) = (Step::Grant(Vec::new()), Step::DeleteClaim);
        let all = [&delete, &grant, &revoke, &forget, &end].map(Clone::clone);
        for (fail, ran, case) in [
            (vec![], vec![&end, &forget, &revoke, &grant, &delete], "all is well, in whatever order they are listed"),
            (vec![&forget], vec![&end, &forget, &revoke], "the record cannot be changed"),
            (vec![&revoke], vec![&end, &forget, &revoke], "rights cannot be taken"),
            (vec![&revoke, &forget], vec![&end, &forget, &revoke], "neither can be done"),
            (vec![&grant], vec![&end, &forget, &revoke, &grant], "rights cannot be given"),
            (vec![&end], vec![&end], "it is not known whether somebody asks again: that comes before all taking"),
        ] {
            let fail: Vec<Step> = fail.into_iter().cloned().collect();
            let (seen, failed) = run(&all, &fail).await;
            assert_eq!(seen.iter().collect::<Vec<_>>(), ran, "{case}");
            assert_eq!(failed, fail.first().map(|step| format!("{step:?}")), "{case}");
        }
        let (seen, failed) = run(&[grant, forget.clone()], &[forget]).await;
        assert_eq!((seen.len(), failed.is_some()), (1, true), "with nothing to take, nothing follows either");
    }
}
