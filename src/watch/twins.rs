//! Claims on one Kafka that several BrokerClusters lead to, as to two listeners of it: a topic and a group have one owner in all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Table, TopicKey, World, cluster_id};
use crate::api::resources::{AccessClaim, External, TopicClaim};

/// The ids of the Kafkas that BrokerClusters lead to, as they were seen, and by which way: a status that says so comes later, and one that is
/// led elsewhere may lead anywhere until it is seen again.
#[derive(Debug, Default)]
pub struct Kafkas(Mutex<HashMap<String, (External, String)>>);

impl Kafkas {
    /// Notes where a BrokerCluster leads, before anybody is served through it.
    pub fn note(&self, cluster: &str, external: &External, kafka: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(cluster).is_none_or(|(by, before)| before != kafka || by != external) {
            known.insert(cluster.to_owned(), (external.clone(), kafka.to_owned()));
        }
    }

    /// Forgets a BrokerCluster that is gone.
    pub fn forget(&self, cluster: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
    }

    fn of(&self, cluster: &str) -> Option<(External, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).cloned()
    }
}

impl World {
    /// The claims on a topic, through whichever BrokerCluster leads to the same Kafka.
    #[must_use]
    pub fn claims_on(&self, key: &TopicKey) -> Vec<Arc<TopicClaim>> {
        self.through_all(&self.topics, key)
    }

    /// Whether a topic is claimed, but only through other BrokerClusters that lead to the same Kafka.
    #[must_use]
    pub fn is_only_twins(&self, key: &TopicKey) -> bool {
        self.topics.of(key).is_empty() && !self.claims_on(key).is_empty()
    }

    /// The accesses that name a topic or a group, through whichever BrokerCluster leads to the same Kafka.
    #[must_use]
    pub fn users_of(&self, key: &TopicKey) -> Vec<Arc<AccessClaim>> {
        self.through_all(&self.accesses, key)
    }

    fn through_all<T: PartialEq>(&self, table: &Table<T, TopicKey>, key: &TopicKey) -> Vec<Arc<T>> {
        let mut all = table.of(key);
        all.extend(self.twins_of(key).iter().flat_map(|twin| table.of(twin)));
        all
    }

    /// The same topic or group, through every other BrokerCluster that leads to the same Kafka. One that has never told where it leads is none:
    /// who has something does not give way to what is claimed on a Kafka that nobody has seen.
    #[must_use]
    pub fn twins_of(&self, key: &TopicKey) -> Vec<TopicKey> {
        let Some(kafka) = self.kafka_of(&key.0) else { return Vec::new() };
        let ids = self.clusters.names().into_iter().map(|name| cluster_id(&name));
        let mut twins: Vec<_> = ids.filter(|id| *id != key.0 && self.kafka_of(id).as_ref() == Some(&kafka)).collect();
        twins.sort_unstable();
        twins.into_iter().map(|id| (id, key.1.clone())).collect()
    }

    /// The Kafka that a BrokerCluster leads to: its id, or the BrokerCluster's own name until that is known.
    #[must_use]
    pub fn kafka_behind(&self, cluster: &str) -> String {
        self.kafka_of(cluster).unwrap_or_else(|| cluster.to_owned())
    }

    /// The id of the Kafka that a BrokerCluster leads to, once that is known of what its spec says now.
    pub(super) fn kafka_of(&self, cluster: &str) -> Option<String> {
        let found = self.cluster(cluster)?;
        match self.kafkas.of(cluster) {
            Some((external, kafka)) => (external == found.spec.external).then_some(kafka),
            None => found.status.as_ref()?.kafka_cluster_id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::group_key;
    use super::super::reach::Reach;
    use super::*;
    use crate::api::names::ClusterRef;

    /// Clusters: two that lead to one Kafka, one that leads elsewhere, and one that has not told where it leads; a claim and an access on each.
    fn world() -> World {
        let world = World::new(ClusterRef { namespace: "a".into(), name: "b".into() }, Reach::default());
        for (name, kafka) in [("b", Some("one")), ("twin", Some("one")), ("other", Some("two")), ("new", None)] {
            let cluster = json!({
                "metadata": {"name": name, "namespace": "a"},
                "spec": {"external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}}},
                "status": {"kafkaClusterId": kafka},
            });
            world.clusters.put(("a".to_owned(), name.to_owned()), serde_json::from_value(cluster).unwrap());
            let metadata = json!({"name": name, "namespace": "shop"});
            let claim = json!({"metadata": metadata, "spec": {"topicName": "orders", "cluster": format!("a/{name}")}});
            world.topics.put(("shop".to_owned(), name.to_owned()), serde_json::from_value(claim).unwrap());
            let spec =
                json!({"source": "Pods", "workload": name, "cluster": format!("a/{name}"), "groups": ["legacy"]});
            let access = json!({"metadata": metadata, "spec": spec});
            world.accesses.put(("shop".to_owned(), name.to_owned()), serde_json::from_value(access).unwrap());
        }
        world
    }

    fn found(world: &World, cluster: &str) -> Vec<String> {
        let claims = world.claims_on(&(cluster.to_owned(), "orders".to_owned()));
        let claims: Vec<_> = claims.iter().map(|claim| claim.metadata.name.clone().unwrap()).collect();
        let users = world.users_of(&group_key(cluster, "legacy"));
        assert_eq!(users.iter().map(|claim| claim.metadata.name.clone().unwrap()).collect::<Vec<_>>(), claims);
        claims
    }

    #[test]
    fn twins_lead_to_one_kafka_and_who_has_not_told_to_its_own() {
        let world = world();
        let found = ["a/b", "a/twin", "a/other", "a/new", "a/none"].map(|cluster| world.kafka_behind(cluster));
        assert_eq!(found, ["one", "one", "two", "a/new", "a/none"]);
        let claim = json!({"metadata": {"name": "payments", "namespace": "shop"},
            "spec": {"topicName": "payments", "cluster": "a/twin"}});
        world.topics.put(("shop".to_owned(), "payments".to_owned()), serde_json::from_value(claim).unwrap());
        for (cluster, topic, expected) in [
            ("a/b", "payments", true),
            ("a/twin", "payments", false),
            ("a/other", "payments", false),
            ("a/b", "orders", false),
            ("a/b", "none", false),
        ] {
            assert_eq!(world.is_only_twins(&(cluster.to_owned(), topic.to_owned())), expected, "{cluster} {topic}");
        }
    }

    #[test]
    fn what_is_claimed_through_a_twin_counts_and_what_may_lead_elsewhere_does_not() {
        let world = world();
        for (cluster, expected) in
            [("a/b", &["b", "twin"][..]), ("a/twin", &["twin", "b"]), ("a/other", &["other"]), ("a/new", &["new"])]
        {
            assert_eq!(found(&world, cluster), expected, "{cluster}");
        }
        let by = world.cluster("a/new").unwrap().spec.external.clone();
        world.kafkas.note("a/new", &by, "one");
        assert_eq!(
            found(&world, "a/new"),
            ["new", "b", "twin"],
            "it is seen where it leads, and its status lags behind"
        );
        assert_eq!(found(&world, "a/b"), ["b", "new", "twin"]);
        world.kafkas.note("a/twin", &by, "two");
        assert_eq!(found(&world, "a/b"), ["b", "new"], "it leads elsewhere by now");
        world.kafkas.note("a/twin", &by, "one");
        assert_eq!(found(&world, "a/b"), ["b", "new", "twin"]);
        let mut elsewhere = (*world.cluster("a/twin").unwrap()).clone();
        elsewhere.spec.external.bootstrap_servers = "other:9092".to_owned();
        world.clusters.put(("a".to_owned(), "twin".to_owned()), elsewhere);
        assert_eq!(found(&world, "a/b"), ["b", "new"], "it is pointed elsewhere, and nobody has seen where that is");
        assert!(world.may_be_one_kafka("a/b", "a/twin"));
        world.kafkas.forget("a/new");
        assert_eq!(found(&world, "a/b"), ["b"]);
    }
}
