//! Replicas as many as are claimed, by reassignments of our own: observe → plan → apply, a topic at a time.
//!
//! A move is slowed down by Kafka's own brake, which is put on before it and taken off after it, whatever happens in between: Kafka keeps
//! both, the brake bears our marks, and so every look goes on from what is there. What bears the marks and belongs to no claim any more
//! is found by a sweep.

pub mod apply;
pub mod assign;
pub mod observe;
pub mod pace;
pub mod plan;
pub mod steady;
pub mod sweep;
pub mod throttle;
#[cfg(test)]
mod trials;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep};

use self::pace::Paces;
use self::plan::{Plan, TOPICS, is_uneven};
use self::steady::LAG;
use crate::api::reasons::Reason;
use crate::api::resources::{READY, TopicClaimStatus, condition};
use crate::clusters::{Connection, Unusable};
use crate::kafka::admin::topics::Topic;
use crate::kafka::error::Error;

/// How soon a topic is looked at again whose replicas are on the move.
const MOVING: Duration = Duration::from_secs(2);
/// How soon one is looked at whose replicas wait.
const WAITING: Duration = Duration::from_secs(15);

/// A cluster (`namespace/name`), and the name of a topic.
type Key = (String, String);

/// The topics that bear a brake of ours, as far as we have seen.
type Braked = BTreeMap<Key, Seen>;

/// A brake of ours as we saw it last.
#[derive(Debug, Clone)]
struct Seen {
    /// When a reconciliation looked at it.
    looked: Instant,
    /// The rates that it was set with.
    rates: BTreeSet<i64>,
    /// Whether what it slows down gets nowhere: then nobody waits for it.
    stalled: bool,
}

impl Seen {
    fn now(rates: &BTreeSet<i64>, stalled: bool) -> Self {
        Self { looked: Instant::now(), rates: rates.clone(), stalled }
    }
}

/// What the reconciliations of topics share: one at a time changes the brakes of a Kafka.
#[derive(Debug, Default)]
pub struct Moves {
    turns: Mutex<HashMap<String, Arc<AsyncMutex<Paces>>>>,
    braked: Mutex<Braked>,
}

/// How far a topic's replicas have come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Partitions that are on the move, or next to be; `None` where none are, and no brake of ours is left.
    pub moving: Option<i32>,
    /// Why what differs is not moved, or does not arrive.
    pub waits: Option<Unusable>,
    /// What is to be said of a move besides.
    pub aside: Option<String>,
}

impl Progress {
    /// As it was told last, where it cannot be looked at.
    #[must_use]
    pub fn as_told(status: Option<&TopicClaimStatus>) -> Self {
        let said = status.and_then(|status| condition(&status.conditions, READY));
        let waits = said.filter(|said| said.status == "False" && said.reason == Reason::ReplicasWait.code());
        let waits = waits.map(|said| Unusable { reason: Reason::ReplicasWait, message: said.message.clone() });
        Self { moving: status.and_then(|status| status.moving), waits, aside: None }
    }

    /// When to look again; `None` for the usual time.
    #[must_use]
    pub fn next_look(&self) -> Option<Duration> {
        let moving = self.moving.map(|_| MOVING);
        self.waits.as_ref().map(|_| WAITING).or(moving)
    }
}

impl Moves {
    /// By [`crate::watch::World::kafka_behind`]: whoever leads to the same Kafka waits for the same turn.
    fn turn(&self, kafka: &str) -> Arc<AsyncMutex<Paces>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(kafka.to_owned()).or_default())
    }

    /// Changes or reads what is known of brakes.
    fn braked<T>(&self, look: impl FnOnce(&mut Braked) -> T) -> T {
        look(&mut self.braked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a topic bears a brake of ours, and how many others of the cluster do that get on.
    fn standing(&self, key: &Key) -> (bool, usize) {
        self.braked(|braked| {
            let others = braked.iter().filter(|(other, seen)| other.0 == key.0 && *other != key && !seen.stalled);
            (braked.contains_key(key), others.count())
        })
    }

    /// Brings a topic nearer to as many replicas as are wanted, by one look and what follows from it; `None` where nothing new is to be
    /// begun, and what was begun comes to its end. `kafka` is what the cluster leads to, as the world knows it. Asks Kafka nothing where nothing is to be done. What Kafka refuses is waited for.
    ///
    /// # Errors
    /// Kafka did not answer; the next look goes on from what is there.
    pub async fn advance(
        &self,
        connection: &Connection,
        (cluster, kafka): (&str, &str),
        topic: &Topic,
        wanted: Option<usize>,
    ) -> Result<Progress, Error> {
        match Box::pin(self.look(connection, (cluster, kafka), topic, wanted)).await {
            Err(error @ (Error::Denied(_) | Error::Invalid(_))) => {
                Ok(Progress { waits: Some(error.into()), ..Progress::default() })
            }
            other => other,
        }
    }

    async fn look(
        &self,
        connection: &Connection,
        (cluster, kafka): (&str, &str),
        topic: &Topic,
        wanted: Option<usize>,
    ) -> Result<Progress, Error> {
        let key = (cluster.to_owned(), topic.name.clone());
        let queued = || {
            let (braked, others) = self.standing(&key);
            let begins = !braked && is_uneven(topic, wanted, &[]);
            (begins && others >= TOPICS).then(|| {
                let message = plan::queued(&topic.name, others);
                Progress { waits: Some(Unusable { reason: Reason::ReplicasWait, message }), ..Progress::default() }
            })
        };
        if is_at_rest(self.standing(&key).0, topic, wanted) {
            return Ok(Progress::default());
        }
        if let Some(queued) = queued() {
            return Ok(queued);
        }
        let mut before = None;
        let (mut then, renewed);
        then = topic;
        if is_uneven(topic, wanted, &[]) {
            let mut glance = observe::glance(&connection.admin, &topic.name).await?;
            if !self.standing(&key).0
                && let Some(waits) = plan::hindrance(topic, wanted, &glance)
            {
                // What had ended before the list was made may still have shown in the topic; by then it does not.
                sleep(LAG).await;
                glance = observe::glance(&connection.admin, &topic.name).await?;
                let now = observe::shown(&connection.admin, topic).await?;
                let Some(now) = now else { return Ok(Progress::default()) };
                if plan::hindrance(&now, wanted, &glance).as_ref() == Some(&waits) {
                    return Ok(Progress { waits: Some(waits), ..Progress::default() });
                }
                renewed = now;
                then = &renewed;
            }
            if is_uneven(then, wanted, &glance.running) {
                sleep(LAG).await;
                before = Some(glance.running);
            }
        }
        let turn = self.turn(kafka);
        let mut paces = turn.lock().await;
        // Others may have begun while we waited.
        if let Some(queued) = queued() {
            return Ok(queued);
        }
        let Some(seen) = observe::observe(connection, then, wanted, before.as_deref(), &mut paces).await? else {
            // It was deleted, and its brake with it.
            paces.behind(&topic.name, None);
            self.forget(connection, vec![key]).await?;
            return Ok(Progress::default());
        };
        let Plan { steps, moving, waits, aside } = plan::plan(&seen);
        let stalled = seen.pace.is_stalled();
        if let Some(brake) = seen.listed.ours() {
            self.braked(|braked| braked.insert(key.clone(), Seen::now(&brake.rates, stalled)));
        }
        for step in steps {
            apply::apply(connection, &seen, &step).await?;
            self.braked(|braked| match &step {
                plan::Step::Brake(brake) => braked.insert(key.clone(), Seen::now(&brake.rates, stalled)),
                plan::Step::Release => braked.remove(&key),
                _ => None,
            });
        }
        let left = i32::try_from(moving).unwrap_or(i32::MAX);
        Ok(Progress { moving: Some(left).filter(|left| *left > 0), waits, aside })
    }

    /// Forgets brakes that are gone without our doing, and removes the rate that was set with them if no other needs it.
    async fn forget(&self, connection: &Connection, gone: Vec<Key>) -> Result<(), Error> {
        let rates: BTreeSet<i64> = self.braked(|braked| {
            let gone = gone.iter().filter_map(|key| braked.get(key));
            gone.flat_map(|seen| seen.rates.iter().copied()).collect()
        });
        if !rates.is_empty() {
            apply::release_rate(connection, &rates).await?;
        }
        self.braked(|braked| gone.iter().for_each(|key| drop(braked.remove(key))));
        Ok(())
    }
}

/// Whether nothing is to be done, and nobody has to wait for a turn to learn that. A replica that lags says nothing: with a broker that is
/// down, one of nearly every topic does. What we had begun before a restart bears a brake, and the sweep finds that first of all.
fn is_at_rest(braked: bool, topic: &Topic, wanted: Option<usize>) -> bool {
    !braked && !is_uneven(topic, wanted, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::BrokerId;
    use crate::kafka::admin::topics::{Partition, TopicId};

    #[test]
    fn only_who_gets_on_keeps_others_waiting() {
        let moves = Moves::default();
        let key = |cluster: &str, topic: &str| (cluster.to_owned(), topic.to_owned());
        for (cluster, topic, stalled) in
            [("a", "one", false), ("a", "two", true), ("a", "three", false), ("b", "four", false)]
        {
            moves.braked(|braked| braked.insert(key(cluster, topic), Seen::now(&BTreeSet::new(), stalled)));
        }
        assert_eq!(moves.standing(&key("a", "five")), (false, 2));
        assert_eq!(moves.standing(&key("a", "one")), (true, 1));
        assert_eq!(moves.standing(&key("a", "two")), (true, 2));
    }

    #[test]
    fn what_gets_nowhere_is_looked_at_less_often() {
        let waits = Some(Unusable { reason: Reason::ReplicasWait, message: "none has arrived".into() });
        for (moving, waits, next) in [
            (None, None, None),
            (Some(2), None, Some(MOVING)),
            (None, waits.clone(), Some(WAITING)),
            (Some(2), waits, Some(WAITING)),
        ] {
            assert_eq!(Progress { moving, waits, aside: None }.next_look(), next);
        }
    }

    #[test]
    fn a_broker_that_is_down_gives_nobody_a_turn_who_has_nothing_to_do() {
        for (braked, replicas, in_sync, wanted, rests, case) in [
            (false, 3, 3, Some(3), true, "as it should be"),
            (false, 3, 2, Some(3), true, "a broker is down"),
            (false, 2, 2, Some(3), false, "a replica too few"),
            (false, 4, 4, Some(3), false, "one too many"),
            (false, 2, 1, None, true, "nobody names a number"),
            (true, 3, 3, Some(3), false, "the brake has to go"),
            (true, 3, 2, None, false, "what was begun has to end"),
        ] {
            let brokers = |count: i32| (0..count).map(BrokerId).collect::<Vec<_>>();
            let even = Partition { index: 0, leader: None, replicas: brokers(3), in_sync: brokers(3) };
            let other = Partition { index: 1, leader: None, replicas: brokers(replicas), in_sync: brokers(in_sync) };
            let (name, id, partitions) = ("orders".to_owned(), TopicId([1; 16]), vec![even, other]);
            let topic = Topic { name, id, internal: false, partitions };
            assert_eq!(is_at_rest(braked, &topic, wanted), rests, "{case}");
        }
    }
}
