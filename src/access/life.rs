//! Whether an access is still wanted. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How an owner on record is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// It is there, and its Pods would ask for Kafka.
    Asks,
    /// It is there, has Pods, and they do not ask (any more).
    Silent,
    /// It is not there, or is of a kind that is not looked at.
    Gone,
    /// The API server did not tell.
    Unknown,
}

/// How an access stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Pods or an owner want it.
    Wanted,
    /// Nobody does; it waits in case somebody comes back.
    Idle {
        /// Since when.
        since: Time,
        /// How much longer it waits.
        left: Duration,
    },
    /// It is over.
    Ended,
    /// That is not known: what was noted stays noted, and nothing ends.
    Unknown,
}

/// A workload whose owner dropped the annotations waits this long: its rollout may be between two Pods.
const SILENCE: Duration = Duration::from_secs(30);

/// Decides. `owners` is what became of the owners on record, and `since` what was noted when the access was first seen idle.
#[must_use]
pub fn life(has_pods: bool, owners: &[Ownership], since: Option<&Time>, now: Timestamp, idle_after: Duration) -> Life {
    if has_pods || owners.contains(&Ownership::Asks) {
        return Life::Wanted;
    }
    if owners.contains(&Ownership::Unknown) {
        return Life::Unknown;
    }
    let patience = if owners.contains(&Ownership::Silent) { idle_after.min(SILENCE) } else { idle_after };
    let since = since.map_or(now, |since| since.0);
    // A clock that was set back must not end anything early.
    let waited = Duration::try_from(now.duration_since(since).max(SignedDuration::ZERO)).unwrap_or_default();
    match patience.checked_sub(waited) {
        Some(left) if !left.is_zero() => Life::Idle { since: Time(since), left },
        _ if waited.is_zero() => Life::Idle { since: Time(since), left: Duration::from_millis(1) },
        _ => Life::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn pods_or_an_owner_that_asks_keep_it() {
        let long_ago = Time(at(0));
        assert_eq!(life(true, &[], Some(&long_ago), at(1_000_000), HOUR), Life::Wanted);
        assert_eq!(
            life(false, &[Ownership::Gone, Ownership::Asks], Some(&long_ago), at(1_000_000), HOUR),
            Life::Wanted
        );
    }

    #[test]
    fn idleness_is_noted_first_and_ends_it_later() {
        let Life::Idle { since, left } = life(false, &[Ownership::Gone], None, at(100), HOUR) else { panic!() };
        assert_eq!((since.0, left), (at(100), HOUR));
        let Life::Idle { left, .. } = life(false, &[], Some(&Time(at(100))), at(1900), HOUR) else { panic!() };
        assert_eq!(left, HOUR / 2);
        assert_eq!(life(false, &[], Some(&Time(at(100))), at(3700), HOUR), Life::Ended);
    }

    #[test]
    fn it_never_ends_at_first_sight() {
        assert!(matches!(life(false, &[], None, at(100), Duration::ZERO), Life::Idle { .. }));
    }

    #[test]
    fn nothing_ends_by_an_owner_of_which_nothing_is_known() {
        let (long_ago, unknown) = (Time(at(0)), Ownership::Unknown);
        for (owners, expected) in [
            (vec![unknown], Life::Unknown),
            (vec![Ownership::Gone, unknown, Ownership::Silent], Life::Unknown),
            (vec![unknown, Ownership::Asks], Life::Wanted),
        ] {
            assert_eq!(life(false, &owners, Some(&long_ago), at(1_000_000), HOUR), expected, "{owners:?}");
        }
        assert_eq!(life(true, &[unknown], None, at(0), HOUR), Life::Wanted);
    }

    #[test]
    fn a_clock_set_back_ends_nothing() {
        assert!(matches!(life(false, &[], Some(&Time(at(9000))), at(100), HOUR), Life::Idle { .. }));
    }

    #[test]
    fn annotations_that_were_removed_end_it_soon() {
        let since = Time(at(100));
        assert_eq!(life(false, &[Ownership::Silent], Some(&since), at(131), HOUR), Life::Ended);
        assert!(matches!(life(false, &[Ownership::Silent], Some(&since), at(110), HOUR), Life::Idle { .. }));
    }
}
