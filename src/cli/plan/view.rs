//! A Kafka as far as it was seen. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::resources::{BrokerCluster, TopicClaim};
use crate::clusters::Ground;
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::settings::Overrides;
use crate::kafka::admin::topics::{Partition, Topic};
use crate::kafka::error::Error;

/// How a Kafka was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It was asked.
    Live,
    /// It was not, and why: what the claims' status says of it is believed.
    Status(String),
}

/// A Kafka.
#[derive(Debug)]
pub struct View {
    /// How it was seen.
    pub evidence: Evidence,
    /// The topics that it has, of those that were asked about.
    pub topics: BTreeMap<String, Topic>,
    /// Their own settings, or why they cannot be read.
    pub settings: BTreeMap<String, Result<Overrides, Error>>,
    /// Its resource.
    pub resource: BrokerCluster,
    /// The rules of users, by principal; nothing where they are not shown.
    pub rules: Option<BTreeMap<String, BTreeSet<AclBinding>>>,
    /// Everybody's rules on topics that no claim has on record.
    pub affecting: BTreeMap<String, Vec<AclBinding>>,
    /// Its terms, and our scope in it.
    pub ground: Ground,
}

impl View {
    /// Takes the topics from what the operator last said of them.
    pub fn believe(&mut self, cluster: &str, claims: &[TopicClaim]) {
        (self.topics, self.settings, self.rules) = Default::default();
        for claim in claims.iter().filter(|claim| claim.spec.cluster == cluster) {
            let Some(status) = &claim.status else { continue };
            let Some(id) = status.topic_id.as_ref().and_then(|id| id.parse().ok()) else { continue };
            let replicas: Vec<BrokerId> = (0..status.replicas.unwrap_or(1)).map(BrokerId).collect();
            let partition = |index| Partition {
                index,
                leader: replicas.first().copied(),
                replicas: replicas.clone(),
                in_sync: replicas.clone(),
            };
            let name = claim.spec.topic_name.clone();
            let partitions = (0..status.partitions.unwrap_or(1)).map(partition).collect();
            self.settings.insert(name.clone(), Ok(status.config.clone().unwrap_or_default()));
            self.topics.insert(name.clone(), Topic { name, id, internal: false, partitions });
        }
    }
}
