//! Tells the author of a ConfigMap: Events, each only when something new is to be said.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::observe::Observation;
use super::plan::{KIND, Plan, Said, Step};
use crate::api::reasons::Reason;
use crate::runtime::writes;
use crate::watch::table::Name;

const CALL: Duration = Duration::from_secs(5);
/// The action that Events name.
const ACTION: &str = "DeclareTopic";

/// What was said of which ConfigMap. As large as what is wrong: an entry is replaced at each look.
pub struct Told {
    client: Client,
    reporter: Reporter,
    said: Mutex<HashMap<Name, BTreeSet<(Reason, String)>>>,
}

impl Told {
    /// Nobody was told anything yet.
    #[must_use]
    pub fn new(client: Client, reporter: Reporter) -> Self {
        Self { client, reporter, said: Mutex::default() }
    }

    /// Says what is new about a ConfigMap.
    pub async fn tell(&self, seen: &Observation, said: &[Said]) {
        let key = |said: &Said| (said.reason, if said.by_reason { String::new() } else { said.message.clone() });
        let before = {
            let mut known = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let now: BTreeSet<_> = said.iter().map(key).collect();
            if now.is_empty() { known.remove(&seen.name) } else { known.insert(seen.name.clone(), now) }
        };
        for said in said {
            if !before.as_ref().is_some_and(|before| before.contains(&key(said))) {
                self.event(seen, EventType::Warning, said.reason, &said.message).await;
            }
        }
    }

    /// Says what was done.
    pub async fn done(&self, seen: &Observation, plan: &Plan) {
        let (Some(Step::Create(spec) | Step::Update(spec)), name) = (&plan.step, &seen.name.1) else { return };
        let message = format!("TopicClaim {name} declares topic {}", spec.topic_name);
        self.event(seen, EventType::Normal, Reason::TopicDeclared, &message).await;
    }

    /// Forgets a ConfigMap that is gone.
    pub fn forget(&self, name: &Name) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// An Event is a courtesy: one that is lost changes nothing.
    async fn event(&self, seen: &Observation, kind: EventType, reason: Reason, message: &str) {
        let about = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some(KIND.to_owned()),
            namespace: Some(seen.name.0.clone()),
            name: Some(seen.name.1.clone()),
            uid: Some(seen.uid.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: kind,
            reason: reason.code().to_owned(),
            note: Some(message.chars().take(1000).collect()),
            action: ACTION.to_owned(),
            secondary: None,
        };
        // A recorder keeps the first words that it hears with a reason, and one fault is often followed by another of its kind.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        match tokio::time::timeout(CALL, recorder.publish(&event, &about)).await {
            Ok(Ok(())) => writes::done("event"),
            Ok(Err(error)) => tracing::info!(%error, "an Event was not written"),
            Err(_) => tracing::info!("an Event was not written in time"),
        }
    }
}
