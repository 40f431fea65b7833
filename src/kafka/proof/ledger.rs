//! What one broker has been asked to show, and what it has shown. Pure: it decides what to look at next.

use std::{collections::HashMap, sync::Arc};

use super::{Claim, Claimed};
use crate::kafka::batch::{Kind, Ticket};

/// How many rules and logins without a ticket are looked at in one round, each with a request of its own.
const ONE_BY_ONE: usize = 32;
/// How many topics without a ticket are looked at in one round, all in one request.
const TOPICS: usize = 500;
/// How many rounds the newest batch's member is looked at before another member gets a turn: it may have been revoked.
const ROUNDS_EACH: usize = 4;

/// The book of one broker. `T` is whatever awaits the outcome.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    /// For each kind the newest batch that the broker has been seen to serve.
    marks: HashMap<Kind, u64>,
    entries: Vec<Entry<T>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    id: u64,
    claims: Arc<Vec<Claim>>,
    /// Positions of the claims that are not shown yet.
    open: Vec<usize>,
    waiter: T,
}

/// A claim of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    entry: u64,
    claim: usize,
}

impl<T> Ledger<T> {
    pub(super) fn new() -> Self {
        Self { marks: HashMap::new(), entries: Vec::new(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn add(&mut self, claims: Arc<Vec<Claim>>, waiter: T) {
        let open = (0..claims.len()).collect();
        self.entries.push(Entry { id: self.next, claims, open, waiter });
        self.next += 1;
        self.strike_out();
    }

    /// What to look at now. A login waits until the rules of its entry are shown, which come about when users do: a login that comes too
    /// early costs the broker's failure delay, 100 ms by default. Topics come about by themselves, and neither waits for the other.
    pub(super) fn round(&self, attempt: usize) -> Vec<(Place, Claimed)> {
        let mut newest: HashMap<Kind, Vec<(u64, Place, &Claimed)>> = HashMap::new();
        let mut chosen = Vec::new();
        let (mut topics, mut others) = (TOPICS, ONE_BY_ONE);
        for entry in &self.entries {
            let claims = entry.open.iter().filter_map(|position| Some((*position, entry.claims.get(*position)?)));
            let ready = !entry.lacks_rules();
            for (position, claim) in claims {
                if entry.is_login(position) && !ready {
                    continue;
                }
                let place = Place { entry: entry.id, claim: position };
                match claim.ticket {
                    Some(Ticket { kind, number }) => newest.entry(kind).or_default().push((number, place, &claim.what)),
                    None => {
                        let left = if matches!(claim.what, Claimed::Topic(_)) { &mut topics } else { &mut others };
                        if *left > 0 {
                            *left -= 1;
                            chosen.push((place, claim.what.clone()));
                        }
                    }
                }
            }
        }
        for candidates in newest.values_mut() {
            candidates.sort_by_key(|(number, _, _)| std::cmp::Reverse(*number));
            let turn = attempt / ROUNDS_EACH % candidates.len();
            chosen.extend(candidates.get(turn).map(|(_, place, what)| (*place, (*what).clone())));
        }
        chosen
    }

    /// Whether a login waits for the rules of its entry: its turn comes next.
    pub(super) fn awaits_login(&self) -> bool {
        let held_up =
            |entry: &Entry<T>| entry.lacks_rules() && entry.open.iter().any(|position| entry.is_login(*position));
        self.entries.iter().any(held_up)
    }

    /// The broker has shown a claim: everything that it vouches for is struck out.
    pub(super) fn shown(&mut self, place: Place) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == place.entry) else { return };
        entry.open.retain(|position| *position != place.claim);
        if let Some(ticket) = entry.claims.get(place.claim).and_then(|claim| claim.ticket) {
            let mark = self.marks.entry(ticket.kind).or_default();
            *mark = ticket.number.max(*mark);
            self.strike_out();
        }
    }

    /// Removes the entries that are complete.
    pub(super) fn take_complete(&mut self) -> Vec<T> {
        self.take(|open, _| open.is_empty())
    }

    /// Removes the entries whose waiters match.
    pub(super) fn take_waiting(&mut self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        self.take(|_, waiter| matches(waiter))
    }

    /// Removes the entries whose waiters match, and of which all but logins is shown.
    pub(super) fn take_waiting_for_logins(&mut self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let of_login = |entry: &Entry<T>| entry.open.iter().all(|position| entry.is_login(*position));
        let taken = self.entries.extract_if(.., |entry| matches(&entry.waiter) && of_login(entry));
        taken.map(|entry| entry.waiter).collect()
    }

    /// Those who wait.
    pub(super) fn waiters(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.waiter)
    }

    fn take(&mut self, matches: impl Fn(&[usize], &T) -> bool) -> Vec<T> {
        self.entries.extract_if(.., |entry| matches(&entry.open, &entry.waiter)).map(|entry| entry.waiter).collect()
    }

    fn strike_out(&mut self) {
        let marks = &self.marks;
        let is_shown = |claim: &Claim| {
            claim.ticket.is_some_and(|ticket| marks.get(&ticket.kind).is_some_and(|mark| ticket.number <= *mark))
        };
        for entry in &mut self.entries {
            let claims = &entry.claims;
            entry.open.retain(|position| !claims.get(*position).is_some_and(is_shown));
        }
    }
}

impl<T> Entry<T> {
    fn is_login(&self, position: usize) -> bool {
        matches!(self.claims.get(position), Some(Claim { what: Claimed::Login(..), .. }))
    }

    fn lacks_rules(&self) -> bool {
        let is_rule =
            |position: &usize| matches!(self.claims.get(*position), Some(Claim { what: Claimed::Rule(_), .. }));
        self.open.iter().any(is_rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::secret::Secret,
        kafka::{
            acl::{AclBinding, Operation, PatternType, ResourceType},
            config::Credential,
            scram::Mechanism,
        },
    };

    fn topic(name: &str, number: impl Into<Option<u64>>) -> Claim {
        let ticket = number.into().map(|number| Ticket { kind: Kind::Topics, number });
        Claim { what: Claimed::Topic(name.into()), ticket }
    }

    fn binding(name: &str) -> AclBinding {
        AclBinding::allow("User:u", Operation::Read, ResourceType::Topic, PatternType::Literal, name)
    }

    fn rule(name: &str, number: u64) -> Claim {
        Claim { what: Claimed::Rule(binding(name)), ticket: Some(Ticket { kind: Kind::Rules, number }) }
    }

    fn shown(rule: &str) -> String {
        binding(rule).to_string()
    }

    fn login(name: &str, number: u64) -> Claim {
        let credential =
            Credential { mechanism: Mechanism::Sha512, username: name.into(), password: Secret::new("secret") };
        Claim { what: Claimed::Login(credential, None), ticket: Some(Ticket { kind: Kind::Users, number }) }
    }

    fn ledger(entries: &[&[Claim]]) -> Ledger<usize> {
        let mut ledger = Ledger::new();
        for (index, claims) in entries.iter().enumerate() {
            ledger.add(Arc::new(claims.to_vec()), index);
        }
        ledger
    }

    fn names(round: &[(Place, Claimed)]) -> Vec<String> {
        let name = |(_, claimed): &(Place, Claimed)| match claimed {
            Claimed::Topic(name) => name.clone(),
            Claimed::Login(credential, _) => format!("login {}", credential.username),
            Claimed::Rule(rule) => rule.to_string(),
        };
        let mut names: Vec<_> = round.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_member_vouches_for_all_before_it() {
        let mut ledger = ledger(&[&[topic("a", 1)], &[topic("b", 3)], &[topic("c", 2)]]);
        let round = ledger.round(0);
        assert_eq!(names(&round), ["b"]);
        ledger.shown(round[0].0);
        assert_eq!(ledger.take_complete(), [0, 1, 2]);
        assert!(ledger.is_empty());
        ledger.add(Arc::new(vec![topic("late", 2)]), 9);
        assert_eq!(ledger.take_complete(), [9], "shown before it was asked");
    }

    #[test]
    fn a_later_batch_is_not_vouched_for() {
        let mut ledger = ledger(&[&[topic("a", 1)]]);
        let round = ledger.round(0);
        ledger.add(Arc::new(vec![topic("b", 2)]), 1);
        ledger.shown(round[0].0);
        assert_eq!(ledger.take_complete(), [0]);
        assert_eq!(names(&ledger.round(0)), ["b"]);
    }

    #[test]
    fn what_has_no_ticket_is_looked_at_by_itself() {
        let mut ledger = ledger(&[&[topic("old", None), topic("new", 5)], &[topic("older", None)]]);
        let round = ledger.round(0);
        assert_eq!(names(&round), ["new", "old", "older"]);
        let place = |name| round.iter().find(|one| names(std::slice::from_ref(one)) == [name]).unwrap().0;
        ledger.shown(place("older"));
        assert_eq!(ledger.take_complete(), [1]);
        ledger.shown(place("new"));
        assert!(ledger.take_complete().is_empty(), "`old` is still open");
    }

    #[test]
    fn a_login_waits_for_the_rules_of_its_entry() {
        let mut ledger = ledger(&[&[rule("a", 1), login("u", 1)], &[login("v", 1)]]);
        assert_eq!(names(&ledger.round(0)), [shown("a"), "login v".to_owned()]);
        assert!(ledger.awaits_login());
        let round = ledger.round(0);
        let place = round.iter().find(|one| names(std::slice::from_ref(one)) == [shown("a")]).unwrap().0;
        ledger.shown(place);
        assert!(!ledger.awaits_login());
        assert_eq!(names(&ledger.round(0)).len(), 1, "one login is enough for a batch");
    }

    #[test]
    fn a_login_and_a_topic_do_not_wait_for_each_other_and_both_are_needed() {
        for first in ["login u", "t"] {
            let mut ledger = ledger(&[&[topic("t", None), login("u", 1)]]);
            assert!(!ledger.awaits_login());
            let round = ledger.round(0);
            assert_eq!(names(&round), ["login u", "t"]);
            let place = |name| round.iter().find(|one| names(std::slice::from_ref(one)) == [name]).unwrap().0;
            ledger.shown(place(first));
            assert!(ledger.take_complete().is_empty(), "{first} is not all");
            ledger.shown(place(if first == "t" { "login u" } else { "t" }));
            assert_eq!(ledger.take_complete(), [0]);
        }
    }

    #[test]
    fn who_waits_for_a_login_alone_is_told_from_who_waits_for_more() {
        let mut ledger = ledger(&[&[topic("a", None), login("u", 1)], &[login("v", 2)], &[topic("b", None)]]);
        assert_eq!(ledger.take_waiting_for_logins(|_| true), [1]);
        let round = ledger.round(0);
        let place = round.iter().find(|one| names(std::slice::from_ref(one)) == ["a"]).unwrap().0;
        ledger.shown(place);
        assert!(ledger.take_waiting_for_logins(|waiter| *waiter != 0).is_empty());
        assert_eq!(ledger.take_waiting_for_logins(|_| true), [0]);
        assert_eq!(ledger.take_waiting(|_| true), [2]);
    }

    #[test]
    fn a_member_that_never_shows_does_not_hold_up_the_others() {
        let ledger = ledger(&[&[topic("revoked", 3)], &[topic("b", 2)]]);
        assert_eq!(names(&ledger.round(0)), ["revoked"]);
        assert_eq!(names(&ledger.round(ROUNDS_EACH)), ["b"]);
        assert_eq!(names(&ledger.round(2 * ROUNDS_EACH)), ["revoked"]);
    }

    #[test]
    fn nothing_claimed_is_complete_at_once() {
        assert_eq!(ledger(&[&[]]).take_complete(), [0]);
    }
}
