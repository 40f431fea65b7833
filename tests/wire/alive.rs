//! The check for stuck consumers, its whole way: from a mounted Secret over Kafka's answers to what is remembered.

use std::{collections::HashMap, fs, time::Duration};

use admittance::probe::{
    alive::{Here, Terms, check},
    notes::Notes,
};
use kafka_protocol::messages::ApiKey;

use crate::{
    fake::{Fake, Fault, Script},
    group_broker::Group,
    probe::Mounted,
    scram_server::PASSWORD,
};

/// The group of the mounted Secret.
const OWN: &str = "shop.checkout";
/// What the Pod of these tests has for an address; the other members are others'.
const HERE: &str = "10.244.1.7";

fn group() -> Group {
    Group {
        new_protocol: false,
        kind: None,
        state: "Stable",
        hosts: vec!["/10.244.1.7", "/10.244.9.9", "pod/10.244.1.7"],
        topic: "payments",
        committed: 5,
        end: 5,
        youngest: -1,
        refused: 0,
        user_data: 0,
    }
}

/// A consumer, the broker that it consumes from, and the probe that looks at it every 30 s.
struct Watched {
    fake: Fake,
    mounted: Mounted,
    now: u64,
    groups: Vec<String>,
}

impl Watched {
    async fn start(groups: &[(&str, Group)]) -> Self {
        let groups = groups.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect();
        let fake = Fake::start(Script { groups, ..Script::default() }).await;
        let mounted = Mounted::new(&fake.endpoint.to_string(), PASSWORD);
        fs::write(mounted.0.join("group.id"), OWN).unwrap();
        Self { fake, mounted, now: 1000, groups: Vec::new() }
    }

    fn change(&self, group: &str, change: impl FnOnce(&mut Group)) {
        change(self.fake.script.lock().unwrap().groups.get_mut(group).unwrap());
    }

    fn asked(&self, api: ApiKey) -> usize {
        self.fake.seen(api).len()
    }

    /// One call of the probe, half a minute after the last.
    async fn look(&mut self) -> Result<String, String> {
        self.now += 30;
        let here = Here {
            addresses: [HERE.parse().unwrap()].into(),
            notes: Some(Notes::at(self.mounted.0.join("notes"))),
            now: Some(self.now),
        };
        let terms = Terms {
            groups: self.groups.clone(),
            stuck_after: Duration::from_secs(60),
            timeout: Duration::from_millis(500),
        };
        check(&self.mounted.0, &terms, &here).await.map_err(|stuck| stuck.to_string())
    }
}

/// Looks until it is called stuck; how many looks that took, of ten.
async fn looks_until_stuck(watched: &mut Watched, group: &str) -> Option<usize> {
    for look in 1..=10 {
        if watched.look().await.is_err() {
            return Some(look);
        }
        watched.change(group, |group| group.end += 1);
    }
    None
}

#[tokio::test]
async fn a_consumer_that_stands_still_is_stuck_and_one_that_moves_again_is_not() {
    let mut watched = Watched::start(&[(OWN, group())]).await;
    assert_eq!(watched.look().await, Ok("alive: 2 partitions".to_owned()), "two of three members are this Pod's");
    assert_eq!(watched.look().await, Ok("alive: 2 partitions".to_owned()));
    assert_eq!(looks_until_stuck(&mut watched, OWN).await, Some(4), "growth is seen by the second, and lasts a minute");
    let stuck = watched.look().await.unwrap_err();
    assert!(stuck.contains("group `shop.checkout` has stood at offset 5 of `payments` 0 for"), "{stuck}");
    assert!(stuck.contains("`payments` 2") && !stuck.contains("`payments` 1"), "{stuck}");
    watched.change(OWN, |group| group.committed += 1);
    assert_eq!(watched.look().await, Ok("alive: 2 partitions".to_owned()));
}

#[tokio::test]
async fn an_idle_consumer_is_alive_and_a_busy_one_costs_no_leader_a_question() {
    let mut watched = Watched::start(&[(OWN, group())]).await;
    for _ in 0..10 {
        watched.look().await.unwrap();
    }
    assert_eq!(watched.asked(ApiKey::ListOffsets), 9, "nothing moves: the end is asked for");
    for _ in 0..10 {
        watched.change(OWN, |group| (group.committed, group.end) = (group.committed + 1, group.end + 5));
        watched.look().await.unwrap();
    }
    assert_eq!(watched.asked(ApiKey::ListOffsets), 9);
}

#[tokio::test]
async fn groups_of_the_new_protocol_and_groups_by_name_are_looked_at() {
    let new = Group { new_protocol: true, topic: "orders", ..group() };
    let mut watched = Watched::start(&[(OWN, group()), ("legacy", new)]).await;
    watched.groups = vec!["legacy".to_owned(), OWN.to_owned()];
    assert_eq!(watched.look().await, Ok("alive: 4 partitions".to_owned()));
    assert_eq!(looks_until_stuck(&mut watched, "legacy").await, Some(4));
    assert!(watched.look().await.unwrap_err().contains("group `legacy`"));
}

#[tokio::test]
async fn what_is_not_this_pods_is_not_its_fault() {
    for (case, other) in [
        ("other hosts", Group { hosts: vec!["/10.244.9.9", "", "/::1"], ..group() }),
        ("a rebalance", Group { state: "PreparingRebalance", ..group() }),
        ("no commit", Group { committed: -1, ..group() }),
    ] {
        let mut watched = Watched::start(&[(OWN, other)]).await;
        assert_eq!(looks_until_stuck(&mut watched, OWN).await, None, "{case}");
        let said = watched.look().await.unwrap();
        assert_eq!(said, "alive: this Pod holds no partition with a committed offset", "{case}");
    }
}

#[tokio::test]
async fn an_outage_is_no_failure_and_its_time_does_not_count() {
    for (api, fault) in [
        (ApiKey::FindCoordinator, Fault::Close),
        (ApiKey::DescribeGroups, Fault::Silence),
        (ApiKey::OffsetFetch, Fault::Body(vec![0xff; 40])),
        (ApiKey::ListOffsets, Fault::Close),
        (ApiKey::SaslAuthenticate, Fault::Close),
    ] {
        let mut watched = Watched::start(&[(OWN, group())]).await;
        for _ in 0..3 {
            watched.look().await.unwrap();
            watched.change(OWN, |group| group.end += 1);
        }
        watched.fake.script.lock().unwrap().faults = HashMap::from([(api, (1, fault))]);
        let said = watched.look().await.unwrap();
        assert!(said.contains("as far as can be known") || said.contains("nothing is known of group"), "{said}");
        assert!(!said.contains(PASSWORD));
        assert_eq!(looks_until_stuck(&mut watched, OWN).await, Some(5), "{api:?}: as from the start");
    }
}

#[tokio::test]
async fn a_right_that_is_missing_hides_one_group_and_not_the_others() {
    let refused = Group { topic: "orders", refused: 30, ..group() };
    let mut watched = Watched::start(&[(OWN, group()), ("foreign", refused)]).await;
    watched.groups = vec!["foreign".to_owned()];
    let said = watched.look().await.unwrap();
    assert!(said.starts_with("alive: 2 partitions; nothing is known of group `foreign`: "), "{said}");
    assert_eq!(looks_until_stuck(&mut watched, OWN).await, Some(4));
}

#[tokio::test]
async fn where_nothing_can_be_known_nothing_fails() {
    let mut watched = Watched::start(&[(OWN, group())]).await;
    watched.look().await.unwrap();
    let terms = Terms { groups: vec![], stuck_after: Duration::from_secs(1), timeout: Duration::from_millis(500) };
    let notes = || Some(Notes::at(watched.mounted.0.join("notes")));
    let addresses = || [HERE.parse().unwrap()].into();
    for here in [
        Here { addresses: addresses(), notes: None, now: Some(1) },
        Here { addresses: addresses(), notes: notes(), now: None },
        Here { addresses: [].into(), notes: notes(), now: Some(1) },
    ] {
        let said = check(&watched.mounted.0, &terms, &here).await.unwrap();
        assert!(said.starts_with("alive, as far as can be known: "), "{said}");
    }
    let here = Here { addresses: addresses(), notes: notes(), now: Some(1) };
    let said = check(std::path::Path::new("/nonexistent"), &terms, &here).await.unwrap();
    assert!(said.contains("cannot be read"), "{said}");
}
