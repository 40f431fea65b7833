//! Takes the steps of a plan. Each is safe to do twice.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use serde_json::{Value, json};

use super::step::Step;
use super::{Context, placement};
use crate::api::resources::{TopicClaim, TopicIntent};
use crate::clusters::{Connection, Halt};
use crate::kafka::admin::topics::{CreatedTopic, NewTopic};
use crate::kafka::batch::{Announced, Batcher};
use crate::kafka::error::Error;
use crate::runtime::kubernetes::merge;
use crate::runtime::status::{self, Base};
use crate::runtime::writes;

/// What came of the steps.
#[derive(Debug)]
pub enum Applied {
    /// All are taken; with the topic, where one was made.
    All(Option<CreatedTopic>),
    /// These are not, and the others are.
    Part(Vec<Step>, Error),
    /// Kafka is not as it was when it was looked at: look again.
    Overtaken,
}

/// Takes the steps in their order. The claim becomes what was written of it on the way.
///
/// # Errors
/// The API server refused or did not answer, or no topic was made; the steps before that are taken.
pub async fn apply(
    context: &Context,
    connection: &Connection,
    claim: &mut Arc<TopicClaim>,
    steps: &[Step],
) -> Result<Applied, Halt> {
    let mut made = None;
    // Topics of one Pod are looked at side by side, and written down at a pace of their own: said before, they go into one request.
    let creates = steps.iter().any(|step| matches!(step, Step::Create(_)));
    let mut announced = creates.then(|| connection.batcher.announce_topic());
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Record { creating, managed } => *claim = record(context, claim, creating.as_ref(), managed).await?,
            Step::Create(topic) => match create(context, connection, claim, topic, announced.take()).await? {
                Ok(topic) => {
                    writes::done("topic_create");
                    made = Some(topic);
                }
                Err(error) if error.code() == Some(ResponseError::TopicAlreadyExists) => return Ok(Applied::Overtaken),
                Err(error) => return Err(error.into()),
            },
            // What changes a topic comes last.
            Step::Grow(_) | Step::Alter(_) => {
                let changes = steps.get(index..).unwrap_or_default();
                return Ok(change(&connection.batcher, &claim.spec.topic_name, changes).await);
            }
        }
    }
    Ok(Applied::All(made))
}

/// Takes the steps that change a topic. Settings do not wait for a growth that Kafka refuses: somebody may need them now, and a quota of
/// changes does not count them.
pub async fn change(batcher: &Batcher, topic: &str, steps: &[Step]) -> Applied {
    let mut left = Vec::new();
    let mut refused: Option<Error> = None;
    for step in steps {
        let (outcome, overtaken, kind) = match step {
            // A number that is no increase: somebody was faster.
            Step::Grow(total) => {
                let grown = batcher.create_partitions(topic.to_owned(), *total).await;
                (grown, ResponseError::InvalidPartitions, "topic_grow")
            }
            // After a growth that got no answer there is none to be had now.
            Step::Alter(_) if refused.as_ref().is_some_and(is_unanswered) => {
                left.push(step.clone());
                continue;
            }
            Step::Alter(changes) => {
                let altered = batcher.alter_settings(topic.to_owned(), changes.clone()).await;
                (altered, ResponseError::UnknownTopicOrPartition, "topic_alter")
            }
            Step::Record { .. } | Step::Create(_) => continue,
        };
        match outcome {
            Ok(()) => writes::done(kind),
            Err(error) if error.code() == Some(overtaken) => return Applied::Overtaken,
            Err(error) => {
                left.push(step.clone());
                // Of two, the first is told, unless the other may pass by itself: that is tried again soon, and this with it.
                refused = Some(match refused {
                    Some(first) if first.is_retriable() || !error.is_retriable() => first,
                    _ => error,
                });
            }
        }
    }
    match refused {
        Some(error) => Applied::Part(left, error),
        None => Applied::All(None),
    }
}

/// Whether Kafka has said nothing at all.
fn is_unanswered(error: &Error) -> bool {
    error.is_retriable() && error.code().is_none()
}

/// Makes a topic; with places for its replicas where Kafka has none to give while a broker is away.
async fn create(
    context: &Context,
    connection: &Connection,
    claim: &TopicClaim,
    topic: &NewTopic,
    announced: Option<Announced>,
) -> Result<Result<CreatedTopic, Error>, Halt> {
    let created = connection.batcher.create_announced_topic(topic.clone(), announced).await;
    let made = match created {
        Err(error) if error.code() == Some(ResponseError::InvalidReplicationFactor) => {
            match placed(context, connection, claim, topic).await? {
                Some(topic) => connection.batcher.create_topic(topic).await,
                None => Err(error),
            }
        }
        created => created,
    };
    Ok(made.map(|(created, _)| created))
}

/// A topic with a place for each replica; nothing where Kafka is right. What is not needed is not asked.
async fn placed(
    context: &Context,
    connection: &Connection,
    claim: &TopicClaim,
    topic: &NewTopic,
) -> Result<Option<NewTopic>, Error> {
    let brokers = connection.admin.describe_cluster().await?.brokers;
    let away = placement::away(&brokers);
    let theirs = match topic.replicas {
        None if !away.is_empty() => context.defaults.of(connection, &claim.spec.cluster).await?.replicas,
        _ => None,
    };
    if placement::numbers(topic, theirs, &brokers).is_none() {
        return Ok(None);
    }
    let placed = placement::placed(topic, theirs, &brokers, &connection.admin.list_topics().await?);
    if placed.is_some() {
        tracing::info!(topic = topic.name, ?away, "the topic is made while brokers are away");
    }
    Ok(placed)
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
    // Nobody has to look again because of what is only about to be: what comes of it is told.
    context.world.renew_topic(written.clone());
    Ok(Arc::new(context.world.placed_topic(written)))
}

/// What is written so that a claim says what is about to be done, and on which base.
fn intent(claim: &TopicClaim, creating: Option<&TopicIntent>, managed: &[String]) -> (Base, Value) {
    let cluster = &claim.spec.cluster;
    match creating {
        None => (Base::SameObject, json!({"cluster": cluster, "managedConfig": managed})),
        // An id that was written since this claim was read stays.
        Some(creating) => {
            // The settings of an intent before it go with it.
            let before = claim.status.as_ref().and_then(|status| status.creating.as_ref());
            let creating = merge(&json!(before), json!(creating));
            let intent = json!({"cluster": cluster, "managedConfig": managed, "creating": creating, "topicId": null});
            (Base::Unchanged, intent)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::api::resources::{TopicClaimSpec, TopicClaimStatus, TopicSource};
    use crate::runtime::fake_api::answering;
    use crate::topics::samples;

    #[tokio::test]
    async fn that_a_topic_is_made_is_said_before_it_is_written_down_and_withdrawn_where_it_is_not() {
        for code in [200, 409] {
            let connection = samples::connection("k1", &[]);
            let (batcher, said) = (connection.batcher.clone(), Arc::new(AtomicUsize::new(0)));
            let heard = Arc::clone(&said);
            let claim = samples::claim(json!({}), Value::Null);
            let answer = json!(claim);
            let client = answering(move |_| {
                heard.store(batcher.announced_topics(), Ordering::Relaxed);
                ready((code, answer.clone()))
            });
            let topic = NewTopic {
                name: "shop.orders".to_owned(),
                partitions: Some(1),
                replicas: None,
                configs: Default::default(),
                assignment: Vec::new(),
            };
            let creating = Some(TopicIntent { partitions: 1, replicas: -1, config: None });
            let steps = [Step::Record { creating, managed: Vec::new() }, Step::Create(topic)];
            let (context, mut claim) = (samples::context(client), Arc::new(claim));
            let applied = apply(&context, &connection, &mut claim, &steps);
            // There is no such Kafka: whether that is known by then or not, nobody is on the way any more.
            let applied = tokio::time::timeout(Duration::from_secs(1), applied).await;
            assert!(!matches!(applied, Ok(Ok(_))), "{applied:?}");
            assert_eq!((said.load(Ordering::Relaxed), connection.batcher.announced_topics()), (1, 0), "{code}");
        }
    }

    #[test]
    fn a_topic_is_about_to_be_made_only_for_the_claim_as_it_was_read() {
        let claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        let creating = TopicIntent { partitions: 3, replicas: -1, config: None };
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

    #[test]
    fn an_intent_leaves_nothing_of_the_one_before() {
        let of = |key: &str| TopicIntent {
            partitions: 3,
            replicas: -1,
            config: Some([(key.to_owned(), "1".to_owned())].into()),
        };
        let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("orders", "a/b", TopicSource::Declared));
        claim.status = Some(TopicClaimStatus { creating: Some(of("flush.ms")), ..TopicClaimStatus::default() });
        let (_, intent) = intent(&claim, Some(&of("segment.ms")), &[]);
        assert_eq!(intent["creating"]["config"], json!({"flush.ms": null, "segment.ms": "1"}));
    }
}
