//! The terms on which topics are deleted, and how time is counted for them. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::resources::DeletionPolicy;
use crate::runtime::duration::{self, NotADuration};

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
}

impl Policy {
    /// Reads it.
    ///
    /// # Errors
    /// One of its durations is too long to be one.
    pub fn of(policy: &DeletionPolicy) -> Result<Self, NotADuration> {
        Ok(Self {
            undo: duration::parse(&policy.undo)?,
            min_record_age: duration::parse(&policy.min_record_age)?,
            max_an_hour: usize::try_from(policy.max_an_hour).unwrap_or_default(),
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
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
