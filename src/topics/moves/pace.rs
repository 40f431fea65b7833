//! For how long moves get nowhere. Pure: what time it is, is told.
//!
//! Kafka does not say since when anything is under way, so this is remembered, and lost with the process: an hour begins anew then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::assign::Seat;
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::reassignments::Reassignment;

/// A move of which no partition arrives for so long keeps no other topic waiting, and a broker that is away for so long gets no copy.
pub const LONG: Duration = Duration::from_secs(3600);

/// What is remembered of the moves in one Kafka, by topic.
#[derive(Debug, Clone, Default)]
pub struct Paces {
    /// What is under way.
    courses: BTreeMap<String, Course>,
    /// The broker that showed a topic unlike the others when something was to begin on it.
    behind: BTreeMap<String, BrokerId>,
}

/// What is under way on one topic.
#[derive(Debug, Clone)]
struct Course {
    /// The partitions that are on the move. Not their number: others begin as soon as some arrive.
    left: BTreeSet<i32>,
    /// When the last of them arrived, or was given up, or the first began.
    since: Instant,
    /// Brokers that are down to which something is copied, and when they were first seen so.
    away: BTreeMap<BrokerId, Instant>,
}

impl Course {
    fn idle(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

/// How things go on one topic, and besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pace {
    /// How many other topics something is under way on, and gets on.
    pub busy: usize,
    /// For how long no partition of this topic has arrived of those that are on the move.
    pub idle: Duration,
    /// The brokers that are down to which this topic is copied, and for how long they have been.
    pub away: BTreeMap<BrokerId, Duration>,
}

impl Pace {
    /// Whether nothing arrives any more.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.idle >= LONG
    }

    /// Whether a broker has been down for too long to be waited for.
    #[must_use]
    pub fn is_lost(&self, broker: BrokerId) -> bool {
        self.away.get(&broker).is_some_and(|away| *away >= LONG)
    }
}

impl Paces {
    /// Takes note of who shows a topic unlike the others; told only if it did so the last time as well, for most are a moment behind.
    pub fn behind(&mut self, topic: &str, broker: Option<BrokerId>) -> Option<BrokerId> {
        let before = match broker {
            Some(id) => self.behind.insert(topic.to_owned(), id),
            None => self.behind.remove(topic),
        };
        broker.filter(|_| before == broker)
    }

    /// Takes note of all that is under way, and of the brokers that live; how things go on one topic.
    pub fn note(&mut self, topic: &str, all: &[Reassignment], seats: &[Seat], now: Instant) -> Pace {
        let mut running: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
        for move_ in all {
            running.entry(&move_.topic).or_default().insert(move_.index);
        }
        self.courses.retain(|topic, _| running.contains_key(topic.as_str()));
        for (topic, left) in running {
            let begun = Course { left: BTreeSet::new(), since: now, away: BTreeMap::new() };
            let course = self.courses.entry(topic.to_owned()).or_insert(begun);
            if !course.left.is_subset(&left) {
                course.since = now;
            }
            course.left = left;
        }
        let busy = self.courses.iter().filter(|(other, course)| *other != topic && course.idle(now) < LONG).count();
        let Some(course) = self.courses.get_mut(topic) else { return Pace { busy, ..Pace::default() } };
        let down = |id: &BrokerId| seats.iter().all(|seat| seat.id != *id);
        let of_topic = all.iter().filter(|move_| move_.topic == topic);
        let away: BTreeSet<_> = of_topic.flat_map(|move_| &move_.adding).copied().filter(down).collect();
        course.away.retain(|id, _| away.contains(id));
        for id in away {
            course.away.entry(id).or_insert(now);
        }
        let away = course.away.iter().map(|(id, since)| (*id, now.saturating_duration_since(*since))).collect();
        Pace { busy, idle: course.idle(now), away }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(topic: &str, partitions: &[i32]) -> Vec<Reassignment> {
        let to = |index: &i32| Reassignment {
            topic: topic.to_owned(),
            index: *index,
            replicas: vec![BrokerId(0), BrokerId(3)],
            adding: vec![BrokerId(3)],
            removing: Vec::new(),
        };
        partitions.iter().map(to).collect()
    }

    fn seats(ids: &[i32]) -> Vec<Seat> {
        ids.iter().map(|id| Seat { id: BrokerId(*id), rack: None, load: 0 }).collect()
    }

    #[test]
    fn who_arrives_counts_and_who_begins_does_not() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        for (minutes, partitions, idle) in [
            (0, &[1, 2][..], 0),
            (50, &[1, 2], 50),
            (55, &[1, 2, 3], 55),
            (60, &[1, 2, 3], 60),
            // As many as before, and yet one has arrived.
            (70, &[1, 3, 4], 0),
            (90, &[1, 3, 4], 20),
            (91, &[], 0),
            (200, &[1], 0),
        ] {
            let now = start + Duration::from_secs(minutes * 60);
            let pace = paces.note("t", &running("t", partitions), &seats(&[0, 3]), now);
            assert_eq!(pace, Pace { idle: Duration::from_secs(idle * 60), ..Pace::default() }, "minute {minutes}");
            assert_eq!(pace.is_stalled(), idle >= 60);
        }
        assert_eq!(paces.courses.len(), 1);
    }

    #[test]
    fn a_broker_is_behind_that_was_so_the_last_time() {
        let mut paces = Paces::default();
        let (one, two) = (Some(BrokerId(1)), Some(BrokerId(2)));
        for (shows, told) in [(one, None), (one, one), (one, one), (two, None), (two, two), (None, None), (two, None)] {
            assert_eq!(paces.behind("t", shows), told, "{shows:?}");
        }
        assert_eq!(paces.behind("other", two), None);
    }

    #[test]
    fn others_are_busy_while_they_get_on() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        let all = |fast: &[i32]| [running("fast", fast), running("slow", &[0]), running("t", &[0])].concat();
        for (minutes, fast, busy) in
            [(0, &[0, 1][..], 2), (59, &[0, 1], 2), (60, &[0], 1), (119, &[0], 1), (120, &[0], 0)]
        {
            let now = start + Duration::from_secs(minutes * 60);
            assert_eq!(paces.note("t", &all(fast), &seats(&[0, 3]), now).busy, busy, "minute {minutes}");
            assert_eq!(paces.note("new", &all(fast), &seats(&[0, 3]), now).busy, busy + usize::from(minutes < 60));
        }
    }

    #[test]
    fn a_broker_is_lost_that_was_never_back_for_long() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        for (minutes, live, away) in [
            (0, &[0, 3][..], None),
            (10, &[0], Some(0)),
            (60, &[0], Some(50)),
            (65, &[0, 3], None),
            (66, &[0], Some(0)),
            (125, &[0], Some(59)),
            (126, &[0], Some(60)),
        ] {
            let now = start + Duration::from_secs(minutes * 60);
            let pace = paces.note("t", &running("t", &[0]), &seats(live), now);
            let found = pace.away.get(&BrokerId(3)).map(|away| away.as_secs() / 60);
            assert_eq!((found, pace.is_lost(BrokerId(3))), (away, away == Some(60)), "minute {minutes}");
        }
    }
}
