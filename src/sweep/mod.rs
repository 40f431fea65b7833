//! Users that Kafka has and that no `AccessClaim` covers: observe → plan → apply → report, a cluster at a time. On the way, accesses whose
//! users somebody changed in Kafka are sent to be looked at.
//!
//! Absence is not evidence. A claim can be missing because its definition is gone, because the API server is empty or was restored, or
//! because this is the wrong cluster. So what is missing is taken away only when complete and live lists say so, for as long as
//! `credentials.absentAfter`, for few users at once, in all and of one namespace; else a condition asks.

pub mod apply;
pub mod brake;
pub mod cover;
pub mod drift;
pub mod live;
pub mod observe;
pub mod plan;
pub mod report;
#[cfg(test)]
mod samples;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;

use self::cover::Here;
use self::drift::Slots;
use crate::clusters::{Clusters, Halt};
use crate::runtime::events::Events;
use crate::runtime::queue::Queue;
use crate::runtime::{controller, looks};
use crate::watch::table::Name;
use crate::watch::{AccessKey, World, cluster_id};

/// How often a cluster is looked at. Reads only, unless something is missing.
const EVERY: Duration = Duration::from_secs(30);
/// One look ends after this, whatever it waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a look needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// The Kafka clusters.
    pub clusters: Arc<Clusters>,
    /// Where people are told.
    pub events: Events,
    /// Whether Deployments of the contract of 2017 are served.
    pub deployments_of_2017: bool,
    /// The accesses that are to be looked at: their users were changed, or somebody may have come back while theirs was swept.
    pub accesses: Queue<AccessKey>,
}

/// What is remembered of a cluster from look to look.
#[derive(Debug, Default)]
struct Memory {
    slots: Slots,
    /// Secrets whose names do not follow from the users', by user: when a claim is gone, nobody else knows.
    secrets: BTreeMap<String, String>,
}

/// Looks at every cluster in turn until the future is dropped.
pub async fn run(context: Context) {
    let mut memories = HashMap::<Name, Memory>::new();
    loop {
        tokio::time::sleep(EVERY).await;
        for name in context.world.clusters.names() {
            let memory = memories.entry(name.clone()).or_default();
            let look = Box::pin(look(&context, &name, memory));
            let cluster = cluster_id(&name);
            controller::attempt(DEADLINE, looks::USERS, &cluster, look).await;
        }
    }
}

async fn look(context: &Context, name: &Name, memory: &mut Memory) -> Result<(), Halt> {
    let Some(cluster) = context.world.clusters.get(&(&name.0, &name.1)) else { return Ok(()) };
    // What cannot be worked with is not swept either.
    let id = cluster_id(name);
    let Ok(connection) = context.clusters.get(&id) else { return Ok(()) };
    let holdings = observe::holdings(&connection).await?;
    let claims = observe::claims(context, &id);
    drift::drifted(&holdings, &claims, &mut memory.slots).into_iter().for_each(|key| context.accesses.push(key));
    memory.secrets.extend(observe::long_names(&claims));
    let kafka = cluster.status.as_ref().and_then(|status| status.kafka_cluster_id.clone());
    let uid = cluster.metadata.uid.clone().unwrap_or_default();
    let here = Here { cluster: id, uid, scope: connection.claim.scope.clone(), kafka };
    let seen = observe::observe(context, &cluster, &here, holdings, &memory.secrets).await?;
    let plan = plan::plan(&here, &seen, connection.terms.lifetimes.absent_after, Timestamp::now());
    let swept = apply::apply(context, &connection, &here, &seen, &plan).await;
    report::report(context, name, &cluster, &plan).await?;
    swept
}
