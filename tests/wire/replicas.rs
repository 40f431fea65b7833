//! Replicas and shares of the disks against brokers that lag, or of which one is down: what is asked, and what is left undone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use admittance::{
    clusters::Connection,
    kafka::{
        admin::{Admin, At, BrokerId, reassignments::Assignment, topics::Topic},
        batch::Batcher,
    },
    topics::{
        disk::{Disks, Share},
        moves::{
            Moves, Progress,
            assign::Seat,
            observe::is_seen_alike,
            pace::Pace,
            plan::Situation,
            throttle::{Listed, Rates},
        },
        observe::are_seen_alike,
        roll::Rolls,
        shares::divided,
        volumes::ask,
    },
};
use kafka_protocol::messages::ApiKey;

use crate::{
    admin, claims, config,
    fake::{Fake, Fault, Script},
    topic_broker::{Kept, Topics},
};

/// The longest that a broker lags here: less than is waited for.
const LAGS: Duration = Duration::from_millis(500);

fn kept(replicas: &[i32], in_sync: &[i32]) -> Kept {
    (replicas.to_vec(), in_sync.to_vec())
}

/// As one broker still shows it: somebody moved the partition from 1 to 4, and that has ended.
fn late() -> Kept {
    kept(&[2, 3, 4, 1], &[1, 2, 3])
}

/// As it is by then.
fn moved() -> Kept {
    kept(&[2, 3, 4], &[2, 3, 4])
}

async fn keeping(partitions: &[Kept], settings: &[(&str, &str)]) -> Fake {
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let topics = Topics {
        kept: BTreeMap::from([("orders".to_owned(), partitions.to_vec())]),
        settings: BTreeMap::from([("orders".to_owned(), settings)]),
        ..Topics::default()
    };
    let fake = Fake::start(Script { topics, ..Script::default() }).await;
    let endpoint = &fake.endpoint;
    fake.script.lock().unwrap().cluster = (1..=4).map(|id| (id, endpoint.clone())).collect();
    fake
}

/// Has a broker show something else after a while.
fn follows(fake: &Fake, partitions: Vec<Kept>) {
    let script = std::sync::Arc::clone(&fake.script);
    tokio::spawn(async move {
        tokio::time::sleep(LAGS).await;
        script.lock().unwrap().topics.kept.insert("orders".to_owned(), partitions);
    });
}

fn connection(fake: &Fake) -> Connection {
    let admin = Admin::new(config(&[fake])).unwrap();
    let (credential, claim, terms) = (claims::credential(), claims::claim("uid"), claims::terms(fake));
    Connection { batcher: Batcher::new(&admin), admin, credential, claim, terms }
}

async fn shown(admin: &Admin) -> Topic {
    let found = admin.describe_topics(&["orders".to_owned()], At::Any).await.unwrap();
    found.into_iter().next().unwrap().unwrap().unwrap()
}

/// One look at the replicas of the topic as it is shown, and the partitions that were reassigned by it.
async fn advance(fake: &Fake, wanted: usize) -> (Progress, Vec<String>) {
    let connection = connection(fake);
    let topic = shown(&connection.admin).await;
    let progress = Moves::default().advance(&connection, ("a/b", "kafka"), &topic, Some(wanted)).await.unwrap();
    (progress, fake.seen(ApiKey::AlterPartitionReassignments).concat())
}

#[tokio::test]
async fn a_move_that_has_ended_is_not_undone_because_brokers_show_it_late() {
    let fake = keeping(&[late()], &[]).await;
    follows(&fake, vec![moved()]);
    assert_eq!(advance(&fake, 3).await, (Progress::default(), vec![]));
    // And one replica too many that nobody moves goes.
    let fake = keeping(&[moved(), kept(&[1, 2, 3, 4], &[1, 2, 3, 4])], &[]).await;
    let (progress, begun) = advance(&fake, 3).await;
    assert_eq!((progress.moving, progress.waits, begun), (Some(1), None, vec!["orders:1".to_owned()]));
}

#[tokio::test]
async fn a_move_that_has_ended_holds_up_nothing_because_brokers_show_it_late() {
    let small = || kept(&[1, 2], &[1, 2]);
    let fake = keeping(&[kept(&[2, 4, 1], &[1, 2]), small()], &[]).await;
    follows(&fake, vec![kept(&[2, 4], &[2, 4]), small()]);
    let (progress, begun) = advance(&fake, 3).await;
    assert_eq!((progress.moving, progress.waits), (Some(2), None));
    assert_eq!(begun, ["orders:0", "orders:1"]);
}

#[tokio::test]
async fn a_broker_that_stays_behind_is_named_and_leaves_no_brake() {
    let [one, two] = [keeping(&[moved()], &[]).await, keeping(&[kept(&[2, 3, 4], &[2, 3])], &[]).await];
    one.script.lock().unwrap().cluster = vec![(1, one.endpoint.clone()), (2, two.endpoint.clone())];
    let (connection, moves) = (connection(&one), Moves::default());
    let topic = shown(&connection.admin).await;
    let look = async || moves.advance(&connection, ("a/b", "kafka"), &topic, Some(2)).await.unwrap();
    let first = look().await;
    assert_eq!((first.moving, first.waits), (Some(1), None), "most are a moment behind");
    for _ in 0..2 {
        let later = look().await;
        let message = later.waits.unwrap().message;
        assert!(message.starts_with("broker 2 does not show topic orders as the others do"), "{message}");
        assert_eq!(later.moving, None);
    }
    let written = |fake: &Fake| {
        [ApiKey::IncrementalAlterConfigs, ApiKey::AlterPartitionReassignments].map(|api| fake.seen(api).len())
    };
    assert_eq!((written(&one), written(&two)), ([0; 2], [0; 2]));
    two.script.lock().unwrap().topics.kept.insert("orders".to_owned(), vec![moved()]);
    let begun = look().await;
    assert_eq!((begun.moving, begun.waits), (Some(1), None));
    assert_eq!([&one, &two].map(|fake| fake.seen(ApiKey::AlterPartitionReassignments).len()).iter().sum::<usize>(), 1);
}

#[tokio::test]
async fn a_move_is_begun_only_where_all_brokers_show_the_partition_alike_and_nobody_moves_it() {
    let [one, two] = [keeping(&[moved(), moved()], &[]).await, keeping(&[moved(), moved()], &[]).await];
    one.script.lock().unwrap().cluster = vec![(1, one.endpoint.clone()), (2, two.endpoint.clone())];
    let admin = admin(&one);
    let seat = |id| Seat { id: BrokerId(id), rack: None, load: 0 };
    let seen = Situation {
        topic: shown(&admin).await,
        wanted: Some(2),
        least: 1,
        listed: Listed::Nothing,
        running: vec![],
        steady: BTreeSet::from([0, 1]),
        behind: None,
        pace: Pace::default(),
        rates: Rates::default(),
        other_rates: BTreeSet::new(),
        policy_rate: 1 << 20,
        seats: vec![seat(1), seat(2)],
    };
    let begun = [Assignment { index: 0, replicas: Some(vec![BrokerId(2), BrokerId(3)]) }];
    for (shows, alike, case) in [
        ([moved(), moved()], true, "all is well"),
        ([kept(&[2, 3, 4], &[2, 3]), moved()], false, "another is in sync"),
        ([kept(&[2, 4, 3], &[2, 3, 4]), moved()], false, "it is kept in another order"),
        ([moved(), kept(&[2, 3], &[2, 3])], true, "another partition is none of our business"),
    ] {
        two.script.lock().unwrap().topics.kept.insert("orders".to_owned(), shows.to_vec());
        assert_eq!(is_seen_alike(&admin, &seen, &begun).await.unwrap(), alike, "{case}");
    }
    for (topic, index, alike) in [("orders", 1, true), ("payments", 0, true), ("orders", 0, false)] {
        one.script.lock().unwrap().moves.running.insert((topic.to_owned(), index), vec![3, 4]);
        assert_eq!(is_seen_alike(&admin, &seen, &begun).await.unwrap(), alike, "{topic} {index} is moved");
    }
}

#[tokio::test]
async fn a_share_is_not_cut_because_brokers_show_a_move_late_that_has_ended() {
    const SEGMENT: i64 = 1 << 20;
    let (share, disks) = (Share::parse("0.1").unwrap(), Disks { total: 1200 << 20, complete: true });
    // 120 segments are a tenth: 40 for each of three replicas, 30 for each of four; one fewer is kept.
    let (of_three, of_four) = (39 * SEGMENT, 29 * SEGMENT);
    let has = |bytes: i64| [("segment.bytes", SEGMENT.to_string()), ("retention.bytes", bytes.to_string())];
    for (now, then, bytes, expected, case) in [
        (late(), moved(), of_three, of_three, "it has three replicas after all"),
        (late(), moved(), -1, of_three, "it had no limit"),
        (late(), late(), of_three, of_four, "it has four"),
        (moved(), late(), of_four, of_three, "more is kept at once"),
    ] {
        let settings = has(bytes);
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let fake = keeping(&[now], &settings).await;
        follows(&fake, vec![then]);
        let admin = admin(&fake);
        let shown = shown(&admin).await;
        assert_eq!(divided(&admin, share, disks, &shown).await.unwrap(), Some(expected), "{case}");
    }
}

#[tokio::test]
async fn a_broker_that_keeps_nothing_and_is_down_makes_the_disks_no_smaller() {
    let disks = |total, complete| Disks { total, complete };
    for (version, away, case) in [
        ((0, 1), disks(4000, false), "before 4.0 it is not listed while it is down"),
        ((0, 2), disks(3000, true), "since 4.0 only who is gone for good is not listed"),
    ] {
        let fake = keeping(&[moved()], &[]).await;
        let endpoint = fake.endpoint.clone();
        let listed = |ids: &[i32]| {
            let mut script = fake.script.lock().unwrap();
            script.versions.insert(ApiKey::DescribeCluster, version);
            script.moves.dirs = vec![("/a", 0, 1000, 400)];
            script.cluster = ids.iter().map(|id| (*id, endpoint.clone())).collect();
        };
        listed(&[1, 2, 3, 4]);
        let (admin, rolls) = (admin(&fake), Rolls::default());
        assert_eq!(ask(&admin, &rolls, "a/b").await.unwrap(), disks(4000, true), "{case}");
        // The first keeps nothing.
        listed(&[2, 3, 4]);
        assert_eq!(ask(&admin, &rolls, "a/b").await.unwrap(), away, "{case}");
        assert_eq!(ask(&admin, &Rolls::default(), "a/b").await.unwrap(), disks(3000, true), "who never saw it");
        listed(&[1, 2, 3, 4]);
        assert_eq!(ask(&admin, &rolls, "a/b").await.unwrap(), disks(4000, true), "{case}");
    }
}

#[tokio::test]
async fn what_waits_for_a_broker_takes_no_turn_and_asks_little() {
    const LIST: &str = "leader.replication.throttled.replicas";
    let all_topics = |fake: &Fake| fake.seen(ApiKey::Metadata).iter().filter(|names| names.is_empty()).count();
    for (partition, wanted, says, case) in [
        (kept(&[1, 2], &[1]), 3, "broker 2 lags", "a broker is down"),
        (kept(&[1, 2], &[]), 3, "broker 1 lags", "all are"),
        (kept(&[1, 2, 3, 4], &[1, 2, 3, 4]), 5, "4 can be used", "there are too few"),
    ] {
        let fake = keeping(&[partition], &[]).await;
        let (progress, begun) = advance(&fake, wanted).await;
        let waits = progress.waits.unwrap();
        assert!(waits.message.contains(says) && begun.is_empty(), "{case}: {}", waits.message);
        let asked = [ApiKey::ListPartitionReassignments, ApiKey::Metadata, ApiKey::DescribeConfigs];
        assert_eq!(asked.map(|api| fake.seen(api).len()), [2, 2, 0], "{case}");
    }
    // Nor are all topics asked for where somebody else is in the way.
    let fake = keeping(&[moved()], &[(LIST, "0:2")]).await;
    let (progress, begun) = advance(&fake, 2).await;
    assert!(progress.waits.unwrap().message.contains("somebody else throttles") && begun.is_empty());
    assert_eq!(all_topics(&fake), 0);
    let fake = keeping(&[moved()], &[]).await;
    let (progress, begun) = advance(&fake, 2).await;
    assert_eq!((progress.waits, begun, all_topics(&fake)), (None, vec!["orders:0".to_owned()], 1));
}

#[tokio::test]
async fn settings_are_what_others_say_as_well() {
    let fakes = [keeping(&[], &[]).await, keeping(&[], &[]).await, keeping(&[], &[]).await];
    let cluster: Vec<_> = (1..).zip(fakes.iter().map(|fake| fake.endpoint.clone())).collect();
    let settings = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let (old, new) = (&[("flush.ms", "1")][..], &[("flush.ms", "2")][..]);
    let moved = &[("flush.ms", "1"), ("leader.replication.throttled.replicas", "0:1")][..];
    for (shown, fenced, alike, case) in [
        ([old, old, new], &[][..], true, "two agree"),
        ([old, new, old], &[], false, "the second says something else"),
        ([new, old, old], &[], false, "so does the first, which is asked by its name as well"),
        ([old, new, old], &[2], true, "whoever serves nobody is not asked"),
        ([moved, moved, old], &[], true, "a brake is no setting of the topic's"),
    ] {
        for (fake, shown) in fakes.iter().zip(shown) {
            let mut script = fake.script.lock().unwrap();
            (script.cluster, script.fenced) = (cluster.clone(), fenced.to_vec());
            script.topics.settings.insert("orders".to_owned(), settings(shown));
        }
        assert_eq!(are_seen_alike(&admin(&fakes[0]), "orders", &settings(old)).await.unwrap(), alike, "{case}");
    }
    // Who is silent says nothing, and neither does who does not know the topic.
    for (fault, refused) in [(Some(Fault::Close), 0), (None, 3)] {
        {
            let mut script = fakes[1].script.lock().unwrap();
            script.topics.settings.insert("orders".to_owned(), settings(new));
            script.faults = fault.into_iter().map(|fault| (ApiKey::DescribeConfigs, (usize::MAX, fault))).collect();
            script.refused.insert("orders".to_owned(), refused);
        }
        assert!(are_seen_alike(&admin(&fakes[0]), "orders", &settings(old)).await.unwrap());
    }
}
