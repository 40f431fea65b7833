//! What the webhook judges claims by: the BrokerClusters, watched. Nothing secret is in them, and nothing else is watched.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::Api;

use crate::admission::claims::{Clusters, Found};
use crate::api::names::ClusterRef;
use crate::api::resources::BrokerCluster;
use crate::watch::Table;
use crate::watch::follow::{Place, events, follow};
use crate::watch::lean::readable;

/// How long a watch goes on before everything is listed anew. One that goes on over a restore of etcd from an older copy is told nothing,
/// and nothing else that the webhook reads is written often enough to show it: see docs/decisions/0052.
const ANEW: Duration = Duration::from_secs(300);

/// The BrokerClusters as the API server has them.
#[derive(Debug)]
pub struct Watched(Table<BrokerCluster, ()>);

impl Watched {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Table::new(|_| Vec::new())))
    }

    /// Follows them until the future is dropped. What cannot be watched is no reason to end: Pods are answered without it.
    pub async fn follow(self: Arc<Self>, client: Client) -> Infallible {
        let place = Place::everywhere(&client);
        loop {
            let watch = async {
                follow(events(Api::all(client.clone())), &place, &self.0, readable, |_, _| {}).await;
                pending::<()>().await;
            };
            let _ = tokio::time::timeout(ANEW, watch).await;
        }
    }
}

impl Clusters for Watched {
    fn find(&self, cluster: &ClusterRef) -> Found {
        match self.0.get(&(&cluster.namespace, &cluster.name)) {
            Some(found) => Found::There(found),
            None if self.0.is_complete() => Found::Missing,
            None => Found::Unread,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::runtime::fake_api::answering;

    fn default() -> ClusterRef {
        ClusterRef { namespace: "admittance".to_owned(), name: "default".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_told_nothing_is_begun_anew() {
        let asked = Arc::new(AtomicUsize::new(0));
        let client = answering(move |_| {
            let call = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                // A list, and then a watch that is never told anything; between the first and the second, etcd is restored.
                if call % 2 == 1 {
                    pending::<()>().await;
                }
                let external = json!({"bootstrapServers": "a:1", "insecure": true, "adminSecret": {"name": "s"}});
                let metadata = json!({"namespace": "admittance", "name": "default", "resourceVersion": "99"});
                let items =
                    if call == 0 { json!([{"metadata": metadata, "spec": {"external": external}}]) } else { json!([]) };
                (
                    200,
                    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "99"}, "items": items}),
                )
            }
        });
        let watched = Watched::new();
        let mut following = std::pin::pin!(watched.clone().follow(client));
        assert!(timeout(ANEW / 2, &mut following).await.is_err(), "it never ends");
        assert!(matches!(watched.find(&default()), Found::There(_)));
        assert!(timeout(ANEW, &mut following).await.is_err(), "it never ends");
        assert!(matches!(watched.find(&default()), Found::Missing));
    }

    #[test]
    fn what_is_not_listed_yet_is_not_missing() {
        let cluster = default();
        let watched = Watched::new();
        assert!(matches!(watched.find(&cluster), Found::Unread));
        watched.0.listing_ends(&None);
        assert!(matches!(watched.find(&cluster), Found::Missing));
    }
}
