//! Says how a claim stands: status and Events, each only when something new is to be said.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::{Value, json};

use super::plan::Verdict;
use super::{Context, Halt};
use crate::api::reasons::Reason;
use crate::api::resources::{READY, TopicClaim, condition, set_condition};
use crate::runtime::kubernetes::call;
use crate::runtime::writes;

const CALL: Duration = Duration::from_secs(5);

/// Writes the verdict where it says something new.
///
/// # Errors
/// The status was not written.
pub async fn report(context: &Context, claim: &TopicClaim, verdict: Verdict) -> Result<(), Halt> {
    let before = claim.status.clone().unwrap_or_default();
    let (reason, message) = match verdict.obstacle {
        Some(obstacle) => (obstacle.reason, obstacle.message),
        None => (Reason::Ready, verdict.message),
    };
    let said = condition(&before.conditions, READY);
    // An outage is told by a different broker each time: the first words stand until the reason is another.
    let repeated = said.filter(|said| said.reason == reason.code() && reason == Reason::KafkaUnreachable);
    let message = repeated.map_or(message, |said| said.message.clone());
    let mut status = verdict.facts;
    status.cluster = Some(claim.spec.cluster.clone());
    status.conditions.clone_from(&before.conditions);
    let holds = reason == Reason::Ready;
    let changed = said.is_none_or(|said| said.reason != reason.code());
    set_condition(
        &mut status.conditions,
        READY,
        holds,
        reason,
        &message,
        claim.metadata.generation,
        Time(Timestamp::now()),
    );
    if status == before {
        return Ok(());
    }
    let name = (claim.metadata.namespace.clone().unwrap_or_default(), claim.metadata.name.clone().unwrap_or_default());
    let api = Api::<TopicClaim>::namespaced(context.client.clone(), &name.0);
    let mut patch = json!({"metadata": {"uid": claim.metadata.uid}, "status": status});
    // A merge leaves what it does not name: what is gone must be named.
    for (key, gone) in [
        ("topicId", status.topic_id.is_none()),
        ("partitions", status.partitions.is_none()),
        ("replicas", status.replicas.is_none()),
        ("creating", status.creating.is_none()),
    ] {
        if gone && let Some(fields) = patch.get_mut("status").and_then(Value::as_object_mut) {
            fields.insert(key.to_owned(), Value::Null);
        }
    }
    let params = PatchParams::default();
    let patch = Patch::Merge(patch);
    let written = call(CALL, "write the TopicClaim's status", api.patch_status(&name.1, &params, &patch)).await?;
    writes::done("topic_claim_status");
    let about = written.object_ref(&());
    if changed {
        let kind = if holds { EventType::Normal } else { EventType::Warning };
        let event = Event {
            type_: kind,
            reason: reason.code().to_owned(),
            note: Some(message.chars().take(1000).collect()),
            action: "ProvideTopic".to_owned(),
            secondary: None,
        };
        // An Event is a courtesy: one that is lost changes nothing.
        match tokio::time::timeout(CALL, context.recorder.publish(&event, &about)).await {
            Ok(Ok(())) => writes::done("event"),
            Ok(Err(error)) => tracing::info!(%error, "an Event was not written"),
            Err(_) => tracing::info!("an Event was not written in time"),
        }
    }
    Ok(())
}
