//! Where the replicas of a new topic go when Kafka will not say. Pure.
//!
//! Kafka gives replicas of new topics to brokers that died, but to none that was shut down in order, until it is back (`usableBrokers` of
//! its controller). With no more brokers than replicas, nobody could have a new topic for as long as one of them is away. Kafka takes
//! places that are named to it, where one replica of each partition is on a broker that lives.

use std::collections::BTreeSet;

use super::moves::assign::{Seat, assign};
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::topics::Partition;

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

    fn seat(id: i32, rack: Option<&str>, load: usize) -> Seat {
        Seat { id: BrokerId(id), rack: rack.map(str::to_owned), load }
    }

    fn placed(partitions: usize, replicas: usize, seats: &[Seat], away: &[i32]) -> Option<Vec<Vec<i32>>> {
        let away = away.iter().copied().map(BrokerId).collect();
        let placed = place(partitions, replicas, seats, &away)?;
        Some(placed.into_iter().map(|ids| ids.into_iter().map(|id| id.0).collect()).collect())
    }

    #[test]
    fn who_is_away_has_replicas_and_leads_nothing() {
        let three = [seat(0, None, 5), seat(1, None, 2), seat(2, None, 0)];
        assert_eq!(placed(3, 3, &three, &[2]), Some(vec![vec![1, 0, 2], vec![0, 1, 2], vec![1, 0, 2]]));
        assert_eq!(placed(2, 1, &three, &[2]), Some(vec![vec![1], vec![0]]));
        assert_eq!(placed(1, 4, &three, &[2]), None, "there are no four brokers");
        assert_eq!(placed(1, 2, &three, &[0, 1, 2]), None, "nobody could lead it");
        assert_eq!(placed(1, 3, &three, &[0, 1]), Some(vec![vec![2, 1, 0]]));
        let four = [seat(0, None, 9), seat(1, None, 9), seat(2, None, 0), seat(3, None, 0)];
        assert_eq!(placed(2, 3, &four, &[2, 3]), Some(vec![vec![0, 1, 2], vec![1, 0, 3]]), "all that live have one");
    }

    #[test]
    fn racks_are_heeded_and_every_partition_has_somebody_who_lives() {
        let racks = [seat(0, Some("a"), 0), seat(1, Some("a"), 0), seat(2, Some("b"), 9), seat(3, Some("b"), 9)];
        for (partition, replicas) in placed(8, 2, &racks, &[2, 3]).unwrap().into_iter().enumerate() {
            assert!(replicas[0] < 2 && replicas[1] > 1, "{partition}: {replicas:?}");
        }
    }
}
