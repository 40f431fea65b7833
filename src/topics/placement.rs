//! Where the replicas of a new topic go when Kafka will not say. Pure.
//!
//! Kafka gives replicas of new topics to brokers that died, but to none that was shut down in order, until it is back (`usableBrokers` of
//! its controller). With no more brokers than replicas, nobody could have a new topic for as long as one of them is away. Kafka takes
//! places that are named to it, where one replica of each partition is on a broker that lives.

use std::collections::BTreeSet;

use super::moves::assign::{Seat, assign, seats};
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::cluster::Broker;
use crate::kafka::admin::topics::{NewTopic, Partition, Topic};

/// The brokers that are away: Kafka gives no new replicas to those of them that were shut down in order.
#[must_use]
pub fn away(brokers: &[Broker]) -> BTreeSet<BrokerId> {
    brokers.iter().filter(|broker| broker.fenced).map(|broker| broker.id).collect()
}

/// How many partitions have to be placed, and how many replicas of each: the brokers give `theirs` where the topic names no number. `None`
/// where nothing is gained by it: nobody is away, there are fewer brokers than replicas, or a number is not known.
#[must_use]
pub fn numbers(topic: &NewTopic, theirs: Option<i32>, brokers: &[Broker]) -> Option<(usize, usize)> {
    if away(brokers).is_empty() {
        return None;
    }
    let partitions = usize::try_from(topic.partitions?).ok()?;
    let replicas = usize::try_from(topic.replicas.map(i32::from).or(theirs)?).ok()?;
    (replicas <= brokers.len()).then_some((partitions, replicas))
}

/// The topic with a place for each replica, among the brokers' replicas of all `topics`; `None` where Kafka is right to refuse it: see
/// [`numbers`] and [`place`].
#[must_use]
pub fn placed(topic: &NewTopic, theirs: Option<i32>, brokers: &[Broker], topics: &[Topic]) -> Option<NewTopic> {
    let (partitions, replicas) = numbers(topic, theirs, brokers)?;
    let seats = seats(brokers.iter().cloned(), topics);
    let assignment = place(partitions, replicas, &seats, &away(brokers))?;
    Some(NewTopic { assignment, ..topic.clone() })
}

/// The replicas of each partition, the preferred leader first: brokers that live before those that are away. `None` where there are fewer
/// brokers than replicas, or none that lives: then Kafka is right.
#[must_use]
pub fn place(
    partitions: usize,
    replicas: usize,
    seats: &[Seat],
    away: &BTreeSet<BrokerId>,
) -> Option<Vec<Vec<BrokerId>>> {
    let mut leaders: Vec<&Seat> = seats.iter().filter(|seat| !away.contains(&seat.id)).collect();
    leaders.sort_by_key(|seat| (seat.load, seat.id));
    if leaders.is_empty() {
        return None;
    }
    // Where there are fewer of them than replicas, all that live have one.
    let living = if leaders.len() < replicas { leaders.len() } else { 1 };
    let led: Vec<Partition> = (0..)
        .take(partitions)
        .map(|index: usize| {
            let replicas =
                leaders.iter().cycle().skip(index % leaders.len()).take(living).map(|seat| seat.id).collect();
            Partition { index: i32::try_from(index).unwrap_or(i32::MAX), leader: None, replicas, in_sync: Vec::new() }
        })
        .collect();
    let mut placed: Vec<Vec<BrokerId>> = led.iter().map(|partition| partition.replicas.clone()).collect();
    for (place, one) in placed.iter_mut().zip(assign(&led, replicas, 1, seats).ok()?) {
        *place = one.after;
        place.sort_by_key(|id| away.contains(id));
    }
    Some(placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::topics::TopicId;
    use crate::kafka::config::Endpoint;

    fn seat(id: i32, rack: Option<&str>, load: usize) -> Seat {
        Seat { id: BrokerId(id), rack: rack.map(str::to_owned), load }
    }

    fn places(partitions: usize, replicas: usize, seats: &[Seat], away: &[i32]) -> Option<Vec<Vec<i32>>> {
        let away = away.iter().copied().map(BrokerId).collect();
        let placed = place(partitions, replicas, seats, &away)?;
        Some(placed.into_iter().map(|ids| ids.into_iter().map(|id| id.0).collect()).collect())
    }

    #[test]
    fn who_is_away_has_replicas_and_leads_nothing() {
        let three = [seat(0, None, 5), seat(1, None, 2), seat(2, None, 0)];
        assert_eq!(places(3, 3, &three, &[2]), Some(vec![vec![1, 0, 2], vec![0, 1, 2], vec![1, 0, 2]]));
        assert_eq!(places(2, 1, &three, &[2]), Some(vec![vec![1], vec![0]]));
        assert_eq!(places(1, 4, &three, &[2]), None, "there are no four brokers");
        assert_eq!(places(1, 2, &three, &[0, 1, 2]), None, "nobody could lead it");
        assert_eq!(places(1, 3, &three, &[0, 1]), Some(vec![vec![2, 1, 0]]));
        let four = [seat(0, None, 9), seat(1, None, 9), seat(2, None, 0), seat(3, None, 0)];
        assert_eq!(places(2, 3, &four, &[2, 3]), Some(vec![vec![0, 1, 2], vec![1, 0, 3]]), "all that live have one");
    }

    #[test]
    fn racks_are_heeded_and_every_partition_has_somebody_who_lives() {
        let racks = [seat(0, Some("a"), 0), seat(1, Some("a"), 0), seat(2, Some("b"), 9), seat(3, Some("b"), 9)];
        for (partition, replicas) in places(8, 2, &racks, &[2, 3]).unwrap().into_iter().enumerate() {
            assert!(replicas[0] < 2 && replicas[1] > 1, "{partition}: {replicas:?}");
        }
    }

    fn brokers(all: &[(i32, bool)]) -> Vec<Broker> {
        let endpoint = Endpoint { host: "b".to_owned(), port: 9092 };
        let broker = |(id, fenced): &(i32, bool)| Broker {
            id: BrokerId(*id),
            endpoint: endpoint.clone(),
            rack: None,
            fenced: *fenced,
        };
        all.iter().map(broker).collect()
    }

    #[test]
    fn a_topic_is_placed_only_where_kafka_would_take_it_but_for_who_is_away() {
        const UP: &[(i32, bool)] = &[(0, false), (1, false), (2, false)];
        const DOWN: &[(i32, bool)] = &[(0, false), (1, false), (2, true)];
        const DEAD: &[(i32, bool)] = &[(0, true), (1, true), (2, true)];
        let replicas = vec![BrokerId(0)];
        let led = Partition { index: 0, leader: None, replicas: replicas.clone(), in_sync: replicas };
        let loaded = Topic { name: "old".to_owned(), id: TopicId([1; 16]), internal: false, partitions: vec![led] };
        for (all, partitions, named, theirs, expected, case) in [
            (DOWN, Some(1), Some(3), None, Some(vec![1, 0, 2]), "one is away, and leads nothing"),
            (DOWN, Some(1), None, Some(3), Some(vec![1, 0, 2]), "the brokers' own number"),
            (DOWN, Some(1), Some(1), Some(3), Some(vec![1]), "the topic's number comes before theirs"),
            (DOWN, Some(1), None, None, None, "nobody knows how many replicas"),
            (DOWN, None, Some(3), None, None, "nobody knows how many partitions"),
            (DOWN, Some(1), Some(-1), None, None, "no number at all"),
            (DOWN, Some(1), Some(4), None, None, "more replicas than brokers"),
            (UP, Some(1), Some(3), None, None, "nobody is away"),
            (DEAD, Some(1), Some(3), None, None, "everybody is"),
        ] {
            let (name, configs) = ("new".to_owned(), [("a".to_owned(), "b".to_owned())].into());
            let topic = NewTopic { name, partitions, replicas: named, configs, assignment: Vec::new() };
            let found = placed(&topic, theirs, &brokers(all), std::slice::from_ref(&loaded));
            let assignment = expected.map(|ids: Vec<i32>| vec![ids.into_iter().map(BrokerId).collect()]);
            assert_eq!(found, assignment.map(|assignment| NewTopic { assignment, ..topic }), "{case}");
        }
    }
}
