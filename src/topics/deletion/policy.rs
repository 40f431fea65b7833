//! The terms on which topics are deleted, and how time is counted for them. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::duration::{self, NotADuration};
use crate::api::resources::DeletionPolicy;
use crate::topics::disk::Share;

/// What is counted by the brake, and how long a deletion that nobody looked at may be overdue before it is announced anew.
pub const HOUR: Duration = Duration::from_secs(3600);

/// The policy of a cluster, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a topic stays after its claim was deleted.
    pub undo: Duration,
    /// How old the youngest record must be.
    pub min_record_age: Duration,
    /// How many topics are deleted within an hour without a question.
    pub max_an_hour: usize,
    /// That is a share of all topics, and their number changes.
    pub by_share: bool,
}

impl Policy {
    /// Reads it, for a cluster of so many topics, those on record as deleted or to be deleted among them. Of a share that cannot be read
    /// nothing goes without a question.
    ///
    /// # Errors
    /// One of its durations is too long to be one.
    pub fn of(policy: &DeletionPolicy, topics: impl FnOnce() -> usize) -> Result<Self, NotADuration> {
        let max = usize::try_from(policy.max_an_hour).unwrap_or_default();
        let share = policy.max_share_an_hour.as_deref().map(Share::parse);
        Ok(Self {
            by_share: share.is_some(),
            undo: duration::parse(&policy.undo)?,
            min_record_age: duration::parse(&policy.min_record_age)?,
            max_an_hour: share.map_or(max, |share| share.map_or(0, |share| max.min(share.of(topics())))),
        })
    }
}

/// How long ago something was.
#[must_use]
pub fn waited(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// So long after a time; what cannot be counted so far is never.
#[must_use]
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).map_or(Timestamp::MAX, whole)
}

/// A time in whole seconds, which is all that a status keeps of it: what is decided upon must be what is read again.
#[must_use]
pub fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_a_number_and_a_share_counts() {
        let max = |number: i32, share: Option<&str>, topics: usize| {
            let share = share.map(str::to_owned);
            let policy = DeletionPolicy { max_an_hour: number, max_share_an_hour: share, ..DeletionPolicy::default() };
            Policy::of(&policy, || topics).unwrap().max_an_hour
        };
        assert_eq!(max(10, None, 0), 10, "a share that nobody set");
        assert_eq!(max(10, Some("0.05"), 1000), 10);
        assert_eq!(max(10, Some("0.05"), 199), 9, "whole topics");
        assert_eq!(max(10, Some("0.05"), 19), 0, "one would be more than a twentieth");
        assert_eq!(max(10, Some("1"), 3), 3);
        assert_eq!(max(10, Some("a tenth"), 1000), 0, "what cannot be read lets nothing go");
    }

    #[test]
    fn times_are_as_a_status_keeps_them() {
        let time: Timestamp = "2026-11-25T15:02:32.9Z".parse().unwrap();
        assert_eq!(whole(time).to_string(), "2026-11-25T15:02:32Z");
        assert_eq!(later(time, Duration::from_millis(1500)).to_string(), "2026-11-25T15:02:34Z");
        assert_eq!(later(time, Duration::MAX), Timestamp::MAX);
    }
}
