//! What has to be done next so that a topic has the replicas that are wanted. Pure.
//!
//! The brake comes before the move and goes after it; whatever was begun is seen in Kafka, so a plan is made afresh from what is there,
//! and needs no memory of what was planned before.

use std::collections::BTreeSet;

use super::assign::{Impossible, Move, Seat, assign};
use super::throttle::{Listed, Throttle};
use crate::api::reasons::Reason;
use crate::clusters::Unusable;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::reassignments::{Assignment, Reassignment};
use crate::kafka::admin::topics::{Partition, Topic};

/// Partitions of a topic that are moved at the same time; it also bounds how long the lists of the brake become.
pub const ROUND: usize = 50;
/// Topics that are moved at the same time in a Kafka, whoever moves them.
pub const TOPICS: usize = 3;

/// The rate that all brokers have which have none of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// None.
    Off,
    /// This, in bytes a second, for leaders and followers.
    At(i64),
    /// Something that we never set.
    Other,
}

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
    /// How many other topics something is under way on.
    pub busy: usize,
    /// The rate that brokers have now.
    pub rate: Rate,
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
    /// Set the brokers' rate.
    SetRate(i64),
    /// End moves that are not wanted any more.
    Cancel(Vec<Assignment>),
    /// Begin moves, if the topic still is as it was seen.
    Begin(Vec<Assignment>),
    /// Remove the brokers' rate.
    RemoveRate,
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
    /// Why what differs is not moved.
    pub waits: Option<Unusable>,
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
    let (cancelled, flying): (Vec<_>, Vec<_>) = mine.into_iter().partition(too_many);

    let settled = |partition: &&Partition| seen.running.iter().all(|move_| move_.index != partition.index);
    let settled: Vec<_> = seen.topic.partitions.iter().filter(settled).cloned().collect();
    let (needed, mut waits) = match seen.wanted.map(|wanted| assign(&settled, wanted, seen.least, &seen.seats)) {
        None => (Vec::new(), None),
        Some(Ok(moves)) => (moves, None),
        Some(Err(impossible)) => {
            let reason = match impossible {
                Impossible::TooFewBrokers { .. } => Reason::TooManyReplicas,
                Impossible::BelowMinimum { .. } => Reason::TooFewReplicas,
            };
            (Vec::new(), Some(Unusable { reason, message: format!("topic {}: {impossible}", seen.topic.name) }))
        }
    };
    if !needed.is_empty() {
        waits = obstacle(seen, &needed, &foreign).map(|message| Unusable { reason: Reason::ReplicasWait, message });
    }
    let free = if waits.is_none() && cancelled.is_empty() { ROUND.saturating_sub(flying.len()) } else { 0 };
    let begun: Vec<_> = needed.iter().take(free).collect();
    let mut moving = flying.len() + cancelled.len();
    if waits.is_none() {
        moving += needed.len();
    }
    let waits = waits.or_else(|| stuck(seen, &flying));

    let mut steps = Vec::new();
    let copied: Vec<_> = begun.iter().copied().filter(|move_| move_.adding().next().is_some()).collect();
    if !copied.is_empty() || flying.iter().any(|move_| !move_.adding.is_empty()) {
        let mut wanted = brake.cloned().unwrap_or_default();
        if !copied.is_empty() {
            extend(&mut wanted, &flying, &copied);
        }
        let set = rate(seen, &mut wanted);
        if brake != Some(&wanted) {
            steps.push(Step::Brake(wanted));
        }
        steps.extend(set.map(Step::SetRate));
    } else if cancelled.is_empty()
        && let Some(brake) = brake
    {
        if let Rate::At(rate) = seen.rate
            && brake.rates.contains(&rate)
            && !seen.other_rates.contains(&rate)
        {
            steps.push(Step::RemoveRate);
        }
        steps.push(Step::Release);
    }
    let back = |move_: &Reassignment| Assignment { index: move_.index, replicas: None };
    let there = |move_: &Move| Assignment { index: move_.index, replicas: Some(move_.after.clone()) };
    if !cancelled.is_empty() {
        steps.push(Step::Cancel(cancelled.into_iter().map(back).collect()));
    }
    if !begun.is_empty() {
        steps.push(Step::Begin(begun.into_iter().map(there).collect()));
    }
    Plan { steps, moving, waits }
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
    for partition in &seen.topic.partitions {
        let index = partition.index;
        let own = needed.iter().find(|move_| move_.index == index);
        let coming = seen.running.iter().find(|move_| move_.index == index).map_or(&[][..], |move_| &move_.adding);
        // Who goes may lag, and who is on its way.
        let stays = |id: &&BrokerId| !coming.contains(id) && own.is_none_or(|own| own.after.contains(id));
        if let Some(lags) = partition.replicas.iter().filter(stays).find(|id| !partition.in_sync.contains(id)) {
            return Some(format!(
                "partition {index} of topic {name} is under-replicated: broker {lags} lags; replicas are moved when it has caught up"
            ));
        }
        if partition.leader.is_none() {
            return Some(format!(
                "partition {index} of topic {name} has no leader; replicas are moved when it has one"
            ));
        }
    }
    let begun = seen.listed != Listed::Nothing || !seen.running.is_empty();
    (seen.busy >= TOPICS && !begun).then(|| queued(name, seen.busy))
}

/// Why what was begun does not come to its end: it is copied to a broker that is down.
fn stuck(seen: &Situation, flying: &[&Reassignment]) -> Option<Unusable> {
    let is_down = |broker: &&BrokerId| seen.seats.iter().all(|seat| seat.id != **broker);
    let (index, broker) = flying.iter().find_map(|move_| Some((move_.index, move_.adding.iter().find(is_down)?)))?;
    let topic = &seen.topic.name;
    let message = format!(
        "broker {broker}, to which partition {index} of topic {topic} is copied, is down; it goes on when that is back"
    );
    Some(Unusable { reason: Reason::ReplicasWait, message })
}

/// What is said of a topic whose turn has not come.
#[must_use]
pub fn queued(topic: &str, busy: usize) -> String {
    format!("replicas of {busy} other topics are being moved, {TOPICS} at a time; topic {topic} follows")
}

/// Adds what is begun to a brake; what has arrived leaves it.
fn extend(brake: &mut Throttle, flying: &[&Reassignment], begun: &[&Move]) {
    let under_way = |partition: i32| flying.iter().any(|move_| move_.index == partition);
    brake.leaders.retain(|(partition, _)| under_way(*partition));
    brake.followers.retain(|(partition, _)| under_way(*partition));
    for move_ in begun {
        brake.leaders.extend(move_.before.iter().map(|broker| (move_.index, broker.0)));
        brake.followers.extend(move_.adding().map(|broker| (move_.index, broker.0)));
    }
}

/// Notes in the brake which rate is ours; the rate to be set, if it has to be.
fn rate(seen: &Situation, brake: &mut Throttle) -> Option<i64> {
    match seen.rate {
        Rate::At(rate) if rate == seen.policy_rate && brake.rates.contains(&rate) => None,
        // Set with another topic's brake: it goes with the last of them.
        Rate::At(rate) if !brake.rates.contains(&rate) && seen.other_rates.contains(&rate) => {
            brake.rates.insert(rate);
            None
        }
        // Somebody else's: it holds, and stays.
        Rate::At(rate) if !brake.rates.contains(&rate) => None,
        Rate::Other => None,
        // None yet, or one of ours from before the policy changed.
        Rate::Off | Rate::At(_) => {
            brake.rates.insert(seen.policy_rate);
            Some(seen.policy_rate)
        }
    }
}
