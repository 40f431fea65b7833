//! A Kafka that is played, for the trials of moves on it.

use std::collections::{BTreeMap, BTreeSet};

use super::assign::Seat;
use super::plan::{Plan, Rate, Situation, Step, plan};
use super::throttle::{LEADERS, rates_of, read, released};
use crate::api::names::Scope;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::reassignments::Reassignment;
use crate::kafka::admin::settings::Values;
use crate::kafka::admin::topics::{Partition, Topic, TopicId};

pub(super) const POLICY: i64 = 50 << 20;
pub(super) const LEAST: usize = 2;

/// Some topics on four brokers, and what is under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Kafka {
    pub(super) topics: BTreeMap<String, Vec<Partition>>,
    pub(super) brakes: BTreeMap<String, Values>,
    pub(super) running: Vec<Reassignment>,
    pub(super) rate: Option<i64>,
    pub(super) down: BTreeSet<i32>,
    pub(super) writes: usize,
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
        Self { topics: (0..topics).map(topic).collect(), ..Self::default() }
    }

    pub(super) fn see(&self, name: &str, wanted: Option<usize>) -> Situation {
        let running: Vec<_> = self.running.iter().filter(|move_| move_.topic == name).cloned().collect();
        let busy: BTreeSet<_> = self.running.iter().map(|move_| &move_.topic).filter(|topic| *topic != name).collect();
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
            busy: busy.len(),
            running,
            rate: self.rate.map_or(Rate::Off, Rate::At),
            other_rates: others.collect(),
            policy_rate: POLICY,
            seats: (0..4)
                .filter(|id| !self.down.contains(id))
                .map(|id| Seat { id: broker(id), rack: None, load: 0 })
                .collect(),
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
            Step::SetRate(rate) => self.rate = Some(rate),
            Step::RemoveRate => self.rate = None,
            Step::Cancel(moves) => {
                for cancelled in moves {
                    let of = |move_: &Reassignment| move_.topic == name && move_.index == cancelled.index;
                    let Some(at) = self.running.iter().position(of) else { continue };
                    let gone = self.running.remove(at).adding;
                    let partition = self.partition(name, cancelled.index);
                    partition.replicas.retain(|id| !gone.contains(id));
                    partition.in_sync.retain(|id| !gone.contains(id));
                }
            }
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

    pub(super) fn partition(&mut self, name: &str, index: i32) -> &mut Partition {
        self.topics.get_mut(name).unwrap().iter_mut().find(|partition| partition.index == index).unwrap()
    }

    /// The n-th move arrives.
    pub(super) fn arrive(&mut self, n: usize) {
        if self.running.is_empty() {
            return;
        }
        let at = n % self.running.len();
        let done = self.running.remove(at);
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
            assert!(brake.covers(move_.index, &move_.adding) && self.rate.is_some(), "copied at full speed: {self:?}");
        }
    }

    /// One look of ours, stopped after so many writes.
    pub(super) fn look(&mut self, name: &str, wanted: Option<usize>, writes: usize) -> Plan {
        let plan = plan(&self.see(name, wanted));
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
            while !self.running.is_empty() {
                self.arrive(0);
            }
        }
        panic!("it does not come to an end: {self:?}");
    }

    /// Every partition has as many replicas, and nothing of a brake is left but what others set.
    pub(super) fn is_done(&self, name: &str, wanted: usize, rate: Option<i64>) {
        assert!(self.topics[name].iter().all(|partition| partition.replicas.len() == wanted), "{self:?}");
        assert!(self.brakes.is_empty() && self.running.is_empty(), "{self:?}");
        assert_eq!(self.rate, rate);
    }
}
