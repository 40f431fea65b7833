//! Moves on a Kafka that is played: in every order of events, and stopped after any write.

mod model;
mod patience;

use proptest::prelude::*;

use self::model::{Kafka, POLICY, broker};
use crate::api::reasons::Reason;
use crate::kafka::admin::reassignments::Reassignment;
use crate::topics::moves::plan::{Plan, ROUND, Situation, Step, TOPICS, plan};
use crate::topics::moves::throttle::{FOLLOWERS, LEADERS, Listed, RATES};

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let kind = |step: &Step| match step {
        Step::Brake(_) => "brake",
        Step::SetRate(..) => "rate",
        Step::Cancel(_) => "cancel",
        Step::Begin(_) => "begin",
        Step::RemoveRate(_) => "no rate",
        Step::Release => "release",
    };
    plan.steps.iter().map(kind).collect()
}

#[test]
fn the_brake_comes_first_and_goes_last() {
    let mut kafka = Kafka::with(1, 2, 2);
    let begun = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((kinds(&begun), begun.moving), (vec!["brake", "rate", "begin"], 2));
    kafka.arrive(0);
    let between = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((kinds(&between), between.moving), (vec!["brake"], 1));
    let left = kafka.see("t0", None).listed.ours().cloned().unwrap();
    assert_eq!((left.leaders.len(), left.followers.len()), (2, 1), "what has arrived is slowed down no more");
    assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), [""; 0]);
    kafka.arrive(0);
    let done = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((kinds(&done), done.moving), (vec!["no rate", "release"], 0));
    kafka.is_done("t0", 3, None);
    let rest = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!(rest, Plan::default());
    let fewer = kafka.look("t0", Some(2), usize::MAX);
    assert_eq!(kinds(&fewer), ["begin"], "nothing is copied: no brake");
    kafka.is_done("t0", 2, None);
}

#[test]
fn stopped_after_any_write_it_ends_the_same() {
    for (from, to) in [(2, 3), (2, 4), (4, 2)] {
        let undisturbed = {
            let mut kafka = Kafka::with(1, 3, from);
            kafka.settle("t0", to);
            kafka.is_done("t0", to, None);
            kafka.writes
        };
        for stop in 0..undisturbed {
            let mut kafka = Kafka::with(1, 3, from);
            while kafka.writes < stop {
                kafka.look("t0", Some(to), stop - kafka.writes);
                kafka.arrive(1);
            }
            kafka.settle("t0", to);
            kafka.is_done("t0", to, None);
        }
    }
}

#[test]
fn many_partitions_go_in_rounds() {
    let count = i32::try_from(ROUND).unwrap() + 7;
    let mut kafka = Kafka::with(1, count, 2);
    let begun = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((kafka.running.len(), begun.moving), (ROUND, ROUND + 7));
    for _ in 0..10 {
        kafka.arrive(0);
    }
    let next = kafka.look("t0", Some(3), usize::MAX);
    assert_eq!((kinds(&next), kafka.running.len(), next.moving), (vec!["brake", "begin"], ROUND - 3, ROUND - 3));
    let brake = kafka.see("t0", None).listed;
    assert_eq!(brake.ours().unwrap().followers.len(), ROUND - 3, "what has arrived has left the list");
    kafka.settle("t0", 3);
    kafka.is_done("t0", 3, None);
}

#[test]
fn what_others_do_is_waited_for_and_left_alone() {
    let waits = |kafka: &mut Kafka, name: &str| {
        let plan = kafka.look(name, Some(3), usize::MAX);
        assert!(plan.steps.is_empty() && plan.moving == 0, "{plan:?}");
        let waits = plan.waits.unwrap();
        assert_eq!(waits.reason, Reason::ReplicasWait);
        waits.message
    };
    let mut moved = Kafka::with(1, 2, 2);
    let replicas = vec![broker(0), broker(1), broker(3)];
    moved.running.push(Reassignment {
        topic: "t0".into(),
        index: 1,
        replicas,
        adding: vec![broker(3)],
        removing: vec![broker(0)],
    });
    assert!(waits(&mut moved, "t0").contains("somebody else moves replicas of topic t0, partition 1"));

    let mut throttled = Kafka::with(1, 2, 2);
    let list = Some("0:0,0:1".to_owned());
    throttled.brakes.insert("t0".into(), [(LEADERS.to_owned(), list), (FOLLOWERS.to_owned(), None)].into());
    assert!(waits(&mut throttled, "t0").contains("(0:0,0:1 )"));

    let mut lags = Kafka::with(1, 2, 3);
    lags.partition("t0", 1).replicas.pop();
    lags.partition("t0", 0).in_sync.pop();
    assert!(waits(&mut lags, "t0").contains("partition 0 of topic t0 is under-replicated: broker 2 lags"));
    lags.topics
        .get_mut("t0")
        .unwrap()
        .iter_mut()
        .for_each(|partition| partition.in_sync.clone_from(&partition.replicas));
    lags.partition("t0", 1).leader = None;
    assert!(waits(&mut lags, "t0").contains("partition 1 of topic t0 has no leader"));
}

#[test]
fn what_somebody_moved_is_not_undone_by_what_a_broker_shows_late() {
    use crate::topics::moves::steady::steady;
    // Somebody's move from 0 to 3 has ended: it is on the list no more, and this broker still shows it.
    let mut kafka = Kafka::with(1, 2, 3);
    kafka.partition("t0", 0).replicas = [1, 2, 3, 0].map(broker).to_vec();
    kafka.partition("t0", 0).leader = Some(broker(1));
    let seen = kafka.see("t0", Some(3));
    let (replicas, adding, removing) = (seen.topic.partitions[0].replicas.clone(), vec![broker(3)], vec![broker(0)]);
    let moved = Reassignment { topic: "t0".into(), index: 0, replicas, adding, removing };
    let ended =
        |before: &[Reassignment]| Situation { steady: steady(&seen.topic, before, &seen.topic), ..seen.clone() };
    let late = plan(&ended(&[moved]));
    assert_eq!((kinds(&late), late.moving, late.waits), (vec![], 1, None), "it is looked at again soon");
    let own = plan(&ended(&[]));
    assert_eq!(kinds(&own), ["begin"], "one too many, and nobody's move");

    // The newcomer of a move that has ended does not lag, whatever this broker shows.
    let mut kafka = Kafka::with(1, 2, 2);
    kafka.partition("t0", 0).replicas.push(broker(2));
    let shown = kafka.see("t0", Some(3));
    let late = plan(&Situation { steady: [1].into(), ..shown.clone() });
    assert_eq!((kinds(&late), late.moving, late.waits), (vec![], 1, None), "it is looked at again soon");
    assert!(plan(&shown).waits.unwrap().message.contains("broker 2 lags"), "it does, if that lasts");
}

#[test]
fn what_hinders_a_topic_is_known_before_its_turn() {
    use crate::topics::moves::plan::{Glance, hindrance};
    let mut hindered = 0;
    for (lags, wanted, leads, down) in (0..8_i32)
        .flat_map(|lags| (2..6_usize).flat_map(move |wanted| [(lags, wanted, true, 3), (lags, wanted, true, 9)]))
        .chain([(0, 2, false, 9), (1, 4, false, 9), (0, 3, false, 9)])
    {
        let mut kafka = Kafka::with(1, 1, 3);
        kafka.down.insert(down);
        let partition = kafka.partition("t0", 0);
        partition.in_sync.retain(|id| lags >> id.0 & 1 == 0);
        partition.leader = partition.in_sync.first().copied().filter(|_| leads);
        let mut seen = kafka.see("t0", Some(wanted));
        let glance = Glance { running: Vec::new(), seats: seen.seats.clone() };
        let told = hindrance(&seen.topic, seen.wanted, &glance);
        assert_eq!(told, plan(&seen).waits, "{lags:b} {wanted} {leads} {down}");
        hindered += usize::from(told.is_some());
        // Of what is under way on it, it may be that brokers lag.
        let moved = |id| Reassignment {
            topic: "t0".into(),
            index: 0,
            replicas: seen.topic.partitions[0].replicas.clone(),
            adding: vec![broker(id)],
            removing: vec![],
        };
        seen.running = vec![moved(2)];
        assert_eq!(hindrance(&seen.topic, seen.wanted, &Glance { running: seen.running, ..glance }), None);
    }
    assert!(hindered > 30, "{hindered}");
}

#[test]
fn who_lags_may_go() {
    let mut kafka = Kafka::with(1, 1, 3);
    kafka.partition("t0", 0).in_sync = vec![broker(0), broker(2)];
    kafka.look("t0", Some(2), usize::MAX);
    assert_eq!(kafka.topics["t0"][0].replicas, [broker(0), broker(2)]);
}

#[test]
fn a_few_topics_at_a_time() {
    let mut kafka = Kafka::with(TOPICS + 1, 1, 2);
    for number in 0..TOPICS {
        assert_eq!(kafka.look(&format!("t{number}"), Some(3), usize::MAX).waits, None);
    }
    let last = format!("t{TOPICS}");
    let waits = kafka.look(&last, Some(3), usize::MAX).waits.unwrap();
    assert_eq!((waits.reason, kafka.brakes.len()), (Reason::ReplicasWait, TOPICS));
    assert!(waits.message.contains("at a time"), "{}", waits.message);
    kafka.arrive(0);
    assert_eq!(kafka.look(&last, Some(3), usize::MAX).waits, None);
    // The rate is everybody's who moves: it goes with the last.
    for number in 0..=TOPICS {
        assert_eq!(kafka.rates(), [Some(POLICY); 2]);
        kafka.settle(&format!("t{number}"), 3);
    }
    kafka.is_done("t0", 3, None);
}

#[test]
fn a_rate_of_somebody_else_holds_and_stays() {
    for theirs in [POLICY, 1000] {
        let mut kafka = Kafka::with(1, 1, 2);
        kafka.set_rates(&RATES, Some(theirs));
        assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), ["brake", "begin"]);
        kafka.settle("t0", 3);
        kafka.is_done("t0", 3, Some(theirs));
    }
    let mut kafka = Kafka::with(1, 1, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.set_rates(&RATES, Some(1000));
    kafka.settle("t0", 3);
    kafka.is_done("t0", 3, Some(1000));
}

#[test]
fn who_changes_one_of_both_rates_keeps_that_and_ours_goes() {
    // What somebody sets, during the move or before it, and what is there while it lasts: ours beside what is told from it.
    for (at, theirs, begun, during) in [
        (0, Some(1000), true, [Some(1000), Some(POLICY)]),
        (1, Some(1000), true, [Some(POLICY), Some(1000)]),
        (0, Some(1000), false, [Some(1000), Some(POLICY)]),
        (1, Some(1000), false, [Some(POLICY), Some(1000)]),
        (1, Some(POLICY), false, [None, Some(POLICY)]),
        (0, None, true, [Some(POLICY); 2]),
    ] {
        let mut kafka = Kafka::with(1, 2, 2);
        if begun {
            assert_eq!(kafka.look("t0", Some(3), usize::MAX).aside, None);
        }
        kafka.set_rates(&RATES[at..=at], theirs);
        let aside = kafka.look("t0", Some(3), usize::MAX).aside;
        assert_eq!(kafka.rates(), during, "{at} {theirs:?} {begun}");
        let says = theirs.filter(|theirs| *theirs != POLICY);
        let says =
            says.map(|theirs| format!("{} of {theirs} bytes a second holds, not the policy's {POLICY}", RATES[at]));
        assert_eq!(aside, says.map(|says| format!("somebody's {says}")));
        kafka.arrive(0);
        kafka.settle("t0", 3);
        let mut left = [None; 2];
        left[at] = theirs;
        kafka.is_done_but_for("t0", 3, left);
    }
}

#[test]
fn a_rate_that_another_brake_needs_stays_until_that_goes() {
    let mut kafka = Kafka::with(2, 1, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.set_rates(&RATES[..1], Some(1000));
    assert_eq!(kinds(&kafka.look("t1", Some(3), usize::MAX)), ["brake", "begin"]);
    kafka.arrive(0);
    assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), ["release"]);
    assert_eq!(kafka.rates(), [Some(1000), Some(POLICY)]);
    kafka.settle("t1", 3);
    kafka.is_done_but_for("t1", 3, [Some(1000), None]);
}

#[test]
fn a_rate_that_is_lost_or_changed_by_policy_is_set_anew() {
    let mut kafka = Kafka::with(1, 1, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.set_rates(&RATES, None);
    assert_eq!(kinds(&kafka.look("t0", Some(3), usize::MAX)), ["rate"]);
    let seen = Situation { policy_rate: 1 << 20, ..kafka.see("t0", Some(3)) };
    let changed = plan(&seen);
    assert_eq!(kinds(&changed), ["brake", "rate"], "the mark first");
    for step in changed.steps {
        kafka.apply("t0", step);
    }
    assert_eq!(kafka.rates(), [Some(1 << 20); 2]);
    kafka.arrive(0);
    kafka.settle("t0", 3);
    kafka.is_done("t0", 3, None);
}

#[test]
fn who_changes_the_mind_goes_back() {
    let mut kafka = Kafka::with(1, 3, 2);
    kafka.look("t0", Some(3), usize::MAX);
    kafka.arrive(0);
    let back = kafka.look("t0", Some(2), usize::MAX);
    assert_eq!(kinds(&back), ["cancel"]);
    kafka.settle("t0", 2);
    kafka.is_done("t0", 2, None);
    // Who only stops asking lets what was begun arrive.
    kafka.look("t0", Some(3), usize::MAX);
    assert_eq!(kinds(&kafka.look("t0", None, usize::MAX)), [""; 0]);
    while !kafka.running.is_empty() {
        kafka.arrive(0);
    }
    assert_eq!(kinds(&kafka.look("t0", None, usize::MAX)), ["no rate", "release"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let many = (5, Reason::TooManyReplicas, "5 replicas need as many brokers; 4");
    for (wanted, reason, words) in [many, (1, Reason::TooFewReplicas, "min.insync.replicas")] {
        let plan = Kafka::with(1, 1, 2).look("t0", Some(wanted), usize::MAX);
        let waits = plan.waits.unwrap();
        assert_eq!((plan.steps, waits.reason), (vec![], reason));
        assert!(waits.message.contains(words), "{}", waits.message);
    }
}

#[test]
fn a_foreign_brake_is_never_taken_off() {
    let mut kafka = Kafka::with(1, 1, 3);
    kafka.brakes.insert("t0".into(), [(LEADERS.to_owned(), Some("*".to_owned()))].into());
    assert_eq!(kafka.look("t0", Some(3), usize::MAX), Plan::default());
    assert!(matches!(kafka.see("t0", None).listed, Listed::Theirs(_)));
}

/// What may happen in any order.
#[derive(Debug, Clone)]
enum Happens {
    /// A look at a topic, stopped after so many writes.
    Look(usize, usize),
    /// A move arrives.
    Arrives(usize),
    /// A claim says something else.
    Claim(usize, usize),
    /// One of several newcomers of a partition catches up.
    CatchesUp(usize),
    /// A broker dies.
    Dies(i32),
    /// All return that are down.
    Back,
    /// Much of an hour passes.
    Later,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..3_usize, 0..5_usize).prop_map(|(topic, writes)| Happens::Look(topic, writes)),
        3 => any::<usize>().prop_map(Happens::Arrives),
        1 => (0..3_usize, 2..5_usize).prop_map(|(topic, wanted)| Happens::Claim(topic, wanted)),
        1 => any::<usize>().prop_map(Happens::CatchesUp),
        1 => (2..4_i32).prop_map(Happens::Dies),
        1 => Just(Happens::Back),
        2 => Just(Happens::Later),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_comes_to_what_is_claimed_without_a_brake(
        partitions in 1..4_i32,
        course in prop::collection::vec(happens(), 0..60),
    ) {
        let mut kafka = Kafka::with(3, partitions, 2);
        let mut wanted = [3, 2, 4];
        for event in course {
            match event {
                Happens::Look(topic, writes) => drop(kafka.look(&format!("t{topic}"), Some(wanted[topic]), writes)),
                Happens::Arrives(n) => kafka.arrive(n),
                Happens::Claim(topic, now) => wanted[topic] = now,
                Happens::CatchesUp(n) => kafka.one_catches_up(n),
                Happens::Dies(id) => kafka.dies(id),
                Happens::Back => kafka.all_are_back(),
                Happens::Later => kafka.minutes_pass(40),
            }
        }
        kafka.all_are_back();
        for (topic, wanted) in wanted.iter().enumerate() {
            kafka.settle(&format!("t{topic}"), *wanted);
        }
        // The first may have left the rate to the others.
        for (topic, wanted) in wanted.iter().enumerate() {
            kafka.settle(&format!("t{topic}"), *wanted);
            let right = kafka.topics[&format!("t{topic}")].iter().all(|partition| partition.replicas.len() == *wanted);
            prop_assert!(right, "{kafka:?}");
        }
        prop_assert!(kafka.brakes.is_empty() && kafka.running.is_empty(), "{kafka:?}");
        prop_assert_eq!(kafka.rates(), [None; 2]);
    }
}
