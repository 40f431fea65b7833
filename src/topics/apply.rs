//! Makes topics. Each step is safe to do twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::{Context, Halt};
use crate::api::resources::{TopicClaim, TopicIntent};
use crate::clusters::Connection;
use crate::kafka::admin::topics::{CreatedTopic, NewTopic};
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Writes down what will be made, and returns the claim with it: after a crash, this tells our topic from one that was there
/// before.
///
/// # Errors
/// The API server refused, as it does when the claim changed meanwhile.
pub async fn record_intent(
    context: &Context,
    claim: &Arc<TopicClaim>,
    intent: &TopicIntent,
) -> Result<Arc<TopicClaim>, Halt> {
    if claim.status.as_ref().and_then(|status| status.creating.as_ref()) == Some(intent) {
        return Ok(Arc::clone(claim));
    }
    let name = (claim.metadata.namespace.clone().unwrap_or_default(), claim.metadata.name.clone().unwrap_or_default());
    let api = Api::<TopicClaim>::namespaced(context.client.clone(), &name.0);
    let status = json!({"cluster": claim.spec.cluster, "creating": intent, "topicId": null});
    let patch = json!({"metadata": {"uid": claim.metadata.uid}, "status": status});
    let params = PatchParams::default();
    let patch = Patch::Merge(patch);
    let written = call(CALL, "write the TopicClaim's intent", api.patch_status(&name.1, &params, &patch)).await?;
    writes::done("topic_claim_intent");
    Ok(Arc::new(context.world.placed_topic(written)))
}

/// Makes the topic. One that is there by now is no error and returns nothing: the next look decides whose it is.
///
/// # Errors
/// Kafka refused or did not answer.
pub async fn create(
    connection: &Connection,
    claim: &TopicClaim,
    intent: &TopicIntent,
) -> Result<Option<CreatedTopic>, Halt> {
    let topic = NewTopic {
        name: claim.spec.topic_name.clone(),
        partitions: Some(intent.partitions),
        replicas: i16::try_from(intent.replicas).ok().filter(|replicas| *replicas > 0),
        configs: BTreeMap::new(),
    };
    match connection.batcher.create_topic(topic).await {
        Ok((created, _)) => {
            writes::done("topic_create");
            Ok(Some(created))
        }
        Err(error) if error.code() == Some(ResponseError::TopicAlreadyExists) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
