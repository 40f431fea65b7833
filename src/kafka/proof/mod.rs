//! Proof that brokers serve what the controller has committed.
//!
//! A commit is not yet served: each broker follows the metadata log at its own pace, and puts metadata, users and rules to
//! use one after the other. So each unfenced broker is asked, and only what it answers counts: a login, the rule, the
//! topic. Since a batch is atomic and batches of a kind follow one another, one member vouches for the whole batch and
//! for all before it: a hundred new users cost one login a broker, not a hundred.
//!
//! A broker that cannot be reached delays a proof by seconds, not for ever, and is named in it: a broker that comes back
//! catches up before it serves.

mod ledger;
mod witness;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    time::Instant,
};

use self::witness::{Testimony, Want};
use super::{
    acl::AclBinding,
    admin::{Admin, BrokerId},
    batch::Ticket,
    config::Credential,
    error::Error,
    scram::ScramKeys,
};

/// How old the list of brokers may be. A broker that is unfenced later has caught up by then.
const FRESH: Duration = Duration::from_secs(1);
/// How many proofs may await one broker; more wait for a place.
const CAPACITY: usize = 4096;

/// Something that brokers shall be seen to serve.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What.
    pub what: Claimed,
    /// The batch that it was committed with; `None` if it was there before, and must be looked at by itself.
    pub ticket: Option<Ticket>,
}

/// What can be claimed.
#[derive(Debug, Clone)]
pub enum Claimed {
    /// The credential logs in. Its keys, if at hand, spare a key derivation a login.
    Login(Credential, Option<ScramKeys>),
    /// The rule is in force.
    Rule(AclBinding),
    /// The topic is known by its name.
    Topic(String),
}

/// Who serves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// The brokers that were seen to, in the order of their numbers.
    pub proven: Vec<BrokerId>,
    /// The brokers that are registered and could not be asked, and why.
    pub unreachable: Vec<(BrokerId, String)>,
}

/// Not every broker serves it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Unproven {
    /// What the first broker that does not said, or that it could not be asked.
    pub error: Error,
    /// Whether that broker shows everything but the login.
    pub login: bool,
}

impl From<Error> for Unproven {
    fn from(error: Error) -> Self {
        Self { error, login: false }
    }
}

/// Collects proof; one witness a broker. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Prover(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    admin: Admin,
    brokers: AsyncMutex<Option<(Instant, Registered)>>,
    witnesses: Mutex<HashMap<BrokerId, mpsc::Sender<Want>>>,
}

/// The brokers that the controller knows.
#[derive(Debug, Clone, Default)]
struct Registered {
    serving: Vec<BrokerId>,
    fenced: Vec<BrokerId>,
}

impl Prover {
    pub(super) fn new(admin: Admin) -> Self {
        Self(Arc::new(Inner { admin, brokers: AsyncMutex::new(None), witnesses: Mutex::new(HashMap::new()) }))
    }

    /// Asks every unfenced broker, and waits for all of them.
    pub(super) async fn prove(&self, claims: Vec<Claim>, patience: Duration) -> Result<Proof, Unproven> {
        let deadline = Instant::now() + patience;
        let claims = Arc::new(claims);
        let Registered { serving, fenced } = self.brokers().await?;
        let asked = serving.into_iter().map(|broker| {
            let claims = Arc::clone(&claims);
            async move { (broker, self.ask(broker, claims, deadline).await) }
        });
        let mut proof = Proof::default();
        for (broker, testimony) in join_all(asked).await {
            match testimony {
                Testimony::Seen => proof.proven.push(broker),
                Testimony::Unreachable(reason) => proof.unreachable.push((broker, reason)),
                Testimony::Failed(unproven) => return Err(unproven),
            }
        }
        let away = |broker| (broker, "it is fenced: it serves nobody".to_owned());
        proof.unreachable.extend(fenced.into_iter().map(away));
        if proof.proven.is_empty() {
            let reasons: Vec<_> =
                proof.unreachable.iter().map(|(id, reason)| format!("broker {id}: {reason}")).collect();
            let reason = format!("no broker could be asked. {}", reasons.join("; "));
            return Err(Error::unreachable("proof", "", reason).into());
        }
        Ok(proof)
    }

    async fn ask(&self, broker: BrokerId, claims: Arc<Vec<Claim>>, deadline: Instant) -> Testimony {
        let (reply, testimony) = oneshot::channel();
        let witness = self.witness(broker);
        let gone = || Testimony::Unreachable("it has left the cluster".into());
        if witness.send(Want { claims, deadline, reply }).await.is_err() {
            return gone();
        }
        testimony.await.unwrap_or_else(|_| gone())
    }

    fn witness(&self, broker: BrokerId) -> mpsc::Sender<Want> {
        let mut witnesses = self.0.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || {
            let (sender, wants) = mpsc::channel(CAPACITY);
            tokio::spawn(witness::run(self.0.admin.clone(), broker, wants));
            sender
        };
        witnesses.entry(broker).or_insert_with(start).clone()
    }

    /// The brokers, as of a moment ago. Those who ask at the same time share the answer.
    async fn brokers(&self) -> Result<Registered, Error> {
        let mut known = self.0.brokers.lock().await;
        if let Some((_, brokers)) = known.as_ref().filter(|(when, _)| when.elapsed() < FRESH) {
            return Ok(brokers.clone());
        }
        let cluster = self.0.admin.describe_cluster().await?;
        let mut brokers = Registered::default();
        for broker in cluster.brokers {
            let list = if broker.fenced { &mut brokers.fenced } else { &mut brokers.serving };
            list.push(broker.id);
        }
        let mut witnesses = self.0.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
        witnesses.retain(|broker, _| brokers.serving.contains(broker));
        *known = Some((Instant::now(), brokers.clone()));
        Ok(brokers)
    }
}
