//! Takes the steps of a plan. Each is safe to do twice.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use serde_json::{Value, json};

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
    let (base, intent) = intent(claim, creating, managed);
    let words = ("write the TopicClaim's intent", "topic_claim_intent");
    let written = status::write(&context.client, &**claim, base, intent, words).await?;
    Ok(Arc::new(context.world.placed_topic(written)))
}

/// What is written so that a claim says what is about to be done, and on which base.
fn intent(claim: &TopicClaim, creating: Option<&TopicIntent>, managed: &[String]) -> (Base, Value) {
    let cluster = &claim.spec.cluster;
    match creating {
        None => (Base::SameObject, json!({"cluster": cluster, "managedConfig": managed})),
        // An id that was written since this claim was read stays.
        Some(creating) => {
            let intent = json!({"cluster": cluster, "managedConfig": managed, "creating": creating, "topicId": null});
            (Base::Unchanged, intent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicSource};

    #[test]
    fn a_topic_is_about_to_be_made_only_for_the_claim_as_it_was_read() {
        let claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        let creating = TopicIntent { partitions: 3, replicas: -1 };
        for (creating, base, id) in
            [(Some(&creating), Base::Unchanged, Some(&json!(null))), (None, Base::SameObject, None)]
        {
            let (found, intent) = intent(&claim, creating, &["flush.ms".to_owned()]);
            assert_eq!((found, intent.get("topicId")), (base, id));
            assert_eq!(
                (intent.get("creating").is_some(), &intent["managedConfig"]),
                (creating.is_some(), &json!(["flush.ms"]))
            );
        }
    }
}
