//! How many users may be missing without a question, which are held where more are, and the words that release them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::cover::Here;
use crate::api::names::short_hash;

/// This many may be missing whatever their share: a small cluster's namespace comes and goes.
const ALWAYS: usize = 5;
/// The share of all users that may be missing.
const SHARE: usize = 10;
/// This many namespaces are held one by one: where more lose their users at once, it is none of them that did it.
const ALONE: usize = 2;
/// Digits of a word that say whom it is about.
const DIGITS: usize = 12;

/// Whose users are not taken away without a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brake {
    /// Nobody's.
    Free,
    /// Those of these namespaces. What others miss is few enough, so that no namespace has all others wait.
    Namespaces(BTreeSet<String>),
    /// Everybody's: an API server that knows so little is more likely a wrong one than one where everybody left.
    All,
}

impl Brake {
    /// By how many are missing in each namespace, of how many users.
    #[must_use]
    pub fn of(missing: &BTreeMap<&str, usize>, users: usize) -> Self {
        let limit = ALWAYS.max(users / SHARE);
        let all: usize = missing.values().sum();
        let (over, rest): (Vec<_>, Vec<_>) = missing.iter().partition(|(_, count)| **count > limit);
        let rest: usize = rest.into_iter().map(|(_, count)| *count).sum();
        if all > 0 && (all >= users || rest > limit || over.len() > ALONE) {
            Self::All
        } else if over.is_empty() {
            Self::Free
        } else {
            Self::Namespaces(over.into_iter().map(|(namespace, _)| (*namespace).to_owned()).collect())
        }
    }

    /// Whether it holds the users of a namespace.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::Free => false,
            Self::Namespaces(held) => held.contains(namespace),
            Self::All => true,
        }
    }

    /// What is held together: a namespace, or, where there is none, everything.
    #[must_use]
    pub fn groups(&self) -> Vec<Option<&str>> {
        match self {
            Self::Free => Vec::new(),
            Self::Namespaces(held) => held.iter().map(|namespace| Some(namespace.as_str())).collect(),
            Self::All => vec![None],
        }
    }
}

/// The word that releases who is held in a namespace, or anywhere, and was missing at this second already. Who is missed later is another
/// question, and so is who comes back and is missed again; the answer to this one holds all the same.
#[must_use]
pub fn word(here: &Here, namespace: Option<&str>, second: i64) -> String {
    // No namespace is named so.
    let text = format!("{} {} {second}", here.uid, namespace.unwrap_or("*"));
    format!("{}-{second:x}", short_hash(&text, DIGITS))
}

/// Whether people have released a user of a namespace that is missing since then: `said` is every word that they set.
#[must_use]
pub fn is_released(here: &Here, said: &str, namespace: &str, since: Timestamp) -> bool {
    let words = said.split(|one: char| one == ',' || one.is_ascii_whitespace());
    words.filter_map(|said| Some((said, i64::from_str_radix(said.rsplit_once('-')?.1, 16).ok()?))).any(
        |(said, second)| {
            let ours = [Some(namespace), None].into_iter().any(|whose| word(here, whose, second) == said);
            ours && since.as_second() <= second
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::samples::here;
    use super::*;

    fn brake(missing: &[usize], users: usize) -> (bool, Vec<String>) {
        let names: Vec<String> = (0..missing.len()).map(|n| format!("ns{n}")).collect();
        let missing = names.iter().map(String::as_str).zip(missing.iter().copied()).collect();
        match Brake::of(&missing, users) {
            Brake::Free => (false, Vec::new()),
            Brake::Namespaces(held) => (false, held.into_iter().collect()),
            Brake::All => (true, Vec::new()),
        }
    }

    #[test]
    fn one_namespace_does_not_hold_the_others() {
        for (missing, users, all, held) in [
            (&[][..], 0, false, &[][..]),
            (&[5], 20, false, &[]),
            (&[10], 100, false, &[]),
            (&[6, 1], 20, false, &["ns0"]),
            (&[11, 10], 100, false, &["ns0"]),
            (&[500, 1, 11], 1000, false, &["ns0"]),
            (&[11, 3, 11], 100, false, &["ns0", "ns2"]),
            // Everybody, or many a namespace's: as an API server that is empty, or was restored.
            (&[2], 2, true, &[]),
            (&[3, 3], 20, true, &[]),
            (&[6, 3, 3], 40, true, &[]),
            (&[11, 11, 11], 100, true, &[]),
        ] {
            let held: Vec<String> = held.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(brake(missing, users), (all, held), "{missing:?} of {users}");
        }
    }

    #[test]
    fn a_word_is_about_who_was_missing_when_it_was_said() {
        let (here, at) = (here(), |second| Timestamp::from_second(second).unwrap());
        let (shop, all) = (word(&here, Some("shop"), 100), word(&here, None, 100));
        for (said, namespace, since, released) in [
            (&*shop, "shop", 100, true),
            (&*shop, "shop", 99, true),
            (&*shop, "shop", 101, false),
            (&*shop, "web", 99, false),
            (&*all, "web", 100, true),
            (&*all, "shop", 101, false),
            (&*format!("old,{shop} {all}"), "web", 100, true),
            ("", "shop", 0, false),
            (&*shop.replace("-64", "-ff"), "shop", 100, false),
        ] {
            assert_eq!(is_released(&here, said, namespace, at(since)), released, "{said}: {namespace} since {since}");
        }
        let another = Here { uid: "another".into(), ..here };
        assert!(!is_released(&another, &all, "shop", at(99)), "a word of another BrokerCluster");
    }
}
