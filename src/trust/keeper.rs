//! The loop over the Secret and the configuration: observe, plan, apply. Every replica runs it; none leads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::authority::AuthorityError;
use super::custody::{Custody, Damage};
use super::leaf::{Leaf, LeafError};
use super::metrics::Expiry;
use super::plan::{Observed, Serving, Step, plan};
use super::publish::{Configuration, Publisher};
use super::resolver::Resolver;
use super::store::{Kept, Store, Written};
use crate::runtime::kubernetes::CallError;
use crate::runtime::readiness::Gate;

/// For how long the world is not looked at. Renewals follow the wall clock, which goes on while a node is suspended and a timer does not.
const PERIOD: Duration = Duration::from_secs(10);
/// Rounds of one turn: as many as a first start takes against a few replicas that start as well.
const ROUNDS: usize = 8;

/// Keeps this replica trusted.
#[derive(Debug)]
pub struct Keeper {
    /// The Secret.
    pub store: Store,
    /// The configuration by which Pods are sent here: without it this replica is of no use.
    pub publisher: Publisher,
    /// The configuration by which claims are sent here, where they are.
    pub claims: Option<Publisher>,
    /// The names that the leaf is for.
    pub names: Vec<String>,
    /// Where handshakes find the leaf.
    pub resolver: Arc<Resolver>,
    /// Opened when there is a leaf.
    pub certified: Gate,
    /// Opened when the configuration has been seen to trust it.
    pub published: Gate,
    /// When the certificates end.
    pub expiry: Expiry,
    /// What was last read from the Secret; signs on while the API server cannot be reached.
    pub remembered: Memory,
}

/// What a keeper knows from before.
#[derive(Debug, Default)]
pub struct Memory {
    custody: Option<Custody>,
    leaf: Option<Leaf>,
    trouble: Option<String>,
}

/// Why a turn did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The API server refused, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An authority could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A leaf could not be made.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// A Secret of the name exists, is not ours, and holds no authority.
    #[error("Secret {0} is not ours and holds no CA that can be used ({1}): correct it, or delete it to have one made")]
    Foreign(String, Damage),
    /// There is no configuration.
    #[error("{0} does not exist: nothing is sent here by it until it is applied")]
    NoConfiguration(String),
    /// Other replicas kept changing the Secret.
    #[error("Secret {0} changed whenever it was to be written")]
    Unsettled(String),
}

struct Seen {
    kept: Option<Kept>,
    configurations: Vec<(Publisher, Configuration)>,
    observed: Observed,
}

impl Keeper {
    /// Keeps for ever: until the future is dropped.
    pub async fn run(mut self) -> Infallible {
        loop {
            let trouble = self.turn(SystemTime::now()).await.err().map(|error| error.to_string());
            // Said once, and again when it is over: the loop meets a lasting fault every few seconds.
            if trouble != self.remembered.trouble {
                match &trouble {
                    Some(error) => tracing::warn!(error, "trust is not in order; trying again"),
                    None => tracing::info!("trust is in order"),
                }
                self.remembered.trouble = trouble;
            }
            // Between turns, and not from start to start: turns that waited for the API server leave none to make up for when it is back.
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Looks at the world and does what is due, until nothing is.
    ///
    /// # Errors
    /// [`KeeperError`]: the first fault. What could be done in spite of it was done.
    pub async fn turn(&mut self, now: SystemTime) -> Result<(), KeeperError> {
        for _ in 0..ROUNDS {
            let mut faults = Vec::new();
            let mut seen = self.observe(&mut faults).await;
            let mut changed = false;
            for step in plan(&seen.observed, now) {
                match self.apply(step, &mut seen, now).await {
                    Ok(()) => changed |= step.writes_secret(),
                    Err(error) => faults.push(error),
                }
            }
            if !changed {
                return faults.into_iter().next().map_or(Ok(()), Err);
            }
        }
        Err(KeeperError::Unsettled(self.store.name().to_owned()))
    }

    async fn observe(&mut self, faults: &mut Vec<KeeperError>) -> Seen {
        let kept = keep(self.store.read().await, faults);
        let ours = kept.as_ref().is_some_and(Kept::is_ours);
        let kept = kept.map(|mut kept| {
            match kept.custody.take() {
                Some(Ok(custody)) => self.remembered.custody = Some(custody),
                Some(Err(damage)) if ours => {
                    tracing::warn!(secret = self.store.name(), %damage, "the CA cannot be used: making a new one");
                    self.remembered.custody = None;
                }
                Some(Err(damage)) => faults.push(KeeperError::Foreign(self.store.name().to_owned(), damage)),
                None => self.remembered.custody = None,
            }
            kept
        });
        let (mut configurations, mut unread) = (Vec::new(), false);
        for publisher in [Some(&self.publisher), self.claims.as_ref()].into_iter().flatten() {
            match keep(publisher.read().await, faults) {
                Some(Some(found)) => configurations.push((publisher.clone(), found)),
                Some(None) => faults.push(KeeperError::NoConfiguration(publisher.name())),
                None => unread = true,
            }
        }
        let bundles: Vec<String> = configurations.iter().flat_map(|(_, found)| found.bundles()).collect();
        let observed = Observed {
            custody: self.remembered.custody.clone(),
            ours,
            published: (!configurations.is_empty()).then_some(bundles),
            unread,
            leaf: self.remembered.leaf.as_ref().map(|leaf| Serving {
                issuer: leaf.issuer.clone(),
                validity: leaf.validity,
                signed: leaf.signed,
            }),
        };
        if let Some(custody) = &observed.custody {
            let trusted = configurations.iter().filter(|(_, found)| found.bundles().all(|one| one == custody.bundle()));
            trusted.for_each(|(publisher, _)| self.is_published(publisher));
        }
        Seen { kept, configurations, observed }
    }

    async fn apply(&mut self, step: Step, seen: &mut Seen, now: SystemTime) -> Result<(), KeeperError> {
        let custody = seen.observed.custody.clone();
        let write = match (step, custody) {
            (Step::Found, _) => Custody::found(now)?,
            (_, None) => return Ok(()),
            (Step::Publish, Some(custody)) => {
                let stale =
                    seen.configurations.iter().filter(|(_, found)| found.bundles().any(|one| one != custody.bundle()));
                for (publisher, configuration) in stale {
                    publisher.write(configuration, &custody.bundle()).await?;
                    tracing::info!(configuration = publisher.name(), "published the caBundle");
                    self.is_published(publisher);
                }
                return Ok(());
            }
            (Step::Sign, Some(custody)) => return self.sign(&custody, now),
            (Step::Prepare, Some(custody)) => custody.prepared(now)?,
            (Step::Promote, Some(custody)) => custody.promoted(),
            (Step::Forget, Some(custody)) => custody.forgotten(),
        };
        if let Some(kept) = seen.kept.take() {
            let written = self.store.write(&write, kept).await?;
            tracing::info!(secret = self.store.name(), ?step, ?written, "the CA moves on");
            if written == Written::Done {
                self.remembered.custody = Some(write);
            }
        }
        Ok(())
    }

    /// Pods are why we are here: an API server that trusts us with claims alone is no reason to be ready.
    fn is_published(&self, publisher: &Publisher) {
        if publisher.name() == self.publisher.name() {
            self.published.open();
        }
    }

    fn sign(&mut self, custody: &Custody, now: SystemTime) -> Result<(), KeeperError> {
        let leaf = Leaf::sign(&custody.current, &self.names, now)?;
        self.resolver.set(leaf.certified.clone());
        self.expiry.serving(leaf.validity.until);
        self.expiry.authority(leaf.issuer.validity.until);
        tracing::info!(names = self.names.join(","), "signed a serving certificate");
        self.remembered.leaf = Some(leaf);
        self.certified.open();
        Ok(())
    }
}

fn keep<T>(result: Result<T, CallError>, faults: &mut Vec<KeeperError>) -> Option<T> {
    result.map_err(|error| faults.push(error.into())).ok()
}
