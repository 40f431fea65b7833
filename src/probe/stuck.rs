//! Whether a consumer is stuck: the decision. Pure.
//!
//! A partition is stuck when its committed offset stands still while its log grows beyond it, for as long as is allowed. Time counts
//! only while it is watched: whatever cannot be seen for a while, because Kafka is away or nobody asked, counts from the start again.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

/// The most that the time between two looks counts, in seconds: twice the probe's period, and some air.
const LONGEST_STEP: u64 = 90;
/// Stuck partitions that are named; there may be hundreds.
const NAMED: usize = 3;
/// The first word of what is remembered; another version's is forgotten.
const FORMAT: &str = "admittance-alive-1";

/// A partition that a group consumes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// What one look saw of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The committed offset.
    pub committed: i64,
    /// The end of the log, where it was looked for and found.
    pub end: Option<i64>,
}

/// What is remembered of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    committed: i64,
    /// The end of the log when it was first seen with this committed offset.
    end: Option<i64>,
    /// For how many seconds the committed offset has stood still since the log was seen to grow.
    standing: Option<u64>,
}

/// What is remembered from one look to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// When the last look was, in seconds since the machine's start.
    at: u64,
    parts: BTreeMap<Part, Record>,
}

/// Partitions that stand still.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Stuck(Vec<(Part, Seen, u64)>);

impl fmt::Display for Stuck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "stuck: ")?;
        for (index, (part, seen, standing)) in self.0.iter().take(NAMED).enumerate() {
            let Part { group, topic, partition } = part;
            let (comma, end) = (if index > 0 { "; " } else { "" }, seen.end.unwrap_or(seen.committed));
            write!(
                formatter,
                "{comma}group `{group}` has stood at offset {} of `{topic}` {partition} for {standing} s, while the log grew to {end}",
                seen.committed
            )?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(formatter, "; and {more} partitions more"),
        }
    }
}

impl Memory {
    /// Whether the end of a partition's log matters to the next judgement: while its offset moves, it does not.
    #[must_use]
    pub fn stands(&self, part: &Part, committed: i64) -> bool {
        self.parts.get(part).is_some_and(|record| record.committed == committed)
    }

    /// Takes a look into account, and gives what to remember of it.
    ///
    /// # Errors
    /// The partitions that have stood still for too long.
    pub fn judge(&self, seen: BTreeMap<Part, Seen>, now: u64, stuck_after: Duration) -> (Self, Result<(), Stuck>) {
        // A clock that went back is another machine's.
        let step = now.checked_sub(self.at).map(|step| step.min(LONGEST_STEP));
        let (mut parts, mut stuck) = (BTreeMap::new(), Vec::new());
        for (part, seen) in seen {
            let old = self.parts.get(&part).filter(|old| old.committed == seen.committed);
            let record = follow(old, seen, step);
            match record.standing {
                Some(standing) if standing >= stuck_after.as_secs() => stuck.push((part.clone(), seen, standing)),
                _ => {}
            }
            parts.insert(part, record);
        }
        let memory = Self { at: now, parts };
        (memory, if stuck.is_empty() { Ok(()) } else { Err(Stuck(stuck)) })
    }

    /// As it is written down.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORMAT} {}\n", self.at);
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        for (part, record) in &self.parts {
            let (end, standing) = (number(record.end), record.standing.map(u64::cast_signed));
            let Part { group, topic, partition } = part;
            let _ = writeln!(text, "{partition} {} {end} {} {topic} {group}", record.committed, number(standing));
        }
        text
    }

    /// Reads what was written down; nothing where it cannot be read.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        read(text).unwrap_or_default()
    }
}

/// The record that follows on an old one of the same committed offset.
fn follow(old: Option<&Record>, seen: Seen, step: Option<u64>) -> Record {
    let fresh = Record { committed: seen.committed, end: seen.end, standing: None };
    let (Some(old), Some(step), Some(end)) = (old, step, seen.end) else { return fresh };
    let Some(first) = old.end else { return fresh };
    if end <= first || end <= seen.committed {
        return fresh;
    }
    Record { standing: Some(old.standing.map_or(0, |standing| standing + step)), ..*old }
}

fn read(text: &str) -> Option<Memory> {
    let mut lines = text.lines();
    let at = lines.next()?.strip_prefix(FORMAT)?.trim().parse().ok()?;
    let number = |word: &str| if word == "-" { Some(None) } else { word.parse::<i64>().ok().map(Some) };
    let part = |line: &str| {
        let mut words = line.splitn(6, ' ');
        let partition = words.next()?.parse().ok()?;
        let committed = words.next()?.parse().ok()?;
        let (end, standing) = (number(words.next()?)?, number(words.next()?)?);
        let (topic, group) = (words.next()?.to_owned(), words.next()?.to_owned());
        let standing = standing.map(u64::try_from).transpose().ok()?;
        Some((Part { group, topic, partition }, Record { committed, end, standing }))
    };
    Some(Memory { at, parts: lines.map(part).collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn part(topic: &str) -> Part {
        Part { group: "shop.web".into(), topic: topic.into(), partition: 0 }
    }

    /// Looks every 30 s at one partition; gives after which look it was called stuck.
    fn looks(seen: &[(i64, Option<i64>)]) -> Option<usize> {
        let mut memory = Memory::default();
        for (index, (committed, end)) in seen.iter().enumerate() {
            let look = BTreeMap::from([(part("orders"), Seen { committed: *committed, end: *end })]);
            let (next, verdict) = memory.judge(look, 1000 + 30 * index as u64, MINUTE);
            memory = Memory::from_text(&next.to_text());
            assert_eq!(memory, next, "what is written down is what is read");
            if verdict.is_err() {
                return Some(index);
            }
        }
        None
    }

    fn ends(committed: i64, ends: &[i64]) -> Vec<(i64, Option<i64>)> {
        ends.iter().map(|end| (committed, Some(*end))).collect()
    }

    #[test]
    fn a_commit_that_stands_still_while_the_log_grows_is_stuck() {
        assert_eq!(looks(&ends(5, &[5, 6, 6, 6, 6])), Some(3), "a minute after the growth was seen");
        assert_eq!(looks(&ends(5, &[8, 9, 10, 11])), Some(3));
    }

    #[test]
    fn nothing_to_do_is_not_stuck() {
        assert_eq!(looks(&ends(5, &[5; 20])), None);
        assert_eq!(looks(&ends(5, &[9; 20])), None, "behind, but the log does not grow");
        assert_eq!(looks(&ends(9, &[5, 6, 7, 8, 8, 8, 8])), None, "ahead of a log that was cut");
        let idle = [ends(5, &[5; 20]), vec![(6, None); 20]].concat();
        assert_eq!(looks(&idle), None, "one message after a long rest");
    }

    #[test]
    fn a_commit_that_moves_starts_anew() {
        let slow: Vec<_> = (0..40).map(|n| (5 + n / 2, Some(100 + n))).collect();
        assert_eq!(looks(&slow), None);
    }

    #[test]
    fn what_cannot_be_seen_starts_anew() {
        let gap = [ends(5, &[5, 6, 7]), vec![(5, None)], ends(5, &[8, 9, 10])].concat();
        assert_eq!(looks(&gap), None);
        let gone = Memory::default().judge(BTreeMap::new(), 7, MINUTE).0;
        assert!(!gone.stands(&part("orders"), 5));
    }

    #[test]
    fn time_counts_only_while_it_is_watched() {
        let look = |end| BTreeMap::from([(part("orders"), Seen { committed: 5, end: Some(end) })]);
        let five_minutes = Duration::from_secs(300);
        let (memory, _) = Memory::default().judge(look(5), 100, five_minutes);
        let (memory, _) = memory.judge(look(6), 130, five_minutes);
        let (later, verdict) = memory.judge(look(7), 9000, five_minutes);
        assert_eq!(verdict, Ok(()));
        assert_eq!(later.parts[&part("orders")].standing, Some(LONGEST_STEP));
        let (rebooted, _) = later.judge(look(8), 20, five_minutes);
        assert_eq!(rebooted.parts[&part("orders")].standing, None);
    }

    #[test]
    fn the_end_is_asked_for_only_where_the_commit_stands() {
        let look = BTreeMap::from([(part("orders"), Seen { committed: 5, end: None })]);
        let (memory, _) = Memory::default().judge(look, 100, MINUTE);
        assert!(memory.stands(&part("orders"), 5));
        assert!(!memory.stands(&part("orders"), 6) && !memory.stands(&part("other"), 5));
    }

    #[test]
    fn what_was_not_written_by_us_is_forgotten() {
        for text in ["", "x", "admittance-alive-1", "admittance-alive-2 7\n", "admittance-alive-1 7\n0 5 - -1 t g\n"] {
            assert_eq!(Memory::from_text(text), Memory::default(), "{text}");
        }
        let memory = Memory::from_text("admittance-alive-1 7\n0 5 - - orders a group with spaces\n");
        assert!(memory.parts.keys().all(|part| part.group == "a group with spaces"));
    }

    #[test]
    fn the_first_few_are_named() {
        let one = |n: i32| (Part { partition: n, ..part("orders") }, Seen { committed: 5, end: Some(9) }, 301);
        let said = Stuck((0..5).map(one).collect()).to_string();
        let first = "stuck: group `shop.web` has stood at offset 5 of `orders` 0 for 301 s, while the log grew to 9; ";
        assert!(said.starts_with(first) && said.ends_with("; and 2 partitions more"), "{said}");
    }
}
