//! A user, whoever may stand for it, and a world of clusters, for tests.

use std::sync::Arc;

use kube::{Client, Resource};
use serde_json::{Value, json};

use super::Context;
use super::cover::Here;
use crate::api::annotations::ACCESS;
use crate::api::names::{ClusterRef, Scope};
use crate::api::resources::{AccessClaim, BrokerCluster};
use crate::clusters::Clusters;
use crate::runtime::events::Events;
use crate::runtime::queue::Queue;
use crate::watch::reach::Reach;
use crate::watch::{AccessKey, World};

/// The user that tests are about, and its access.
pub(super) const USER: &str = "k.shop.web";

/// The access of the user.
pub(super) fn key() -> AccessKey {
    ("shop".to_owned(), "web".to_owned())
}

/// The cluster `ops/default`, on Kafka `K1`.
pub(super) fn here() -> Here {
    let scope = Scope::parse("k").unwrap();
    Here { cluster: "ops/default".into(), uid: "uid".into(), scope, kafka: Some("K1".into()) }
}

/// A world with clusters: this one, others on the same Kafka and elsewhere, and one of which nothing is known.
pub(super) fn world() -> World {
    let world = World::new(ClusterRef { namespace: "ops".into(), name: "default".into() }, Reach::default());
    for (name, scope, kafka) in [
        ("default", "k", Some("K1")),
        ("twin", "k", Some("K1")),
        ("stranger", "other", Some("K1")),
        ("elsewhere", "k", Some("K2")),
        ("silent", "k", None),
    ] {
        let cluster = json!({
            "apiVersion": BrokerCluster::api_version(&()), "kind": "BrokerCluster",
            "metadata": {"namespace": "ops", "name": name},
            "spec": {"external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "a"}}},
            "status": {"scope": scope, "kafkaClusterId": kafka},
        });
        world.clusters.put(("ops".to_owned(), name.to_owned()), serde_json::from_value(cluster).unwrap());
    }
    world
}

/// A sweep at an API server, with the watches of [`world`].
pub(super) fn context(client: Client) -> Context {
    Context {
        client: client.clone(),
        world: Arc::new(world()),
        clusters: Arc::new(Clusters::default()),
        events: Events::new(client, "operator-1"),
        deployments_of_2017: false,
        accesses: Queue::default(),
    }
}

/// A claim for the access, as the API server has it.
pub(super) fn claim(cluster: &str, user: Option<&str>) -> Value {
    json!({
        "apiVersion": AccessClaim::api_version(&()), "kind": "AccessClaim",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"source": "Pods", "workload": "web", "cluster": cluster},
        "status": {"username": user},
    })
}

/// The metadata of a Pod that carries the label, with annotations.
pub(super) fn pod(annotations: &Value) -> Value {
    json!({
        "namespace": "shop", "name": "web", "uid": "uid", "labels": {ACCESS: "web"}, "annotations": annotations,
    })
}
