//! Whatever happens, in whatever order: no topic is deleted that is claimed, in use, young, another one, or one of too many.

use std::collections::BTreeMap;
use std::time::Duration;

use admittance::api::resources::{Deletion, PendingDeletion, TopicSource};
use admittance::topics::deletion::books::Books;
use admittance::topics::deletion::brake::word;
use admittance::topics::deletion::definition::Definition;
use admittance::topics::deletion::departures::Departure;
use admittance::topics::deletion::plan::{Evidence, Sight, decide};
use admittance::topics::deletion::policy::Policy;
use admittance::topics::deletion::seen::Seen;
use admittance::topics::deletion::standing::{Claimed, Standing};
use k8s_openapi::jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

const TOPICS: usize = 6;
const HOUR: i64 = 3600;

/// What is the case of one topic.
#[derive(Debug, Clone, Default)]
struct Fact {
    /// How often it was made.
    made: u32,
    /// It was made anew by somebody else.
    replaced: bool,
    named: bool,
    claimed: bool,
    used: bool,
    held: bool,
    read: bool,
    unseen: bool,
    youngest: Option<i64>,
}

impl Fact {
    fn id(&self, topic: usize) -> String {
        format!("id-{topic}-{}", self.made)
    }

    fn set(&mut self, which: u8, on: bool, now: i64) {
        match which {
            0 => self.named = on,
            1 => self.claimed = on,
            2 => self.used = on,
            3 => self.held = on,
            4 => self.read = on,
            5 => self.unseen = on,
            6 => self.replaced = on,
            _ => self.youngest = on.then_some(now),
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Depart { first: usize, count: usize, deletion: Deletion },
    Fact { topic: usize, which: u8, on: bool },
    Definition(Option<u8>),
    Release,
    Restart,
    Nothing,
}

fn act() -> impl Strategy<Value = Act> {
    let departs = (0..TOPICS, 1..=TOPICS, prop_oneof![5 => Just(Deletion::Delete), 1 => Just(Deletion::Keep)]);
    prop_oneof![
        6 => departs.prop_map(|(first, count, deletion)| Act::Depart { first, count, deletion }),
        4 => (0..TOPICS, 0..8_u8, any::<bool>()).prop_map(|(topic, which, on)| Act::Fact { topic, which, on }),
        1 => prop_oneof![1 => Just(None), 6 => Just(Some(0)), 1 => Just(Some(1))].prop_map(Act::Definition),
        1 => Just(Act::Release),
        1 => Just(Act::Restart),
        6 => Just(Act::Nothing),
    ]
}

fn standing(facts: &[Fact]) -> Standing {
    let mut standing = Standing::default();
    for (topic, fact) in facts.iter().enumerate() {
        let claim = |topic_id| Claimed {
            namespace: "ns".into(),
            name: "c".into(),
            uid: None,
            topic_id,
            source: TopicSource::Declared,
        };
        let name = format!("t{topic}");
        if fact.named || fact.claimed {
            standing.claims.insert(name.clone(), vec![claim(fact.claimed.then(|| fact.id(topic)))]);
        }
        if fact.used {
            standing.uses.insert(name, vec!["ns/app".into()]);
        }
    }
    standing
}

fn sights(facts: &[Fact], due: &[PendingDeletion]) -> BTreeMap<String, Result<Sight, admittance::clusters::Unusable>> {
    let seen = |record: &PendingDeletion| {
        let topic: usize = record.topic.trim_start_matches(char::is_alphabetic).parse().unwrap();
        let fact = &facts[topic];
        let sight = Sight {
            id: Some(if fact.replaced { "id-of-another".into() } else { fact.id(topic) }),
            holders: fact.held.then(|| "bob".into()).into_iter().collect(),
            groups: fact.read.then(|| "g".into()).into_iter().collect(),
            unclear: Vec::new(),
            youngest: fact.youngest.map(|second| Timestamp::from_second(second).unwrap()),
        };
        (!fact.unseen).then(|| (record.topic_id.clone(), Ok(sight)))
    };
    due.iter().filter_map(seen).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_deleted_that_anybody_could_miss(
        story in vec((0..50_i64, act()), 1..80),
        undo in prop_oneof![Just(0_u64), Just(300), Just(5400)],
        max_an_hour in 0..4_usize,
        age in prop_oneof![Just(0_u64), Just(3600)],
    ) {
        let policy =
            Policy { undo: Duration::from_secs(undo), min_record_age: Duration::from_secs(age), max_an_hour, by_share: false };
        let mut facts = vec![Fact::default(); TOPICS];
        let (mut books, mut now, mut definition) = (Books::default(), 1_000_000_i64, Some(0_u8));
        let (mut unasked, mut seen) = (Vec::<i64>::new(), Seen::default());
        for (minutes, act) in story {
            now += minutes * 60;
            let at = Timestamp::from_second(now).unwrap();
            let (mut gone, mut release) = (Vec::new(), None);
            match act {
                Act::Depart { first, count, deletion } => {
                    for topic in (first..first + count).map(|topic| topic % TOPICS) {
                        (facts[topic].named, facts[topic].claimed) = (false, false);
                        let (topic, topic_id) = (format!("t{topic}"), facts[topic].id(topic));
                        let (cluster, namespace, claim) = ("k/c".into(), "ns".into(), "c".into());
                        let created = at;
                        gone.push(Departure {
                            cluster,
                            topic,
                            topic_id,
                            namespace,
                            claim,
                            created,
                            deletion,
                            ready: true,
                        });
                    }
                }
                Act::Fact { topic, which, on } => facts[topic].set(which, on, now),
                Act::Definition(uid) => definition = uid,
                Act::Restart => seen = Seen::default(),
                Act::Release => release = word(&books.deletions),
                Act::Nothing => {}
            }
            let uid = definition.map(|uid| uid.to_string());
            books.heed(release.as_deref());
            let stands = uid.clone().map(|uid| Definition { uid, created: Timestamp::UNIX_EPOCH });
            books.enter(&gone, stands.as_ref(), &policy, at);
            books.revise(uid.as_deref(), &standing(&facts), &seen, &policy, at);
            seen.note([], &books, at);
            let due = books.due(&policy, at);
            let evidence = Evidence { definition: uid.clone(), standing: standing(&facts), sights: sights(&facts, &due) };
            let plan = decide(books, &evidence, &policy, at);
            for record in &plan.delete {
                let topic: usize = record.topic.trim_start_matches(char::is_alphabetic).parse().unwrap();
                let fact = &facts[topic];
                prop_assert_eq!(&record.topic_id, &fact.id(topic), "a topic of another time");
                prop_assert!(!(fact.named || fact.claimed || fact.used || fact.held || fact.read), "{:?}", fact);
                prop_assert!(!(fact.unseen || fact.replaced), "{:?}", fact);
                prop_assert!(fact.youngest.is_none_or(|youngest| now - youngest >= i64::try_from(age).unwrap()));
                prop_assert!(record.due.0 <= at && record.since.0 <= at);
                let overdue = at.duration_since(record.due.0).as_secs();
                prop_assert!(overdue <= HOUR || seen.lately(&record.topic_id, at), "overdue, and nobody looked");
                prop_assert_eq!(uid.as_deref(), Some(record.definition.as_str()));
                if !record.released {
                    unasked.push(now);
                }
            }
            let deleted: Vec<_> = plan.delete.iter().map(|record| (record.clone(), Ok(()))).collect();
            for (record, _) in &deleted {
                let topic: usize = record.topic.trim_start_matches(char::is_alphabetic).parse().unwrap();
                facts[topic] = Fact { made: facts[topic].made + 1, ..Fact::default() };
            }
            books = plan.settle(deleted, at).0;
            seen.note(evidence.sights.keys(), &books, at);
            for (first, begin) in unasked.iter().enumerate() {
                let hour = unasked[first..].iter().filter(|moment| *moment - begin < HOUR).count();
                prop_assert!(hour <= max_an_hour, "{} within an hour from {}", hour, begin);
            }
        }
    }
}

#[test]
fn the_story_has_deletions() {
    let policy = Policy { undo: Duration::ZERO, min_record_age: Duration::ZERO, max_an_hour: 1, by_share: false };
    let at = Timestamp::from_second(1).unwrap();
    let departure = Departure {
        cluster: "k/c".into(),
        topic: "t0".into(),
        topic_id: "id-0-0".into(),
        namespace: "ns".into(),
        claim: "c".into(),
        created: at,
        deletion: Deletion::Delete,
        ready: true,
    };
    let mut books = Books::default();
    let definition = Definition { uid: "0".into(), created: Timestamp::UNIX_EPOCH };
    books.enter(&[departure], Some(&definition), &policy, at);
    let facts = vec![Fact::default(); TOPICS];
    let due = books.due(&policy, at);
    let evidence =
        Evidence { definition: Some("0".into()), standing: Standing::default(), sights: sights(&facts, &due) };
    assert_eq!(decide(books, &evidence, &policy, at).delete.len(), 1);
}
