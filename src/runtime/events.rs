//! Events: what people are told beside the object that it is about.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::controller::Key;
use super::deadline::within;
use super::writes;
use crate::api::annotations::GROUP;
use crate::api::reasons::Reason;

const CALL: Duration = Duration::from_secs(5);
/// Bytes that a note may have: the API server refuses an Event with more (`NoteLengthLimit` of its validation).
const NOTE: usize = 1024;

/// Writes Events. Callers tell what is new, and only that.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
}

impl Events {
    /// Writes as the replica of this name.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: GROUP.to_owned(), instance: Some(identity.to_owned()) };
        Self { client, reporter }
    }

    /// Tells something about an object. An Event is a courtesy: one that is lost, as where the namespace is gone, changes nothing.
    pub async fn tell(&self, about: &ObjectReference, action: &str, reason: Reason, message: &str) {
        let event = Event {
            type_: if reason.is_good() { EventType::Normal } else { EventType::Warning },
            reason: reason.code().to_owned(),
            note: Some(cut(message)),
            action: action.to_owned(),
            secondary: None,
        };
        // A recorder takes Events of one object and one reason for a series, and keeps the first words: ours say something new each time.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        match within(CALL, "writing an Event", recorder.publish(&event, about)).await {
            Ok(Ok(())) => writes::done("event"),
            Ok(Err(error)) => tracing::info!(%error, "an Event was not written"),
            Err(overdue) => tracing::info!("an Event was not written: {overdue}"),
        }
    }
}

fn cut(message: &str) -> String {
    message.char_indices().take_while(|(at, one)| at + one.len_utf8() <= NOTE).map(|(_, one)| one).collect()
}

/// What was told of which key, so that each is told once. As large as what is wrong: a key's entries are replaced at each look.
#[derive(Debug, Default)]
pub struct Told(Mutex<HashMap<Key, BTreeSet<(Reason, String)>>>);

impl Told {
    /// Puts down what is told of a key now; returns what was told before.
    pub fn renew(&self, key: &Key, now: BTreeSet<(Reason, String)>) -> BTreeSet<(Reason, String)> {
        let mut told = self.told();
        let before = if now.is_empty() { told.remove(key) } else { told.insert(key.clone(), now) };
        before.unwrap_or_default()
    }

    /// Forgets a key that is gone.
    pub fn forget(&self, key: &Key) {
        self.told().remove(key);
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Key, BTreeSet<(Reason, String)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::echo::api_server;

    #[tokio::test]
    async fn other_words_with_the_same_reason_are_told_too() {
        let (client, sent) = api_server();
        let events = Events::new(client, "operator-1");
        let about = ObjectReference { name: Some("orders".to_owned()), ..ObjectReference::default() };
        events.tell(&about, "ProvideTopic", Reason::TopicDrifted, "partitions").await;
        events.tell(&about, "ProvideTopic", Reason::TopicDrifted, "retention.ms").await;
        events.tell(&about, "ProvideTopic", Reason::Ready, &"ä".repeat(2000)).await;
        let sent = sent.lock().unwrap();
        let told: Vec<_> = sent.iter().map(|(verb, event)| (verb.as_str(), &event["type"], &event["note"])).collect();
        let (warning, normal, long) = (json!("Warning"), json!("Normal"), json!("ä".repeat(NOTE / 2)));
        let [first, second] = [json!("partitions"), json!("retention.ms")];
        assert_eq!(told, [("POST", &warning, &first), ("POST", &warning, &second), ("POST", &normal, &long)]);
    }

    #[test]
    fn what_was_told_is_remembered_until_nothing_is() {
        let (told, key) = (Told::default(), ("shop".to_owned(), "checkout".to_owned()));
        let one = BTreeSet::from([(Reason::TopicMissing, "a".to_owned())]);
        assert_eq!(told.renew(&key, one.clone()), BTreeSet::new());
        assert_eq!(told.renew(&key, one.clone()), one);
        assert_eq!(told.renew(&key, BTreeSet::new()), one);
        assert!(told.told().is_empty(), "nothing is kept of a key of which nothing is told");
        told.renew(&key, one.clone());
        told.forget(&key);
        assert_eq!(told.renew(&key, one), BTreeSet::new());
    }
}
