//! Reads everything that a decision about one claim needs. I/O; decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Context;
use crate::api::resources::TopicClaim;
use crate::clusters::{Connection, Unusable};
use crate::kafka::acl::{AclFilter, PatternType, ResourceType};
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
    /// Whether users of this namespace, and of no other, hold rights on the topic in Kafka: its claim was lost, and this one takes its
    /// place. Looked at only where nothing else says whose the topic is.
    pub held: bool,
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
    let known_ids: Vec<String> = claims.iter().filter_map(|claim| claim.status.as_ref()?.topic_id.clone()).collect();
    let mut held = false;
    let topic = match context.clusters.get(&claim.spec.cluster) {
        Err(unusable) => Err(unusable),
        Ok(connection) => {
            let topic = connection.batcher.describe_topic(claim.spec.topic_name.clone()).await?;
            let on_record =
                claim.status.as_ref().is_some_and(|status| status.creating.is_some()) || !known_ids.is_empty();
            if topic.is_some() && !on_record {
                held = held_by_this_namespace(&connection, &claim).await?;
            }
            Ok((connection, topic))
        }
    };
    Ok(Observation { claim, owner, known_ids, held, topic })
}

/// Whether workloads of the claim's namespace hold rights on the topic, and those of no other namespace do.
async fn held_by_this_namespace(connection: &Connection, claim: &TopicClaim) -> Result<bool, Error> {
    let filter = AclFilter::Affecting(ResourceType::Topic, claim.spec.topic_name.clone());
    let rules = connection.admin.describe_acls(&filter, At::Any).await?;
    let named = rules.iter().filter(|rule| rule.pattern_type == PatternType::Literal && rule.resource_name != "*");
    let holders: BTreeSet<&str> = named
        .filter_map(|rule| Some(connection.claim.scope.access_of(rule.principal.strip_prefix("User:")?)?.0))
        .collect();
    Ok(holders.len() == 1 && holders.contains(claim.metadata.namespace.as_deref().unwrap_or_default()))
}
