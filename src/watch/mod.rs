//! What the API server holds, kept in memory: one table a kind, fed by a watch. Reads only; the controllers look here first
//! and ask live before anything that cannot be undone.

pub mod config_maps;
pub mod departed;
pub mod deployments;
pub mod follow;
pub mod lean;
pub mod pods;
pub mod reach;
pub mod table;
mod twins;
pub mod unnamed;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use config_maps::ConfigMapFacts;
use departed::Departed;
pub use deployments::DeploymentFacts;
pub use pods::{Maker, PodFacts};
use reach::{Reach, Scope};
pub use table::{Table, cluster_id, name_of};
use twins::Kafkas;
pub use unnamed::Unnamed;

use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};
use crate::api::selector::admits_claims;
use crate::intent::claim::refusal::refusal;
use crate::ownership::{self, OnRecord};

/// A topic on a cluster: `namespace/name` of the `BrokerCluster`, and the topic's name.
pub type TopicKey = (String, String);
/// What stands before a group's name where it is a key among topics: no topic's name has it.
const GROUP_MARK: &str = "group:";

/// The key of a consumer group on a cluster.
#[must_use]
pub fn group_key(cluster: &str, group: &str) -> TopicKey {
    (cluster.to_owned(), format!("{GROUP_MARK}{group}"))
}

/// Whether a key is a consumer group's.
#[must_use]
pub fn is_group(key: &TopicKey) -> bool {
    key.1.starts_with(GROUP_MARK)
}

/// The namespace and the value of the access label.
pub type AccessKey = (String, String);
/// A namespace's labels.
pub type Labels = std::collections::BTreeMap<String, String>;

/// What is kept of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its labels.
    pub labels: Labels,
    /// The default cluster of what is in it, as people wrote it.
    pub cluster: Option<String>,
}

/// The version of an object: the higher one is the newer one (Kubernetes 1.35 says so; etcd's revision has always been that).
#[must_use]
pub fn version(object: &impl kube::Resource) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

/// Everything that the operator watches.
#[derive(Debug)]
pub struct World {
    /// Pods that carry an access label and have not ended, by access.
    pub pods: Table<PodFacts, AccessKey>,
    /// Deployments that ask for themselves, by access; none where they are not watched.
    pub deployments: Table<DeploymentFacts, AccessKey>,
    /// ConfigMaps that describe a topic; none where they are not watched.
    pub config_maps: Table<ConfigMapFacts, ()>,
    /// Accesses, by the topics and groups that they name.
    pub accesses: Table<AccessClaim, TopicKey>,
    /// Claims on topics, by topic.
    pub topics: Table<TopicClaim, TopicKey>,
    /// Topics whose claims were deleted of late.
    pub departed: Departed,
    /// Kafka clusters.
    pub clusters: Table<BrokerCluster, ()>,
    /// Where they lead, as far as that was seen.
    pub kafkas: Kafkas,
    /// Namespaces that are opted in, whether they are looked after or not.
    pub namespaces: Table<NamespaceFacts, ()>,
    /// The namespaces whose Pods, claims and clusters are looked after.
    pub reach: Reach,
    /// Accesses that name no cluster.
    pub unnamed_accesses: Unnamed,
    /// Claims on topics that name no cluster.
    pub unnamed_topics: Unnamed,
    default_cluster: ClusterRef,
}

impl World {
    /// Nothing is known yet of these namespaces. `default_cluster` is that of whatever names none, in namespaces that have none of their own.
    #[must_use]
    pub fn new(default_cluster: ClusterRef, reach: Reach) -> Self {
        let accesses = |claim: &AccessClaim| {
            let topics = claim.spec.consumes.iter().chain(&claim.spec.produces);
            let topics = topics.map(|topic| (claim.spec.cluster.clone(), topic.clone()));
            topics.chain(claim.spec.groups.iter().map(|group| group_key(&claim.spec.cluster, group))).collect()
        };
        let topics = |claim: &TopicClaim| vec![(claim.spec.cluster.clone(), claim.spec.topic_name.clone())];
        let scopes = reach.scopes();
        Self {
            pods: Table::fed_by(&scopes, |pod: &PodFacts| vec![pod.access_key()]),
            deployments: Table::fed_by(&scopes, |deployment: &DeploymentFacts| vec![deployment.access_key()]),
            config_maps: Table::fed_by(&scopes, |_| Vec::new()),
            accesses: Table::fed_by(&scopes, accesses),
            topics: Table::fed_by(&scopes, topics),
            departed: Departed::default(),
            clusters: Table::fed_by(&scopes, |_| Vec::new()),
            kafkas: Kafkas::default(),
            namespaces: Table::new(|_| Vec::new()),
            reach,
            unnamed_accesses: Unnamed::default(),
            unnamed_topics: Unnamed::default(),
            default_cluster,
        }
    }

    /// Notes an access as a write of ours returned it, unless a newer one is known: nobody looks again because of it.
    pub fn renew_access(&self, written: AccessClaim) {
        let (name, ours) = (name_of(&written), version(&written));
        let written = self.placed_access(lean::lean(written));
        self.accesses.renew(&name, written, |there| version(there) < ours);
    }

    /// Notes a claim on a topic as a write of ours returned it, unless a newer one is known: nobody looks again because of it.
    pub fn renew_topic(&self, written: TopicClaim) {
        let (name, ours) = (name_of(&written), version(&written));
        let written = self.placed_topic(lean::lean(written));
        self.topics.renew(&name, written, |there| version(there) < ours);
    }

    /// What is kept of a Pod.
    #[must_use]
    pub fn pod_facts(&self, meta: &kube::api::ObjectMeta) -> Option<PodFacts> {
        let pod = PodFacts::new(meta, &self.default_cluster)?;
        let siblings = self.pods.of(&pod.access_key());
        Some(pod.beside(&siblings))
    }

    /// The `BrokerCluster` of this [`cluster_id`], if there is one.
    #[must_use]
    pub fn cluster(&self, id: &str) -> Option<Arc<BrokerCluster>> {
        id.split_once('/').and_then(|name| self.clusters.get(&name))
    }

    /// Whether what names one cluster may be about the same Kafka as what names another: two BrokerClusters may lead to one.
    #[must_use]
    pub fn may_be_one_kafka(&self, cluster: &str, other: &str) -> bool {
        let ids = || self.kafka_of(cluster).zip(self.kafka_of(other));
        cluster == other || ids().is_none_or(|(one, other)| one == other)
    }

    /// Whose a topic was before its claim was deleted: by the books of all clusters that lead to the same Kafka, and of late.
    #[must_use]
    pub fn on_record(&self, key: &TopicKey) -> Vec<OnRecord> {
        let (mut found, mut books) = (self.departed.of(key), Vec::new());
        for name in self.clusters.names() {
            let id = cluster_id(&name);
            if !self.may_be_one_kafka(&key.0, &id) {
                continue;
            }
            let cluster = self.clusters.get(&(&name.0, &name.1));
            books.extend(ownership::on_record(cluster.as_deref(), &key.1));
            if id != key.0 {
                found.extend(self.departed.of(&(id, key.1.clone())));
            }
        }
        // The books may lag behind the latest word.
        let known = |id: &String| found.iter().any(|record| record.topic_id == *id);
        let books: Vec<_> = books.into_iter().filter(|record| !known(&record.topic_id)).collect();
        found.extend(books);
        found
    }

    /// Why the policy of its cluster refuses a claim on a topic, by what is watched of both. Of a cluster that is not there nobody knows what
    /// it allows: nobody gets ahead of who has a topic meanwhile.
    #[must_use]
    pub fn refusal(&self, claim: &TopicClaim) -> Option<(Reason, String)> {
        let Some(cluster) = self.cluster(&claim.spec.cluster) else {
            return Some((Reason::ClusterNotFound, format!("there is no BrokerCluster {}", claim.spec.cluster)));
        };
        let selector = cluster.spec.clients.as_ref().and_then(|clients| clients.namespace_selector.as_ref());
        let facts = self.namespaces.get(&("", claim.metadata.namespace.as_deref().unwrap_or_default()));
        let admitted = admits_claims(selector, facts.as_deref().map(|facts| &facts.labels));
        refusal(claim, &cluster.spec.topics.limits, admitted)
    }

    /// Waits until every table has been filled once that accesses and topics rest on.
    pub async fn complete(&self) {
        tokio::join!(
            self.pods.complete(),
            self.deployments.complete(),
            self.accesses.complete(),
            self.topics.complete(),
            self.clusters.complete(),
            self.namespaces.complete(),
        );
    }

    /// Whether every table has been filled once that accesses and topics rest on.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.pods.is_complete()
            && self.deployments.is_complete()
            && self.accesses.is_complete()
            && self.topics.is_complete()
            && self.clusters.is_complete()
            && self.namespaces.is_complete()
    }

    /// The scopes in which something may not be read that is to be watched: their RoleBinding is gone, or was never there.
    #[must_use]
    pub fn unreadable(&self) -> BTreeSet<Scope> {
        let mut scopes = self.pods.unreadable();
        scopes.extend(self.deployments.unreadable());
        scopes.extend(self.config_maps.unreadable());
        scopes.extend(self.accesses.unreadable());
        scopes.extend(self.topics.unreadable());
        scopes.extend(self.clusters.unreadable());
        scopes.extend(self.namespaces.unreadable());
        scopes
    }

    /// The labels of a namespace that is opted in.
    #[must_use]
    pub fn labels_of(&self, namespace: &str) -> Labels {
        self.namespaces.get(&("", namespace)).map(|facts| facts.labels.clone()).unwrap_or_default()
    }

    /// Whether a namespace is opted in.
    #[must_use]
    pub fn opted_in(&self, namespace: &str) -> bool {
        self.namespaces.get(&("", namespace)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicSource};

    #[test]
    fn a_claim_is_refused_by_the_policy_of_its_cluster_where_that_is_there() {
        let home = ClusterRef { namespace: "kafka".to_owned(), name: "main".to_owned() };
        let world = World::new(home, Reach::default());
        let refusal = |namespace: &str, topic: &str| {
            let mut claim = TopicClaim::new("orders", TopicClaimSpec::of(topic, "kafka/main", TopicSource::Declared));
            claim.metadata.namespace = Some(namespace.to_owned());
            world.refusal(&claim).map(|(reason, _)| reason)
        };
        assert_eq!(refusal("shop", "orders"), Some(Reason::ClusterNotFound), "nobody gets ahead meanwhile");
        let cluster = json!({
            "metadata": {"name": "main", "namespace": "kafka"},
            "spec": {
                "external": {"bootstrapServers": "k:9092", "adminSecret": {"name": "admin"}},
                "clients": {"namespaceSelector": {"matchLabels": {"team": "a"}}},
                "topics": {"limits": {"names": ["orders"]}},
            },
        });
        world.clusters.put(("kafka".to_owned(), "main".to_owned()), serde_json::from_value(cluster).unwrap());
        for (namespace, team) in [("shop", "a"), ("web", "b")] {
            let meta = json!({"name": namespace, "labels": {"team": team}});
            let facts = NamespaceFacts::new(serde_json::from_value(meta).unwrap());
            world.namespaces.put((String::new(), namespace.to_owned()), facts);
        }
        assert_eq!(refusal("shop", "orders"), None);
        assert_eq!(refusal("shop", "bills"), Some(Reason::TopicNameNotAllowed));
        assert_eq!(refusal("web", "orders"), Some(Reason::ClusterNotAllowed));
        assert_eq!(refusal("unknown", "orders"), Some(Reason::ClusterNotAllowed), "its labels are not known");
    }
}
