//! A share of the brokers' disks as a topic's `retention.bytes`. Pure.
//!
//! Kafka keeps `retention.bytes` a partition, on each of its replicas, and deletes whole segments that are closed: a replica takes up to
//! one segment more. So a share is divided among all replicas, and what is kept is whole segments, one fewer than fit. The least that is
//! kept is one segment, with which a replica takes two: where a share is smaller than that, the topic takes more than its share.
//!
//! What holds is changed only where it is off by more than a tenth: brokers and disks come and go, and each change costs records.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kafka::admin::BrokerId;
use crate::kafka::admin::log_dirs::LogDir;
use crate::kafka::admin::reassignments::Reassignment;
use crate::kafka::admin::topics::Topic;

/// The setting with the size of a segment.
pub const SEGMENT_BYTES: &str = "segment.bytes";

/// Kafka's own default of it.
pub const SEGMENT: u64 = 1 << 30;

/// All of the disks.
const WHOLE: u32 = 1_000_000;

/// A share of a whole, such as the brokers' disks, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Reads a share as the resources write it: `0.05`, at most six digits behind the point, up to `1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        if rest.len() > 6 || !rest.chars().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let millionths: u32 = format!("{rest:0<6}").parse().ok()?;
        let share = whole.parse::<u32>().ok()?.checked_mul(WHOLE)?.checked_add(millionths)?;
        (share <= WHOLE).then_some(Self(share))
    }

    /// This share of so many, rounded down.
    #[must_use]
    pub fn of(self, count: usize) -> usize {
        let share = (count as u128).saturating_mul(u128::from(self.0)) / u128::from(WHOLE);
        usize::try_from(share).unwrap_or(count)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / WHOLE, self.0 % WHOLE);
        let text = text.trim_end_matches('0');
        formatter.write_str(text.strip_suffix('.').unwrap_or(text))
    }
}

/// The disks of a Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disks {
    /// Their size, in bytes: of the brokers that told it of all of theirs, and as much on average for each that did not.
    pub total: u128,
    /// Every broker told it, of all of its disks.
    pub complete: bool,
}

impl Disks {
    /// Adds up what every broker told of its own, or did not tell; `None` where none told anything.
    #[must_use]
    pub fn of(told: &BTreeMap<BrokerId, Option<Size>>) -> Option<Self> {
        let (whole, parts): (Vec<Size>, Vec<Size>) = told.values().flatten().partition(|size| size.whole);
        let complete = whole.len() == told.len();
        let sizes = if whole.is_empty() { parts } else { whole };
        let mean = sizes.iter().map(|size| size.bytes).sum::<u128>().checked_div(sizes.len() as u128)?;
        Some(Self { total: mean.saturating_mul(told.len() as u128), complete })
    }
}

/// How large the disks of one broker are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Those of which it told it, in bytes.
    pub bytes: u128,
    /// Those are all of them: a disk that has failed is not gone.
    pub whole: bool,
}

impl Size {
    /// Adds up the disks of a broker; `None` where it told the size of none.
    #[must_use]
    pub fn of(dirs: &[LogDir]) -> Option<Self> {
        let told = || dirs.iter().filter(|dir| dir.online).filter_map(|dir| dir.total_bytes);
        told().next()?;
        Some(Self { bytes: told().map(u128::from).sum(), whole: told().count() == dirs.len() })
    }
}

/// What of a topic decides how its share is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Its partitions.
    pub partitions: usize,
    /// The replicas of each.
    pub replicas: usize,
    /// Its `segment.bytes`.
    pub segment: u64,
    /// Its replicas are on the move: for as long, it has more of them than it will have.
    pub moving: bool,
}

impl Shape {
    /// The shape of a topic, with what is under way on it or on others: that was read before the topic was.
    #[must_use]
    pub fn of(topic: &Topic, running: &[Reassignment], segment: u64) -> Self {
        let leaving = |index| {
            let of = |move_: &&Reassignment| move_.topic == topic.name && move_.index == index;
            running.iter().find(of).map_or(0, |move_| move_.removing.len())
        };
        let stay = topic.partitions.iter().map(|one| one.replicas.len().saturating_sub(leaving(one.index)));
        let moving = running.iter().any(|move_| move_.topic == topic.name);
        Self { partitions: topic.partitions.len(), replicas: stay.max().unwrap_or(1), segment, moving }
    }
}

/// The `retention.bytes` of a topic that may take a share of the disks. `current` is what it has, where it has a value of its own.
#[must_use]
pub fn retention(share: Share, disks: Disks, shape: Shape, current: Option<i64>) -> i64 {
    let wanted = anew(share, disks.total, shape);
    match current {
        Some(current) if current > 0 && (!disks.complete || shape.moving || is_near(current, wanted)) => current,
        _ => wanted,
    }
}

fn anew(share: Share, total: u128, shape: Shape) -> i64 {
    let replicas = (shape.partitions as u128).saturating_mul(shape.replicas as u128).max(1);
    let segment = u128::from(shape.segment.max(1));
    let budget = total.saturating_mul(u128::from(share.0)) / u128::from(WHOLE) / replicas;
    let kept = (budget / segment).saturating_sub(1).max(1);
    i64::try_from(kept.saturating_mul(segment)).unwrap_or(i64::MAX)
}

fn is_near(current: i64, wanted: i64) -> bool {
    i128::from(current.abs_diff(wanted)) * 10 <= i128::from(current)
}

/// What a claim promises itself of the disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// When the claim was made.
    pub since: Option<Time>,
    /// Its uid.
    pub uid: String,
    /// How much.
    pub share: Share,
}

/// A claim for which there is no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "retention.diskFraction {share} does not fit: older claims hold {held} of the brokers' disks, together {sum}, and topics.limits.maxDiskUse is {most}"
)]
pub struct NoRoom {
    share: Share,
    held: Share,
    sum: Share,
    most: Share,
}

/// Whether a claim's share fits among all that are claimed on its cluster: in the order of their age, each that still fits holds its own.
///
/// # Errors
/// [`NoRoom`].
pub fn fits(promises: &[Promise], uid: &str, most: Share) -> Result<(), NoRoom> {
    let mut by_age: Vec<_> = promises.iter().collect();
    by_age.sort_by(|one, other| (&one.since, &one.uid).cmp(&(&other.since, &other.uid)));
    let mut held = 0_u32;
    for promise in by_age {
        let sum = held.saturating_add(promise.share.0);
        if sum <= most.0 {
            held = sum;
        } else if promise.uid == uid {
            return Err(NoRoom { share: promise.share, held: Share(held), sum: Share(sum), most });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::kafka::admin::topics::{Partition, TopicId};

    const GIB: u128 = 1 << 30;

    fn share(text: &str) -> Share {
        Share::parse(text).unwrap()
    }

    fn disks(gib: u128) -> Disks {
        Disks { total: gib * GIB, complete: true }
    }

    fn shape(partitions: usize, replicas: usize, segment: u64) -> Shape {
        Shape { partitions, replicas, segment, moving: false }
    }

    #[test]
    fn shares_are_read_and_written_as_people_write_them() {
        for text in ["0.05", "0.8", "0.000001", "1", "0.123456"] {
            assert_eq!(share(text).to_string(), text);
        }
        assert_eq!(share("1.0"), share("1"));
        assert_eq!(share("0").to_string(), "0");
        for text in ["", "1.5", "2", "-0.1", "0.1234567", "0,5", "half", "0.+5", "1.000001"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_divided_among_all_replicas_in_whole_segments_one_fewer_than_fit() {
        let mib = 1 << 20;
        // A tenth of 300 GiB is 30 GiB, on 3 × 2 replicas 5 GiB each: five segments, four of them kept.
        assert_eq!(retention(share("0.1"), disks(300), shape(3, 2, 1 << 30), None), 4 << 30);
        assert_eq!(retention(share("0.1"), disks(300), shape(3, 2, mib), None), (5 * 1024 - 1) << 20);
        let odd = 300 * mib;
        let kept = retention(share("0.1"), disks(300), shape(3, 2, odd), None);
        assert_eq!(
            (kept % i64::try_from(odd).unwrap(), kept / i64::try_from(odd).unwrap()),
            (0, 16),
            "5120 MiB hold 17"
        );
    }

    #[test]
    fn the_least_is_one_segment() {
        for disks in [disks(0), disks(1), disks(12)] {
            assert_eq!(retention(share("0.1"), disks, shape(3, 2, 1 << 30), None), 1 << 30);
        }
        assert_eq!(retention(share("1"), disks(4), shape(0, 0, 0), None), (4 << 30) - 1, "no topic has such a shape");
    }

    #[test]
    fn disks_are_whole_only_where_every_broker_told_each_of_its_own() {
        let dir = |total, online| LogDir { path: "/a".into(), total_bytes: total, usable_bytes: None, online };
        let (good, failed, silent) = (dir(Some(60), true), dir(None, false), dir(None, true));
        let two = [good.clone(), good.clone()];
        let (one_failed, all_failed) = ([good, failed.clone()], [failed.clone()]);
        let (whole, part): (&[LogDir], &[LogDir]) = (&two, &one_failed);
        for (brokers, total, complete, case) in [
            (&[whole, whole, whole][..], Some(360), true, "all is well"),
            (&[whole, whole, part], Some(360), false, "a disk has failed"),
            (&[whole, whole, &all_failed], Some(360), false, "all disks of a broker have failed"),
            (&[whole, whole, &[]], Some(360), false, "a broker is down"),
            (&[whole, &[silent]], Some(240), false, "a broker from before 3.3"),
            (&[part, part], Some(120), false, "a disk of each has failed"),
            (&[&[], &[failed]], None, false, "nobody tells"),
            (&[], None, false, "no broker"),
        ] {
            let told = (1..).map(BrokerId).zip(brokers.iter().map(|dirs| Size::of(dirs))).collect();
            assert_eq!(Disks::of(&told), total.map(|total| Disks { total, complete }), "{case}");
        }
    }

    #[test]
    fn a_topic_whose_replicas_are_on_the_move_keeps_what_it_has() {
        let ids = |ids: std::ops::Range<i32>| ids.map(BrokerId).collect::<Vec<_>>();
        let partition =
            |index, replicas| Partition { index, leader: None, replicas: ids(replicas), in_sync: Vec::new() };
        let topic = |replicas: std::ops::Range<i32>| Topic {
            name: "orders".into(),
            id: TopicId([1; 16]),
            internal: false,
            partitions: vec![partition(0, replicas), partition(1, 0..3)],
        };
        let running = |topic: &str| {
            let (topic, index) = (topic.to_owned(), 0);
            [Reassignment { topic, index, replicas: ids(0..6), adding: ids(3..6), removing: ids(0..3) }]
        };
        for (found, running, replicas, moving) in [
            (topic(0..3), &[][..], 3, false),
            (topic(0..6), &running("orders"), 3, true),
            (topic(0..3), &running("payments"), 3, false),
            (topic(0..4), &[], 4, false),
        ] {
            let expected = Shape { partitions: 2, replicas, segment: 7, moving };
            assert_eq!(Shape::of(&found, running, 7), expected, "{running:?}");
        }
        let moving = Shape { moving: true, ..shape(1, 1, 1 << 20) };
        let right = (100 * 1024 - 1) << 20;
        for (current, comes_to) in [(Some(right * 2), right * 2), (Some(right / 2), right / 2), (Some(-1), right)] {
            assert_eq!(retention(share("0.1"), disks(1000), moving, current), comes_to, "{current:?}");
        }
    }

    #[test]
    fn what_holds_changes_only_where_it_is_far_off_and_every_broker_was_asked() {
        let ask = |gib, complete, current| {
            retention(share("0.1"), Disks { complete, ..disks(gib) }, shape(1, 1, 1 << 20), Some(current))
        };
        let right = (100 * 1024 - 1) << 20;
        assert_eq!(ask(1000, true, right), right);
        assert_eq!(ask(1090, true, right), right, "nine per cent more");
        assert_eq!(ask(920, true, right), right, "eight per cent less");
        assert_eq!(ask(1200, true, right), (120 * 1024 - 1) << 20);
        assert_eq!(ask(700, false, right), right, "a broker is away: its disk is not gone");
        assert_eq!(ask(1000, true, -1), right, "no limit is no share");
        assert_eq!(ask(1000, false, -1), right);
    }

    fn promise(uid: &str, seconds: i64, text: &str) -> Promise {
        Promise { since: Some(Time(Timestamp::from_second(seconds).unwrap())), uid: uid.to_owned(), share: share(text) }
    }

    #[test]
    fn the_oldest_keep_theirs_and_who_does_not_fit_is_told_the_sum() {
        let promises = [promise("c", 3, "0.2"), promise("a", 1, "0.5"), promise("b", 2, "0.4")];
        assert_eq!(fits(&promises, "a", share("0.8")), Ok(()));
        let refused = fits(&promises, "b", share("0.8")).unwrap_err().to_string();
        assert!(refused.contains("hold 0.5 of") && refused.contains("together 0.9"), "{refused}");
        assert_eq!(fits(&promises, "c", share("0.8")), Ok(()), "what is refused takes no room from younger ones");
        assert!(fits(&promises, "c", share("0.6")).is_err());
        assert_eq!(fits(&[promise("a", 1, "0.5"), promise("b", 1, "0.5")], "b", share("1")), Ok(()), "exactly full");
    }

    #[test]
    fn of_the_same_second_the_lower_uid_is_the_older() {
        let promises = [promise("b", 1, "0.5"), promise("a", 1, "0.5")];
        assert!(fits(&promises, "a", share("0.6")).is_ok() && fits(&promises, "b", share("0.6")).is_err());
    }
}
