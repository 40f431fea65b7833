//! Says what is on record, what is held and what was done: in the status of the cluster and in Events, each only when it is new.

use std::collections::BTreeMap;
use std::fmt::Display;

use futures::stream::{StreamExt, iter};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde_json::json;

use super::books::Books;
use super::brake::{holds_back, some_of, word};
use super::note::Note;
use super::policy::Policy;
use super::{Context, observe};
use crate::api::annotations::RELEASE_DELETION;
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, Conditions, TopicClaim, condition};
use crate::clusters::Halt;
use crate::runtime::events::Events;
use crate::runtime::status::{self, Base};
use crate::watch::name_of;

/// The condition type that says that the deletion of topics waits for a person.
pub const HELD: &str = "DeletionHeld";
/// The action that Events name.
const ACTION: &str = "DeleteTopic";
/// Events that one look writes into namespaces: who deletes more at once looks at the `BrokerCluster`.
const EVENTS: usize = 50;
/// Events that are written at the same time.
const AT_ONCE: usize = 8;
/// How often a status is written that others write as well.
const TRIES: usize = 5;
/// Somebody else has written what we were to write.
const OVERTAKEN: Halt = Halt::Changed("the records in the BrokerCluster's status have changed meanwhile");

/// Writes the records, and what is held, where that is new. Returns the cluster as it is then.
///
/// # Errors
/// The status was not written.
pub async fn write(
    context: &Context,
    mut cluster: BrokerCluster,
    books: &Books,
    policy: &Policy,
) -> Result<BrokerCluster, Halt> {
    let base = Books::of(&cluster);
    let name = name_of(&cluster);
    for _ in 0..TRIES {
        let before = cluster.status.clone().unwrap_or_default();
        let mut status = before.clone();
        status.deletions.clone_from(&books.deletions);
        status.released.clone_from(&books.released);
        let now = Time(Timestamp::now());
        let conditions = Conditions::new(&mut status.conditions, cluster.metadata.generation, now);
        say_held(conditions, books, policy, &name);
        if status == before {
            return Ok(cluster);
        }
        let records =
            json!({"deletions": status.deletions, "released": status.released, "conditions": status.conditions});
        let words = ("write the BrokerCluster's status", "broker_cluster_status");
        match status::write(&context.client, &cluster, Base::Unchanged, records, words).await {
            Ok(written) => {
                if word(&base.deletions) != word(&books.deletions)
                    && let Some(held) = condition(&status.conditions, HELD).filter(|held| held.status == "True")
                {
                    let about = written.object_ref(&());
                    context.events.tell(&about, ACTION, Reason::DeletionHeld, &held.message).await;
                }
                return Ok(written);
            }
            // Others write there too. The records are ours alone: what else was written is kept.
            Err(error) if error.code() == Some(409) => {
                let again = observe::cluster(&context.client, &name).await?;
                cluster = again.filter(|again| Books::of(again) == base).ok_or(OVERTAKEN)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(OVERTAKEN)
}

fn say_held(mut conditions: Conditions<'_>, books: &Books, policy: &Policy, cluster: &(String, String)) {
    let held: Vec<&str> =
        books.deletions.iter().filter(|record| holds_back(record)).map(|record| record.topic.as_str()).collect();
    match word(&books.deletions) {
        Some(word) => {
            let message = question(&held, policy.max_an_hour, cluster, &word);
            conditions.say(HELD, true, Reason::DeletionHeld, &message);
        }
        None => conditions.end(HELD, false, Reason::Ready, "nothing is held"),
    }
}

/// What is asked of people. The names come last: there may be a kilobyte of them, and an Event has no more.
fn question(held: &[&str], max: impl Display, (namespace, name): &(String, String), word: &str) -> String {
    format!(
        "the deletion of {} topics is held; if it is right, release exactly these: kubectl annotate brokercluster {name} --namespace {namespace} \
         --overwrite {RELEASE_DELETION}={word} (topics.deletion, by maxAnHour and maxShareAnHour, lets no more than {max} go within an hour): {}",
        held.len(),
        some_of(held),
    )
}

/// Tells people: each in the namespace of the claim, and all that have one reason together on the `BrokerCluster`, which is `cluster`.
pub async fn tell(events: &Events, cluster: &ObjectReference, notes: Vec<Note>) {
    let messages = messages(cluster, &notes);
    iter(&messages)
        .for_each_concurrent(AT_ONCE, |(about, reason, message)| events.tell(about, ACTION, *reason, message))
        .await;
}

type Message = (ObjectReference, Reason, String);

fn messages(cluster: &ObjectReference, notes: &[Note]) -> Vec<Message> {
    let mut by_reason: BTreeMap<Reason, Vec<Note>> = BTreeMap::new();
    for note in notes {
        by_reason.entry(note.reason).or_default().push(note.clone());
    }
    let of_all = by_reason.into_iter().map(|(reason, notes)| (cluster.clone(), reason, together(&notes)));
    let of_each = notes.iter().take(EVENTS).map(|note| (claim_of(note), note.reason, alone(note)));
    of_all.chain(of_each).collect()
}

fn claim_of(note: &Note) -> ObjectReference {
    ObjectReference {
        api_version: Some(TopicClaim::api_version(&()).into_owned()),
        kind: Some(TopicClaim::kind(&()).into_owned()),
        namespace: Some(note.namespace.clone()),
        name: Some(note.claim.clone()),
        uid: note.uid.clone(),
        ..ObjectReference::default()
    }
}

fn alone(note: &Note) -> String {
    format!("topic {} {}", note.topic, note.message)
}

fn together(notes: &[Note]) -> String {
    match notes {
        [one] => format!("{} (TopicClaim {}/{})", alone(one), one.namespace, one.claim),
        [first, ..] => {
            let topics: Vec<&str> = notes.iter().map(|note| note.topic.as_str()).collect();
            format!("{} topics: {}. The first of them {}", notes.len(), some_of(&topics), first.message)
        }
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::runtime::events::NOTE;
    use crate::runtime::fake_api::recording;

    #[tokio::test(start_paused = true)]
    async fn many_are_told_side_by_side_and_few_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
        let (client, sent) = recording(move |asked| {
            let (now, most) = (Arc::clone(&counted), Arc::clone(&highest));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(10)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                (200, asked.body)
            }
        });
        let note = |number: usize| Note {
            reason: [Reason::DeletionAnnounced, Reason::TopicReleased][number % 2],
            topic: format!("t{number}"),
            namespace: "shop".to_owned(),
            claim: format!("c{number}"),
            uid: None,
            message: "goes".to_owned(),
        };
        let cluster = ObjectReference { name: Some("main".to_owned()), ..ObjectReference::default() };
        let began = Instant::now();
        tell(&Events::new(client, "me"), &cluster, (0..70).map(note).collect()).await;
        let about: Vec<_> = sent.lock().unwrap().iter().map(|(_, event)| event["regarding"]["name"].clone()).collect();
        assert_eq!(about.len(), 2 + EVENTS, "two reasons, and no more than {EVENTS} namespaces' own");
        assert_eq!(about.iter().filter(|name| **name == "main").count(), 2);
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    }

    #[test]
    fn the_command_is_in_the_event_whatever_the_topics_are_called() {
        let (topic, cluster) = ("t".repeat(249), ("n".repeat(63), "c".repeat(253)));
        let said = question(&[topic.as_str(); 7], 5, &cluster, "0123456789ab");
        assert!(said.len() > NOTE, "the names alone are more than an Event has");
        let command = format!(
            "kubectl annotate brokercluster {} --namespace {} --overwrite {RELEASE_DELETION}=0123456789ab ",
            cluster.1, cluster.0
        );
        let end = said.find(&command).map(|at| at + command.len());
        assert!(end.is_some_and(|end| end < NOTE), "{said}");
        assert!(
            said.starts_with("the deletion of 7 topics is held") && said.ends_with(&format!("{topic} and 2 more")),
            "{said}"
        );
    }
}
