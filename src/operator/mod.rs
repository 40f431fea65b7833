//! The operator: watches, queues and controllers, put together. It decides nothing.

pub mod state;

pub use state::State;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};

use crate::access::{self, report::Told};
use crate::api::annotations::{ACCESS, GROUP, INJECTION};
use crate::api::names::{ClusterRef, Scope};
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::clusters::{self, Clusters};
use crate::runtime::kubernetes::{CallError, call};
use crate::runtime::lease::{Leadership, Lost};
use crate::sweep;
use crate::topics;
use crate::topics::deletion::{self, departures::Departures};
use crate::watch::follow::{events, follow, readable};
use crate::watch::table::Name;
use crate::watch::{NamespaceFacts, PodFacts, World, is_group};
use state::Queues;

/// The name of the Lease by which one replica leads.
pub const LEASE: &str = "admittance-operator";
const CALL: Duration = Duration::from_secs(10);

/// What the operator is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespace that it runs in: its Lease lies there.
    pub namespace: String,
    /// Its own name, which tells replicas apart.
    pub identity: String,
    /// The cluster of Pods that name none.
    pub default_cluster: ClusterRef,
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
    let leadership = Leadership::new(leases, LEASE, &settings.identity);
    let work = work(client, &settings, state, system_uid);
    let led = leadership.lead(async {
        state.leads.store(true, Ordering::Relaxed);
        tokio::select! {
            () = work => {}
            () = shutdown => {}
        }
    });
    Ok(led.await?)
}

async fn work(client: Client, settings: &Settings, state: &State, system_uid: String) {
    let scope = Scope::from_cluster_uid(&system_uid);
    let (world, queues) = (state.world.clone(), state.queues.clone());
    let clusters = Arc::new(Clusters::default());
    let reporter = Reporter { controller: GROUP.to_owned(), instance: Some(settings.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let cluster_context = clusters::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        scope: scope.clone(),
        system_uid,
    };
    let topic_context = topics::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        recorder: recorder.clone(),
        refused: Arc::default(),
    };
    let departures = Arc::new(Departures::default());
    let deletion_context = deletion::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        recorder: recorder.clone(),
        departures: departures.clone(),
        topics: queues.topics.clone(),
    };
    let sweep_context = sweep::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        accesses: queues.accesses.clone(),
    };
    let access_context = access::Context {
        client: client.clone(),
        world: world.clone(),
        clusters: clusters.clone(),
        scope,
        default_cluster: settings.default_cluster.clone(),
        told: Arc::new(Told::new(recorder)),
        accounts: Arc::default(),
        gates: Arc::default(),
    };
    let controllers = async {
        // Nothing is decided before every table is complete: what is not known yet must not look like what is not there.
        world.complete().await;
        tracing::info!("every list is complete");
        let (moved_world, moved_queues) = (world.clone(), queues.clone());
        let moved = move |cluster: &str| moved_queues.cluster_moved(&moved_world, cluster);
        let (known, looked_at) = (world.clusters.names(), clusters.clone());
        let dependants = async {
            looked_at.looked_at(&known).await;
            tokio::join!(
                topics::run(topic_context, queues.topics.clone(), queues.used.clone()),
                access::run(access_context, queues.accesses.clone()),
                sweep::run(sweep_context),
                deletion::run(deletion_context),
            );
        };
        tokio::join!(clusters::run(cluster_context, queues.clusters.clone(), moved), dependants);
    };
    let deleted = |claim: &TopicClaim| departures.deleted(claim);
    tokio::join!(watches(client, &world, &queues, deleted), controllers);
}

/// Feeds the tables and queues. `deleted` is told each claim on a topic that somebody deletes, and none that a list merely lacks.
async fn watches(client: Client, world: &World, queues: &Queues, deleted: impl Fn(&TopicClaim)) {
    let labelled = |label: &str| watcher::Config::default().labels(label);
    // A Pod that has ended leaves the selection, and so the table.
    let running = labelled(ACCESS).fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = watcher(Api::<PartialObjectMeta<Pod>>::all(client.clone()), running).default_backoff();
    let opted_in = labelled(&format!("{INJECTION}=enabled"));
    let namespaces = watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), opted_in).default_backoff();
    let topics = events(Api::<DeserializeGuard<TopicClaim>>::all(client.clone())).inspect(|event| {
        if let Ok(watcher::Event::Delete(DeserializeGuard(Ok(claim)))) = event {
            deleted(claim);
        }
    });
    let accesses = events(Api::<DeserializeGuard<AccessClaim>>::all(client.clone()));
    let clusters = events(Api::<DeserializeGuard<BrokerCluster>>::all(client.clone()));
    tokio::join!(
        follow(
            pods,
            &world.pods,
            |pod| PodFacts::new(pod.metadata),
            |_, groups| {
                groups.into_iter().for_each(|key| queues.accesses.push(key));
            }
        ),
        follow(
            namespaces,
            &world.namespaces,
            |namespace| Some(NamespaceFacts::new(namespace.metadata)),
            |name, _| {
                world.place_anew(&name.1).into_iter().for_each(|claim| queues.topics.push(claim));
                let pods = world.pods.names().into_iter().filter(|(namespace, _)| *namespace == name.1);
                pods.filter_map(|(namespace, pod)| world.pods.get(&(&namespace, &pod)))
                    .for_each(|pod| queues.accesses.push(pod.access_key()));
                let claims = world.accesses.names().into_iter().filter(|(namespace, _)| *namespace == name.1);
                claims.for_each(|claim| queues.accesses.push(claim));
            }
        ),
        follow(
            topics,
            &world.topics,
            |claim| readable(claim).map(|claim| world.placed_topic(claim)),
            |name, groups| {
                queues.topics.push(name.clone());
                for group in groups {
                    // Rivals of one topic, and those who use it, look again.
                    let rivals = world.topics.of(&group);
                    rivals.iter().filter_map(|claim| name_of(&**claim)).for_each(|rival| queues.topics.push(rival));
                    let users = world.accesses.of(&group);
                    users.iter().filter_map(|claim| name_of(&**claim)).for_each(|user| queues.accesses.push(user));
                }
            }
        ),
        follow(
            accesses,
            &world.accesses,
            |claim| readable(claim).map(|claim| world.placed_access(claim)),
            |name, groups| {
                queues.accesses.push(name.clone());
                for group in groups {
                    if !is_group(&group) {
                        queues.used.push(group);
                        continue;
                    }
                    // Rivals of one consumer group look again.
                    let rivals = world.accesses.of(&group);
                    rivals.iter().filter_map(|claim| name_of(&**claim)).for_each(|rival| queues.accesses.push(rival));
                }
            }
        ),
        follow(clusters, &world.clusters, readable, |name, _| {
            queues.clusters.push(name.clone());
        }),
    );
}

fn name_of(object: &impl ResourceExt) -> Option<Name> {
    Some((object.namespace()?, object.name_any()))
}
