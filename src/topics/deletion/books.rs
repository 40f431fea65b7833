//! What is on record about topics whose claims were deleted, and what time, claims and people change about it. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::brake::{braked, crowded, holds_back, word};
use super::definition::Definition;
use super::departures::Departure;
use super::note::Note;
use super::policy::{HOUR, Policy, later, waited};
use super::room::{PENDING, forget_one, make_room};
use super::seen::Seen;
use super::standing::{Claimed, Standing};
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, BrokerClusterStatus, Deletion, PendingDeletion, ReleasedTopic};

/// What the status of a cluster has on record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// Topics that are to be deleted, and those that were within the last hour.
    pub deletions: Vec<PendingDeletion>,
    /// Topics that stayed.
    pub released: Vec<ReleasedTopic>,
}

impl Books {
    /// What a cluster's status says.
    #[must_use]
    pub fn of(cluster: &BrokerCluster) -> Self {
        let status = cluster.status.as_ref();
        let of = |status: &BrokerClusterStatus| (status.deletions.clone(), status.released.clone());
        let (deletions, released) = status.map(of).unwrap_or_default();
        Self { deletions, released }
    }

    /// The topics on record.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<&str> {
        let pending = self.deletions.iter().map(|record| record.topic.as_str());
        pending.chain(self.released.iter().map(|record| record.topic.as_str())).collect()
    }

    /// Enters claims that were deleted, each in the place of what was on record of its topic: the latest word counts. `definition` is
    /// that of TopicClaims; without one that stands, and stood before the claim, nobody has deleted anything but the definition.
    pub fn enter(
        &mut self,
        gone: &[Departure],
        definition: Option<&Definition>,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Note> {
        gone.iter().flat_map(|gone| self.enter_one(gone, definition, policy, now)).collect()
    }

    fn enter_one(
        &mut self,
        gone: &Departure,
        definition: Option<&Definition>,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Note> {
        // One that is as old as the definition, or older, went with another that stood before.
        let definition = definition.filter(|definition| definition.created < gone.created);
        self.deletions.retain(|record| record.topic_id != gone.topic_id);
        self.released.retain(|record| record.topic_id != gone.topic_id);
        let record = PendingDeletion {
            topic: gone.topic.clone(),
            topic_id: gone.topic_id.clone(),
            namespace: gone.namespace.clone(),
            claim: gone.claim.clone(),
            definition: definition.map(|definition| definition.uid.clone()).unwrap_or_default(),
            since: Time(now),
            due: Time(later(now, policy.undo)),
            held: None,
            released: false,
            deleted: None,
        };
        let (reason, message) = match (gone.deletion, definition) {
            (Deletion::Keep, _) => {
                (Reason::TopicReleased, "stays in Kafka: its claim was deleted, and said Keep".to_owned())
            }
            (Deletion::Delete, None) => (Reason::DefinitionRemoved, definition_removed()),
            (Deletion::Delete, Some(_)) if !gone.ready => {
                (Reason::TopicReleased, "stays in Kafka: its claim was deleted when it was not Ready".to_owned())
            }
            (Deletion::Delete, Some(_)) => {
                let note = Note::about(&record, Reason::DeletionAnnounced, announced(&record));
                self.deletions.push(record);
                let Some(given_up) = make_room(&mut self.deletions) else { return vec![note] };
                let message = format!("stays in Kafka: {PENDING} deletions are on record already");
                let other = Note::about(&given_up, Reason::TopicReleased, message);
                let before = (given_up.topic_id != gone.topic_id).then_some(note);
                self.release(given_up);
                return before.into_iter().chain([other]).collect();
            }
        };
        let note = Note::about(&record, reason, message);
        self.release(record);
        vec![note]
    }

    /// Keeps in mind whose a topic was that stays, so that a claim of the same namespace can have it again.
    fn release(&mut self, record: PendingDeletion) {
        let PendingDeletion { topic, topic_id, namespace, claim, since, .. } = record;
        self.released.push(ReleasedTopic { topic, topic_id, namespace, claim, since });
        forget_one(&mut self.released);
    }

    /// Heeds the word by which people release what the brake holds. It is made of what the condition named.
    pub fn heed(&mut self, release: Option<&str>) {
        if release.is_some() && release == word(&self.deletions).as_deref() {
            for record in self.deletions.iter_mut().filter(|record| holds_back(record)) {
                record.released = true;
                record.held = None;
            }
        }
    }

    /// Brings the records up to date: drops those that are claimed again, that went with their definition, and that are an hour past
    /// their end; announces those anew that are overdue and were not seen; and applies the brake to those that would be deleted within
    /// an hour of each other.
    pub fn revise(
        &mut self,
        definition: Option<&str>,
        standing: &Standing,
        seen: &Seen,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        for mut record in std::mem::take(&mut self.deletions) {
            if let Some(deleted) = &record.deleted {
                if waited(deleted.0, now) < HOUR {
                    self.deletions.push(record);
                }
            } else if let Some(claim) = standing.has(&record.topic, &record.topic_id) {
                notes.push(undone(&record, claim.clone()));
                self.release(record);
            } else if definition != Some(record.definition.as_str()) {
                notes.push(Note::about(&record, Reason::DefinitionRemoved, definition_removed()));
                self.release(record);
            } else {
                // What nobody could look at for an hour is old news to people, and after a restore perhaps no news of theirs at all. So
                // is what held it then, and that somebody released it.
                if waited(record.due.0, now) > HOUR && !seen.lately(&record.topic_id, now) {
                    record.due = Time(later(now, policy.undo));
                    record.held = None;
                    notes.push(Note::about(&record, Reason::DeletionAnnounced, announced(&record)));
                }
                self.deletions.push(record);
            }
        }
        self.released.retain(|record| standing.has(&record.topic, &record.topic_id).is_none_or(Claimed::yields));
        self.brake(policy, now);
        notes
    }

    fn brake(&mut self, policy: &Policy, now: Timestamp) {
        let crowd = self.crowd(policy);
        for record in self.deletions.iter_mut().filter(|record| record.deleted.is_none()) {
            if crowd.contains(&record.topic_id) {
                record.held = Some(braked(policy));
            } else if holds_back(record) && record.due.0 > now {
                // Of one that is due, the next look at it says whether it is still held.
                record.held = None;
            }
        }
    }

    /// The ids of those that would be deleted within an hour of too many others. Topics that are made meanwhile make a share larger: what
    /// it held once is held until somebody releases it.
    fn crowd(&self, policy: &Policy) -> BTreeSet<String> {
        let counted = self.deletions.iter().filter(|record| !record.released);
        let mut crowd = crowded(counted.map(|record| (record.topic_id.as_str(), record.due.0)), policy.max_an_hour);
        let held = self.deletions.iter().filter(|record| policy.by_share && holds_back(record));
        crowd.extend(held.map(|record| record.topic_id.clone()));
        crowd
    }

    /// Those that may be deleted now, as far as time and the brake are concerned.
    #[must_use]
    pub fn due(&self, policy: &Policy, now: Timestamp) -> Vec<PendingDeletion> {
        let crowd = self.crowd(policy);
        let due = |record: &&PendingDeletion| {
            record.deleted.is_none() && record.due.0 <= now && !crowd.contains(&record.topic_id)
        };
        self.deletions.iter().filter(due).cloned().collect()
    }
}

fn undone(record: &PendingDeletion, claim: Claimed) -> Note {
    let message = format!("stays in Kafka: TopicClaim {}/{} has it again", claim.namespace, claim.name);
    let Claimed { namespace, name, uid, .. } = claim;
    Note { namespace, claim: name, uid, ..Note::about(record, Reason::DeletionUndone, message) }
}

fn announced(record: &PendingDeletion) -> String {
    format!(
        "is deleted after {}: its claim was deleted, and said Delete. To keep it, declare TopicClaim {} in namespace {} again",
        record.due.0, record.claim, record.namespace
    )
}

fn definition_removed() -> String {
    "stays in Kafka: the definition of TopicClaims was removed, and the claim with it".to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::room::RELEASED;
    use super::*;
    use crate::api::resources::TopicSource;

    const POLICY: Policy =
        Policy { undo: Duration::from_secs(60), min_record_age: Duration::ZERO, max_an_hour: 2, by_share: false };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn gone(topic: &str, deletion: Deletion) -> Departure {
        let (cluster, namespace) = ("kafka/main".into(), "shop".into());
        let (topic, topic_id, claim) = (topic.into(), format!("id-{topic}"), format!("the-{topic}"));
        Departure { cluster, topic, topic_id, namespace, claim, created: at(-5), deletion, ready: true }
    }

    fn definition() -> Definition {
        Definition { uid: "crd".into(), created: at(-9) }
    }

    fn entered(topics: &[&str]) -> Books {
        let mut books = Books::default();
        let gone: Vec<_> = topics.iter().map(|topic| gone(topic, Deletion::Delete)).collect();
        let notes = books.enter(&gone, Some(&definition()), &POLICY, at(0));
        assert!(notes.iter().all(|note| note.reason == Reason::DeletionAnnounced));
        books
    }

    fn revised(mut books: Books, definition: Option<&str>, standing: &Standing, second: i64) -> (Books, Vec<Reason>) {
        let notes = books.revise(definition, standing, &Seen::default(), &POLICY, at(second));
        (books, notes.into_iter().map(|note| note.reason).collect())
    }

    #[test]
    fn only_a_ready_claim_that_said_delete_while_its_definition_stood_is_put_on_record() {
        let delete = gone("a", Deletion::Delete);
        let made_anew = |second| Some(Definition { uid: "another".into(), created: at(second) });
        for (gone, definition, pending, reason) in [
            (delete.clone(), Some(definition()), 1, Reason::DeletionAnnounced),
            (delete.clone(), None, 0, Reason::DefinitionRemoved),
            (delete.clone(), made_anew(-6), 1, Reason::DeletionAnnounced),
            (delete.clone(), made_anew(-5), 0, Reason::DefinitionRemoved),
            (delete.clone(), made_anew(-4), 0, Reason::DefinitionRemoved),
            (Departure { ready: false, ..delete }, Some(definition()), 0, Reason::TopicReleased),
            (gone("a", Deletion::Keep), Some(definition()), 0, Reason::TopicReleased),
        ] {
            let mut books = Books::default();
            let notes = books.enter(&[gone], definition.as_ref(), &POLICY, at(0));
            assert_eq!((books.deletions.len(), books.released.len()), (pending, 1 - pending), "{reason}");
            assert_eq!(notes[0].reason, reason);
        }
    }

    #[test]
    fn the_latest_word_counts() {
        let mut books = entered(&["a"]);
        books.enter(&[gone("a", Deletion::Keep)], Some(&definition()), &POLICY, at(5));
        assert_eq!((books.deletions.len(), books.released.len()), (0, 1));
        books.enter(&[gone("a", Deletion::Delete)], Some(&definition()), &POLICY, at(9));
        assert_eq!((books.deletions[0].due.0, books.released.len()), (at(69), 0));
    }

    #[test]
    fn lists_are_bounded_and_who_fills_one_gives_way() {
        let mut books = Books::default();
        for n in 0..PENDING + RELEASED + 9 {
            let notes = books.enter(&[gone(&n.to_string(), Deletion::Delete)], Some(&definition()), &POLICY, at(0));
            assert_eq!(notes.len(), 1, "nobody is told that one topic goes and stays");
        }
        assert_eq!((books.deletions.len(), books.released.len()), (PENDING, RELEASED));
        assert_eq!(books.released[0].topic, (PENDING + 9).to_string(), "the oldest are forgotten");
        let neighbour = Departure { namespace: "web".into(), ..gone("web.a", Deletion::Delete) };
        let notes = books.enter(&[neighbour], Some(&definition()), &POLICY, at(1));
        let told: Vec<_> = notes.iter().map(|note| (note.namespace.as_str(), note.reason)).collect();
        assert_eq!(told, [("web", Reason::DeletionAnnounced), ("shop", Reason::TopicReleased)]);
        assert!(books.deletions.len() == PENDING && books.deletions.iter().any(|record| record.topic == "web.a"));
    }

    #[test]
    fn what_a_share_held_is_not_let_go_by_topics_that_are_made_meanwhile() {
        let by = |max_an_hour| Policy { max_an_hour, by_share: true, ..POLICY };
        let standing = Standing::default();
        let mut books = entered(&["a", "b"]);
        books.revise(Some("crd"), &standing, &Seen::default(), &by(1), at(1));
        assert!(books.deletions.iter().all(holds_back));
        for second in [2, 70] {
            books.revise(Some("crd"), &standing, &Seen::default(), &by(2), at(second));
            assert!(books.deletions.iter().all(holds_back), "after {second} s");
            assert_eq!(books.due(&by(2), at(second)), []);
        }
        books.heed(word(&books.deletions).as_deref());
        assert_eq!(books.due(&by(2), at(70)).len(), 2);
    }

    #[test]
    fn a_topic_that_has_a_claim_again_is_off_the_record() {
        let claim = |id: Option<&str>, source| Claimed {
            namespace: "shop".into(),
            name: "new".into(),
            uid: Some("u".into()),
            topic_id: id.map(str::to_owned),
            source,
        };
        let among = |claims| Standing { claims: BTreeMap::from([("a".into(), claims)]), ..Standing::default() };
        let standing = |id| among(vec![claim(id, TopicSource::Declared)]);
        let (books, told) = revised(entered(&["a"]), Some("crd"), &standing(Some("id-a")), 1);
        assert_eq!((books, told), (Books::default(), vec![Reason::DeletionUndone]));
        let reader = claim(Some("id-a"), TopicSource::Consumer);
        let (books, told) = revised(entered(&["a"]), Some("crd"), &among(vec![reader.clone()]), 1);
        assert_eq!((books.deletions.len(), books.released.len()), (0, 1), "whose it was is still to be known");
        assert_eq!(told, [Reason::DeletionUndone]);
        let both = among(vec![claim(Some("id-a"), TopicSource::Producer), reader]);
        assert_eq!(revised(books, Some("crd"), &both, 2), (Books::default(), vec![]));
        for other in [Some("another"), None] {
            let (books, told) = revised(entered(&["a"]), Some("crd"), &standing(other), 1);
            assert_eq!((books.deletions.len(), told.len()), (1, 0), "it names the topic and does not have it yet");
        }
    }

    #[test]
    fn with_its_definition_every_record_goes_and_its_topic_stays() {
        for definition in [None, Some("another")] {
            let (books, told) = revised(entered(&["a"]), definition, &Standing::default(), 1);
            assert_eq!((books.deletions.len(), books.released.len()), (0, 1));
            assert_eq!(told, [Reason::DefinitionRemoved]);
        }
    }

    #[test]
    fn what_nobody_looked_at_for_an_hour_is_announced_anew() {
        let (books, told) = revised(entered(&["a"]), Some("crd"), &Standing::default(), 60 + 3600);
        assert_eq!((books.due(&POLICY, at(3660)).len(), told.len()), (1, 0));
        let (books, told) = revised(entered(&["a"]), Some("crd"), &Standing::default(), 60 + 3601);
        assert_eq!((books.deletions[0].due.0, told), (at(3661 + 60), vec![Reason::DeletionAnnounced]));
        let anew = (at(9999 + 60), None, vec![Reason::DeletionAnnounced]);
        let group = Some("GroupActive: g".to_owned());
        for (held, released, looked_at, expected) in [
            (None, true, None, anew.clone()),
            (group.clone(), false, None, anew.clone()),
            (group.clone(), false, Some(9999 - 3601), anew),
            (group.clone(), false, Some(9999 - 3600), (at(60), group, vec![])),
        ] {
            let (mut books, mut seen) = (entered(&["a"]), Seen::default());
            (books.deletions[0].held, books.deletions[0].released) = (held, released);
            if let Some(second) = looked_at {
                seen.note([&"id-a".to_owned()], &books, at(second));
            }
            let notes = books.revise(Some("crd"), &Standing::default(), &seen, &POLICY, at(9999));
            let notes = notes.into_iter().map(|note| note.reason).collect();
            let PendingDeletion { due, held, .. } = books.deletions.remove(0);
            assert_eq!((due.0, held, notes), expected, "looked at {looked_at:?}");
        }
    }

    #[test]
    fn too_many_are_held_until_exactly_they_are_released() {
        let (mut books, _) = revised(entered(&["a", "b", "c"]), Some("crd"), &Standing::default(), 1);
        assert!(books.deletions.iter().all(holds_back));
        assert!(books.due(&POLICY, at(60)).is_empty());
        let right = word(&books.deletions);
        books.heed(Some("another"));
        books.enter(&[gone("d", Deletion::Delete)], Some(&definition()), &POLICY, at(2));
        let (mut more, _) = revised(books.clone(), Some("crd"), &Standing::default(), 2);
        more.heed(right.as_deref());
        assert!(more.due(&POLICY, at(99)).is_empty(), "one more is another question");
        books.heed(right.as_deref());
        let (books, _) = revised(books, Some("crd"), &Standing::default(), 3);
        let due: Vec<_> = books.due(&POLICY, at(99)).into_iter().map(|record| record.topic).collect();
        assert_eq!(due, ["a", "b", "c", "d"], "released ones are counted no more");
    }

    #[test]
    fn a_deletion_is_forgotten_an_hour_later() {
        let mut books = entered(&["a"]);
        books.deletions[0].deleted = Some(Time(at(100)));
        assert_eq!(revised(books.clone(), Some("crd"), &Standing::default(), 3699).0.deletions.len(), 1);
        assert_eq!(revised(books, None, &Standing::default(), 3700).0, Books::default());
    }
}
