//! What the webhook judges claims by: the BrokerClusters, watched. Nothing secret is in them, and nothing else is watched.

use std::convert::Infallible;
use std::sync::Arc;

use kube::Client;
use kube::api::Api;

use crate::admission::claims::{Clusters, Found};
use crate::api::names::ClusterRef;
use crate::api::resources::BrokerCluster;
use crate::watch::Table;
use crate::watch::follow::{Place, events, follow};
use crate::watch::lean::readable;

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
        follow(events(Api::all(client)), &place, &self.0, readable, |_, _| {}).await;
        std::future::pending().await
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
    use super::*;

    #[test]
    fn what_is_not_listed_yet_is_not_missing() {
        let cluster = ClusterRef { namespace: "admittance".to_owned(), name: "default".to_owned() };
        let watched = Watched::new();
        assert!(matches!(watched.find(&cluster), Found::Unread));
        watched.0.listing_ends(&None);
        assert!(matches!(watched.find(&cluster), Found::Missing));
    }
}
