//! What a watch brings.

use std::fmt::Debug;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::{Api, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;

use crate::cluster::LIMIT;

/// A watch that was opened before what it waits for is begun.
pub(crate) struct Arrivals<K>(BoxStream<'static, kube::Result<WatchEvent<K>>>);

impl<K: Clone + Debug + DeserializeOwned + Send + 'static> Arrivals<K> {
    pub(crate) async fn of(api: &Api<K>) -> Self {
        // Longer than anything may take: a watch that ends is a measurement that fails.
        let params = WatchParams::default().timeout(294);
        Self(api.watch(&params, "0").await.unwrap().boxed())
    }

    /// Hands every event over until `done` says that it was the last; when that was.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(WatchEvent<K>) -> bool) -> Instant {
        let events = async {
            loop {
                let event = self.0.next().await.expect("the watch ended").unwrap();
                if let WatchEvent::Error(error) = &event {
                    panic!("the watch failed: {error:?}");
                }
                if done(event) {
                    return Instant::now();
                }
            }
        };
        tokio::time::timeout(LIMIT, events).await.unwrap_or_else(|_| panic!("{what}: not within {} s", LIMIT.as_secs()))
    }
}
