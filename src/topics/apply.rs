//! Takes the steps of a plan. Each is safe to do twice.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use serde_json::json;

use super::Context;
use super::step::Step;
use crate::api::resources::{TopicClaim, TopicIntent};
use crate::clusters::{Connection, Halt};
use crate::kafka::admin::topics::CreatedTopic;
use crate::runtime::status::{self, Base};
use crate::runtime::writes;

/// What came of the steps.
#[derive(Debug)]
pub enum Applied {
    /// All are taken; with the topic, where one was made.
    All(Option<CreatedTopic>),
    /// Kafka is not as it was when it was looked at: look again.
    Overtaken,
}

/// Takes the steps in their order. The claim becomes what was written of it on the way.
///
/// # Errors
/// The API server or Kafka refused, or did not answer; the steps before that are taken.
pub async fn apply(
    context: &Context,
    connection: &Connection,
    claim: &mut Arc<TopicClaim>,
    steps: &[Step],
) -> Result<Applied, Halt> {
    let name = claim.spec.topic_name.clone();
    let batcher = &connection.batcher;
    let mut made = None;
    for step in steps {
        let (outcome, overtaken, kind) = match step {
            Step::Record { creating, managed } => {
                *claim = record(context, claim, creating.as_ref(), managed).await?;
                continue;
            }
            Step::Create(topic) => {
                let created = batcher.create_topic(topic.clone()).await.map(|(created, _)| made = Some(created));
                (created, ResponseError::TopicAlreadyExists, "topic_create")
            }
            // A number that is no increase: somebody was faster.
            Step::Grow(total) => {
                let grown = batcher.create_partitions(name.clone(), *total).await;
                (grown, ResponseError::InvalidPartitions, "topic_grow")
            }
            Step::Alter(changes) => {
                let altered = batcher.alter_settings(name.clone(), changes.clone()).await;
                (altered, ResponseError::UnknownTopicOrPartition, "topic_alter")
            }
        };
        match outcome {
            Ok(()) => writes::done(kind),
            Err(error) if error.code() == Some(overtaken) => return Ok(Applied::Overtaken),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Applied::All(made))
}

/// Writes down what is about to be done, and returns the claim with it.
async fn record(
    context: &Context,
    claim: &Arc<TopicClaim>,
    creating: Option<&TopicIntent>,
    managed: &[String],
) -> Result<Arc<TopicClaim>, Halt> {
    let status = claim.status.clone().unwrap_or_default();
    let same = status.managed_config.as_deref().unwrap_or_default() == managed;
    if same && (creating.is_none() || status.creating.as_ref() == creating) {
        return Ok(Arc::clone(claim));
    }
    let mut written = json!({"cluster": claim.spec.cluster, "managedConfig": managed});
    if let (Some(creating), Some(fields)) = (creating, written.as_object_mut()) {
        fields.insert("creating".to_owned(), json!(creating));
        fields.insert("topicId".to_owned(), json!(null));
    }
    let words = ("write the TopicClaim's intent", "topic_claim_intent");
    let written = status::write(&context.client, &**claim, Base::SameObject, written, words).await?;
    Ok(Arc::new(context.world.placed_topic(written)))
}
