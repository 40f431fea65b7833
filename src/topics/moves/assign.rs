//! Where the replicas of a topic are to be when their number changes: as few moves as possible. Pure.
//!
//! A replica that is there stays where it is, and the order of the list is kept, for the first is the preferred leader. New ones go to
//! racks that the partition does not use yet, and there to the broker with the fewest replicas. Of those that are too many, those go
//! that lag behind, then those whose rack has another, then those on the broker with the most replicas; the leader never goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::kafka::admin::BrokerId;
use crate::kafka::admin::cluster::Broker;
use crate::kafka::admin::topics::{Partition, Topic};

/// A broker that can be given replicas: registered, and not fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The broker.
    pub id: BrokerId,
    /// Its place, where it names one. Those that name none share one.
    pub rack: Option<String>,
    /// Replicas that it has already, of all topics.
    pub load: usize,
}

/// These brokers, and how many replicas of these topics each has.
#[must_use]
pub fn seats(brokers: impl Iterator<Item = Broker>, topics: &[Topic]) -> Vec<Seat> {
    let mut load: BTreeMap<BrokerId, usize> = BTreeMap::new();
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    for broker in partitions.flat_map(|partition| &partition.replicas) {
        *load.entry(*broker).or_default() += 1;
    }
    brokers
        .map(|broker| Seat { id: broker.id, rack: broker.rack, load: load.get(&broker.id).copied().unwrap_or(0) })
        .collect()
}

/// One partition's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub index: i32,
    /// Where it is kept now.
    pub before: Vec<BrokerId>,
    /// Where it is to be kept.
    pub after: Vec<BrokerId>,
}

impl Move {
    /// Who has to copy it.
    pub fn adding(&self) -> impl Iterator<Item = BrokerId> {
        self.after.iter().copied().filter(|id| !self.before.contains(id))
    }
}

/// Why a number of replicas cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A broker keeps one replica of a partition at most.
    #[error("{wanted} replicas need as many brokers; {brokers} can be used")]
    TooFewBrokers {
        /// The replicas that are wanted.
        wanted: usize,
        /// The brokers that could have one.
        brokers: usize,
    },
    /// Nobody could write any more.
    #[error("with {wanted} replicas there are never {least} in sync, as the topic's min.insync.replicas demands")]
    BelowMinimum {
        /// The replicas that are wanted.
        wanted: usize,
        /// The topic's `min.insync.replicas`.
        least: usize,
    },
}

/// What has to be moved so that every partition has this many replicas: nothing of a partition that has.
///
/// # Errors
/// [`Impossible`].
pub fn assign(partitions: &[Partition], wanted: usize, least: usize, seats: &[Seat]) -> Result<Vec<Move>, Impossible> {
    let uneven: Vec<_> = partitions.iter().filter(|partition| partition.replicas.len() != wanted).collect();
    if wanted < least.max(1) && !uneven.is_empty() {
        return Err(Impossible::BelowMinimum { wanted, least });
    }
    let racks: BTreeMap<BrokerId, Option<&str>> = seats.iter().map(|seat| (seat.id, seat.rack.as_deref())).collect();
    let mut load: BTreeMap<BrokerId, usize> = seats.iter().map(|seat| (seat.id, seat.load)).collect();
    let mut moves = Vec::new();
    for partition in uneven {
        let mut after = partition.replicas.clone();
        while after.len() < wanted {
            let Some(new) = newcomer(&after, &racks, &load) else {
                return Err(Impossible::TooFewBrokers { wanted, brokers: after.len() });
            };
            *load.entry(new).or_default() += 1;
            after.push(new);
        }
        while after.len() > wanted {
            let Some(gone) = leaver(partition, &after, &racks, &load) else { break };
            if let Some(load) = load.get_mut(&gone) {
                *load = load.saturating_sub(1);
            }
            after.retain(|id| *id != gone);
        }
        moves.push(Move { index: partition.index, before: partition.replicas.clone(), after });
    }
    Ok(moves)
}

/// How many of these replicas are in a rack.
fn in_rack(replicas: &[BrokerId], racks: &BTreeMap<BrokerId, Option<&str>>, rack: Option<&Option<&str>>) -> usize {
    replicas.iter().filter(|id| racks.get(id) == rack).count()
}

fn newcomer(
    replicas: &[BrokerId],
    racks: &BTreeMap<BrokerId, Option<&str>>,
    load: &BTreeMap<BrokerId, usize>,
) -> Option<BrokerId> {
    let free = racks.iter().filter(|(id, _)| !replicas.contains(id));
    free.min_by_key(|(id, rack)| (in_rack(replicas, racks, Some(rack)), load.get(id), **id)).map(|(id, _)| *id)
}

fn leaver(
    partition: &Partition,
    replicas: &[BrokerId],
    racks: &BTreeMap<BrokerId, Option<&str>>,
    load: &BTreeMap<BrokerId, usize>,
) -> Option<BrokerId> {
    // Without a leader, the preferred one is who may become it.
    let first = replicas.first();
    let leader = partition.leader.as_ref().or(first);
    let others = replicas.iter().filter(|id| Some(*id) != leader);
    let rank = |id: &&BrokerId| {
        let shares_rack = in_rack(replicas, racks, racks.get(id)) > 1;
        (!partition.in_sync.contains(id), shares_rack, Some(*id) != first, load.get(id).copied(), **id)
    };
    others.max_by_key(rank).copied()
}

/// The racks that replicas are spread over.
#[must_use]
pub fn spread(replicas: &[BrokerId], seats: &[Seat]) -> usize {
    let rack = |id: &BrokerId| seats.iter().find(|seat| seat.id == *id).map(|seat| seat.rack.as_deref());
    replicas.iter().map(rack).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn partition(replicas: &[i32], in_sync: &[i32]) -> Partition {
        Partition {
            index: 0,
            leader: in_sync.first().copied().map(BrokerId),
            replicas: ids(replicas),
            in_sync: ids(in_sync),
        }
    }

    /// Brokers 0, 1, 2 … in these racks, each with as many replicas as its number says.
    fn seats(racks: &[Option<&str>]) -> Vec<Seat> {
        let seat = |(id, rack): (usize, &Option<&str>)| {
            let number = i32::try_from(id).unwrap();
            Seat { id: BrokerId(number), rack: rack.map(str::to_owned), load: id }
        };
        racks.iter().enumerate().map(seat).collect()
    }

    fn after(partition: &Partition, wanted: usize, racks: &[Option<&str>]) -> Vec<i32> {
        let moves = assign(std::slice::from_ref(partition), wanted, 1, &seats(racks)).unwrap();
        moves[0].after.iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_new_replica_goes_to_a_rack_of_its_own_and_there_to_the_idlest() {
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(after(&partition(&[0], &[0]), 2, &[a, a, b, b]), [0, 2]);
        assert_eq!(after(&partition(&[3], &[3]), 2, &[b, a, b, b]), [3, 1]);
        assert_eq!(after(&partition(&[2], &[2]), 3, &[None, None, None, None]), [2, 0, 1], "no racks: the idlest");
    }

    #[test]
    fn who_lags_goes_first_then_who_shares_a_rack_then_the_busiest_and_never_the_leader() {
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(after(&partition(&[0, 1, 2], &[0, 2]), 2, &[a, b, a]), [0, 2], "1 lags");
        assert_eq!(
            after(&partition(&[0, 1, 2], &[0, 1, 2]), 2, &[a, a, b]),
            [0, 2],
            "1 shares its rack with the leader"
        );
        assert_eq!(after(&partition(&[0, 1, 2], &[0, 1, 2]), 2, &[None; 3]), [0, 1], "2 has the most");
        assert_eq!(after(&partition(&[0, 1, 2], &[2, 0, 1]), 1, &[None; 3]), [2], "2 leads");
        assert_eq!(
            after(&partition(&[2, 1, 0], &[1, 2, 0]), 2, &[None; 3]),
            [2, 1],
            "2 is preferred, though the busiest"
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        let one = [partition(&[0], &[0])];
        let few = assign(&one, 3, 1, &seats(&[None, None])).unwrap_err();
        assert_eq!(few.to_string(), "3 replicas need as many brokers; 2 can be used");
        let least = assign(&[partition(&[0, 1, 2], &[0, 1, 2])], 1, 2, &seats(&[None; 3])).unwrap_err();
        assert_eq!(least, Impossible::BelowMinimum { wanted: 1, least: 2 });
        assert!(assign(&one, 0, 0, &seats(&[None])).is_err(), "no replica at all");
        assert_eq!(assign(&one, 1, 1, &seats(&[None])), Ok(vec![]), "as it is");
    }

    #[test]
    fn many_partitions_are_spread_evenly() {
        let partitions: Vec<_> =
            (0..12).map(|index| Partition { index, ..partition(&[index % 4], &[index % 4]) }).collect();
        let idle: Vec<_> = seats(&[None; 4]).into_iter().map(|seat| Seat { load: 3, ..seat }).collect();
        let moves = assign(&partitions, 2, 1, &idle).unwrap();
        for broker in 0..4 {
            let copies = moves.iter().filter(|step| step.adding().any(|id| id == BrokerId(broker))).count();
            assert_eq!(copies, 3, "broker {broker}: {moves:?}");
        }
    }

    prop_compose! {
        /// Up to eight brokers in up to four racks, some out of use, and a topic on them whose replicas may lag.
        fn clusters()(
            racks in prop::collection::vec(prop::option::of(0..4_u8), 1..8),
            loads in prop::collection::vec(0..50_usize, 8),
            down in prop::collection::vec(prop::bool::weighted(0.15), 8),
            lists in prop::collection::vec((Just((0..8).collect::<Vec<i32>>()).prop_shuffle(), 1..5_usize, any::<u8>()), 1..6),
            wanted in 1..5_usize,
            least in 1..4_usize,
        ) -> (Vec<Seat>, Vec<Partition>, usize, usize) {
            let count = i32::try_from(racks.len()).unwrap();
            let seats = racks.iter().enumerate().filter(|(id, _)| !down[*id]).map(|(id, rack)| Seat {
                id: BrokerId(i32::try_from(id).unwrap()),
                rack: rack.map(|rack| rack.to_string()),
                load: loads[id],
            });
            let seats: Vec<_> = seats.collect();
            let partitions = lists.iter().zip(0..).map(|((order, replicas, lag), index)| {
                let replicas: Vec<_> = order.iter().copied().filter(|id| *id < count).take(*replicas).map(BrokerId).collect();
                let in_sync = |(place, _): &(usize, &BrokerId)| lag >> place & 1 == 0;
                let in_sync: Vec<_> = replicas.iter().enumerate().filter(in_sync).map(|(_, id)| *id).collect();
                Partition { index, leader: in_sync.last().copied(), replicas, in_sync }
            });
            let partitions = partitions.collect();
            (seats, partitions, wanted, least)
        }
    }

    proptest! {
        #[test]
        fn moves_are_few_and_safe((seats, partitions, wanted, least) in clusters()) {
            let Ok(moves) = assign(&partitions, wanted, least, &seats) else {
                let possible = |partition: &Partition| {
                    let free = seats.iter().filter(|seat| !partition.replicas.contains(&seat.id)).count();
                    partition.replicas.len() + free >= wanted
                };
                prop_assert!(wanted < least || !partitions.iter().all(possible), "it could be had");
                return Ok(());
            };
            let as_they_are = partitions.iter().filter(|partition| partition.replicas.len() == wanted).count();
            prop_assert_eq!(moves.len(), partitions.len() - as_they_are);
            for step in moves {
                let partition = &partitions[usize::try_from(step.index).unwrap()];
                prop_assert_eq!(&step.before, &partition.replicas);
                prop_assert_eq!(step.after.len(), wanted);
                let distinct: BTreeSet<_> = step.after.iter().collect();
                prop_assert_eq!(distinct.len(), wanted, "a broker twice");
                prop_assert!(step.adding().all(|id| seats.iter().any(|seat| seat.id == id)), "an unusable broker");
                let (had, kept) = (partition.replicas.len(), step.after.iter().filter(|id| step.before.contains(id)).count());
                prop_assert_eq!(kept, had.min(wanted), "a replica moved that could have stayed");
                let order: Vec<_> = step.before.iter().filter(|id| step.after.contains(id)).collect();
                prop_assert_eq!(order, step.after.iter().take(kept).collect::<Vec<_>>(), "the order changed");
                prop_assert!(partition.leader.is_none_or(|leader| step.after.contains(&leader)), "the leader went");
                let in_sync = |replicas: &[BrokerId]| replicas.iter().filter(|id| partition.in_sync.contains(id)).count();
                prop_assert!(in_sync(&step.after) >= in_sync(&step.before).min(least), "below min.insync.replicas");
                // Where all keep up, and are on brokers whose rack is known, no rack is given up that could be kept.
                let known = step.before.iter().all(|id| seats.iter().any(|seat| seat.id == *id));
                if known && in_sync(&step.before) == had {
                    prop_assert!(spread(&step.after, &seats) >= spread(&step.before, &seats).min(wanted), "fewer racks");
                }
            }
        }
    }
}
