//! The settings that a topic of Kafka can have, and the values that each takes. Pure.
//!
//! Source: Kafka's `TopicConfig` and `LogConfig`, of 3.9 and 4.3. Where the two differ, what either takes is let through: Kafka has
//! the last word, and says it.

use std::collections::BTreeSet;

use super::super::typo::nearest;
use crate::api::resources::{MAX_CONFIG_KEY, MAX_CONFIG_VALUE};

/// What a setting's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number from the first to the second.
    Number(i64, i64),
    /// A number from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Truth,
    /// One of these.
    One(&'static [&'static str]),
    /// Some of these, with commas between them.
    Several(&'static [&'static str]),
    /// Written by whoever moves replicas: no claim may set it.
    Reserved,
}

use Kind::{Number, One, Ratio, Reserved, Several, Truth};

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;

const SETTINGS: &[(&str, Kind)] = &[
    ("cleanup.policy", Several(&["delete", "compact"])),
    ("compression.gzip.level", Number(-1, 9)),
    ("compression.lz4.level", Number(1, 17)),
    ("compression.type", One(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])),
    ("compression.zstd.level", Number(-131_072, 22)),
    ("delete.retention.ms", Number(0, LONG)),
    ("file.delete.delay.ms", Number(0, LONG)),
    ("flush.messages", Number(1, LONG)),
    ("flush.ms", Number(0, LONG)),
    ("follower.replication.throttled.replicas", Reserved),
    ("index.interval.bytes", Number(0, INT)),
    ("leader.replication.throttled.replicas", Reserved),
    ("local.retention.bytes", Number(-2, LONG)),
    ("local.retention.ms", Number(-2, LONG)),
    ("max.compaction.lag.ms", Number(1, LONG)),
    ("max.message.bytes", Number(0, INT)),
    // Until Kafka 3.9.
    ("message.downconversion.enable", Truth),
    // Until Kafka 3.9; any version that there ever was.
    ("message.timestamp.difference.max.ms", Number(0, LONG)),
    ("message.timestamp.after.max.ms", Number(0, LONG)),
    ("message.timestamp.before.max.ms", Number(0, LONG)),
    ("message.timestamp.type", One(&["CreateTime", "LogAppendTime"])),
    ("min.cleanable.dirty.ratio", Ratio),
    ("min.compaction.lag.ms", Number(0, LONG)),
    ("min.insync.replicas", Number(1, INT)),
    ("preallocate", Truth),
    ("remote.log.copy.disable", Truth),
    ("remote.log.delete.on.disable", Truth),
    ("remote.storage.enable", Truth),
    ("retention.bytes", Number(i64::MIN, LONG)),
    ("retention.ms", Number(-1, LONG)),
    // Kafka 3.9 takes 14 bytes, 4.0 and newer a mebibyte.
    ("segment.bytes", Number(14, INT)),
    ("segment.index.bytes", Number(4, INT)),
    ("segment.jitter.ms", Number(0, LONG)),
    ("segment.ms", Number(1, LONG)),
    ("unclean.leader.election.enable", Truth),
];

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// No Kafka that we know has it; a newer one may.
    Unknown,
    /// No Kafka takes the value, or no claim may set it. The rule that is broken, in words.
    Value(String),
    /// No Kafka could read the key. The rule that is broken, in words.
    Key(String),
}

/// What the author of an unknown setting may have meant, as the end of a sentence; nothing where none is near.
pub(super) fn hint(key: &str) -> String {
    let near = nearest(key, SETTINGS.iter().map(|(name, _)| *name));
    near.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Judges one setting of a claim.
pub(super) fn judge(key: &str, value: &str) -> Result<(), Wrong> {
    if key.len() > MAX_CONFIG_KEY {
        return Err(Wrong::Key(format!("has {} bytes; the name of a setting has {MAX_CONFIG_KEY} at most", key.len())));
    }
    if value.len() > MAX_CONFIG_VALUE {
        return Err(Wrong::Value(format!(
            "has {} bytes; the value of a setting has {MAX_CONFIG_VALUE} at most",
            value.len()
        )));
    }
    // Kafka trims what it reads.
    let value = value.trim();
    let Some((_, kind)) = SETTINGS.iter().find(|(name, _)| *name == key) else {
        return Err(Wrong::Unknown);
    };
    let rule = match kind {
        Number(least, most) => {
            let fits = value.parse::<i64>().is_ok_and(|number| (*least..=*most).contains(&number));
            (!fits).then(|| range(*least, *most))
        }
        Ratio => {
            let fits = value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio));
            (!fits).then(|| "must be a number from 0 to 1".to_owned())
        }
        Truth => {
            let fits = ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word));
            (!fits).then(|| "must be true or false".to_owned())
        }
        One(words) => (!words.contains(&value)).then(|| format!("must be one of {}", words.join(", "))),
        Several(words) => {
            let fits = value.is_empty() || value.split(',').all(|word| words.contains(&word.trim()));
            (!fits).then(|| format!("must be one or more of {}, with commas between them", words.join(", ")))
        }
        Reserved => Some("is written by whoever moves replicas, and by no claim".to_owned()),
    };
    rule.map_or(Ok(()), |rule| Err(Wrong::Value(rule)))
}

fn range(least: i64, most: i64) -> String {
    match (least, most) {
        (i64::MIN, _) => "must be a whole number".to_owned(),
        (least, LONG) => format!("must be a whole number, {least} or more"),
        (least, most) => format!("must be a whole number from {least} to {most}"),
    }
}

/// Whether two values of a setting mean the same: Kafka writes a value in its own way when it is read.
#[must_use]
pub fn same(key: &str, one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    match SETTINGS.iter().find(|(name, _)| *name == key).map(|(_, kind)| kind) {
        Some(Number(..)) => equal(one.parse::<i64>(), other.parse::<i64>()),
        Some(Ratio) => equal(one.parse::<f64>(), other.parse::<f64>()),
        Some(Truth) => one.eq_ignore_ascii_case(other),
        Some(Several(_)) => {
            let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect::<BTreeSet<_>>();
            words(one) == words(other)
        }
        Some(One(_) | Reserved) | None => false,
    }
}

fn equal<T: PartialEq, E>(one: Result<T, E>, other: Result<T, E>) -> bool {
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

/// Whether a setting is written by whoever moves replicas: it is no part of what a topic should look like.
#[must_use]
pub fn of_a_move(key: &str) -> bool {
    SETTINGS.iter().any(|(name, kind)| *name == key && *kind == Reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_takes_is_right() {
        for (key, value) in [
            ("cleanup.policy", "compact,delete"),
            ("cleanup.policy", "compact, delete"),
            ("compression.type", "zstd"),
            ("compression.gzip.level", "-1"),
            ("min.cleanable.dirty.ratio", "0.5"),
            ("retention.ms", "-1"),
            ("retention.ms", " 60000 "),
            ("retention.bytes", "-1"),
            ("segment.bytes", "2147483647"),
            ("preallocate", "TRUE"),
            ("local.retention.ms", "-2"),
            ("message.downconversion.enable", "false"),
        ] {
            assert_eq!(judge(key, value), Ok(()), "{key}={value}");
        }
    }

    #[test]
    fn what_no_kafka_takes_is_named() {
        for (key, value, rule) in [
            ("cleanup.policy", "remove", "must be one or more of delete, compact"),
            ("cleanup.policy", "compact;delete", "must be one or more of delete, compact"),
            ("compression.type", "none", "must be one of uncompressed"),
            ("retention.ms", "-2", "must be a whole number, -1 or more"),
            ("retention.ms", "7d", "must be a whole number"),
            ("retention.ms", "", "must be a whole number"),
            ("retention.bytes", "1Gi", "must be a whole number"),
            ("segment.bytes", "2147483648", "from 14 to 2147483647"),
            ("max.message.bytes", "99999999999999999999", "must be a whole number"),
            ("min.insync.replicas", "0", "from 1"),
            ("min.cleanable.dirty.ratio", "1.01", "from 0 to 1"),
            ("min.cleanable.dirty.ratio", "NaN", "from 0 to 1"),
            ("preallocate", "yes", "true or false"),
            ("message.timestamp.type", "createtime", "must be one of CreateTime"),
            ("leader.replication.throttled.replicas", "*", "by no claim"),
        ] {
            match judge(key, value) {
                Err(Wrong::Value(said)) => assert!(said.contains(rule), "{key}={value}: {said}"),
                other => panic!("{key}={value}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_unknown_key_may_be_a_typing_mistake() {
        let said = |key| {
            assert_eq!(judge(key, "1"), Err(Wrong::Unknown), "{key}");
            hint(key)
        };
        assert!(said("retention.mss").ends_with("did you mean retention.ms?"));
        assert!(said("cleanup.polcy").ends_with("did you mean cleanup.policy?"));
        assert!(!said("colour").contains("did you mean"), "{}", said("colour"));
        assert!(of_a_move("leader.replication.throttled.replicas") && !of_a_move("retention.ms"));
    }
}
