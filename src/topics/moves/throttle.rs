//! The brake on a reassignment, as Kafka keeps it, and how ours is told from anybody else's. Pure.
//!
//! Kafka slows down the replicas that two settings of a topic list, as `partition:broker`, to the rate that two settings of the brokers
//! name (KIP-73). A list of ours carries marks: entries that stand for no replica, since no topic has partitions of these numbers. So
//! whatever the API server or we forget, Kafka itself says which brakes are ours, and which rate they were set with. The rate is a
//! cluster-wide default: it is set and removed in one place, whoever is down, and where somebody gave a broker a rate of its own, that
//! one holds.

use std::collections::BTreeSet;

use crate::api::names::{Scope, short_hash};
use crate::kafka::admin::BrokerId;
use crate::kafka::admin::settings::{Changes, Values};

/// Which replicas of a topic are sent slowly.
pub const LEADERS: &str = "leader.replication.throttled.replicas";
/// Which replicas of a topic are fetched slowly.
pub const FOLLOWERS: &str = "follower.replication.throttled.replicas";
/// How slowly a broker sends, in bytes a second.
pub const LEADER_RATE: &str = "leader.replication.throttled.rate";
/// How slowly a broker fetches, in bytes a second.
pub const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
/// Both.
pub const RATES: [&str; 2] = [LEADER_RATE, FOLLOWER_RATE];

/// The partition of the mark that says whose the list is; its broker is a number made from the scope.
const OWNER: i32 = i32::MAX - 1;
/// The partition of the marks that say with which rate it was set; their brokers are KiB a second.
const RATE: i32 = i32::MAX;
const KIB: i64 = 1024;

/// A replica: partition and broker.
pub type Replica = (i32, i32);

/// A brake of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Throttle {
    /// Who sends slowly.
    pub leaders: BTreeSet<Replica>,
    /// Who fetches slowly.
    pub followers: BTreeSet<Replica>,
    /// The rates that we have set for the brokers because of it, in bytes a second.
    pub rates: BTreeSet<i64>,
}

/// What the settings of a topic say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Nothing is slowed down.
    Nothing,
    /// A brake of ours.
    Ours(Throttle),
    /// Somebody else's, as it is written.
    Theirs(String),
}

impl Listed {
    /// Our brake, if it is ours.
    #[must_use]
    pub fn ours(&self) -> Option<&Throttle> {
        match self {
            Self::Ours(throttle) => Some(throttle),
            Self::Nothing | Self::Theirs(_) => None,
        }
    }
}

/// A rate as the marks can carry it: whole KiB, at least one.
#[must_use]
pub fn rounded(rate: i64) -> i64 {
    (rate / KIB).clamp(1, i64::from(i32::MAX)) * KIB
}

fn owner(scope: &Scope) -> Replica {
    // Seven digits are 28 bits: a number of a broker.
    (OWNER, i32::from_str_radix(&short_hash(scope.as_ref(), 7), 16).unwrap_or_default())
}

/// Reads the settings of a topic.
#[must_use]
pub fn read(settings: &Values, scope: &Scope) -> Listed {
    let text = |key: &str| settings.get(key).and_then(Option::as_deref).unwrap_or_default().trim();
    let (leaders, followers) = (text(LEADERS), text(FOLLOWERS));
    if leaders.is_empty() && followers.is_empty() {
        return Listed::Nothing;
    }
    let theirs = || Listed::Theirs([leaders, followers].join(" "));
    let (Some(mut leaders), Some(followers)) = (entries(leaders), entries(followers)) else { return theirs() };
    if !leaders.remove(&owner(scope)) {
        return theirs();
    }
    let rates = leaders.iter().filter(|(partition, _)| *partition == RATE);
    let rates = rates.map(|(_, kib)| i64::from(*kib) * KIB).collect();
    leaders.retain(|(partition, _)| *partition != RATE);
    Listed::Ours(Throttle { leaders, followers, rates })
}

/// The rates that a list was set with, whichever scope's it is.
#[must_use]
pub fn rates_of(leaders: &str) -> BTreeSet<i64> {
    let all = entries(leaders).unwrap_or_default();
    let marked = all.iter().any(|(partition, _)| *partition == OWNER);
    let rates = all.into_iter().filter(|(partition, _)| marked && *partition == RATE);
    rates.map(|(_, kib)| i64::from(kib) * KIB).collect()
}

fn entries(list: &str) -> Option<BTreeSet<Replica>> {
    let parsed = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| {
        let (partition, broker) = entry.split_once(':')?;
        Some((partition.parse().ok()?, broker.parse().ok()?))
    });
    parsed.collect()
}

impl Throttle {
    /// The settings of a topic that has this brake.
    #[must_use]
    pub fn settings(&self, scope: &Scope) -> Changes {
        let rates = self.rates.iter().map(|rate| (RATE, i32::try_from(rate / KIB).unwrap_or(i32::MAX)));
        let marks = rates.chain([owner(scope)]);
        let text = |entries: &mut dyn Iterator<Item = Replica>| {
            let entries: Vec<_> = entries.map(|(partition, broker)| format!("{partition}:{broker}")).collect();
            Some(entries.join(",")).filter(|text| !text.is_empty())
        };
        Changes::from([
            (LEADERS.to_owned(), text(&mut self.leaders.iter().copied().chain(marks))),
            (FOLLOWERS.to_owned(), text(&mut self.followers.iter().copied())),
        ])
    }

    /// Whether these brokers fetch a partition because we asked them to.
    #[must_use]
    pub fn covers(&self, partition: i32, adding: &[BrokerId]) -> bool {
        adding.iter().all(|broker| self.followers.contains(&(partition, broker.0)))
    }
}

/// The settings of a topic without a brake.
#[must_use]
pub fn released() -> Changes {
    [LEADERS, FOLLOWERS].map(|key| (key.to_owned(), None)).into()
}

/// The settings of brokers that have this rate for some of [`RATES`], or none any more.
#[must_use]
pub fn rates(keys: &[&str], rate: Option<i64>) -> Changes {
    keys.iter().map(|key| ((*key).to_owned(), rate.map(|rate| rate.to_string()))).collect()
}

/// One of the rates that all brokers have which have none of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rate {
    /// None.
    #[default]
    Off,
    /// This, in bytes a second.
    At(i64),
    /// Something that we never set.
    Other,
}

/// Both rates, in the order of [`RATES`]: we set them alike, and somebody else may have changed one of them since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates(pub [Rate; 2]);

impl Rates {
    /// Reads the settings of all brokers together.
    #[must_use]
    pub fn read(settings: &Values) -> Self {
        Self(RATES.map(
            |key| match settings.get(key).map(|value| value.as_deref().and_then(|value| value.parse().ok())) {
                None => Rate::Off,
                Some(Some(rate)) => Rate::At(rate),
                Some(None) => Rate::Other,
            },
        ))
    }

    /// Each with its setting.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        RATES.into_iter().zip(self.0)
    }

    /// Those that are set, with their settings.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.each().filter_map(|(key, rate)| if let Rate::At(rate) = rate { Some((key, rate)) } else { None })
    }

    /// The settings of those that are ours to remove: set with brakes that are `gone`, and that no brake that is left, whoever's, was set
    /// with.
    #[must_use]
    pub fn left_over(&self, gone: &BTreeSet<i64>, needed: &BTreeSet<i64>) -> Vec<&'static str> {
        self.set().filter(|(_, rate)| gone.contains(rate) && !needed.contains(rate)).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::from_cluster_uid("a")
    }

    fn listed(leaders: &str, followers: &str) -> Listed {
        let settings = [(LEADERS, leaders), (FOLLOWERS, followers)];
        read(&settings.map(|(key, list)| (key.to_owned(), Some(list.to_owned()))).into(), &scope())
    }

    #[test]
    fn a_brake_of_ours_is_read_back() {
        for rates in [BTreeSet::new(), BTreeSet::from([50 * KIB]), BTreeSet::from([KIB, rounded(1 << 40)])] {
            let throttle = Throttle { leaders: [(0, 1), (0, 2)].into(), followers: [(0, 3)].into(), rates };
            let settings = throttle.settings(&scope());
            assert_eq!(read(&settings, &scope()), Listed::Ours(throttle.clone()));
            assert_eq!(rates_of(settings[LEADERS].as_deref().unwrap()), throttle.rates);
            let neighbour = read(&settings, &Scope::from_cluster_uid("b"));
            assert!(matches!(neighbour, Listed::Theirs(_)), "another Kubernetes cluster's");
        }
        let bare = Throttle::default().settings(&scope());
        assert_eq!(read(&bare, &scope()), Listed::Ours(Throttle::default()));
        assert_eq!(bare[FOLLOWERS], None);
    }

    #[test]
    fn what_somebody_else_set_is_theirs() {
        assert_eq!(listed("", ""), Listed::Nothing);
        assert_eq!(read(&Values::new(), &scope()), Listed::Nothing);
        assert_eq!(read(&released(), &scope()), Listed::Nothing);
        for (leaders, followers) in [("*", "*"), ("0:1,0:2", "0:3"), ("", "0:3"), ("2147483647:51200", ""), ("x", "")] {
            assert!(matches!(listed(leaders, followers), Listed::Theirs(_)), "{leaders} {followers}");
            assert_eq!(rates_of(leaders), BTreeSet::new());
        }
    }

    #[test]
    fn marks_are_entries_that_kafka_takes_and_that_are_no_replica() {
        // Kafka's own rule: two numbers that fit an int.
        let throttle = Throttle { rates: [rounded(i64::MAX)].into(), ..Throttle::default() };
        let text = throttle.settings(&scope())[LEADERS].clone().unwrap();
        for entry in text.split(',') {
            let (partition, broker) = entry.split_once(':').unwrap();
            assert!(partition.parse::<i32>().unwrap() > 1_000_000 && broker.parse::<i32>().unwrap() >= 0, "{entry}");
        }
    }

    #[test]
    fn rates_are_whole_kibibytes() {
        assert_eq!([1, 1024, 1500, 52_428_800].map(rounded), [1024, 1024, 1024, 52_428_800]);
    }

    #[test]
    fn both_rates_are_read_and_set_apart() {
        let values = |pairs: &[(&str, Option<&str>)]| -> Values {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
        };
        for (settings, found) in [
            (values(&[]), [Rate::Off, Rate::Off]),
            (values(&[(LEADER_RATE, Some("1024"))]), [Rate::At(1024), Rate::Off]),
            (values(&[(LEADER_RATE, Some("1024")), (FOLLOWER_RATE, Some("9"))]), [Rate::At(1024), Rate::At(9)]),
            (values(&[(LEADER_RATE, Some("much")), (FOLLOWER_RATE, None)]), [Rate::Other, Rate::Other]),
        ] {
            assert_eq!(Rates::read(&settings), Rates(found), "{settings:?}");
        }
        assert_eq!(rates(&RATES[..1], Some(1024)), values(&[(LEADER_RATE, Some("1024"))]));
        assert_eq!(rates(&RATES, None), values(&[(LEADER_RATE, None), (FOLLOWER_RATE, None)]));
    }

    #[test]
    fn a_rate_is_removed_with_the_last_brake_that_was_set_with_it() {
        const BOTH: [Rate; 2] = [Rate::At(KIB), Rate::At(KIB)];
        for (rates, gone, needed, left, case) in [
            (BOTH, vec![KIB], vec![], &RATES[..], "nobody needs it"),
            (BOTH, vec![KIB], vec![KIB], &RATES[..0], "another brake does"),
            (BOTH, vec![KIB], vec![2 * KIB], &RATES[..], "another has a rate of its own"),
            (BOTH, vec![2 * KIB], vec![], &RATES[..0], "somebody else set it"),
            (BOTH, vec![], vec![], &RATES[..0], "no brake is gone"),
            ([Rate::At(KIB), Rate::At(2 * KIB)], vec![KIB], vec![], &RATES[..1], "somebody changed one since"),
            ([Rate::At(KIB), Rate::At(2 * KIB)], vec![KIB, 2 * KIB], vec![KIB], &RATES[1..], "each by itself"),
            ([Rate::Off, Rate::Other], vec![KIB], vec![], &RATES[..0], "none that we ever set"),
        ] {
            let (gone, needed) = (gone.into_iter().collect(), needed.into_iter().collect());
            assert_eq!(Rates(rates).left_over(&gone, &needed), left, "{case}");
        }
    }

    #[test]
    fn a_change_is_ours_if_we_slowed_down_who_fetches() {
        let throttle = Throttle { followers: [(0, 3)].into(), ..Throttle::default() };
        assert!(throttle.covers(0, &[BrokerId(3)]) && throttle.covers(0, &[]));
        assert!(!throttle.covers(1, &[BrokerId(3)]) && !throttle.covers(0, &[BrokerId(3), BrokerId(4)]));
    }
}
