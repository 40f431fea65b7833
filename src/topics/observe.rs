//! Reads everything that a decision about one claim needs. I/O; decides nothing.

use std::sync::Arc;

use super::Context;
use super::deletion::ids_on_record;
use super::holders::Holders;
use crate::api::resources::TopicClaim;
use crate::clusters::{Connection, Unusable};
use crate::kafka::acl::{AclFilter, ResourceType};
use crate::kafka::admin::At;
use crate::kafka::admin::topics::Topic;
use crate::kafka::error::Error;
use crate::ownership::owner;

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// The claim.
    pub claim: Arc<TopicClaim>,
    /// The claim that has the topic: this one, or another's.
    pub owner: Arc<TopicClaim>,
    /// Ids under which any claim has made or taken over the topic.
    pub known_ids: Vec<String>,
    /// Who holds rights on the topic in Kafka. Looked at only where nothing else says whose it is.
    pub holders: Holders,
    /// The topic as Kafka has it, or why Kafka cannot be asked.
    pub topic: Result<(Arc<Connection>, Option<Topic>), Unusable>,
}

/// Observes one claim.
///
/// # Errors
/// Kafka did not answer; the queue tries again.
pub async fn observe(context: &Context, claim: Arc<TopicClaim>) -> Result<Observation, Error> {
    let claims = context.world.topics.of(&(claim.spec.cluster.clone(), claim.spec.topic_name.clone()));
    let owner = owner(&claims).cloned().unwrap_or_else(|| Arc::clone(&claim));
    let mut known_ids: Vec<String> =
        claims.iter().filter_map(|claim| claim.status.as_ref()?.topic_id.clone()).collect();
    // Of a claim that was deleted, this namespace has the topic again.
    let cluster = claim.spec.cluster.split_once('/').and_then(|name| context.world.clusters.get(&name));
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    known_ids.extend(ids_on_record(cluster.as_deref(), namespace, &claim.spec.topic_name));
    let mut holders = Holders::default();
    let topic = match context.clusters.get(&claim.spec.cluster) {
        Err(unusable) => Err(unusable),
        Ok(connection) => {
            let topic = connection.batcher.describe_topic(claim.spec.topic_name.clone()).await?;
            let on_record = claim.status.as_ref().is_some_and(|status| status.creating.is_some());
            let known = |topic: &Topic| known_ids.contains(&topic.id.to_string());
            if topic.as_ref().is_some_and(|topic| !on_record && !known(topic)) {
                let filter = AclFilter::Affecting(ResourceType::Topic, claim.spec.topic_name.clone());
                let rules = connection.admin.describe_acls(&filter, At::Any).await?;
                holders = Holders::of(&rules, &connection.claim.scope, &neighbours(context, &claim));
            }
            Ok((connection, topic))
        }
    };
    Ok(Observation { claim, owner, known_ids, holders, topic })
}

/// The scopes that other Kubernetes clusters claim in the Kafka of a claim.
fn neighbours(context: &Context, claim: &TopicClaim) -> Vec<String> {
    let cluster = claim.spec.cluster.split_once('/').and_then(|name| context.world.clusters.get(&name));
    let status = cluster.as_ref().and_then(|cluster| cluster.status.as_ref());
    status.into_iter().flat_map(|status| &status.neighbours).map(|neighbour| neighbour.scope.clone()).collect()
}
