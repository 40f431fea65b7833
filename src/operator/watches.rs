//! The watches: what they feed, and who is told of each change.

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};

use super::queues::Queues;
use crate::api::annotations::{ACCESS, INJECTION};
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::watch::follow::{Place, events, follow, follow_all, paged};
use crate::watch::lean::{Lean, readable};
use crate::watch::reach::{Scope, within};
use crate::watch::table::Name;
use crate::watch::{NamespaceFacts, World};

/// Follows everything that the operator watches. `deleted` is told each claim on a topic that somebody deletes, and none that a list
/// merely lacks.
pub(super) async fn watches(client: Client, world: &World, queues: &Queues, deleted: impl Fn(&TopicClaim)) {
    let scopes = world.reach.scopes();
    let scoped = join_all(scopes.iter().map(|scope| within_scope(&client, scope, world, queues, &deleted)));
    tokio::join!(namespaces(&client, world, queues), scoped);
}

/// Namespaces are not narrowed: who is opted in says whose topic names are whose own.
async fn namespaces(client: &Client, world: &World, queues: &Queues) {
    let opted_in = paged().labels(&format!("{INJECTION}=enabled"));
    let namespaces = watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), opted_in).default_backoff();
    let changed = |name: &Name, _| queues.namespace_changed(world, &name.1);
    let row = |namespace: PartialObjectMeta<Namespace>| Some(NamespaceFacts::new(namespace.metadata));
    follow(namespaces, &Place::everywhere(client), &world.namespaces, row, changed).await;
}

async fn within_scope(client: &Client, scope: &Scope, world: &World, queues: &Queues, deleted: &impl Fn(&TopicClaim)) {
    // A Pod that has ended leaves the selection, and so the table.
    let running = paged().labels(ACCESS).fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = watcher(within::<PartialObjectMeta<Pod>>(client, scope), running).default_backoff();
    let topics = events(within::<Lean<TopicClaim>>(client, scope)).inspect(|event| {
        if let Ok(watcher::Event::Delete(Lean(Ok(claim)))) = event {
            deleted(claim);
        }
    });
    let accesses = events(within::<Lean<AccessClaim>>(client, scope));
    let clusters = events(within::<Lean<BrokerCluster>>(client, scope));
    let place = Place { client: client.clone(), scope: scope.clone() };
    let (pod, topic) = (
        |pod: PartialObjectMeta<Pod>| world.pod_facts(&pod.metadata),
        |claim| readable(claim).map(|claim| world.placed_topic(claim)),
    );
    let access = |claim| readable(claim).map(|claim| world.placed_access(claim));
    let asks = |_: &Name, accesses: Vec<_>| accesses.into_iter().for_each(|key| queues.accesses.push(key));
    let topic_changed = |name: &Name, topics| queues.topic_changed(world, name, topics);
    let access_changed = |name: &Name, change| queues.access_changed(world, name, change);
    let cluster_changed = |name: &Name, _| queues.clusters.push(name.clone());
    tokio::join!(
        follow(pods, &place, &world.pods, pod, asks),
        follow(topics, &place, &world.topics, topic, topic_changed),
        follow_all(accesses, &place, &world.accesses, access, access_changed),
        follow(clusters, &place, &world.clusters, readable, cluster_changed),
    );
}
