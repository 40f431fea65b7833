//! What has to be done next so that a topic has the replicas that are wanted. Pure.
//!
//! The brake comes before the move and goes after it; whatever was begun is seen in Kafka, so a plan is made afresh from what is there,
//! and needs no memory of what was planned before. For how long nothing has arrived is told; there is no clock in here.

use std::collections::BTreeSet;

use super::assign::{Impossible, Move, Seat, assign};
use super::pace::Pace;
use super::throttle::{Listed, Rate, Rates, Throttle};
use crate::api::reasons::Reason;
use crate::clusters::Unusable;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::reassignments::{Assignment, Reassignment};
use crate::kafka::admin::topics::{Partition, Topic};

/// Partitions of a topic that are moved at the same time; it also bounds how long the lists of the brake become.
pub const ROUND: usize = 50;
/// Topics that are moved at the same time in a Kafka, whoever moves them.
pub const TOPICS: usize = 3;

/// What a decision about one topic needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The topic.
    pub topic: Topic,
    /// How many replicas each partition is to have; `None` where nothing new is begun.
    pub wanted: Option<usize>,
    /// The topic's `min.insync.replicas`.
    pub least: usize,
    /// The brake on the topic.
    pub listed: Listed,
    /// What is under way on the topic.
    pub running: Vec<Reassignment>,
    /// The partitions that are kept as is said, see [`super::steady`]: on others nothing is begun.
    pub steady: BTreeSet<i32>,
    /// A broker that goes on showing what would be begun unlike the others: while there is one, nothing is steady.
    pub behind: Option<BrokerId>,
    /// How it gets on, and how many others do.
    pub pace: Pace,
    /// The rates that brokers have now.
    pub rates: Rates,
    /// The rates that brakes of ours on other topics were set with. Needed where there is a rate that the brake here does not know, and
    /// before one that it knows is removed.
    pub other_rates: BTreeSet<i64>,
    /// The rate that the cluster's policy wants, as [`super::throttle::rounded`].
    pub policy_rate: i64,
    /// Who can be given replicas: needed where some are to be, and while any are copied.
    pub seats: Vec<Seat>,
}

/// One write to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Put this brake on the topic.
    Brake(Throttle),
    /// Set some of the brokers' rates.
    SetRate(Vec<&'static str>, i64),
    /// End moves that are not wanted any more, or have nowhere to go.
    Cancel(Vec<Assignment>),
    /// Begin moves, if the topic still is as it was seen.
    Begin(Vec<Assignment>),
    /// Remove some of the brokers' rates.
    RemoveRate(Vec<&'static str>),
    /// Take the brake off the topic.
    Release,
}

/// What to do now, and what is left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// Partitions that are on the move, or next to be.
    pub moving: usize,
    /// Why what differs is not moved, or does not arrive.
    pub waits: Option<Unusable>,
    /// The rate with which it is moved, where that is somebody else's.
    pub aside: Option<String>,
}

/// Whether any partition, but for those on which something is under way, has another number of replicas than is wanted.
#[must_use]
pub fn is_uneven(topic: &Topic, wanted: Option<usize>, running: &[Reassignment]) -> bool {
    let is_running = |index| running.iter().any(|move_| move_.topic == topic.name && move_.index == index);
    let differs = |wanted, one: &Partition| one.replicas.len() != wanted && !is_running(one.index);
    wanted.is_some_and(|wanted| topic.partitions.iter().any(|partition| differs(wanted, partition)))
}

/// What is asked of Kafka before it is a topic's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// What is under way on the topic.
    pub running: Vec<Reassignment>,
    /// Who can be given replicas, whatever each has.
    pub seats: Vec<Seat>,
}

/// Why nothing could be begun on a topic if it had its turn, as far as that needs few questions: there are too few brokers, or it is not in
/// order. While a broker is down that may be so of very many topics. `None` where something is under way on it, whoever's that is.
#[must_use]
pub fn hindrance(topic: &Topic, wanted: Option<usize>, glance: &Glance) -> Option<Unusable> {
    let wanted = wanted.filter(|_| glance.running.is_empty())?;
    match assign(&topic.partitions, wanted, 0, &glance.seats) {
        Ok(needed) if needed.is_empty() => None,
        Ok(needed) => {
            disorder(topic, &needed, &[]).map(|(_, message)| Unusable { reason: Reason::ReplicasWait, message })
        }
        Err(impossible) => Some(refused(topic, &impossible)),
    }
}

/// Decides about one topic.
#[must_use]
pub fn plan(seen: &Situation) -> Plan {
    let brake = seen.listed.ours();
    let ours = |move_: &&Reassignment| brake.is_some_and(|brake| brake.covers(move_.index, &move_.adding));
    let (mine, foreign): (Vec<_>, Vec<_>) = seen.running.iter().partition(ours);
    let too_many = |move_: &&Reassignment| {
        let comes_to = move_.replicas.len() - move_.removing.len();
        !move_.adding.is_empty() && seen.wanted.is_some_and(|wanted| comes_to > wanted)
    };
    let ended = |move_: &&Reassignment| too_many(move_) || is_lost(seen, move_);
    let (cancelled, flying): (Vec<_>, Vec<_>) = mine.into_iter().partition(ended);

    let settled = |partition: &&Partition| seen.running.iter().all(|move_| move_.index != partition.index);
    let settled: Vec<_> = seen.topic.partitions.iter().filter(settled).cloned().collect();
    let (needed, mut waits) = match seen.wanted.map(|wanted| assign(&settled, wanted, seen.least, &seen.seats)) {
        None => (Vec::new(), None),
        Some(Ok(moves)) => (moves, None),
        Some(Err(impossible)) => (Vec::new(), Some(refused(&seen.topic, &impossible))),
    };
    if !needed.is_empty() {
        waits = obstacle(seen, &needed, &foreign).map(|message| Unusable { reason: Reason::ReplicasWait, message });
    }
    // What is out of order by what a broker shows late is no reason to wait for long, and none to begin.
    let orderly = needed.is_empty() || disorder(&seen.topic, &needed, &seen.running).is_none();
    let free = if waits.is_none() && orderly && cancelled.is_empty() { ROUND.saturating_sub(flying.len()) } else { 0 };
    let begun: Vec<_> = needed.iter().filter(|move_| seen.steady.contains(&move_.index)).take(free).collect();
    let mut moving = flying.len() + cancelled.len();
    if waits.is_none() {
        moving += needed.len();
    }
    let waits = waits.or_else(|| stuck(seen, &flying));

    let (mut steps, mut aside) = (Vec::new(), None);
    let copied: Vec<_> = begun.iter().copied().filter(|move_| move_.adding().next().is_some()).collect();
    if !copied.is_empty() || flying.iter().any(|move_| !move_.adding.is_empty()) {
        let mut wanted = brake.cloned().unwrap_or_default();
        let set = if foreign.is_empty() {
            follow(&mut wanted, &seen.running, &copied);
            rate(seen, &mut wanted)
        } else {
            // A broker that lags may not show the list as we wrote it last. What it does not cover passes for somebody else's then, and is not
            // written back, with another rate neither. A rate that it names and that is gone is set again.
            let mut named = wanted.clone();
            let lost = rate(seen, &mut named);
            if named == wanted { lost } else { Vec::new() }
        };
        aside = foreign_rate(seen, &wanted);
        if brake != Some(&wanted) {
            steps.push(Step::Brake(wanted));
        }
        if !set.is_empty() {
            steps.push(Step::SetRate(set, seen.policy_rate));
        }
    } else if cancelled.is_empty()
        && let Some(brake) = brake
    {
        let ours = |(_, rate): &(_, i64)| brake.rates.contains(rate) && !seen.other_rates.contains(rate);
        let ours: Vec<_> = seen.rates.set().filter(ours).map(|(key, _)| key).collect();
        if !ours.is_empty() {
            steps.push(Step::RemoveRate(ours));
        }
        steps.push(Step::Release);
    }
    let back = |move_: &Reassignment| {
        let replicas = if too_many(&move_) { None } else { without_lost(seen, move_) };
        Assignment { index: move_.index, replicas }
    };
    let there = |move_: &Move| Assignment { index: move_.index, replicas: Some(move_.after.clone()) };
    if !cancelled.is_empty() {
        steps.push(Step::Cancel(cancelled.into_iter().map(back).collect()));
    }
    if !begun.is_empty() {
        steps.push(Step::Begin(begun.into_iter().map(there).collect()));
    }
    let waits = waits.or_else(|| stalled(seen, &flying, aside.as_deref()));
    Plan { steps, moving, waits, aside }
}

/// What is said where a number of replicas cannot be had.
fn refused(topic: &Topic, impossible: &Impossible) -> Unusable {
    let reason = match impossible {
        Impossible::TooFewBrokers { .. } => Reason::TooManyReplicas,
        Impossible::BelowMinimum { .. } => Reason::TooFewReplicas,
    };
    Unusable { reason, message: format!("topic {}: {impossible}", topic.name) }
}

/// Why nothing new may be begun now.
fn obstacle(seen: &Situation, needed: &[Move], foreign: &[&Reassignment]) -> Option<String> {
    let name = &seen.topic.name;
    if let Some(foreign) = foreign.first() {
        let index = foreign.index;
        return Some(format!(
            "somebody else moves replicas of topic {name}, partition {index}; ours follow when that ends"
        ));
    }
    if let Listed::Theirs(list) = &seen.listed {
        let list: String = list.chars().take(100).collect();
        return Some(format!(
            "somebody else throttles the replication of topic {name} ({list}); ours is moved when leader.replication.throttled.replicas and follower.replication.throttled.replicas are removed from it"
        ));
    }
    if let Some((index, disorder)) = disorder(&seen.topic, needed, &seen.running)
        && seen.steady.contains(&index)
    {
        return Some(disorder);
    }
    if let Some(behind) = seen.behind {
        return Some(format!(
            "broker {behind} does not show topic {name} as the others do, so it lags behind the controller; replicas are moved when it has caught up, or is stopped"
        ));
    }
    let begun = seen.listed != Listed::Nothing || !seen.running.is_empty();
    let busy = seen.pace.busy;
    (busy >= TOPICS && !begun).then(|| queued(name, busy))
}

/// What of a topic has to come right before anything is begun on it, and on which partition.
fn disorder(topic: &Topic, needed: &[Move], running: &[Reassignment]) -> Option<(i32, String)> {
    let name = &topic.name;
    for partition in &topic.partitions {
        let index = partition.index;
        let own = needed.iter().find(|move_| move_.index == index);
        let coming = running.iter().find(|move_| move_.index == index).map_or(&[][..], |move_| &move_.adding);
        // Who goes may lag, and who is on its way.
        let stays = |id: &&BrokerId| !coming.contains(id) && own.is_none_or(|own| own.after.contains(id));
        if let Some(lags) = partition.replicas.iter().filter(stays).find(|id| !partition.in_sync.contains(id)) {
            let message = format!(
                "partition {index} of topic {name} is under-replicated: broker {lags} lags; replicas are moved when it has caught up"
            );
            return Some((index, message));
        }
        if partition.leader.is_none() {
            let message =
                format!("partition {index} of topic {name} has no leader; replicas are moved when it has one");
            return Some((index, message));
        }
    }
    None
}

/// Why what was begun does not come to its end: it is copied to a broker that is down.
fn stuck(seen: &Situation, flying: &[&Reassignment]) -> Option<Unusable> {
    let is_down = |broker: &BrokerId| seen.seats.iter().all(|seat| seat.id != *broker);
    let (index, broker) = flying.iter().find_map(|move_| Some((move_.index, coming(move_).find(is_down)?)))?;
    let topic = &seen.topic.name;
    let message = format!(
        "broker {broker}, to which partition {index} of topic {topic} is copied, is down; it goes on when that is back, and is given up when that has been away for an hour"
    );
    Some(Unusable { reason: Reason::ReplicasWait, message })
}

/// Why what was begun does not come to its end, though whoever it is copied to lives.
fn stalled(seen: &Situation, flying: &[&Reassignment], aside: Option<&str>) -> Option<Unusable> {
    if flying.is_empty() || !seen.pace.is_stalled() {
        return None;
    }
    let is_down = |broker: &&BrokerId| seen.seats.iter().all(|seat| seat.id != **broker);
    let mut keepers = flying.iter().flat_map(|move_| move_.replicas.iter().filter(|id| !move_.removing.contains(id)));
    let why = match (keepers.find(is_down), aside) {
        (Some(broker), _) => format!("broker {broker}, which keeps them, is down"),
        (None, Some(aside)) => format!("they are large, or written faster than they are copied; {aside}"),
        (None, None) => format!(
            "they are large, or written faster than topics.reassignmentThrottle ({} bytes a second) lets them be copied",
            seen.policy_rate
        ),
    };
    let topic = &seen.topic.name;
    let message =
        format!("of the partitions of topic {topic} that are moved none has arrived for more than an hour: {why}");
    Some(Unusable { reason: Reason::ReplicasWait, message })
}

/// Who is to keep a partition and does not yet.
fn coming(move_: &Reassignment) -> impl Iterator<Item = BrokerId> {
    move_.adding.iter().copied().filter(|id| !move_.removing.contains(id))
}

/// Who is in sync with a partition.
fn in_sync(seen: &Situation, index: i32) -> &[BrokerId] {
    let found = seen.topic.partitions.iter().find(|partition| partition.index == index);
    found.map_or(&[][..], |partition| &partition.in_sync)
}

/// Whether a partition is copied to a broker that has been down for too long. One that is in sync may be the last that has all records.
fn is_lost(seen: &Situation, move_: &Reassignment) -> bool {
    let in_sync = in_sync(seen, move_.index);
    let mut lost = coming(move_).filter(|id| seen.pace.is_lost(*id)).peekable();
    lost.peek().is_some() && lost.all(|id| !in_sync.contains(&id))
}

/// Where a partition is to be kept that was copied to brokers that are lost: as before, which is `None`, or on newcomers as well if one of
/// them is in sync by now.
fn without_lost(seen: &Situation, move_: &Reassignment) -> Option<Vec<BrokerId>> {
    let in_sync = in_sync(seen, move_.index);
    move_.adding.iter().any(|id| in_sync.contains(id)).then(|| {
        let goes = |id: &BrokerId| move_.adding.contains(id) && seen.pace.is_lost(*id);
        move_.replicas.iter().copied().filter(|id| !goes(id) && !move_.removing.contains(id)).collect()
    })
}

/// What is said of a topic whose turn has not come.
#[must_use]
pub fn queued(topic: &str, busy: usize) -> String {
    format!("replicas of {busy} other topics are being moved, {TOPICS} at a time; topic {topic} follows")
}

/// Adds what is begun to a brake; what has arrived leaves it, for who is in sync and slowed down keeps `acks=all` waiting.
fn follow(brake: &mut Throttle, running: &[Reassignment], begun: &[&Move]) {
    let under_way = |partition: i32| running.iter().any(|move_| move_.index == partition);
    brake.leaders.retain(|(partition, _)| under_way(*partition));
    brake.followers.retain(|(partition, _)| under_way(*partition));
    for move_ in begun {
        brake.leaders.extend(move_.before.iter().map(|broker| (move_.index, broker.0)));
        brake.followers.extend(move_.adding().map(|broker| (move_.index, broker.0)));
    }
}

/// Notes in the brake which rates are ours; those that have to be set to the policy's.
fn rate(seen: &Situation, brake: &mut Throttle) -> Vec<&'static str> {
    // Somebody's own that is the policy's by chance: the other beside it could not be told from it in the end, and one of them brakes.
    let is_foreign = |rate: &i64| !brake.rates.contains(rate) && !seen.other_rates.contains(rate);
    let twin = seen.rates.set().any(|(_, rate)| rate == seen.policy_rate && is_foreign(&rate));
    let mut set = Vec::new();
    for (key, rate) in seen.rates.each() {
        match rate {
            Rate::At(rate) if rate == seen.policy_rate && brake.rates.contains(&rate) => {}
            // Set with another topic's brake: it goes with the last of them.
            Rate::At(rate) if !brake.rates.contains(&rate) && seen.other_rates.contains(&rate) => {
                brake.rates.insert(rate);
            }
            // Somebody else's: it holds, and stays.
            Rate::At(rate) if !brake.rates.contains(&rate) => {}
            // None yet, or one of ours from before the policy changed.
            Rate::Off | Rate::At(_) if !twin => set.push(key),
            Rate::Off | Rate::At(_) | Rate::Other => {}
        }
    }
    if !set.is_empty() {
        brake.rates.insert(seen.policy_rate);
    }
    set
}

/// What is said where a move does not go at the policy's rate.
fn foreign_rate(seen: &Situation, brake: &Throttle) -> Option<String> {
    let ours = seen.policy_rate;
    let (key, rate) = seen.rates.set().find(|(_, rate)| *rate != ours && !brake.rates.contains(rate))?;
    Some(format!("somebody's {key} of {rate} bytes a second holds, not the policy's {ours}"))
}
