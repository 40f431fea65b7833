//! The Kafka clusters that the operator speaks to: one client a `BrokerCluster`, kept while its credential and address hold.
//!
//! Observe → plan → apply → report. What is applied is our claim on the scope, and the client that the other controllers find in
//! [`Clusters`]: there is one only while the claim stands and the Kafka is one that we can work on.

pub mod apply;
pub mod claim;
mod halt;
pub mod observe;
pub mod plan;
pub mod report;
pub mod rights;
pub mod terms;
mod witness;
pub mod words;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::halt::Halt;
pub use self::observe::{Seen, verify_claim};
pub use self::terms::{Ground, Lifetimes, SecurityProtocol, Terms};

use self::claim::Claim;
use self::words::Words;
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::BrokerCluster;
use crate::kafka::admin::Admin;
use crate::kafka::batch::Batcher;
use crate::kafka::config::Credential;
use crate::runtime::controller::{self, Controller};
use crate::runtime::events::Events;
use crate::runtime::kubernetes::CallError;
use crate::runtime::queue::{Next, Queue};
use crate::watch::table::Name;
use crate::watch::{World, cluster_id};

/// How often a cluster that works is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often one is looked at that somebody has to do something about.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How often one is tried that does not answer, or that we cannot ask.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// How long everybody is given to see a claim of ours and to act on it: brokers publish rules within milliseconds.
const SETTLE: Duration = Duration::from_secs(2);
/// For how long it is believed that a Kafka is open to everyone.
const OPEN_FOR: Duration = Duration::from_secs(600);
/// More steps than any plan takes in one look: claim, settle twice, take over, ask a witness.
const STEPS: u32 = 8;

/// A cluster that works: how to speak to it, and what its clients are told.
#[derive(Debug)]
pub struct Connection {
    /// Writes and reads, folded into batches.
    pub batcher: Batcher,
    /// The client behind the batches.
    pub admin: Admin,
    /// The operator's own credential.
    pub credential: Credential,
    /// Our claim on the scope: see [`verify_claim`].
    pub claim: Claim,
    /// What its clients are told.
    pub terms: Terms,
}

impl Connection {
    /// What decisions take from it.
    #[must_use]
    pub fn ground(&self) -> Ground {
        Ground { scope: self.claim.scope.clone(), terms: self.terms.clone() }
    }
}

/// Why a cluster cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The stable code.
    pub reason: Reason,
    /// What is wrong, and where.
    pub message: String,
}

/// The clusters by `namespace/name`.
#[derive(Debug)]
pub struct Clusters {
    settle: Duration,
    /// Which were looked at, whether they are there still or not.
    looked_at: watch::Sender<BTreeSet<String>>,
    standing: RwLock<HashMap<String, Result<Arc<Connection>, Unusable>>>,
    /// What a witness has found, by Kafka's own id, and when.
    open: Mutex<HashMap<String, (bool, Instant)>>,
    /// What their statuses say.
    words: Words,
}

impl Default for Clusters {
    fn default() -> Self {
        Self::settling(SETTLE)
    }
}

impl Clusters {
    /// No cluster yet. After this long, a claim that is written in Kafka is seen by everybody, and acted upon.
    #[must_use]
    pub fn settling(settle: Duration) -> Self {
        let (looked_at, standing, open, words) = Default::default();
        Self { settle, looked_at, standing, open, words }
    }

    /// The connection to a cluster, or why there is none.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn get(&self, cluster: &str) -> Result<Arc<Connection>, Unusable> {
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        standing.get(cluster).cloned().unwrap_or_else(|| {
            Err(Unusable {
                reason: Reason::ClusterNotFound,
                message: format!("BrokerCluster {cluster} does not exist"),
            })
        })
    }

    /// Waits until each of these clusters was looked at once: before that, nothing can be said of what is on them. One that was deleted
    /// meanwhile was looked at, too.
    pub async fn looked_at(&self, names: &[Name]) {
        let mut looked_at = self.looked_at.subscribe();
        // The sender lives as long as we: waiting cannot fail.
        let _ = looked_at.wait_for(|seen| names.iter().all(|name| seen.contains(&cluster_id(name)))).await;
    }

    fn set(&self, cluster: String, standing: Option<Result<Arc<Connection>, Unusable>>) {
        let mut map = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Some(standing) => map.insert(cluster.clone(), standing),
            None => map.remove(&cluster),
        };
        drop(map);
        self.looked_at.send_if_modified(|seen| seen.insert(cluster));
    }

    /// Whether a Kafka is open to everyone, if that is known. The setting changes only with a restart of the brokers, so what is
    /// closed is believed until we restart; what is open is asked anew now and then, for somebody is expected to mend it.
    fn known_open(&self, kafka: &str) -> Option<bool> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, since) = open.get(kafka)?;
        (!open || since.elapsed() < OPEN_FOR).then_some(*open)
    }

    fn learn_open(&self, kafka: &str, open: bool) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(kafka.to_owned(), (open, Instant::now()));
    }
}

/// What a reconciliation of clusters needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// Where the connections are found.
    pub clusters: Arc<Clusters>,
    /// The prefix of every user that is made, where a cluster names none.
    pub scope: Scope,
    /// The uid of the namespace `kube-system`: who we are to other Kubernetes clusters.
    pub system_uid: String,
    /// Where people are told.
    pub events: Events,
    /// Told each cluster that came to work, or no longer does, or whose terms changed.
    pub moved: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The prefix of every user of a cluster: what it says itself, else the default.
#[must_use]
pub fn scope_of(cluster: Option<&BrokerCluster>, default: &Scope) -> Scope {
    let named = cluster.and_then(|cluster| cluster.spec.scope.as_deref());
    // The API server has checked the pattern.
    named.and_then(|scope| Scope::parse(scope).ok()).unwrap_or_else(|| default.clone())
}

impl Controller for Context {
    type Halt = CallError;
    const KIND: &'static str = "BrokerCluster";
    const CONCURRENCY: usize = 4;
    // A claim on the scope settles twice, and a witness is proven, each of which takes its time.
    const DEADLINE: Duration = Duration::from_secs(120);

    async fn look(&self, name: &Name) -> Result<Next, CallError> {
        reconcile(self, name).await
    }
}

/// Keeps the clusters of a queue until the future is dropped.
pub async fn run(context: Context, queue: Queue<Name>) {
    controller::run(context, queue).await;
}

async fn reconcile(context: &Context, name: &Name) -> Result<Next, CallError> {
    let id = cluster_id(name);
    let Some(cluster) = context.world.clusters.get(&(&name.0, &name.1)) else {
        context.clusters.set(id.clone(), None);
        context.clusters.words.forget(&id);
        context.world.kafkas.forget(&id);
        (context.moved)(&id);
        return Ok(Next::Idle);
    };
    let before = context.clusters.get(&id);
    let claim = Claim { scope: scope_of(Some(&cluster), &context.scope), uid: context.system_uid.clone() };
    let mut observed = observe::observe(&context.client, &cluster, before.as_ref().ok(), claim).await;
    let verdict = match &mut observed {
        Ok(seen) => settle(&context.clusters, &cluster, seen).await,
        Err(unusable) => Err(unusable.clone()),
    };
    let seen = observed.ok().map(Seen::told);
    // Whose things are is asked of all that lead to one Kafka, and before anybody is served through this one.
    seen.iter().for_each(|seen| context.world.kafkas.note(&id, &cluster.spec.external, &seen.kafka.id));
    let again = match &verdict {
        Ok(()) => LOOK_AGAIN,
        Err(unusable) if unusable.reason == Reason::KafkaUnreachable => TRY_AGAIN,
        // Brokers count it as a failed login when a mechanism is named that they do not offer.
        Err(unusable) if seen.is_some() || unusable.reason == Reason::MechanismNotOffered => ASK_AGAIN,
        Err(_) => TRY_AGAIN,
    };
    let stand = context.clusters.words.stand(&id, plan::heard(&cluster, &verdict));
    let status = report::status(&cluster, seen.as_ref(), &verdict, stand, Timestamp::now());
    let standing = match (verdict, seen) {
        (Ok(()), Some(seen)) => Ok(seen.connection),
        (Err(unusable), _) => Err(unusable),
        (Ok(()), None) => return Ok(Next::Failed),
    };
    let changed = plan::differs(&before, &standing);
    context.clusters.set(id.clone(), Some(standing));
    if changed {
        (context.moved)(&id);
    }
    if let Some(status) = status {
        report::report(context, &cluster, &status).await?;
    }
    Ok(Next::After(again))
}

/// Takes step after step until the cluster can be worked on, or it is clear why not.
///
/// # Errors
/// [`Unusable`]: why not.
pub async fn settle(clusters: &Clusters, cluster: &BrokerCluster, seen: &mut Seen) -> Result<(), Unusable> {
    for _ in 0..STEPS {
        match plan::plan(cluster, seen) {
            plan::Plan::Work => return Ok(()),
            plan::Plan::Refuse(unusable) => return Err(unusable),
            plan::Plan::Do(step) => apply::apply(clusters, seen, step).await?,
        }
    }
    let message = format!("the claims on scope {} keep changing; it is tried again", seen.connection.claim.scope);
    Err(Unusable { reason: Reason::ScopeClaimed, message })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_cluster_that_is_deleted_before_the_others_answer_is_waited_for_no_more() {
        let clusters = Clusters::default();
        let names = ["old", "new"].map(|name| ("ops".to_owned(), name.to_owned()));
        let unusable = || Some(Err(Unusable { reason: Reason::KafkaUnreachable, message: String::new() }));
        clusters.set("ops/old".to_owned(), unusable());
        clusters.set("ops/old".to_owned(), None);
        assert!(clusters.looked_at(&names).now_or_never().is_none(), "nothing is known of the other");
        clusters.set("ops/new".to_owned(), unusable());
        assert!(clusters.looked_at(&names).now_or_never().is_some());
    }
}
