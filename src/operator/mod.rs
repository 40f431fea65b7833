//! The operator: watches, queues and controllers, put together. It decides nothing.

pub mod state;
mod watches;
mod watches_2017;

pub use state::State;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::{Client, ResourceExt};

use crate::access;
use crate::api::names::{ClusterRef, Scope};
use crate::api::resources::TopicClaim;
use crate::clusters::{self, Clusters};
use crate::configmaps;
use crate::runtime::clock::Clock;
use crate::runtime::events::Events;
use crate::runtime::kubernetes::{CallError, call};
use crate::runtime::lease::{Leadership, Lost};
use crate::sweep;
use crate::topics;
use crate::topics::deletion;
use crate::topics::deletion::departures::{Departure, Departures};

/// The name of the Lease by which one replica leads, where none is given.
pub const LEASE: &str = "admittance-operator";
const CALL: Duration = Duration::from_secs(10);

/// What the operator is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespace that it runs in: its Lease lies there.
    pub namespace: String,
    /// The name of that Lease: another for each installation in the namespace.
    pub lease: String,
    /// Its own name, which tells replicas apart.
    pub identity: String,
    /// The cluster of Pods that name none.
    pub default_cluster: ClusterRef,
    /// Whether Deployments of the contract of 2017 are served.
    pub deployments_of_2017: bool,
    /// The label selector of ConfigMaps that describe topics; nothing where none do.
    pub config_maps: Option<String>,
}

/// The operator ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The API server could not be asked for what the start needs.
    #[error(transparent)]
    Start(#[from] CallError),
    /// Another replica leads.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// Waits for the Lease, then works until the Lease is lost or `shutdown` completes.
///
/// # Errors
/// [`Stopped`]; the process should end and start anew.
pub async fn run(
    client: Client,
    settings: Settings,
    state: &State,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Stopped> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let system = call(CALL, "read the namespace kube-system", namespaces.get("kube-system")).await?;
    let system_uid = system.uid().unwrap_or_default();
    let leases = Api::<Lease>::namespaced(client.clone(), &settings.namespace);
    let clock = Arc::new(Clock::default());
    let leadership = Leadership::new(leases, &settings.lease, &settings.identity, clock.clone());
    let work = work(client, &settings, state, system_uid, clock);
    let led = leadership.lead(async {
        state.leads.store(true, Ordering::Relaxed);
        tokio::select! {
            () = work => {}
            () = shutdown => {}
        }
    });
    Ok(led.await?)
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
        moves: Arc::default(),
        volumes: Arc::default(),
        defaults: Arc::default(),
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
        deployments_of_2017: settings.deployments_of_2017.then(|| settings.default_cluster.clone()),
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
        default_cluster: settings.default_cluster.clone(),
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
                topics::run(topic_context, queues.topics.clone(), queues.used.clone()),
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
