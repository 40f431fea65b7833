//! What waits to be looked at, and whom each change concerns.

use crate::runtime::queue::Queue;
use crate::watch::follow::Change;
use crate::watch::table::Name;
use crate::watch::{AccessKey, TopicKey, World, is_group, name_of, version};

/// What waits to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    /// BrokerClusters.
    pub clusters: Queue<Name>,
    /// TopicClaims.
    pub topics: Queue<Name>,
    /// Topics of which somebody who uses them has changed.
    pub used: Queue<TopicKey>,
    /// Accesses.
    pub accesses: Queue<AccessKey>,
    /// ConfigMaps that describe topics.
    pub config_maps: Queue<Name>,
}

impl Queues {
    /// A namespace was opted in or out, or has other labels or another default cluster: all that is in it is looked at.
    pub fn namespace_changed(&self, world: &World, namespace: &str) {
        world.place_anew(namespace).into_iter().for_each(|claim| self.topics.push(claim));
        let within = |names: Vec<Name>| names.into_iter().filter(|name| name.0 == namespace);
        for (namespace, pod) in within(world.pods.names()) {
            world.pods.get(&(&namespace, &pod)).iter().for_each(|pod| self.accesses.push(pod.access_key()));
        }
        for (namespace, name) in within(world.deployments.names()) {
            let found = world.deployments.get(&(&namespace, &name));
            found.iter().for_each(|deployment| self.accesses.push(deployment.access_key()));
        }
        within(world.accesses.names()).for_each(|claim| self.accesses.push(claim));
        within(world.topics.names()).for_each(|claim| self.topics.push(claim));
        within(world.config_maps.names()).for_each(|config_map| self.config_maps.push(config_map));
    }

    /// A cluster came to work, or no longer does: all that is on it is looked at.
    pub fn cluster_moved(&self, world: &World, cluster: &str) {
        for name in world.topics.names() {
            if world.topics.get(&(&name.0, &name.1)).is_some_and(|claim| claim.spec.cluster == cluster) {
                self.topics.push(name);
            }
        }
        for name in world.accesses.names() {
            if world.accesses.get(&(&name.0, &name.1)).is_some_and(|claim| claim.spec.cluster == cluster) {
                self.accesses.push(name);
            }
        }
    }

    /// A claim on a topic came, went or changed; these are the topics that it was on, or is.
    pub(super) fn topic_changed(&self, world: &World, name: &Name, topics: Vec<TopicKey>) {
        match world.topics.get(&(&name.0, &name.1)).as_deref().and_then(version) {
            Some(version) => self.topics.push_version(name.clone(), version),
            None => self.topics.push(name.clone()),
        }
        // A claim that a ConfigMap led to bears its name.
        if world.config_maps.get(&(&name.0, &name.1)).is_some() {
            self.config_maps.push(name.clone());
        }
        for topic in with_twins(world, topics) {
            // Rivals of one topic, and those who use it, look again.
            let rivals = world.topics.of(&topic);
            let rivals = rivals.iter().map(|claim| name_of(&**claim));
            rivals.filter(|rival| rival != name).for_each(|rival| self.topics.push(rival));
            let users = world.accesses.of(&topic);
            users.iter().map(|claim| name_of(&**claim)).for_each(|user| self.accesses.push(user));
        }
    }

    /// The claim of an access came, went or changed; with it come the topics and groups that it was about, or is. What we wrote ourselves
    /// concerns nobody but others.
    pub(super) fn access_changed(&self, world: &World, name: &Name, change: Change<TopicKey>) {
        let groups = match change {
            Change::News(groups) => {
                match world.accesses.get(&(&name.0, &name.1)).as_deref().and_then(version) {
                    Some(version) => self.accesses.push_version(name.clone(), version),
                    None => self.accesses.push(name.clone()),
                }
                groups
            }
            Change::Echo(groups) => groups,
        };
        for group in with_twins(world, groups) {
            if !is_group(&group) {
                self.used.push(group);
                continue;
            }
            // Rivals of one consumer group look again.
            let rivals = world.accesses.of(&group);
            let rivals = rivals.iter().map(|claim| name_of(&**claim));
            rivals.filter(|rival| rival != name).for_each(|rival| self.accesses.push(rival));
        }
    }
}

/// Topics and groups, through all BrokerClusters that lead to their Kafka. Where one comes to lead there, what is on it is looked at, and what
/// is on the others with its next comparison.
fn with_twins(world: &World, groups: Vec<TopicKey>) -> Vec<TopicKey> {
    let twins: Vec<_> = groups.iter().flat_map(|group| world.twins_of(group)).collect();
    groups.into_iter().chain(twins).collect()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::hash::Hash;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::api::names::ClusterRef;
    use crate::runtime::queue::Next;
    use crate::watch::reach::Reach;
    use crate::watch::{ConfigMapFacts, group_key};

    /// What is looked at now, in order.
    async fn looked_at<K: Clone + Eq + Hash + Ord + Send + 'static>(queue: &Queue<K>) -> Vec<K> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&found);
        let work = queue.clone().run(64, move |key| {
            noted.lock().unwrap().push(key);
            ready(Next::Idle)
        });
        timeout(Duration::from_secs(1), work).await.unwrap_err();
        let mut found = std::mem::take(&mut *found.lock().unwrap());
        found.sort();
        found
    }

    fn name(namespace: &str, name: &str) -> Name {
        (namespace.to_owned(), name.to_owned())
    }

    /// Two BrokerClusters that lead to one Kafka, and one that leads elsewhere. On each, `web` claims the topic `orders`, and two accesses of its
    /// consume it in the group `legacy`; another access has nothing to do with either.
    fn world() -> World {
        let world = World::new(ClusterRef { namespace: "a".into(), name: "b".into() }, Reach::default());
        for (cluster, kafka) in [("b", "one"), ("twin", "one"), ("elsewhere", "two")] {
            let external = json!({"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}});
            let object = json!({
                "metadata": {"name": cluster, "namespace": "a"}, "spec": {"external": external},
                "status": {"kafkaClusterId": kafka},
            });
            world.clusters.put(name("a", cluster), serde_json::from_value(object).unwrap());
            let id = format!("a/{cluster}");
            let claim = json!({
                "metadata": {"name": cluster, "namespace": "web"}, "spec": {"topicName": "orders", "cluster": id},
            });
            world.topics.put(name("web", cluster), serde_json::from_value(claim).unwrap());
            for (access, topic, group) in
                [("one", "orders", "legacy"), ("two", "orders", "legacy"), ("other", "bills", "own")]
            {
                let access = format!("{cluster}-{access}");
                let object = json!({
                    "metadata": {"name": access, "namespace": "web"},
                    "spec": {
                        "source": "Pods", "workload": access, "cluster": id, "consumes": [topic], "groups": [group],
                    },
                });
                world.accesses.put(name("web", &access), serde_json::from_value(object).unwrap());
            }
        }
        world
    }

    fn orders(cluster: &str) -> TopicKey {
        (format!("a/{cluster}"), "orders".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_on_a_topic_concerns_its_rivals_its_users_and_the_config_map_of_its_name() {
        let (world, queues) = (world(), Queues::default());
        queues.topic_changed(&world, &name("shop", "new"), vec![orders("b")]);
        assert_eq!(looked_at(&queues.topics).await, [name("shop", "new"), name("web", "b"), name("web", "twin")]);
        let users = ["b-one", "b-two", "twin-one", "twin-two"].map(|access| name("web", access));
        assert_eq!(looked_at(&queues.accesses).await, users);
        assert_eq!(looked_at(&queues.config_maps).await, []);
        assert_eq!((queues.used.depth(), queues.clusters.depth()), (0, 0));

        let meta = json!({"name": "new", "namespace": "shop", "uid": "u", "resourceVersion": "7"});
        let facts = ConfigMapFacts::new(serde_json::from_value(meta).unwrap()).unwrap();
        world.config_maps.put(name("shop", "new"), facts);
        queues.topic_changed(&world, &name("shop", "new"), Vec::new());
        assert_eq!(looked_at(&queues.topics).await, [name("shop", "new")]);
        assert_eq!(looked_at(&queues.config_maps).await, [name("shop", "new")]);
        assert_eq!(looked_at(&queues.accesses).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_look_wrote_itself_concerns_its_rivals_alone() {
        let (world, queues) = (Arc::new(world()), Queues::default());
        let own = name("web", "b");
        let claim = json!({
            "metadata": {"name": "b", "namespace": "web", "resourceVersion": "8"},
            "spec": {"topicName": "orders", "cluster": "a/b"},
        });
        world.topics.put(own.clone(), serde_json::from_value(claim).unwrap());
        let found = Arc::new(Mutex::new(Vec::new()));
        let (noted, told) = (Arc::clone(&found), queues.clone());
        let look = move |key: Name| {
            if key == own {
                told.topics.wrote(&key, 8);
                told.topic_changed(&world, &key, vec![orders("b")]);
            }
            noted.lock().unwrap().push(key);
            ready(Next::Idle)
        };
        queues.topics.push(name("web", "b"));
        timeout(Duration::from_secs(1), queues.topics.clone().run(64, look)).await.unwrap_err();
        assert_eq!(*found.lock().unwrap(), [name("web", "b"), name("web", "twin")]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_access_concerns_its_topics_and_the_rivals_of_its_groups() {
        let (world, queues) = (world(), Queues::default());
        let own = name("web", "b-one");
        let groups = || vec![orders("b"), group_key("a/b", "legacy")];
        let rivals = ["b-two", "twin-one", "twin-two"].map(|access| name("web", access));
        for (change, itself) in [(Change::News(groups()), true), (Change::Echo(groups()), false)] {
            queues.access_changed(&world, &own, change);
            let all: Vec<Name> = itself.then(|| own.clone()).into_iter().chain(rivals.clone()).collect();
            assert_eq!(looked_at(&queues.accesses).await, all, "its own write: {}", !itself);
            assert_eq!(looked_at(&queues.used).await, [orders("b"), orders("twin")]);
            assert_eq!(looked_at(&queues.topics).await, []);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_moved_concerns_all_that_is_on_it() {
        let (world, queues) = (world(), Queues::default());
        queues.cluster_moved(&world, "a/twin");
        assert_eq!(looked_at(&queues.topics).await, [name("web", "twin")]);
        let all = ["twin-one", "twin-other", "twin-two"].map(|access| name("web", access));
        assert_eq!(looked_at(&queues.accesses).await, all);
    }
}
