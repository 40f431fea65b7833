//! What a watch brings.

use std::fmt::Debug;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::ResourceExt;
use kube::api::{Api, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;

use crate::cluster::LIMIT;

/// A watch that was opened before what it waits for is begun. The API server lets go of who reads too slowly, as a busy machine may: then it
/// is opened again, where it ended.
pub(crate) struct Arrivals<K> {
    api: Api<K>,
    version: String,
    events: BoxStream<'static, kube::Result<WatchEvent<K>>>,
}

impl<K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static> Arrivals<K> {
    pub(crate) async fn of(api: &Api<K>) -> Self {
        let version = "0".to_owned();
        Self { events: open(api, &version).await, api: api.clone(), version }
    }

    /// Hands every event over until `done` says that it was the last; when that was.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(WatchEvent<K>) -> bool) -> Instant {
        let events = async {
            loop {
                let Some(event) = self.events.next().await else {
                    self.events = open(&self.api, &self.version).await;
                    continue;
                };
                let event = event.unwrap();
                match &event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                        self.version = object.resource_version().unwrap();
                    }
                    WatchEvent::Bookmark(mark) => self.version.clone_from(&mark.metadata.resource_version),
                    WatchEvent::Error(error) => panic!("the watch failed: {error:?}"),
                }
                if done(event) {
                    return Instant::now();
                }
            }
        };
        tokio::time::timeout(LIMIT, events).await.unwrap_or_else(|_| panic!("{what}: not within {} s", LIMIT.as_secs()))
    }
}

async fn open<K: Clone + Debug + DeserializeOwned + Send + 'static>(
    api: &Api<K>,
    version: &str,
) -> BoxStream<'static, kube::Result<WatchEvent<K>>> {
    api.watch(&WatchParams::default().timeout(294), version).await.unwrap().boxed()
}
