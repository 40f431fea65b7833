//! Says what is on record, what is held and what was done: in the status of the cluster and in Events, each only when it is new.

use std::collections::BTreeMap;
use std::fmt::Display;

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
use crate::runtime::status::{self, Base};
use crate::watch::name_of;

/// The condition type that says that the deletion of topics waits for a person.
pub const HELD: &str = "DeletionHeld";
/// The action that Events name.
const ACTION: &str = "DeleteTopic";
/// Events that one look writes into namespaces: who deletes more at once looks at the `BrokerCluster`.
const EVENTS: usize = 50;
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

/// Tells people: each in the namespace of the claim, and all that have one reason together on the `BrokerCluster`.
pub async fn tell(context: &Context, cluster: &BrokerCluster, notes: Vec<Note>) {
    let mut by_reason: BTreeMap<Reason, Vec<Note>> = BTreeMap::new();
    for note in &notes {
        by_reason.entry(note.reason).or_default().push(note.clone());
    }
    for (reason, notes) in by_reason {
        context.events.tell(&cluster.object_ref(&()), ACTION, reason, &together(&notes)).await;
    }
    for note in notes.into_iter().take(EVENTS) {
        let about = ObjectReference {
            api_version: Some(TopicClaim::api_version(&()).into_owned()),
            kind: Some(TopicClaim::kind(&()).into_owned()),
            namespace: Some(note.namespace.clone()),
            name: Some(note.claim.clone()),
            uid: note.uid.clone(),
            ..ObjectReference::default()
        };
        context.events.tell(&about, ACTION, note.reason, &alone(&note)).await;
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
    use super::*;
    use crate::runtime::events::NOTE;

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
