//! Reads everything that a decision about one claim needs. I/O; decides nothing.

use std::sync::Arc;

use super::Context;
use crate::api::resources::TopicClaim;
use crate::clusters::{Connection, Unusable};
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
    let known_ids = claims.iter().filter_map(|claim| claim.status.as_ref()?.topic_id.clone()).collect();
    let topic = match context.clusters.get(&claim.spec.cluster) {
        Err(unusable) => Err(unusable),
        Ok(connection) => {
            let topic = connection.batcher.describe_topic(claim.spec.topic_name.clone()).await?;
            Ok((connection, topic))
        }
    };
    Ok(Observation { claim, owner, known_ids, topic })
}
