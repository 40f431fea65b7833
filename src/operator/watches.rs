//! The watches: what they feed, and whom each change concerns.

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};

use super::state::Queues;
use crate::api::annotations::{ACCESS, INJECTION};
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::watch::follow::{Change, Place, events, follow, follow_all, paged};
use crate::watch::lean::{Lean, readable};
use crate::watch::reach::{Scope, within};
use crate::watch::table::Name;
use crate::watch::{NamespaceFacts, TopicKey, World, is_group, name_of, version};

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
    tokio::join!(
        follow(
            pods,
            &place,
            &world.pods,
            |pod| world.pod_facts(&pod.metadata),
            |_, groups| {
                groups.into_iter().for_each(|key| queues.accesses.push(key));
            }
        ),
        follow(
            topics,
            &place,
            &world.topics,
            |claim| readable(claim).map(|claim| world.placed_topic(claim)),
            |name, groups| {
                queues.topics.push(name.clone());
                // A claim that a ConfigMap led to bears its name.
                if world.config_maps.get(&(&name.0, &name.1)).is_some() {
                    queues.config_maps.push(name.clone());
                }
                for group in with_twins(world, groups) {
                    // Rivals of one topic, and those who use it, look again.
                    let rivals = world.topics.of(&group);
                    rivals.iter().map(|claim| name_of(&**claim)).for_each(|rival| queues.topics.push(rival));
                    let users = world.accesses.of(&group);
                    users.iter().map(|claim| name_of(&**claim)).for_each(|user| queues.accesses.push(user));
                }
            }
        ),
        follow_all(
            accesses,
            &place,
            &world.accesses,
            |claim| readable(claim).map(|claim| world.placed_access(claim)),
            |name, change| {
                let groups = match change {
                    Change::News(groups) => {
                        match world.accesses.get(&(&name.0, &name.1)).as_deref().and_then(version) {
                            Some(version) => queues.accesses.push_version(name.clone(), version),
                            None => queues.accesses.push(name.clone()),
                        }
                        groups
                    }
                    Change::Echo(groups) => groups,
                };
                for group in with_twins(world, groups) {
                    if !is_group(&group) {
                        queues.used.push(group);
                        continue;
                    }
                    // Rivals of one consumer group look again.
                    let rivals = world.accesses.of(&group);
                    let rivals = rivals.iter().map(|claim| name_of(&**claim));
                    rivals.filter(|rival| rival != name).for_each(|rival| queues.accesses.push(rival));
                }
            }
        ),
        follow(clusters, &place, &world.clusters, readable, |name, _| queues.clusters.push(name.clone())),
    );
}

/// Topics and groups, through all BrokerClusters that lead to their Kafka. Where one comes to lead there, what is on it is looked at, and what
/// is on the others with its next comparison.
fn with_twins(world: &World, groups: Vec<TopicKey>) -> Vec<TopicKey> {
    let twins: Vec<_> = groups.iter().flat_map(|group| world.twins_of(group)).collect();
    groups.into_iter().chain(twins).collect()
}
