//! A namespace of a measurement's own.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use admittance::api::annotations::INJECTION;
use admittance::api::resources::{AccessClaim, READY, holds};
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::arrivals::Arrivals;
use crate::cluster::LIMIT;

/// Calls of "at once" that are under way together: more would only wait in the API server.
const TOGETHER: usize = 100;

/// The namespace.
pub(crate) struct Space {
    pub(crate) name: String,
    client: Client,
}

/// Calls for all of them, in a task of its own; how long that took.
fn at_once<T, F>(all: Vec<T>, call: impl Fn(T) -> F + Send + 'static) -> JoinHandle<Duration>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    tokio::spawn(async move {
        stream::iter(all).for_each_concurrent(TOGETHER, call).await;
        began.elapsed()
    })
}

impl Space {
    /// Makes one that is opted in.
    pub(crate) async fn opted_in(client: &Client, name: &str) -> Self {
        Self::labelled(client, name, (INJECTION, "enabled")).await
    }

    /// Makes one with a label; no other run on this cluster has used its name.
    pub(crate) async fn labelled(client: &Client, name: &str, (key, value): (&str, &str)) -> Self {
        static RUN: LazyLock<u64> = LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let space = Self { name: format!("bench-{name}-{:x}", *RUN), client: client.clone() };
        let object = json!({"metadata": {"name": space.name, "labels": {key: value}}});
        let object: Namespace = serde_json::from_value(object).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        // The account comes a moment after its namespace, and no Pod before it.
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &space.name);
        while accounts.get_opt("default").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        space
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Makes objects at once, in a task of its own; how long that took.
    pub(crate) fn create_all<K>(&self, objects: Vec<K>) -> JoinHandle<Duration>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + serde::Serialize
            + Send
            + Sync
            + 'static,
    {
        let api = self.api::<K>();
        at_once(objects, move |object| {
            let api = api.clone();
            async move { drop(api.create(&PostParams::default(), &object).await.unwrap()) }
        })
    }

    /// Removes objects at once, in a task of its own; how long that took.
    pub(crate) fn remove_all<K>(&self, names: Vec<String>) -> JoinHandle<Duration>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let api = self.api::<K>();
        at_once(names, move |name| {
            let api = api.clone();
            async move { drop(api.delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap()) }
        })
    }

    /// Waits until these accesses are ready; when the first of them was there, and when the last was ready.
    pub(crate) async fn all_ready(&self, arrivals: &mut Arrivals<AccessClaim>, names: &[String]) -> (Instant, Instant) {
        let mut waiting: HashSet<&str> = names.iter().map(String::as_str).collect();
        let mut first = None;
        let last = arrivals.until("every access is ready", |event| {
            if let WatchEvent::Added(claim) | WatchEvent::Modified(claim) = event {
                let name = claim.name_any();
                if waiting.contains(name.as_str()) {
                    first.get_or_insert_with(Instant::now);
                    if claim.status.is_some_and(|status| holds(&status.conditions, READY)) {
                        waiting.remove(name.as_str());
                    }
                }
            }
            waiting.is_empty()
        });
        let last = last.await;
        (first.unwrap(), last)
    }

    /// Removes what asks, waits until no access is left, and lets the namespace go.
    pub(crate) async fn retire(self) {
        let (delete, list) = (DeleteParams::default(), ListParams::default());
        self.api::<Deployment>().delete_collection(&delete, &list).await.unwrap();
        let (claims, pods) = (self.api::<AccessClaim>(), self.api::<Pod>());
        let (mut least, mut since) = (usize::MAX, Instant::now());
        loop {
            pods.delete_collection(&delete.clone().grace_period(0), &list).await.unwrap();
            let left = claims.list_metadata(&list).await.unwrap().items.len();
            if left == 0 {
                break;
            }
            if left < least {
                (least, since) = (left, Instant::now());
            }
            assert!(since.elapsed() < LIMIT, "{}: {left} accesses are left", self.name);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Api::<Namespace>::all(self.client.clone()).delete(&self.name, &delete).await.unwrap();
    }
}
