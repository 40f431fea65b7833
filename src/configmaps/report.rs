//! Tells the author of a ConfigMap: Events, each only when something new is to be said.

use std::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;

use super::Context;
use super::observe::Observation;
use super::plan::{KIND, Plan, Said, Step};
use crate::api::reasons::Reason;

/// The action that Events name.
const ACTION: &str = "DeclareTopic";

/// Says what is new about a ConfigMap.
pub async fn tell(context: &Context, seen: &Observation, said: &[Said]) {
    let entry = |said: &Said| (said.reason, if said.by_reason { String::new() } else { said.message.clone() });
    let due = context.told.renew(&seen.name, &said.iter().map(entry).collect(), Instant::now());
    for said in said.iter().filter(|said| due.contains(&entry(said))) {
        context.events.tell(&reference(seen), ACTION, said.reason, &said.message).await;
    }
}

/// Says what was done.
pub async fn done(context: &Context, seen: &Observation, plan: &Plan) {
    let (Some(Step::Create(spec) | Step::Update(spec)), name) = (&plan.step, &seen.name.1) else { return };
    let message = format!("TopicClaim {name} declares topic {}", spec.topic_name);
    context.events.tell(&reference(seen), ACTION, Reason::TopicDeclared, &message).await;
}

fn reference(seen: &Observation) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some(KIND.to_owned()),
        namespace: Some(seen.name.0.clone()),
        name: Some(seen.name.1.clone()),
        uid: Some(seen.uid.clone()),
        ..ObjectReference::default()
    }
}
