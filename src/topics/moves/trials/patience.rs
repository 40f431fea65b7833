//! Moves that get nowhere, on a Kafka that is played: for how long they are waited for, and by whom.

use super::kinds;
use super::model::{Kafka, POLICY, broker};
use crate::api::reasons::Reason;
use crate::topics::moves::plan::{Situation, TOPICS, plan};
use crate::topics::moves::throttle::{Listed, RATES, Rates};

#[test]
fn what_is_copied_to_a_broker_that_is_down_says_so_and_goes_on_when_it_is_back() {
    let mut kafka = Kafka::with(1, 3, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.arrive(0);
    assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), ["brake"], "what has arrived leaves the list");
    let to: Vec<i32> = kafka.running.iter().map(|move_| move_.adding[0].0).collect();
    for (down, says) in [
        (vec![], None),
        (vec![0], None),
        (vec![to[0]], Some(format!("broker {}, to which partition 1 of topic t0 is copied, is down", to[0]))),
        (vec![to[1]], Some(format!("broker {}, to which partition", to[1]))),
    ] {
        kafka.down = down.into_iter().collect();
        for wanted in [Some(3), None] {
            let plan = kafka.look("t0", wanted, usize::MAX);
            assert_eq!((kinds(&plan), plan.moving), (vec![], 2), "{:?}", kafka.down);
            let said = plan.waits.map(|waits| (waits.reason, waits.message));
            assert_eq!(said.is_some(), says.is_some(), "{said:?}");
            if let (Some((reason, message)), Some(says)) = (said, &says) {
                assert!(reason == Reason::ReplicasWait && message.contains(says), "{message}");
            }
        }
    }
    kafka.down.clear();
    kafka.settle("t0", 3);
    kafka.is_done("t0", 3, None);
}

#[test]
fn what_is_copied_to_a_broker_that_never_returns_goes_elsewhere_after_an_hour() {
    let mut kafka = Kafka::with(TOPICS + 1, 1, 2);
    let names: Vec<_> = (0..=TOPICS).map(|number| format!("t{number}")).collect();
    let (last, first) = names.split_last().unwrap();
    for name in first {
        kafka.look(name, Some(3), usize::MAX);
    }
    let lost = kafka.running[0].adding.clone();
    assert!(kafka.running.iter().all(|move_| move_.adding == lost), "{kafka:?}");
    kafka.dies(lost[0].0);
    let before = kafka.writes;
    for minutes in [0, 59] {
        kafka.minutes_pass(minutes);
        for name in &names {
            let waits = kafka.look(name, Some(3), usize::MAX).waits.unwrap();
            let says = if name == last { "at a time" } else { "is down" };
            assert!(waits.reason == Reason::ReplicasWait && waits.message.contains(says), "{}", waits.message);
        }
    }
    assert_eq!(kafka.writes, before);
    kafka.minutes_pass(1);
    assert_eq!(kinds(&kafka.look(last, Some(3), usize::MAX)), ["brake", "begin"]);
    // A copy that no claim wants any more is not made elsewhere.
    for (name, wanted, then) in
        [("t0", Some(3), &["brake", "begin"][..]), ("t1", Some(3), &["brake", "begin"]), ("t2", None, &["release"])]
    {
        assert_eq!(kinds(&kafka.look(name, wanted, usize::MAX)), ["cancel"]);
        assert_eq!(kafka.topics[name][0].replicas, [broker(0), broker(1)]);
        assert_eq!(kinds(&kafka.look(name, wanted, usize::MAX)), then);
    }
    assert!(kafka.running.len() == TOPICS && kafka.running.iter().all(|move_| move_.adding != lost), "{kafka:?}");
    for name in &names {
        kafka.settle(name, 3);
    }
    kafka.is_done("t0", 3, None);
}

#[test]
fn a_newcomer_that_is_in_sync_stays_when_another_is_given_up() {
    for lags in [false, true] {
        let mut kafka = Kafka::with(1, 1, 2);
        kafka.look("t0", Some(4), usize::MAX);
        kafka.catches_up("t0", 0, 2);
        kafka.dies(3);
        if lags {
            kafka.dies(1);
        }
        kafka.look("t0", Some(4), usize::MAX);
        kafka.minutes_pass(60);
        assert_eq!(kinds(&kafka.look("t0", Some(4), usize::MAX)), ["cancel"]);
        let partition = kafka.topics["t0"][0].clone();
        assert!(partition.in_sync.contains(&broker(2)), "{partition:?}");
        // Not before all that stay are in sync does Kafka forget the one that is lost.
        assert_eq!(kafka.running.is_empty(), !lags);
        let next = kafka.look("t0", Some(4), usize::MAX);
        if lags {
            assert_eq!((kinds(&next), next.moving), (vec![], 1));
            let waits = next.waits.unwrap();
            assert!(waits.message.ends_with("broker 1, which keeps them, is down"), "{}", waits.message);
        } else {
            assert_eq!(partition.replicas, [broker(0), broker(1), broker(2)]);
            assert_eq!(kinds(&next), ["no rate", "release"]);
            assert_eq!(next.waits.unwrap().reason, Reason::TooManyReplicas);
        }
        kafka.all_are_back();
        kafka.settle("t0", 4);
        kafka.is_done("t0", 4, None);
    }
    // The last that has all records is waited for, however long.
    let mut kafka = Kafka::with(1, 1, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.down.insert(2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.minutes_pass(60);
    kafka.partition("t0", 0).in_sync = vec![broker(2)];
    assert_eq!(kinds(&plan(&kafka.see("t0", Some(3)))), [""; 0]);
}

#[test]
fn what_never_arrives_says_so_and_keeps_nobody_waiting() {
    let mut kafka = Kafka::with(TOPICS + 1, 2, 2);
    let names: Vec<_> = (0..=TOPICS).map(|number| format!("t{number}")).collect();
    let (last, first) = names.split_last().unwrap();
    for name in first.iter().chain(first) {
        kafka.look(name, Some(3), usize::MAX);
    }
    kafka.minutes_pass(59);
    for name in first {
        assert_eq!(kafka.look(name, Some(3), usize::MAX).waits, None);
    }
    assert!(kafka.look(last, Some(3), usize::MAX).waits.unwrap().message.contains("at a time"));
    kafka.minutes_pass(1);
    for name in first {
        for wanted in [Some(3), None] {
            let plan = kafka.look(name, wanted, usize::MAX);
            assert_eq!((kinds(&plan), plan.moving), (vec![], 2), "it goes on");
            let waits = plan.waits.unwrap();
            let says = waits.message.contains("none has arrived") && waits.message.contains(&POLICY.to_string());
            assert!(waits.reason == Reason::ReplicasWait && says, "{}", waits.message);
        }
    }
    let begun = kafka.look(last, Some(3), usize::MAX);
    assert_eq!((kinds(&begun), begun.waits), (vec!["brake", "begin"], None));
    kafka.set_rates(&RATES, Some(1000));
    let waits = kafka.look("t0", Some(3), usize::MAX).waits.unwrap();
    assert!(waits.message.contains("of 1000 bytes a second holds"), "{}", waits.message);
    kafka.set_rates(&RATES, Some(POLICY));
    kafka.arrive(0);
    let goes_on = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((goes_on.moving, goes_on.waits), (1, None));
    for name in &names {
        kafka.settle(name, 3);
    }
    kafka.is_done("t0", 3, None);
}

#[test]
fn a_list_that_a_broker_shows_late_is_not_written_back() {
    let mut kafka = Kafka::with(1, 3, 2);
    assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), ["brake", "rate", "begin"]);
    kafka.arrive(0);
    let seen = kafka.see("t0", Some(3));
    // The list of before the third was begun.
    let mut short = seen.listed.ours().cloned().unwrap();
    short.followers.retain(|(partition, _)| *partition != 2);
    let late = Situation { listed: Listed::Ours(short), ..seen };
    let gone = plan(&Situation { rates: Rates::default(), ..late.clone() });
    assert_eq!(kinds(&gone), ["rate"], "what is copied is braked beside others' moves too");
    for policy_rate in [late.policy_rate, late.policy_rate + 1] {
        let late = plan(&Situation { policy_rate, ..late.clone() });
        assert_eq!(kinds(&late), [""; 0], "{late:?}");
    }
}
