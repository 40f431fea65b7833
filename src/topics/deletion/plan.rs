//! Which topics are deleted, which stay for now, and which stay for good. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::books::Books;
use super::brake::{braked, reason_of};
use super::note::Note;
use super::policy::{Policy, waited};
use super::standing::Standing;
use crate::api::reasons::Reason;
use crate::api::resources::PendingDeletion;
use crate::clusters::Unusable;
use crate::clusters::words::alike;

/// A topic on record, as Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// The id of the topic of that name; nothing where there is none.
    pub id: Option<String>,
    /// Users that hold rights on exactly this topic.
    pub holders: Vec<String>,
    /// Consumer groups with members that read it.
    pub groups: Vec<String>,
    /// Consumer groups with members that do not tell what they read.
    pub unclear: Vec<String>,
    /// When its youngest record was written; nothing where there is none.
    pub youngest: Option<Timestamp>,
}

/// Everything that a decision needs beside the books.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The uid of the definition of TopicClaims, if that stands.
    pub definition: Option<String>,
    /// Who names the topics.
    pub standing: Standing,
    /// What Kafka says of each topic that is due, by its id on record. What is missing here is not decided upon.
    pub sights: BTreeMap<String, Result<Sight, Unusable>>,
}

/// The decision about one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What is to be on record, before anything is deleted.
    pub books: Books,
    /// What is to be deleted now.
    pub delete: Vec<PendingDeletion>,
    /// What is to be told.
    pub notes: Vec<Note>,
}

/// What becomes of one topic that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is deleted.
    Delete,
    /// It stays for now.
    Hold(Reason, String),
    /// It is not ours to delete any more.
    Drop(Reason, String),
    /// It is gone already: we deleted it before a crash, or somebody else did.
    Gone,
}

impl Plan {
    /// What is on record, and to be told, once each deletion has had its outcome.
    #[must_use]
    pub fn settle(self, outcomes: Vec<(PendingDeletion, Result<(), Unusable>)>, now: Timestamp) -> (Books, Vec<Note>) {
        let Self { mut books, mut notes, .. } = self;
        for (record, outcome) in outcomes {
            notes.extend(match outcome {
                Ok(()) => close(&mut books, &record, "was deleted", now),
                Err(unusable) => hold(&mut books, &record, unusable.reason, &unusable.message),
            });
        }
        (books, notes)
    }
}

/// Decides about what is due. Nothing else is touched.
#[must_use]
pub fn decide(mut books: Books, evidence: &Evidence, policy: &Policy, now: Timestamp) -> Plan {
    let (mut notes, mut ready) = (Vec::new(), Vec::new());
    for due in books.due(policy, now) {
        match judge(&due, evidence, policy, now) {
            None => {}
            Some(Verdict::Delete) => ready.push(due),
            Some(Verdict::Hold(reason, message)) => notes.extend(hold(&mut books, &due, reason, &message)),
            Some(Verdict::Drop(reason, message)) => {
                books.deletions.retain(|record| record.topic_id != due.topic_id);
                notes.push(Note::about(&due, reason, message));
            }
            Some(Verdict::Gone) => notes.extend(close(&mut books, &due, "is gone from Kafka", now)),
        }
    }
    let lately = books.deletions.iter().filter(|record| record.deleted.is_some() && !record.released).count();
    let unasked = ready.iter().filter(|record| !record.released).count();
    if unasked > 0 && lately + unasked > policy.max_an_hour {
        let (free, held): (Vec<_>, Vec<_>) = ready.into_iter().partition(|record| record.released);
        for record in &held {
            set_held(&mut books, record, Some(braked(policy)));
        }
        ready = free;
    }
    Plan { books, delete: ready, notes }
}

fn judge(record: &PendingDeletion, evidence: &Evidence, policy: &Policy, now: Timestamp) -> Option<Verdict> {
    let Evidence { definition, standing, sights } = evidence;
    if definition.as_deref() != Some(record.definition.as_str()) {
        // The next look drops it, and keeps in mind whose the topic was.
        return None;
    }
    let mut claims = standing.claims.get(&record.topic).into_iter().flatten();
    if let Some(claim) = standing.has(&record.topic, &record.topic_id) {
        if claim.yields() {
            // The next look drops it, likewise.
            return None;
        }
        let message = format!("stays in Kafka: TopicClaim {}/{} has it", claim.namespace, claim.name);
        return Some(Verdict::Drop(Reason::DeletionUndone, message));
    }
    let in_use = |message| Some(Verdict::Hold(Reason::TopicInUse, message));
    if let Some(claim) = claims.next() {
        return in_use(format!("TopicClaim {}/{} names it", claim.namespace, claim.name));
    }
    if let Some(access) = standing.uses.get(&record.topic).and_then(|uses| uses.first()) {
        return in_use(format!("AccessClaim {access} consumes or produces it"));
    }
    let sight = match sights.get(&record.topic_id)? {
        Ok(sight) => sight,
        Err(unusable) => return Some(Verdict::Hold(unusable.reason, unusable.message.clone())),
    };
    match &sight.id {
        None => return Some(Verdict::Gone),
        Some(id) if *id != record.topic_id => {
            let message = format!("stays in Kafka: it has id {id}, and not {}: somebody made it anew", record.topic_id);
            return Some(Verdict::Drop(Reason::TopicReplaced, message));
        }
        Some(_) => {}
    }
    if let Some(user) = sight.holders.first() {
        return in_use(format!("Kafka user {user} has rights on it"));
    }
    let active = |message| Some(Verdict::Hold(Reason::GroupActive, message));
    if let Some(group) = sight.groups.first() {
        return active(format!("consumer group {group} has members that read it"));
    }
    if let Some(group) = sight.unclear.first() {
        return active(format!("consumer group {group} has members, and does not tell just now what they read"));
    }
    if sight.youngest.is_some_and(|youngest| waited(youngest, now) < policy.min_record_age) {
        let age = policy.min_record_age.as_secs();
        return Some(Verdict::Hold(Reason::RecordsTooYoung, format!("it holds records younger than {age} s")));
    }
    Some(Verdict::Delete)
}

/// Holds a record; something is to be told where the reason is another than before. The words of an error name a broker, another each
/// time: the first ones stand until it says something else, and in an outage, where brokers are away in several ways, to its end.
fn hold(books: &mut Books, record: &PendingDeletion, reason: Reason, message: &str) -> Option<Note> {
    let repeated = reason_of(record) == Some(reason.code());
    let words = format!("{reason}: {message}");
    let stand = reason == Reason::KafkaUnreachable || record.held.as_ref().is_some_and(|held| alike(held, &words));
    if repeated && stand {
        return None;
    }
    set_held(books, record, Some(words));
    (!repeated).then(|| Note::about(record, reason, format!("is to be deleted, and stays for now: {message}")))
}

/// Notes that a topic is no more.
fn close(books: &mut Books, record: &PendingDeletion, how: &str, now: Timestamp) -> Option<Note> {
    let found = find(books, record)?;
    found.held = None;
    found.deleted = Some(Time(now));
    Some(Note::about(record, Reason::TopicDeleted, how))
}

fn set_held(books: &mut Books, record: &PendingDeletion, held: Option<String>) {
    if let Some(found) = find(books, record) {
        found.held = held;
    }
}

fn find<'b>(books: &'b mut Books, record: &PendingDeletion) -> Option<&'b mut PendingDeletion> {
    books.deletions.iter_mut().find(|found| found.topic_id == record.topic_id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::resources::TopicSource;
    use crate::topics::deletion::standing::Claimed;

    const POLICY: Policy = Policy {
        undo: Duration::from_secs(60),
        min_record_age: Duration::from_secs(3600),
        max_an_hour: 2,
        by_share: false,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn now() -> Timestamp {
        at(10_000)
    }

    fn record(topic: &str) -> PendingDeletion {
        PendingDeletion {
            topic: topic.into(),
            topic_id: format!("id-{topic}"),
            namespace: "shop".into(),
            claim: "the-claim".into(),
            definition: "crd".into(),
            since: Time(at(9000)),
            due: Time(at(9900)),
            held: None,
            released: false,
            deleted: None,
        }
    }

    fn books(records: Vec<PendingDeletion>) -> Books {
        Books { deletions: records, ..Books::default() }
    }

    fn free(topic: &str) -> (String, Result<Sight, Unusable>) {
        (format!("id-{topic}"), Ok(Sight { id: Some(format!("id-{topic}")), ..Sight::default() }))
    }

    fn evidence(topics: &[&str]) -> Evidence {
        let sights = topics.iter().map(|topic| free(topic)).collect();
        Evidence { definition: Some("crd".into()), standing: Standing::default(), sights }
    }

    fn seen(change: impl FnOnce(&mut Sight)) -> Evidence {
        let mut evidence = evidence(&["a"]);
        change(evidence.sights.get_mut("id-a").unwrap().as_mut().unwrap());
        evidence
    }

    fn named(claim: Option<Option<&str>>, access: Option<&str>) -> Evidence {
        let claimed = |id: Option<&str>| Claimed {
            namespace: "web".into(),
            name: "orders".into(),
            uid: None,
            topic_id: id.map(str::to_owned),
            source: TopicSource::Declared,
        };
        let claims = claim.map(|id| ("a".to_owned(), vec![claimed(id)]));
        let uses = access.map(|access| ("a".to_owned(), vec![access.to_owned()]));
        let standing = Standing { claims: claims.into_iter().collect(), uses: uses.into_iter().collect() };
        Evidence { standing, ..evidence(&["a"]) }
    }

    #[test]
    fn a_topic_that_nobody_uses_is_deleted() {
        for evidence in [evidence(&["a"]), seen(|sight| sight.youngest = Some(at(10_000 - 3600)))] {
            let plan = decide(books(vec![record("a")]), &evidence, &POLICY, now());
            assert_eq!((plan.delete, plan.notes), (vec![record("a")], vec![]));
        }
    }

    #[test]
    fn whatever_is_in_the_way_holds_it_and_is_told_once() {
        let broken = Unusable { reason: Reason::KafkaUnreachable, message: "no broker answers".into() };
        let unreachable = Evidence { sights: BTreeMap::from([("id-a".into(), Err(broken))]), ..evidence(&[]) };
        for (evidence, reason, words) in [
            (named(Some(None), None), Reason::TopicInUse, "TopicClaim web/orders"),
            (named(None, Some("web/app")), Reason::TopicInUse, "AccessClaim web/app"),
            (unreachable, Reason::KafkaUnreachable, "no broker"),
            (seen(|sight| sight.holders = vec!["bob".into()]), Reason::TopicInUse, "user bob"),
            (seen(|sight| sight.groups = vec!["g".into()]), Reason::GroupActive, "group g has members that read"),
            (seen(|sight| sight.unclear = vec!["g".into()]), Reason::GroupActive, "does not tell"),
            (seen(|sight| sight.youngest = Some(at(6401))), Reason::RecordsTooYoung, "3600 s"),
            (seen(|sight| sight.youngest = Some(Timestamp::MAX)), Reason::RecordsTooYoung, "3600 s"),
        ] {
            let plan = decide(books(vec![record("a")]), &evidence, &POLICY, now());
            assert!(plan.delete.is_empty(), "{reason}");
            let held = plan.books.deletions[0].held.clone().unwrap();
            assert!(held.starts_with(reason.code()) && held.contains(words), "{held}");
            assert_eq!(plan.notes.iter().map(|note| note.reason).collect::<Vec<_>>(), [reason]);
            let again = decide(plan.books.clone(), &evidence, &POLICY, now());
            assert_eq!((again.books, again.notes), (plan.books, vec![]), "nothing new is said");
        }
    }

    #[test]
    fn a_hold_names_what_is_in_the_way_now_whichever_broker_says_so() {
        let said = |reason, message: &str| {
            let unusable = Unusable { reason, message: message.to_owned() };
            Evidence { sights: BTreeMap::from([("id-a".into(), Err(unusable))]), ..evidence(&[]) }
        };
        for (reason, stands) in
            [(Reason::KafkaAuthorizationFailed, false), (Reason::KafkaRefused, false), (Reason::KafkaUnreachable, true)]
        {
            let held = |books, message| {
                let plan = decide(books, &said(reason, message), &POLICY, now());
                let held = plan.books.deletions[0].held.clone().unwrap();
                (plan.books, held, plan.notes.len())
            };
            let (first, words, notes) = held(books(vec![record("a")]), "DescribeGroups at b1:9092: no");
            assert_eq!(notes, 1);
            let (same, by_another, notes) = held(first.clone(), "DescribeGroups at b2:9092: no");
            assert_eq!((same, &by_another, notes), (first.clone(), &words, 0), "nothing is written");
            let (_, other, notes) = held(first, "DeleteTopics at b1:9092: no");
            assert_eq!((other.ends_with("DeleteTopics at b1:9092: no"), notes), (!stands, 0), "{other}");
        }
    }

    #[test]
    fn what_is_not_ours_any_more_is_off_the_record() {
        for (evidence, reason) in [
            (named(Some(Some("id-a")), None), Reason::DeletionUndone),
            (seen(|sight| sight.id = Some("another".into())), Reason::TopicReplaced),
        ] {
            let plan = decide(books(vec![record("a")]), &evidence, &POLICY, now());
            assert!(plan.delete.is_empty() && plan.books == Books::default());
            assert_eq!(plan.notes[0].reason, reason);
        }
        let gone = decide(books(vec![record("a")]), &seen(|sight| sight.id = None), &POLICY, now());
        assert_eq!(gone.books.deletions[0].deleted, Some(Time(now())), "deleted before a crash: the brake counts it");
    }

    #[test]
    fn without_evidence_nothing_is_decided() {
        let early = PendingDeletion { due: Time(at(10_001)), ..record("a") };
        let another = Evidence { definition: Some("another".into()), ..evidence(&["a"]) };
        let mut had_by_a_reader = named(Some(Some("id-a")), None);
        had_by_a_reader.standing.claims.get_mut("a").unwrap()[0].source = TopicSource::Consumer;
        for (record, evidence) in [
            (record("a"), evidence(&[])),
            (record("a"), Evidence { definition: None, ..evidence(&["a"]) }),
            (record("a"), another),
            (early, evidence(&["a"])),
            (record("a"), had_by_a_reader),
            (PendingDeletion { deleted: Some(Time(at(9950))), ..record("a") }, evidence(&["a"])),
        ] {
            let plan = decide(books(vec![record.clone()]), &evidence, &POLICY, now());
            assert_eq!((plan.delete, plan.notes, plan.books.deletions), (vec![], vec![], vec![record]));
        }
    }

    #[test]
    fn deletions_of_the_last_hour_count() {
        let spread = |topic, due| PendingDeletion { due: Time(at(due)), ..record(topic) };
        let lately = PendingDeletion { deleted: Some(Time(at(9950))), ..spread("old", 100) };
        let due = vec![lately, spread("a", 2000), spread("b", 9900)];
        let plan = decide(books(due.clone()), &evidence(&["a", "b"]), &POLICY, now());
        assert!(plan.delete.is_empty() && plan.books.deletions.iter().skip(1).all(super::super::brake::holds_back));
        let mut asked = due;
        asked[1].released = true;
        let plan = decide(books(asked), &evidence(&["a", "b"]), &POLICY, now());
        assert_eq!(plan.delete.len(), 2, "one that somebody released is not counted");
    }

    #[test]
    fn every_outcome_is_settled() {
        let plan = decide(books(vec![record("a"), record("b")]), &evidence(&["a", "b"]), &POLICY, now());
        let disabled = Unusable { reason: Reason::KafkaRefused, message: "delete.topic.enable=false".into() };
        let outcomes = vec![(record("a"), Ok(())), (record("b"), Err(disabled))];
        let (books, notes) = plan.settle(outcomes, now());
        assert_eq!(books.deletions[0].deleted, Some(Time(now())));
        assert_eq!(books.deletions[1].held.as_deref(), Some("KafkaRefused: delete.topic.enable=false"));
        assert_eq!(
            notes.iter().map(|note| note.reason).collect::<Vec<_>>(),
            [Reason::TopicDeleted, Reason::KafkaRefused]
        );
    }
}
