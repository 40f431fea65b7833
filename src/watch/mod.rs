//! What the API server holds, kept in memory: one table a kind, fed by a watch. Reads only; the controllers look here first
//! and ask live before anything that cannot be undone.

pub mod follow;
pub mod pods;
pub mod table;

pub use pods::PodFacts;
pub use table::Table;

use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};

/// A topic on a cluster: `namespace/name` of the `BrokerCluster`, and the topic's name.
pub type TopicKey = (String, String);
/// The namespace and the value of the access label.
pub type AccessKey = (String, String);
/// A namespace's labels.
pub type Labels = std::collections::BTreeMap<String, String>;

/// Everything that the operator watches.
#[derive(Debug)]
pub struct World {
    /// Pods that carry an access label and have not ended, by access.
    pub pods: Table<PodFacts, AccessKey>,
    /// Accesses, by the topics that they name.
    pub accesses: Table<AccessClaim, TopicKey>,
    /// Claims on topics, by topic.
    pub topics: Table<TopicClaim, TopicKey>,
    /// Kafka clusters.
    pub clusters: Table<BrokerCluster, ()>,
    /// Namespaces that are opted in, with their labels.
    pub namespaces: Table<Labels, ()>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            pods: Table::new(|pod: &PodFacts| vec![pod.access_key()]),
            accesses: Table::new(|claim: &AccessClaim| {
                let topics = claim.spec.consumes.iter().chain(&claim.spec.produces);
                topics.map(|topic| (claim.spec.cluster.clone(), topic.clone())).collect()
            }),
            topics: Table::new(|claim: &TopicClaim| vec![(claim.spec.cluster.clone(), claim.spec.topic_name.clone())]),
            clusters: Table::new(|_| Vec::new()),
            namespaces: Table::new(|_| Vec::new()),
        }
    }
}

impl World {
    /// Waits until every table has been filled once.
    pub async fn complete(&self) {
        tokio::join!(
            self.pods.complete(),
            self.accesses.complete(),
            self.topics.complete(),
            self.clusters.complete(),
            self.namespaces.complete(),
        );
    }

    /// Whether a namespace is opted in.
    #[must_use]
    pub fn opted_in(&self, namespace: &str) -> bool {
        self.namespaces.get(&("", namespace)).is_some()
    }
}
