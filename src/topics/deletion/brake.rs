//! How many deletions an hour are too many to go without a question, and the word that answers it. Pure.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::policy::{HOUR, Policy, waited};
use crate::api::list::first_of;
use crate::api::names::short_hash;
use crate::api::reasons::Reason;
use crate::api::resources::PendingDeletion;

/// Digits of the word by which people release what is held.
const WORD: usize = 12;
/// Topics that a message names.
const NAMED: usize = 5;

/// Those that lie in an hour with more than `max`, whichever hour that is.
#[must_use]
pub fn crowded<'r>(times: impl Iterator<Item = (&'r str, Timestamp)>, max: usize) -> BTreeSet<String> {
    let mut times: Vec<_> = times.map(|(id, time)| (time, id)).collect();
    times.sort_unstable();
    let (mut crowd, mut end) = (BTreeSet::new(), 0);
    let mut told = 0;
    for (first, (begin, _)) in times.iter().enumerate() {
        end += times.iter().skip(end).take_while(|(time, _)| waited(*begin, *time) < HOUR).count();
        if end - first > max {
            let fresh = times.iter().take(end).skip(first.max(told));
            crowd.extend(fresh.map(|(_, id)| (*id).to_owned()));
            told = end;
        }
    }
    crowd
}

/// The word that releases exactly those that the brake holds; nothing where it holds none. The same topics at another time are others.
#[must_use]
pub fn word(records: &[PendingDeletion]) -> Option<String> {
    let mut held: Vec<String> = records.iter().filter(|record| holds_back(record)).map(name).collect();
    held.sort_unstable();
    (!held.is_empty()).then(|| short_hash(&held.join("\n"), WORD))
}

fn name(record: &PendingDeletion) -> String {
    format!("{} {} {}", record.topic, record.topic_id, record.since.0.as_second())
}

/// Whether the brake holds a record.
#[must_use]
pub fn holds_back(record: &PendingDeletion) -> bool {
    record.deleted.is_none() && reason_of(record) == Some(Reason::DeletionHeld.code())
}

/// The code of what holds a record.
#[must_use]
pub fn reason_of(record: &PendingDeletion) -> Option<&str> {
    record.held.as_ref().and_then(|held| held.split(':').next())
}

/// What the brake says of each that it holds.
#[must_use]
pub fn braked(policy: &Policy) -> String {
    let max = policy.max_an_hour;
    format!(
        "{}: more than {max} topics would be deleted within an hour; the condition says how to release them",
        Reason::DeletionHeld
    )
}

/// Some of many, and how many more there are.
#[must_use]
pub fn some_of(all: &[&str]) -> String {
    first_of(NAMED, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(minutes: &[i64], max: usize) -> Vec<usize> {
        let ids: Vec<String> = (0..minutes.len()).map(|n| n.to_string()).collect();
        let time = |minute: &i64| Timestamp::from_second(minute * 60).unwrap();
        let found = crowded(ids.iter().map(String::as_str).zip(minutes.iter().map(time)), max);
        found.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn an_hour_is_any_hour() {
        assert_eq!(crowd(&[0, 1, 2], 3), [0; 0]);
        assert_eq!(crowd(&[0, 1, 2], 2), [0, 1, 2], "all of them, not the surplus alone");
        assert_eq!(crowd(&[0, 59, 60, 118, 300], 2), [1, 2, 3], "an hour that begins anywhere");
        assert_eq!(crowd(&[0, 60], 1), [0; 0], "an hour later is another hour");
        assert_eq!(crowd(&[7], 0), [0], "none goes without a question");
    }

    #[test]
    fn many_are_named_by_some() {
        assert_eq!(some_of(&["a", "b"]), "a, b");
        assert_eq!(some_of(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
