//! Which users are swept, and which wait. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::observe::Observation;
use crate::api::names::short_hash;
use crate::api::resources::AbsentUser;

/// This many may be missing whatever their share: a small cluster's namespace comes and goes.
const ALWAYS: usize = 5;
/// The share of all users that may be missing.
const SHARE: usize = 10;
/// Users that a message names.
const NAMED: usize = 5;
/// Digits of the word by which people release what is held.
const WORD: usize = 12;

/// The decision about one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Who is missing, and since when: to be remembered.
    pub absent: Vec<AbsentUser>,
    /// Who is taken away now.
    pub sweep: Vec<String>,
    /// Too many are missing at once.
    pub held: Option<Held>,
}

/// More are missing than may be taken away without a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub users: usize,
    /// The word that releases exactly these.
    pub word: String,
    /// Some of them.
    pub named: String,
}

impl Plan {
    /// Whether a person has released who is taken away: until all of them are gone, what was held is not to be told as over, for the word
    /// would have to be said again.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.absent.is_empty() && !self.sweep.is_empty()
    }
}

/// Decides.
#[must_use]
pub fn plan(seen: &Observation, absent_after: Duration, now: Timestamp) -> Plan {
    let missing: Vec<&String> = seen.missing.keys().collect();
    if missing.is_empty() {
        return Plan::default();
    }
    let waited = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default() >= absent_after;
    // An API server that knows nobody at all is more likely a wrong one than one where everybody left.
    let too_many = missing.len() > ALWAYS.max(seen.users / SHARE) || missing.len() == seen.users;
    if too_many {
        let all: Vec<&str> = missing.iter().map(|user| user.as_str()).collect();
        let word = short_hash(&all.join("\n"), WORD);
        if seen.release.as_ref() == Some(&word) && seen.held_since.is_some_and(waited) {
            return Plan { sweep: missing.into_iter().cloned().collect(), ..Plan::default() };
        }
        let more = all.len().saturating_sub(NAMED);
        let mut named = all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            named = format!("{named} and {more} more");
        }
        return Plan { held: Some(Held { count: all.len(), users: seen.users, word, named }), ..Plan::default() };
    }
    let since =
        |user: &String| seen.on_record.iter().find(|absent| absent.user == *user).map_or(now, |absent| absent.since.0);
    let absent = |user: &String| AbsentUser {
        user: user.clone(),
        secret: seen.secrets.get(user).cloned(),
        since: Time(since(user)),
    };
    let absent: Vec<AbsentUser> = missing.into_iter().map(absent).collect();
    let known = |absent: &&AbsentUser| seen.on_record.iter().any(|on_record| on_record.user == absent.user);
    let sweep = absent.iter().filter(known).filter(|absent| waited(absent.since.0)).map(|absent| absent.user.clone());
    Plan { sweep: sweep.collect(), absent, held: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::observe::Holding;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(missing: usize, users: usize) -> Observation {
        let missing = (0..missing).map(|n| (format!("k.ns.app{n}"), Holding::default())).collect();
        Observation { users, missing, ..Observation::default() }
    }

    #[test]
    fn nobody_missing_is_nothing_to_say() {
        assert_eq!(plan(&seen(0, 100), HOUR, at(0)), Plan::default());
    }

    #[test]
    fn who_is_missing_is_remembered_and_swept_when_the_time_has_passed() {
        let mut seen = seen(1, 20);
        let first = plan(&seen, HOUR, at(1000));
        assert_eq!((first.absent.len(), first.sweep.len()), (1, 0));
        seen.on_record = first.absent;
        assert!(plan(&seen, HOUR, at(4599)).sweep.is_empty());
        let due = plan(&seen, HOUR, at(4600));
        assert_eq!((&*due.sweep[0], due.sweep.len(), due.is_released()), ("k.ns.app0", 1, false));
    }

    #[test]
    fn the_secret_of_a_long_name_is_put_on_record_while_somebody_knows_it() {
        let mut seen = seen(1, 20);
        seen.secrets.insert("k.ns.app0".into(), "long-kafka-credentials".into());
        let plan = plan(&seen, HOUR, at(0));
        assert_eq!(plan.absent[0].secret.as_deref(), Some("long-kafka-credentials"));
    }

    #[test]
    fn nobody_is_swept_at_first_sight_however_short_the_time() {
        assert!(plan(&seen(1, 20), Duration::ZERO, at(1000)).sweep.is_empty());
    }

    #[test]
    fn too_many_at_once_are_held_until_exactly_they_are_released() {
        let mut seen = seen(11, 100);
        let held = plan(&seen, HOUR, at(0)).held.unwrap();
        assert_eq!((held.count, held.users), (11, 100));
        assert!(held.named.ends_with("and 6 more"));
        seen.release = Some(held.word);
        seen.held_since = Some(at(0));
        assert!(plan(&seen, HOUR, at(10)).held.is_some(), "the time has to pass all the same");
        let released = plan(&seen, HOUR, at(3600));
        assert_eq!((released.sweep.len(), released.is_released()), (11, true));
        seen.missing.insert("k.ns.late".into(), Holding::default());
        assert!(plan(&seen, HOUR, at(3600)).held.is_some(), "one more is another question");
    }

    #[test]
    fn an_api_server_that_knows_nobody_is_asked_about() {
        assert!(plan(&seen(2, 2), HOUR, at(0)).held.is_some());
        assert!(plan(&seen(2, 3), HOUR, at(0)).held.is_none());
    }
}
