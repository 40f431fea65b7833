//! Which users are swept, and which wait. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::brake::{Brake, is_released, word};
use super::cover::Here;
use super::observe::Observation;
use crate::api::list::first_of;
use crate::api::resources::AbsentUser;

/// Users that a message names.
const NAMED: usize = 5;
/// Users that are held and on record, at most: a status has its limits. The others follow when these are gone.
const HELD: usize = 2000;

/// The decision about one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Who is missing, and since when: to be remembered.
    pub absent: Vec<AbsentUser>,
    /// Who is taken away now.
    pub sweep: Vec<String>,
    /// Who is not taken away without a question.
    pub held: Vec<Held>,
    /// Users of our scope in Kafka.
    pub users: usize,
}

/// More are missing than may be taken away without a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose they are; nothing where they are of all namespaces.
    pub namespace: Option<String>,
    /// How many.
    pub count: usize,
    /// How many more there are that are not on record yet.
    pub more: usize,
    /// The word that releases exactly these.
    pub word: String,
    /// Some of them.
    pub named: String,
    /// When the last of them has been missing long enough: a release does nothing before.
    pub due: Timestamp,
}

/// Decides.
#[must_use]
pub fn plan(here: &Here, seen: &Observation, absent_after: Duration, now: Timestamp) -> Plan {
    let missing: Vec<(&str, &str)> =
        seen.missing.keys().filter_map(|user| Some((namespace(here, user)?, &**user))).collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (namespace, _) in &missing {
        *counts.entry(namespace).or_default() += 1;
    }
    let brake = Brake::of(&counts, seen.users);
    let namespaces: HashMap<&str, &str> = missing.iter().map(|(namespace, user)| (*user, *namespace)).collect();
    let said = |namespace: &str, since: Timestamp| {
        seen.release.as_ref().is_some_and(|said| is_released(here, said, namespace, since))
    };
    // Where claims come back, the brake lets go of the last of them while they are being put right: their time begins anew.
    let begins_anew = |absent: &AbsentUser| {
        let of = |namespace: &&str| absent.held && !brake.holds(namespace) && !said(namespace, absent.since.0);
        namespaces.get(&*absent.user).is_some_and(of)
    };
    let on_record = seen.on_record.iter().filter(|absent| !begins_anew(absent));
    let on_record: HashMap<&str, Timestamp> = on_record.map(|absent| (&*absent.user, absent.since.0)).collect();
    let recorded = recorded(&missing, &counts, &brake, &on_record);
    let since = |user: &str| on_record.get(user).copied().unwrap_or(now);
    let absent = |user: &&str| AbsentUser {
        user: (*user).to_owned(),
        secret: seen.secrets.get(*user).cloned(),
        since: Time(since(user)),
        held: namespaces.get(user).is_some_and(|namespace| brake.holds(namespace)),
    };
    let waited = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default() >= absent_after;
    // Nobody goes at first sight: what is not on record cannot be undone in time.
    let goes = |(namespace, user): &&(&str, &str)| {
        let released = |since: Timestamp| !brake.holds(namespace) || said(namespace, since);
        on_record.get(user).is_some_and(|since| waited(*since) && released(*since))
    };
    let held = brake.groups().into_iter().map(|whose| {
        let all = missing.iter().filter(|(namespace, _)| whose.is_none_or(|whose| whose == *namespace));
        let (these, more): (Vec<&str>, Vec<&str>) =
            all.map(|(_, user)| *user).partition(|user| recorded.contains(user));
        let last = these.iter().map(|user| since(user)).max().unwrap_or(now);
        Held {
            namespace: whose.map(str::to_owned),
            count: these.len(),
            more: more.len(),
            word: word(here, whose, last.as_second()),
            named: first_of(NAMED, &these),
            due: last.checked_add(absent_after).unwrap_or(Timestamp::MAX),
        }
    });
    Plan {
        absent: recorded.iter().map(absent).collect(),
        sweep: missing.iter().filter(goes).map(|(_, user)| (*user).to_owned()).collect(),
        held: held.collect(),
        users: seen.users,
    }
}

fn namespace<'u>(here: &Here, user: &'u str) -> Option<&'u str> {
    here.scope.access_of(user).map(|(namespace, _)| namespace)
}

/// Who is on record. That somebody is held is no reason to forget since when others are missing; whoever floods the record comes last.
fn recorded<'u>(
    missing: &[(&'u str, &'u str)],
    counts: &BTreeMap<&str, usize>,
    brake: &Brake,
    on_record: &HashMap<&str, Timestamp>,
) -> BTreeSet<&'u str> {
    let (mut held, free): (Vec<_>, Vec<_>) = missing.iter().partition(|(namespace, _)| brake.holds(namespace));
    held.sort_by_key(|(namespace, user)| (!on_record.contains_key(user), counts.get(namespace), *namespace, *user));
    held.truncate(HELD);
    held.into_iter().chain(free).map(|(_, user)| user).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::here;
    use super::*;
    use crate::sweep::observe::Holding;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn miss(seen: &mut Observation, namespace: &str, count: usize) {
        seen.missing.extend((0..count).map(|n| (format!("k.{namespace}.app{n:04}"), Holding::default())));
    }

    fn seen(missing: usize, users: usize) -> Observation {
        let mut seen = Observation { users, ..Observation::default() };
        miss(&mut seen, "ns", missing);
        seen
    }

    /// A look at a second, after which its record stands.
    fn look(seen: &mut Observation, second: i64) -> Plan {
        let plan = plan(&here(), seen, HOUR, at(second));
        seen.on_record.clone_from(&plan.absent);
        plan
    }

    fn since(plan: &Plan, user: &str) -> i64 {
        plan.absent.iter().find(|absent| absent.user == user).unwrap().since.0.as_second()
    }

    #[test]
    fn nobody_missing_is_nothing_to_say() {
        assert_eq!(look(&mut seen(0, 100), 0), Plan { users: 100, ..Plan::default() });
        assert_eq!(look(&mut seen(0, 0), 0), Plan::default());
    }

    #[test]
    fn who_is_missing_is_remembered_and_swept_when_the_time_has_passed() {
        let mut seen = seen(1, 20);
        let first = look(&mut seen, 1000);
        assert_eq!((first.absent.len(), first.sweep.len()), (1, 0));
        assert!(look(&mut seen, 4599).sweep.is_empty());
        let due = look(&mut seen, 4600);
        assert_eq!((&*due.sweep[0], due.sweep.len(), due.held), ("k.ns.app0000", 1, Vec::new()));
    }

    #[test]
    fn the_secret_of_a_long_name_is_put_on_record_while_somebody_knows_it() {
        let mut seen = seen(1, 20);
        seen.secrets.insert("k.ns.app0000".into(), "long-kafka-credentials".into());
        assert_eq!(look(&mut seen, 0).absent[0].secret.as_deref(), Some("long-kafka-credentials"));
    }

    #[test]
    fn nobody_is_swept_at_first_sight_however_short_the_time() {
        let mut seen = seen(1, 20);
        assert!(plan(&here(), &seen, Duration::ZERO, at(1000)).sweep.is_empty());
        seen = self::seen(11, 100);
        seen.release = Some(word(&here(), Some("ns"), 1000));
        assert!(plan(&here(), &seen, Duration::ZERO, at(1000)).sweep.is_empty());
    }

    #[test]
    fn too_many_at_once_are_held_until_they_are_released() {
        let mut seen = seen(11, 100);
        let held = look(&mut seen, 0).held.remove(0);
        assert_eq!((held.count, held.more, held.namespace.as_deref(), held.due), (11, 0, Some("ns"), at(3600)));
        assert!(held.named.ends_with("and 6 more"));
        assert!(look(&mut seen, 4000).sweep.is_empty(), "nobody said anything");
        seen.release = Some(held.word);
        assert!(look(&mut seen, 3599).sweep.is_empty(), "the time has to pass all the same");
        assert_eq!(look(&mut seen, 3600).sweep.len(), 11);
    }

    #[test]
    fn a_word_holds_for_whom_it_was_said_and_for_nobody_later() {
        let mut seen = seen(11, 100);
        let word = look(&mut seen, 0).held.remove(0).word;
        seen.release = Some(word.clone());
        for (n, second) in [(0, 30), (1, 60), (2, 90)] {
            seen.missing.insert(format!("k.ns.late{n}"), Holding::default());
            let held = look(&mut seen, second).held.remove(0);
            assert_ne!(held.word, word, "one more is another question");
            assert_eq!(held.due, at(second + 3600));
        }
        let plan = look(&mut seen, 9000);
        assert_eq!(plan.sweep.len(), 11);
        assert!(plan.sweep.iter().all(|user| user.starts_with("k.ns.app")), "{:?}", plan.sweep);

        // Months later the same users are missing again: nobody was asked about that.
        let mut again = self::seen(11, 100);
        again.release = Some(word);
        look(&mut again, 1_000_000);
        assert!(look(&mut again, 2_000_000).sweep.is_empty());
    }

    #[test]
    fn who_comes_back_and_goes_again_is_not_who_was_released() {
        let mut seen = seen(11, 100);
        seen.release = Some(look(&mut seen, 0).held.remove(0).word);
        let back = seen.missing.remove("k.ns.app0003").unwrap();
        look(&mut seen, 30);
        seen.missing.insert("k.ns.app0003".into(), back);
        look(&mut seen, 60);
        let plan = look(&mut seen, 9000);
        assert_eq!(plan.sweep.len(), 10);
        assert!(!plan.sweep.contains(&"k.ns.app0003".to_owned()));
    }

    #[test]
    fn a_namespace_that_is_held_neither_holds_others_nor_has_them_wait_anew() {
        let mut seen = seen(0, 100);
        miss(&mut seen, "shop", 2);
        look(&mut seen, 0);
        miss(&mut seen, "ns", 11);
        let plan = look(&mut seen, 1800);
        assert_eq!((plan.held.len(), plan.held[0].namespace.as_deref()), (1, Some("ns")));
        assert_eq!((since(&plan, "k.shop.app0000"), since(&plan, "k.ns.app0000")), (0, 1800));
        assert_eq!(look(&mut seen, 3600).sweep, ["k.shop.app0000", "k.shop.app0001"]);
    }

    #[test]
    fn many_namespaces_at_once_are_held_and_keep_their_time() {
        let mut seen = seen(2, 20);
        look(&mut seen, 0);
        ["a", "b", "c"].into_iter().for_each(|namespace| miss(&mut seen, namespace, 2));
        let plan = look(&mut seen, 600);
        assert_eq!((plan.held.len(), plan.held[0].namespace.as_deref(), plan.held[0].count), (1, None, 8));
        assert_eq!((since(&plan, "k.ns.app0000"), since(&plan, "k.a.app0000")), (0, 600));
        assert!(look(&mut seen, 90_000).sweep.is_empty());
        seen.release = Some(plan.held[0].word.clone());
        assert_eq!(look(&mut seen, 90_000).sweep.len(), 8);
        assert_eq!(look(&mut seen, 90_001).sweep.len(), 8, "a word is kept until all are gone");
    }

    #[test]
    fn who_is_left_when_claims_come_back_has_its_time_from_then() {
        let mut seen = seen(20, 100);
        assert_eq!(look(&mut seen, 0).held[0].count, 20);
        assert!(look(&mut seen, 30_000).sweep.is_empty());
        seen.missing.retain(|user, _| user.as_str() < "k.ns.app0008");
        for (second, swept) in [(30_030, 0), (30_060, 0), (33_629, 0), (33_630, 8)] {
            let plan = look(&mut seen, second);
            assert_eq!((plan.held.len(), plan.sweep.len()), (0, swept), "{second}");
            assert_eq!(since(&plan, "k.ns.app0000"), 30_030);
        }
    }

    #[test]
    fn an_api_server_that_knows_nobody_is_asked_about() {
        assert_eq!(look(&mut seen(2, 2), 0).held[0].namespace, None);
        assert_eq!(look(&mut seen(2, 3), 0).held, []);
    }

    #[test]
    fn whoever_floods_the_record_comes_last() {
        let mut seen = seen(5000, 8000);
        ["a", "b"].into_iter().for_each(|namespace| miss(&mut seen, namespace, 900));
        let plan = look(&mut seen, 0);
        assert_eq!((plan.absent.len(), plan.held[0].count, plan.held[0].more), (HELD, HELD, 6800 - HELD));
        let of = |namespace: &str| plan.absent.iter().filter(|absent| absent.user.starts_with(namespace)).count();
        assert_eq!((of("k.a."), of("k.b."), of("k.ns.")), (900, 900, HELD - 1800));
        miss(&mut seen, "c", 1);
        assert_eq!(look(&mut seen, 30).absent, plan.absent, "who is on record stays");
    }
}
