//! Topics whose claims a watch saw being deleted, until the books of their cluster surely show them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::TopicKey;
use crate::ownership::OnRecord;

/// For how long: the books are written within seconds, and read by a watch. Where the API server is away for longer, nobody takes a topic
/// either, for that is written as well.
const KEPT: Duration = Duration::from_secs(600);
/// Topics that are kept at most.
const CAPACITY: usize = 10_000;

/// Whose topics were of late.
#[derive(Debug, Default)]
pub struct Departed(Mutex<HashMap<TopicKey, Vec<(OnRecord, Instant)>>>);

impl Departed {
    /// Notes that the claim of a topic was deleted.
    pub fn note(&self, key: TopicKey, record: OnRecord) {
        let mut all = self.all();
        if all.len() >= CAPACITY {
            all.retain(|_, records| records.iter().any(|(_, since)| since.elapsed() < KEPT));
        }
        if all.len() < CAPACITY || all.contains_key(&key) {
            let records = all.entry(key).or_default();
            // The latest word counts.
            records.retain(|(before, since)| before.topic_id != record.topic_id && since.elapsed() < KEPT);
            records.push((record, Instant::now()));
        }
    }

    /// Whose a topic was.
    #[must_use]
    pub fn of(&self, key: &TopicKey) -> Vec<OnRecord> {
        let all = self.all();
        let records = all.get(key).into_iter().flatten().filter(|(_, since)| since.elapsed() < KEPT);
        records.map(|(record, _)| record.clone()).collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TopicKey, Vec<(OnRecord, Instant)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::World;
    use super::super::reach::Reach;
    use super::*;
    use crate::api::names::ClusterRef;

    fn record(namespace: &str, id: &str) -> OnRecord {
        OnRecord { namespace: namespace.to_owned(), topic_id: id.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_word_counts_of_its_cluster_alone_and_for_its_time() {
        let key = |cluster: &str| (cluster.to_owned(), "orders".to_owned());
        let departed = Departed::default();
        departed.note(key("a/b"), record("shop", "1"));
        departed.note(key("a/b"), record("web", "1"));
        departed.note(key("a/b"), record("shop", "2"));
        assert_eq!(departed.of(&key("a/b")), [record("web", "1"), record("shop", "2")]);
        assert_eq!(departed.of(&key("a/c")), [], "another cluster has topics of its own");
        tokio::time::advance(KEPT).await;
        assert_eq!(departed.of(&key("a/b")), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_on_record_of_late_and_by_the_books_of_its_own_kafka_alone() {
        let default = ClusterRef { namespace: "a".to_owned(), name: "b".to_owned() };
        let world = World::new(default, Reach::default());
        let key = |cluster: &str| (cluster.to_owned(), "orders".to_owned());
        let put = |name: &str, kafka: &str, released: serde_json::Value| {
            let cluster = serde_json::json!({
                "metadata": {"name": name, "namespace": "a"},
                "spec": {"external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}}},
                "status": {"kafkaClusterId": kafka, "released": released},
            });
            world.clusters.put(("a".to_owned(), name.to_owned()), serde_json::from_value(cluster).unwrap());
        };
        let released = serde_json::json!([
            {"topic": "orders", "topicId": "1", "namespace": "shop", "claim": "c", "since": "2026-01-01T00:00:00Z"}
        ]);
        put("b", "one", released);
        put("c", "two", serde_json::json!([]));
        put("d", "one", serde_json::json!([]));
        assert_eq!(world.on_record(&key("a/b")), [record("shop", "1")]);
        assert_eq!(world.on_record(&key("a/c")), [], "another Kafka's books say nothing of it");
        assert_eq!(world.on_record(&key("a/d")), [record("shop", "1")], "the same Kafka by another name");
        world.departed.note(key("a/b"), record("web", "1"));
        assert_eq!(world.on_record(&key("a/b")), [record("web", "1")], "the books lag behind");
        tokio::time::advance(KEPT).await;
        assert_eq!(world.on_record(&key("a/b")), [record("shop", "1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_again_once_the_oldest_are_past() {
        let departed = Departed::default();
        let key = |n: usize| ("a/b".to_owned(), n.to_string());
        (0..=CAPACITY).for_each(|n| departed.note(key(n), record("shop", "1")));
        assert_eq!(departed.of(&key(CAPACITY)), []);
        tokio::time::advance(KEPT).await;
        departed.note(key(CAPACITY), record("shop", "1"));
        assert_eq!((departed.of(&key(CAPACITY)).len(), departed.all().len()), (1, 1));
    }
}
