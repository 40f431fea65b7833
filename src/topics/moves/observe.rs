//! Reads everything that a decision about the replicas of one topic needs. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::assign::seats;
use super::pace::Paces;
use super::plan::{Glance, Situation, Step, is_uneven, plan};
use super::steady::steady;
use super::throttle::{FOLLOWERS, LEADERS, RATES, Rates, rates_of, read, rounded};
use crate::clusters::Connection;
use crate::kafka::admin::cluster::Broker;
use crate::kafka::admin::reassignments::{Assignment, Reassignment};
use crate::kafka::admin::settings::{Configured, Values};
use crate::kafka::admin::topics::Topic;
use crate::kafka::admin::{Admin, At, BrokerId};
use crate::kafka::error::Error;

/// How many replicas must be in sync for a write with `acks=all`.
const MIN_IN_SYNC: &str = "min.insync.replicas";
/// Topics whose settings are asked for in one request.
const TOPICS_A_REQUEST: usize = 500;

/// What is asked before it is a topic's turn.
///
/// # Errors
/// Kafka did not answer.
pub async fn glance(admin: &Admin, topic: &str) -> Result<Glance, Error> {
    let (running, live) = tokio::try_join!(running(admin, topic), live(admin))?;
    Ok(Glance { running, seats: seats(live, &[]) })
}

/// The topic as it is shown now; `None` if it is gone, or another of its name is there.
///
/// # Errors
/// Kafka did not answer.
pub async fn shown(admin: &Admin, topic: &Topic) -> Result<Option<Topic>, Error> {
    let now = one(admin.describe_topics(std::slice::from_ref(&topic.name), At::Any).await?)?.flatten();
    Ok(now.filter(|now| now.id == topic.id))
}

async fn running(admin: &Admin, topic: &str) -> Result<Vec<Reassignment>, Error> {
    let mut running = admin.list_reassignments().await?;
    running.retain(|move_| move_.topic == topic);
    Ok(running)
}

/// Observes one topic; `None` if it is gone, or another of its name is there. `before` is what was under way when it was seen like this,
/// [`super::steady::LAG`] ago. What is remembered of all that is under way, is brought up to date.
///
/// # Errors
/// Kafka did not answer.
pub async fn observe(
    connection: &Connection,
    topic: &Topic,
    wanted: Option<usize>,
    before: Option<&[Reassignment]>,
    paces: &mut Paces,
) -> Result<Option<Situation>, Error> {
    let admin = &connection.admin;
    // What is under way first, for what ends in between is on the list then. Not the other way round: what is not on it may still show in
    // the topic, so nothing is begun, and nothing called out of order, but what is steady.
    let all = admin.list_reassignments().await?;
    let running: Vec<_> = all.iter().filter(|running| running.topic == topic.name).cloned().collect();
    let Some(now) = shown(admin, topic).await? else { return Ok(None) };
    let resource = [Configured::Topic(topic.name.clone())];
    let settings = admin.values(&resource, &[LEADERS, FOLLOWERS, MIN_IN_SYNC]).await?;
    let settings = one(settings)?.unwrap_or_default();
    let listed = read(&settings, &connection.claim.scope);
    let least = settings.get(MIN_IN_SYNC).and_then(Option::as_deref).and_then(|least| least.parse().ok()).unwrap_or(1);
    let uneven = is_uneven(&now, wanted, &running);
    let steady = before.map(|running| steady(topic, running, &now)).unwrap_or_default();
    // Who is down, matters as long as anything is copied.
    let live: Vec<_> = if uneven || !running.is_empty() { live(admin).await?.collect() } else { Vec::new() };
    let idle = seats(live.iter().cloned(), &[]);
    let pace = paces.note(&now.name, &all, &idle, Instant::now());
    let mut seen = Situation {
        topic: now,
        wanted,
        least,
        listed,
        running,
        steady,
        behind: None,
        pace,
        rates: Rates::default(),
        other_rates: BTreeSet::new(),
        policy_rate: rounded(connection.terms.topics.reassignment_throttle),
        seats: idle,
    };
    // What brokers have, and how fast they copy, decides nothing about whether anything begins.
    let begun = |step| if let Step::Begin(begun) = step { Some(begun) } else { None };
    let begun = plan(&seen).steps.into_iter().find_map(begun);
    // Before the brake: who stays behind would keep it on.
    let unlike = match &begun {
        Some(begun) => behind(admin, &seen, begun).await?,
        None => None,
    };
    seen.behind = paces.behind(&seen.topic.name, unlike);
    if unlike.is_some() {
        seen.steady.clear();
    }
    let begins = begun.is_some() && unlike.is_none();
    if !begins && seen.listed.ours().is_none() {
        return Ok(Some(seen));
    }
    seen.rates = rates(admin).await?;
    let known = |rate| seen.listed.ours().is_some_and(|brake| brake.rates.contains(&rate));
    let rate_in_doubt = seen.rates.set().any(|(_, rate)| seen.running.is_empty() || !known(rate));
    // All topics: only where something begins or ends, for they may be many.
    let topics = if begins || rate_in_doubt { admin.list_topics().await? } else { Vec::new() };
    if rate_in_doubt {
        let others = topics.iter().map(|other| &other.name).filter(|other| **other != topic.name);
        seen.other_rates = rates_on(admin, others.cloned().collect()).await?;
    }
    if begins {
        seen.seats = seats(live.into_iter(), &topics);
    }
    Ok(Some(seen))
}

/// The first of results that were asked for one thing.
fn one<T>(results: Vec<Result<T, Error>>) -> Result<Option<T>, Error> {
    results.into_iter().next().transpose()
}

/// The rates that brakes on these topics were set with.
///
/// # Errors
/// See [`throttled`].
pub async fn rates_on(admin: &Admin, topics: Vec<String>) -> Result<BTreeSet<i64>, Error> {
    let lists = throttled(admin, topics).await?;
    let leaders = lists.values().filter_map(|settings| settings.get(LEADERS)?.as_deref());
    Ok(leaders.flat_map(rates_of).collect())
}

/// The rates that brokers have which have none of their own.
///
/// # Errors
/// Kafka did not answer, or does not let us read them.
pub async fn rates(admin: &Admin) -> Result<Rates, Error> {
    let settings = one(admin.values(&[Configured::EveryBroker], &RATES).await?)?;
    Ok(Rates::read(&settings.unwrap_or_default()))
}

async fn live(admin: &Admin) -> Result<impl Iterator<Item = Broker>, Error> {
    Ok(admin.describe_cluster().await?.brokers.into_iter().filter(|broker| !broker.fenced))
}

/// The brakes on topics, whoever's; those without one are left out, and those that are gone by now.
///
/// # Errors
/// Kafka did not answer, or does not let us read a topic's settings.
pub async fn throttled(admin: &Admin, names: Vec<String>) -> Result<BTreeMap<String, Values>, Error> {
    let mut found = BTreeMap::new();
    for part in names.chunks(TOPICS_A_REQUEST) {
        let resources: Vec<_> = part.iter().cloned().map(Configured::Topic).collect();
        let settings = admin.values(&resources, &[LEADERS, FOLLOWERS]).await?;
        for (name, settings) in part.iter().zip(settings) {
            match settings {
                Ok(settings) if is_set(&settings) => drop(found.insert(name.clone(), settings)),
                Ok(_) => {}
                Err(Error::Denied(context)) => return Err(Error::Denied(context)),
                // Deleted a moment ago, or not known yet to the broker that was asked.
                Err(_) => {}
            }
        }
    }
    Ok(found)
}

fn is_set(settings: &Values) -> bool {
    settings.values().flatten().any(|value| !value.trim().is_empty())
}

/// Whether nothing is under way on these partitions, and every broker that answers sees them like this: one that lags would have us move
/// what has been moved.
///
/// # Errors
/// No broker answered, or the controller did not.
pub async fn is_seen_alike(admin: &Admin, seen: &Situation, moves: &[Assignment]) -> Result<bool, Error> {
    let is_begun = |index| moves.iter().any(|begun| begun.index == index);
    if running(admin, &seen.topic.name).await?.iter().any(|running| is_begun(running.index)) {
        return Ok(false);
    }
    Ok(behind(admin, seen, moves).await?.is_none())
}

/// The first broker that answers, and sees these partitions otherwise.
async fn behind(admin: &Admin, seen: &Situation, moves: &[Assignment]) -> Result<Option<BrokerId>, Error> {
    let is_begun = |index| moves.iter().any(|begun| begun.index == index);
    let kept = |topic: &Topic| -> Vec<(i32, Vec<BrokerId>, Vec<BrokerId>)> {
        let begun = topic.partitions.iter().filter(|partition| is_begun(partition.index));
        begun.map(|one| (one.index, one.replicas.clone(), one.in_sync.clone())).collect()
    };
    let name = std::slice::from_ref(&seen.topic.name);
    let mut last = None;
    let mut answered = false;
    for seat in &seen.seats {
        match admin.describe_topics(name, At::Broker(seat.id)).await.and_then(one) {
            Ok(Some(Some(topic))) if topic.id == seen.topic.id && kept(&topic) == kept(&seen.topic) => answered = true,
            Ok(_) => return Ok(Some(seat.id)),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if !answered => Err(error),
        _ => Ok(None),
    }
}
