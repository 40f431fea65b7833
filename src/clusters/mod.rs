//! The Kafka clusters that the operator speaks to: one client a `BrokerCluster`, kept while its credential and address hold.
//!
//! Observe → plan → report; what is applied is the client that the other controllers find in [`Clusters`].

pub mod observe;
pub mod plan;
pub mod report;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;

use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{Restart, SaslMechanism, TopicPolicy};
use crate::kafka::admin::Admin;
use crate::kafka::batch::Batcher;
use crate::kafka::config::Credential;
use crate::runtime::queue::{Next, Queue};
use crate::watch::World;
use crate::watch::table::Name;

/// How often a cluster that works is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often one that does not is tried.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// A cluster that works: how to speak to it, and what its clients are told.
#[derive(Debug)]
pub struct Connection {
    /// Writes and reads, folded into batches.
    pub batcher: Batcher,
    /// The client behind the batches.
    pub admin: Admin,
    /// The operator's own credential.
    pub credential: Credential,
    /// What its clients are told.
    pub terms: Terms,
}

/// What the clients of a cluster are told, and what becomes of topics that nobody declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// The certificates that its brokers are trusted by, PEM.
    pub ca_pem: String,
    /// The mechanism of the users made here.
    pub mechanism: SaslMechanism,
    /// The mechanisms that its users may have.
    pub mechanisms: Vec<SaslMechanism>,
    /// What becomes of topics that nobody declared.
    pub topics: TopicPolicy,
    /// How long users and passwords live.
    pub lifetimes: Lifetimes,
}

/// How long users and passwords live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Why a cluster cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The stable code.
    pub reason: Reason,
    /// What is wrong, and where.
    pub message: String,
}

/// The clusters by `namespace/name`.
#[derive(Debug, Default)]
pub struct Clusters {
    looks: watch::Sender<u64>,
    standing: RwLock<HashMap<String, Result<Arc<Connection>, Unusable>>>,
}

impl Clusters {
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

    /// Waits until each of these clusters was looked at once: before that, nothing can be said of what is on them.
    pub async fn looked_at(&self, names: &[Name]) {
        let mut count = self.looks.subscribe();
        let known = |id: &str| self.standing.read().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        // The sender lives as long as we: waiting cannot fail.
        let _ = count.wait_for(|_| names.iter().all(|name| known(&format!("{}/{}", name.0, name.1)))).await;
    }

    fn set(&self, cluster: String, standing: Option<Result<Arc<Connection>, Unusable>>) {
        let mut map = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Some(standing) => map.insert(cluster, standing),
            None => map.remove(&cluster),
        };
        drop(map);
        self.looks.send_modify(|looks| *looks += 1);
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
    /// The prefix of every user that is made.
    pub scope: Scope,
}

/// Keeps the clusters of a queue until the future is dropped. `moved` is told each cluster that came to work, or no longer does, or
/// whose terms changed.
pub async fn run(context: Context, queue: Queue<Name>, moved: impl Fn(&str) + Send + Sync + 'static) {
    let moved = Arc::new(moved);
    queue
        .run(4, move |name| {
            let (context, moved) = (context.clone(), Arc::clone(&moved));
            async move { reconcile(&context, &name, &*moved).await }
        })
        .await;
}

async fn reconcile(context: &Context, name: &Name, moved: &(impl Fn(&str) + ?Sized)) -> Next {
    let id = format!("{}/{}", name.0, name.1);
    let Some(cluster) = context.world.clusters.get(&(&name.0, &name.1)) else {
        context.clusters.set(id.clone(), None);
        moved(&id);
        return Next::Idle;
    };
    let before = context.clusters.get(&id);
    let observed = observe::observe(&context.client, &cluster, before.as_ref().ok()).await;
    let plan = plan::plan(&cluster, &observed, &context.scope);
    let changed = plan::differs(&before, &observed);
    let works = observed.is_ok();
    context.clusters.set(id.clone(), Some(observed.map(|seen| seen.connection)));
    if changed {
        moved(&id);
    }
    if let Some(status) = plan
        && let Err(error) =
            report::report(&context.client, name, cluster.metadata.resource_version.as_deref(), &status).await
    {
        tracing::warn!(cluster = id, %error, "the status was not written");
        return Next::Failed;
    }
    Next::After(if works { LOOK_AGAIN } else { TRY_AGAIN })
}
