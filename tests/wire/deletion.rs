//! What Kafka says of topics that are to be deleted, and what is decided by it.

use std::time::Duration;

use admittance::{
    api::{reasons::Reason, resources::PendingDeletion},
    topics::deletion::{
        books::Books,
        confirm,
        observe::sights,
        plan::{Evidence, Plan, decide},
        policy::Policy,
    },
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kafka_protocol::messages::ApiKey;

use crate::{
    claims::connect,
    fake::{Fake, Fault, Script},
    group_broker::Group,
};

const POLICY: Policy =
    Policy { undo: Duration::ZERO, min_record_age: Duration::from_secs(3600), max_an_hour: 10, by_share: false };
/// The id of every topic of the fake.
const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn record(topic_id: &str) -> PendingDeletion {
    PendingDeletion {
        topic: "payments".into(),
        topic_id: topic_id.into(),
        namespace: "shop".into(),
        claim: "payments".into(),
        definition: "crd".into(),
        since: Time(Timestamp::UNIX_EPOCH),
        due: Time(Timestamp::UNIX_EPOCH),
        held: None,
        released: false,
        deleted: None,
    }
}

/// A broker with the topic, its youngest record of this time, and a group in this state that reads it.
async fn keeping(state: &'static str, youngest: Timestamp) -> Fake {
    let group = Group {
        new_protocol: false,
        kind: None,
        state,
        hosts: vec!["/10.0.0.1"],
        topic: "payments",
        committed: 0,
        end: 1,
        youngest: youngest.as_millisecond(),
        refused: 0,
        user_data: 0,
    };
    let fake = Fake::start(Script { groups: [("billing".to_owned(), group)].into(), ..Script::default() }).await;
    // No rules: tags, throttle time, code, no message, and an empty list.
    let none = Fault::Body(vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    fake.script.lock().unwrap().faults.insert(ApiKey::DescribeAcls, (usize::MAX, none));
    fake
}

fn books(ids: &[&str]) -> Books {
    Books { deletions: ids.iter().map(|id| record(id)).collect(), ..Books::default() }
}

#[tokio::test]
async fn of_two_records_that_bear_one_name_the_topic_itself_has_the_age_of_its_records() {
    let now = Timestamp::now();
    let fake = keeping("Empty", now).await;
    let connection = connect(&fake, "ours");
    for ids in [[ID, "deleted-by-hand-before"], ["deleted-by-hand-before", ID]] {
        let books = books(&ids);
        let due = books.due(&POLICY, now);
        assert_eq!(due.len(), 2);
        let evidence = Evidence {
            definition: Some("crd".into()),
            sights: sights(&connection, &due, true).await,
            ..Evidence::default()
        };
        let plan = decide(books, &evidence, &POLICY, now);
        assert_eq!(plan.delete, [], "{evidence:?}");
        let told: Vec<_> = plan.notes.iter().map(|note| note.reason).collect();
        assert!(told.contains(&Reason::TopicReplaced) && told.contains(&Reason::RecordsTooYoung), "{told:?}");
    }
    assert!(fake.seen(ApiKey::Metadata).iter().flatten().filter(|topic| *topic == "payments").count() <= 2);
}

#[tokio::test]
async fn what_comes_up_while_claims_are_read_holds() {
    let (now, old) = (Timestamp::now(), Timestamp::UNIX_EPOCH);
    for (state, youngest, expected) in [
        ("Empty", old, None),
        ("Stable", old, Some(Reason::GroupActive)),
        ("Empty", now, Some(Reason::RecordsTooYoung)),
    ] {
        let fake = keeping("Empty", old).await;
        let connection = connect(&fake, "ours");
        let sights = sights(&connection, &[record(ID)], true).await;
        let mut evidence = Evidence { definition: Some("crd".into()), sights, ..Evidence::default() };
        let plan = decide(books(&[ID]), &evidence, &POLICY, now);
        assert_eq!(plan.delete.len(), 1);
        {
            let mut script = fake.script.lock().unwrap();
            let group = script.groups.get_mut("billing").unwrap();
            (group.state, group.youngest) = (state, youngest.as_millisecond());
        }
        let plan = confirm(&connection, plan, books(&[ID]), &mut evidence, &POLICY, now).await;
        assert_eq!(plan.delete.len(), usize::from(expected.is_none()), "{state}");
        assert_eq!(plan.notes.first().map(|note| note.reason), expected, "{state}");
    }
    let fake = keeping("Empty", old).await;
    let (connection, mut evidence) = (connect(&fake, "ours"), Evidence::default());
    let plan = confirm(&connection, Plan::default(), books(&[]), &mut evidence, &POLICY, now).await;
    assert_eq!(plan, Plan::default());
    assert!(fake.seen(ApiKey::ListGroups).is_empty(), "Kafka is not asked about nothing");
}
