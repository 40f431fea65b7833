//! A Kafka that is played, for the trials of moves on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::api::names::Scope;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::reassignments::{Assignment, Reassignment};
use crate::kafka::admin::settings::Values;
use crate::kafka::admin::topics::{Partition, Topic, TopicId};
use crate::topics::moves::assign::Seat;
use crate::topics::moves::pace::Paces;
use crate::topics::moves::plan::{Plan, Situation, Step, plan};
use crate::topics::moves::throttle::{LEADERS, RATES, Rates, rates, rates_of, read, released};

pub(super) const POLICY: i64 = 50 << 20;
pub(super) const LEAST: usize = 2;

/// Some topics on four brokers, and what is under way.
#[derive(Debug, Clone)]
pub(super) struct Kafka {
    pub(super) topics: BTreeMap<String, Vec<Partition>>,
    pub(super) brakes: BTreeMap<String, Values>,
    pub(super) running: Vec<Reassignment>,
    pub(super) rates: Values,
    pub(super) down: BTreeSet<i32>,
    pub(super) writes: usize,
    pub(super) now: Instant,
    paces: Paces,
}

fn scope() -> Scope {
    Scope::from_cluster_uid("a")
}

pub(super) fn broker(id: i32) -> BrokerId {
    BrokerId(id)
}

impl Kafka {
    /// Topics `t0`, `t1` … with as many partitions, each with replicas on the first brokers.
    pub(super) fn with(topics: usize, partitions: i32, replicas: i32) -> Self {
        let replicas: Vec<_> = (0..replicas).map(broker).collect();
        let partition =
            |index| Partition { index, leader: Some(broker(0)), replicas: replicas.clone(), in_sync: replicas.clone() };
        let topic = |number| (format!("t{number}"), (0..partitions).map(partition).collect());
        Self {
            topics: (0..topics).map(topic).collect(),
            brakes: BTreeMap::new(),
            running: Vec::new(),
            rates: Values::new(),
            down: BTreeSet::new(),
            writes: 0,
            now: Instant::now(),
            paces: Paces::default(),
        }
    }

    pub(super) fn see(&self, name: &str, wanted: Option<usize>) -> Situation {
        let running: Vec<_> = self.running.iter().filter(|move_| move_.topic == name).cloned().collect();
        let seats: Vec<_> = (0..4)
            .filter(|id| !self.down.contains(id))
            .map(|id| Seat { id: broker(id), rack: None, load: 0 })
            .collect();
        let pace = self.paces.clone().note(name, &self.running, &seats, self.now);
        let others = self.brakes.iter().filter(|(topic, _)| *topic != name);
        let others = others.filter_map(|(_, settings)| settings.get(LEADERS)?.as_deref()).flat_map(rates_of);
        let none = Values::new();
        Situation {
            topic: Topic {
                name: name.to_owned(),
                id: TopicId([1; 16]),
                internal: false,
                partitions: self.topics[name].clone(),
            },
            wanted,
            least: LEAST,
            listed: read(self.brakes.get(name).unwrap_or(&none), &scope()),
            running,
            steady: self.topics[name].iter().map(|partition| partition.index).collect(),
            behind: None,
            pace,
            rates: Rates::read(&self.rates),
            other_rates: others.collect(),
            policy_rate: POLICY,
            seats,
        }
    }

    /// Somebody sets or removes rates of the brokers.
    pub(super) fn set_rates(&mut self, keys: &[&str], rate: Option<i64>) {
        self.rates.extend(rates(keys, rate));
        self.rates.retain(|_, rate| rate.is_some());
    }

    /// The rates of the brokers.
    pub(super) fn rates(&self) -> [Option<i64>; 2] {
        RATES.map(|key| self.rates.get(key)?.as_deref()?.parse().ok())
    }

    pub(super) fn minutes_pass(&mut self, minutes: u64) {
        self.now += Duration::from_secs(minutes * 60);
    }

    /// A broker dies.
    pub(super) fn dies(&mut self, id: i32) {
        self.down.insert(id);
        self.topics.values_mut().flatten().for_each(|partition| partition.in_sync.retain(|other| other.0 != id));
    }

    /// All brokers are back, and have caught up with what they keep already.
    pub(super) fn all_are_back(&mut self) {
        self.down.clear();
        for (topic, partitions) in &mut self.topics {
            for partition in partitions {
                let copied =
                    self.running.iter().filter(|move_| move_.topic == *topic && move_.index == partition.index);
                let copied: Vec<_> = copied.flat_map(|move_| &move_.adding).collect();
                let has = |id: &BrokerId| partition.in_sync.contains(id) || !copied.contains(&id);
                partition.in_sync = partition.replicas.iter().copied().filter(has).collect();
            }
        }
    }

    /// What Kafka does with a write; a move that only takes away is done at once.
    pub(super) fn apply(&mut self, name: &str, step: Step) {
        self.writes += 1;
        match step {
            Step::Brake(brake) => drop(self.brakes.insert(name.to_owned(), brake.settings(&scope()))),
            Step::Release => {
                assert!(released().values().all(Option::is_none));
                self.brakes.remove(name);
            }
            Step::SetRate(keys, rate) => self.set_rates(&keys, Some(rate)),
            Step::RemoveRate(keys) => self.set_rates(&keys, None),
            Step::Cancel(moves) => moves.iter().for_each(|cancelled| self.cancel(name, cancelled)),
            Step::Begin(moves) => {
                for begun in moves {
                    let target = begun.replicas.unwrap();
                    assert!(self.running.iter().all(|move_| move_.topic != name || move_.index != begun.index));
                    let partition = self.partition(name, begun.index);
                    let adding: Vec<_> = target.iter().filter(|id| !partition.replicas.contains(id)).copied().collect();
                    if adding.is_empty() {
                        partition.replicas = target;
                        let kept = partition.replicas.clone();
                        partition.in_sync.retain(|id| kept.contains(id));
                        continue;
                    }
                    let removing = partition.replicas.iter().filter(|id| !target.contains(id)).copied().collect();
                    partition.replicas.extend(&adding);
                    let replicas = partition.replicas.clone();
                    self.running.push(Reassignment {
                        topic: name.to_owned(),
                        index: begun.index,
                        replicas,
                        adding,
                        removing,
                    });
                }
            }
        }
        self.check();
    }

    /// Ends a move, or takes newcomers out of it, with which it may be done.
    fn cancel(&mut self, name: &str, cancelled: &Assignment) {
        let of = |move_: &Reassignment| move_.topic == name && move_.index == cancelled.index;
        let Some(at) = self.running.iter().position(of) else { return };
        let gone = match &cancelled.replicas {
            None => self.running.remove(at).adding,
            Some(stay) => {
                let move_ = &mut self.running[at];
                move_.removing = move_.replicas.iter().filter(|id| !stay.contains(id)).copied().collect();
                assert!(move_.removing.iter().all(|id| move_.adding.contains(id)), "an old replica goes: {move_:?}");
                let in_sync = self.partition(name, cancelled.index).in_sync.clone();
                if !stay.iter().all(|id| in_sync.contains(id)) {
                    return;
                }
                self.running.remove(at).removing
            }
        };
        let partition = self.partition(name, cancelled.index);
        partition.replicas.retain(|id| !gone.contains(id));
        partition.in_sync.retain(|id| !gone.contains(id));
    }

    /// The first newcomer of the n-th move that has several catches up.
    pub(super) fn one_catches_up(&mut self, n: usize) {
        let several = |move_: &&Reassignment| move_.adding.len() > move_.removing.len() + 1;
        let several: Vec<_> = self.running.iter().filter(several).collect();
        let Some(move_) = several.get(n.checked_rem(several.len()).unwrap_or(0)) else { return };
        let (topic, index, id) = (move_.topic.clone(), move_.index, move_.adding[0].0);
        if !self.down.contains(&id) && !self.partition(&topic, index).in_sync.contains(&broker(id)) {
            self.catches_up(&topic, index, id);
        }
    }

    /// One who is copied to catches up, and is not the last.
    pub(super) fn catches_up(&mut self, name: &str, index: i32, id: i32) {
        let partition = self.partition(name, index);
        assert!(partition.replicas.contains(&broker(id)));
        partition.in_sync.push(broker(id));
    }

    pub(super) fn partition(&mut self, name: &str, index: i32) -> &mut Partition {
        self.topics.get_mut(name).unwrap().iter_mut().find(|partition| partition.index == index).unwrap()
    }

    /// The n-th move arrives.
    pub(super) fn arrive(&mut self, n: usize) {
        let down = self.down.clone();
        let lives = |id: &&BrokerId| !down.contains(&id.0);
        let able =
            |move_: &Reassignment| move_.replicas.iter().filter(|id| !move_.removing.contains(id)).all(|id| lives(&id));
        let able: Vec<_> = (0..self.running.len()).filter(|at| able(&self.running[*at])).collect();
        if able.is_empty() {
            return;
        }
        let done = self.running.remove(able[n % able.len()]);
        let partition = self.partition(&done.topic, done.index);
        partition.replicas.retain(|id| !done.removing.contains(id));
        partition.in_sync.clone_from(&partition.replicas);
    }

    /// What must hold after every write.
    fn check(&self) {
        for partition in self.topics.values().flatten() {
            assert!(partition.in_sync.len() >= LEAST, "below min.insync.replicas: {self:?}");
        }
        for move_ in &self.running {
            let none = Values::new();
            let listed = read(self.brakes.get(&move_.topic).unwrap_or(&none), &scope());
            let brake = listed.ours().expect("copied without a brake");
            assert!(
                brake.covers(move_.index, &move_.adding) && !self.rates.is_empty(),
                "copied at full speed: {self:?}"
            );
        }
    }

    /// One look of ours, stopped after so many writes.
    pub(super) fn look(&mut self, name: &str, wanted: Option<usize>, writes: usize) -> Plan {
        let seen = self.see(name, wanted);
        self.paces.note(name, &self.running, &seen.seats, self.now);
        let plan = plan(&seen);
        for step in plan.steps.iter().take(writes) {
            self.apply(name, step.clone());
        }
        plan
    }

    /// Looks at a topic until nothing is left to do; everything that is begun arrives in between.
    pub(super) fn settle(&mut self, name: &str, wanted: usize) {
        for _ in 0..20 {
            let plan = self.look(name, Some(wanted), usize::MAX);
            if plan.steps.is_empty() && plan.moving == 0 {
                assert_eq!(plan.waits, None);
                return;
            }
            for _ in 0..self.running.len() {
                self.arrive(0);
            }
        }
        panic!("it does not come to an end: {self:?}");
    }

    /// Every partition has as many replicas, and nothing of a brake is left but what others set.
    pub(super) fn is_done(&self, name: &str, wanted: usize, rate: Option<i64>) {
        self.is_done_but_for(name, wanted, [rate; 2]);
    }

    /// The same, where others may have set both rates differently.
    pub(super) fn is_done_but_for(&self, name: &str, wanted: usize, rates: [Option<i64>; 2]) {
        assert!(self.topics[name].iter().all(|partition| partition.replicas.len() == wanted), "{self:?}");
        assert!(self.brakes.is_empty() && self.running.is_empty(), "{self:?}");
        assert_eq!(self.rates(), rates);
    }
}
