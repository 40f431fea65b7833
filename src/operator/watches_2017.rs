//! The watches of what the contract of 2017 has beside Pods.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};

use super::Settings;
use super::queues::Queues;
use crate::watch::follow::{Place, follow, paged};
use crate::watch::reach::{Scope, within};
use crate::watch::table::Name;
use crate::watch::{AccessKey, ConfigMapFacts, DeploymentFacts, World, deployments};

/// Follows Deployments and ConfigMaps, where they are served. What is not watched is complete: there is none.
pub(super) async fn watches(client: &Client, settings: &Settings, world: &World, queues: &Queues) {
    let scopes = world.reach.scopes();
    let scoped = scopes.iter().map(|scope| async move {
        tokio::join!(
            follow_deployments(client, scope, settings, world, queues),
            follow_config_maps(client, scope, settings, world, queues),
        );
    });
    join_all(scoped).await;
}

async fn follow_deployments(client: &Client, scope: &Scope, settings: &Settings, world: &World, queues: &Queues) {
    if !settings.deployments_of_2017 {
        world.deployments.listing_ends(scope);
        return;
    }
    let labelled = paged().labels(&deployments::selector());
    let events = watcher(within::<PartialObjectMeta<Deployment>>(client, scope), labelled).default_backoff();
    let row = |found: PartialObjectMeta<Deployment>| DeploymentFacts::new(found.metadata, world.install());
    let changed = |_: &Name, keys: Vec<AccessKey>| keys.into_iter().for_each(|key| queues.accesses.push(key));
    let place = Place { client: client.clone(), scope: scope.clone() };
    follow(events, &place, &world.deployments, row, changed).await;
}

async fn follow_config_maps(client: &Client, scope: &Scope, settings: &Settings, world: &World, queues: &Queues) {
    let Some(selector) = &settings.config_maps else {
        world.config_maps.listing_ends(scope);
        return;
    };
    let labelled = paged().labels(selector);
    let events = watcher(within::<PartialObjectMeta<ConfigMap>>(client, scope), labelled).default_backoff();
    let row = |found: PartialObjectMeta<ConfigMap>| ConfigMapFacts::new(found.metadata);
    let place = Place { client: client.clone(), scope: scope.clone() };
    follow(events, &place, &world.config_maps, row, |name, _| queues.config_maps.push(name.clone())).await;
}
