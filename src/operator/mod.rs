//! The operator: watches, queues and controllers, put together. It decides nothing.

mod collector;
pub mod queues;
pub mod state;
mod watches;
mod watches_2017;

pub use self::queues::Queues;
pub use self::state::State;

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::{Client, ResourceExt};
use tokio::time::sleep;

use crate::access;
use crate::api::names::Scope;
use crate::api::resources::TopicClaim;
use crate::clusters::{self, Clusters};
use crate::configmaps;
use crate::runtime::clock::Clock;
use crate::runtime::events::Events;
use crate::runtime::kubernetes::call;
use crate::runtime::lease::{Leadership, Lost};
use crate::sweep;
use crate::topics;
use crate::topics::deletion;
use crate::topics::deletion::departures::{Departure, Departures};

/// The name of the Lease by which one replica leads, where none is given.
pub const LEASE: &str = "admittance-operator";
const CALL: Duration = Duration::from_secs(10);
/// Between two tries to start.
const PAUSE: Duration = Duration::from_secs(2);

/// What the operator is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespace that it runs in: its Lease lies there.
    pub namespace: String,
    /// The name of that Lease: another for each installation in the namespace.
    pub lease: String,
    /// Its own name, which tells replicas apart.
    pub identity: String,
    /// Whether Deployments of the contract of 2017 are served.
    pub deployments_of_2017: bool,
    /// The label selector of ConfigMaps that describe topics; nothing where none do.
    pub config_maps: Option<String>,
}

/// Waits for the API server and for the Lease, then works until the Lease is lost; ends well when `shutdown` completes.
///
/// # Errors
/// [`Lost`]; the process should end and start anew.
pub async fn run(
    client: Client,
    settings: Settings,
    state: &State,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Lost> {
    let mut shutdown = pin!(shutdown);
    let system_uid = tokio::select! {
        uid = system_uid(&client) => uid,
        () = &mut shutdown => return Ok(()),
    };
    let leases = Api::<Lease>::namespaced(client.clone(), &settings.namespace);
    let clock = Arc::new(Clock::default());
    let leadership = Leadership::new(leases, &settings.lease, &settings.identity, clock.clone());
    let work = async {
        state.leads.store(true, Ordering::Relaxed);
        // It watches, which has no end.
        Box::pin(work(client, &settings, state, system_uid, clock)).await;
        pending().await
    };
    leadership.lead(work, shutdown).await
}

/// The uid of `kube-system`, asked for until it is told: who ended for want of an answer would be started later and later, and come back
/// minutes after the API server did.
async fn system_uid(client: &Client) -> String {
    let namespaces = Api::<Namespace>::all(client.clone());
    loop {
        match call(CALL, "read the namespace kube-system", namespaces.get("kube-system")).await {
            Ok(system) => return system.uid().unwrap_or_default(),
            Err(error) => tracing::warn!(%error, "cannot start yet; trying again"),
        }
        sleep(PAUSE).await;
    }
}

async fn work(client: Client, settings: &Settings, state: &State, system_uid: String, clock: Arc<Clock>) {
    let scope = Scope::from_cluster_uid(&system_uid);
    let (world, queues) = (state.world.clone(), state.queues.clone());
    let clusters = Arc::new(Clusters::default());
    let events = Events::new(client.clone(), &settings.identity);
    let (moved_world, moved_queues) = (world.clone(), queues.clone());
    let cluster_context = clusters::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        scope: scope.clone(),
        system_uid,
        events: events.clone(),
        moved: Arc::new(move |cluster| moved_queues.cluster_moved(&moved_world, cluster)),
    };
    let topic_context = topics::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        events: events.clone(),
        refused: Arc::default(),
        disputes: Arc::default(),
        moves: Arc::default(),
        volumes: Arc::default(),
        defaults: Arc::default(),
        queue: queues.topics.clone(),
    };
    let departures = Arc::new(Departures::default());
    let deletion_context = deletion::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        events: events.clone(),
        departures: departures.clone(),
        topics: queues.topics.clone(),
    };
    let sweep_context = sweep::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        events: events.clone(),
        deployments_of_2017: settings.deployments_of_2017,
        accesses: queues.accesses.clone(),
    };
    let config_map_context = configmaps::Context {
        client: client.clone(),
        world: world.clone(),
        events: events.clone(),
        told: Arc::default(),
    };
    let access_context = access::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        scope,
        deployments_of_2017: settings.deployments_of_2017,
        events,
        told: Arc::default(),
        accounts: Arc::default(),
        verdicts: Arc::default(),
        gates: Arc::default(),
        clock,
        queue: queues.accesses.clone(),
    };
    let controllers = async {
        // Nothing is decided before every table is complete: what is not known yet must not look like what is not there.
        world.complete().await;
        tracing::info!("every list is complete");
        let (known, looked_at) = (world.clusters.names(), clusters.clone());
        let dependants = async {
            looked_at.looked_at(&known).await;
            tokio::join!(
                topics::moves::sweep::run(topic_context.clone(), queues.topics.clone()),
                topics::run(topic_context, queues.used.clone()),
                access::run(access_context),
                sweep::run(sweep_context),
                deletion::run(deletion_context),
            );
        };
        tokio::join!(
            clusters::run(cluster_context, queues.clusters.clone()),
            configmaps::run(config_map_context, queues.config_maps.clone()),
            dependants,
        );
    };
    let deleted = |claim: &TopicClaim| {
        if let Some(departure) = Departure::of(claim) {
            // Before the claim is out of the table: whoever looks then must see whose the topic was.
            let (topic, record) = departure.whose();
            world.departed.note(topic, record);
            departures.came(departure);
        }
    };
    let of_2017 = watches_2017::watches(&client, settings, &world, &queues);
    tokio::join!(watches::watches(client.clone(), &world, &queues, deleted), of_2017, controllers);
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::AtomicU32;

    use serde_json::{Value, json};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::api::names::ClusterRef;
    use crate::runtime::fake_api::answering;
    use crate::watch::reach::Reach;

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_the_api_server() {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        let client = answering(move |asked| {
            assert_eq!(asked.path, "/api/v1/namespaces/kube-system");
            let away = counted.fetch_add(1, Ordering::Relaxed) < 100;
            ready(if away { (503, Value::Null) } else { (200, json!({"metadata": {"uid": "u-1"}})) })
        });
        let start = Instant::now();
        assert_eq!(timeout(300 * PAUSE, system_uid(&client)).await.unwrap(), "u-1");
        assert_eq!(tries.load(Ordering::Relaxed), 101);
        assert!(start.elapsed() >= 100 * PAUSE, "it is let come back: {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_api_server_ends_when_told() {
        let client = answering(|_| ready((503, Value::Null)));
        let default_cluster = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let state = State::new(default_cluster, Reach::default());
        let settings = Settings {
            namespace: "ops".into(),
            lease: LEASE.to_owned(),
            identity: "operator-1".into(),
            deployments_of_2017: false,
            config_maps: None,
        };
        let end = 10 * PAUSE;
        timeout(2 * end, run(client, settings, &state, sleep(end))).await.unwrap().unwrap();
    }
}
