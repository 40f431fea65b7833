//! Conditions: what a status says of an object, type by type. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::READY;
use crate::api::reasons::Reason;

/// The conditions of one object, as they are said at one time.
#[derive(Debug)]
pub struct Conditions<'c> {
    all: &'c mut Vec<Condition>,
    generation: Option<i64>,
    now: Time,
}

impl<'c> Conditions<'c> {
    /// To say something of an object of this generation.
    pub fn new(all: &'c mut Vec<Condition>, generation: Option<i64>, now: Time) -> Self {
        Self { all, generation, now }
    }

    /// Says whether a condition holds, and why. The transition time moves only when the status does.
    pub fn say(&mut self, kind: &str, holds: bool, reason: Reason, message: &str) {
        let wanted = Condition {
            type_: kind.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: reason.code().to_owned(),
            message: message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: self.now.clone(),
        };
        match self.all.iter_mut().find(|condition| condition.type_ == kind) {
            None => self.all.push(wanted),
            Some(found) if found.status == wanted.status => {
                *found = Condition { last_transition_time: found.last_transition_time.clone(), ..wanted };
            }
            Some(found) => *found = wanted,
        }
    }

    /// Says so where something else was said before: what was never so need not be said not to be.
    pub fn end(&mut self, kind: &str, holds: bool, reason: Reason, message: &str) {
        if condition(self.all, kind).is_some() {
            self.say(kind, holds, reason, message);
        }
    }
}

/// The condition of a type, if it was ever set.
#[must_use]
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether a condition of this type holds.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    condition(conditions, kind).is_some_and(|condition| condition.status == "True")
}

/// What is worth an Event of the condition [`READY`]: why it does not hold, and that it holds again. What comes to be ready as it should, and
/// what stays so for another reason, is told by its status.
#[must_use]
pub fn news<'c>(before: &[Condition], now: &'c [Condition]) -> Option<(Reason, &'c str)> {
    let (before, now) = (condition(before, READY), condition(now, READY)?);
    let well = |said: &Condition| said.status == "True";
    let expected = before.is_none_or(well) && well(now);
    let repeated = before.is_some_and(|before| (&before.status, &before.reason) == (&now.status, &now.reason));
    let reason = Reason::of_code(&now.reason).filter(|_| !expected && !repeated)?;
    Some((reason, &now.message))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn the_transition_moves_with_the_status_alone_and_nothing_ends_that_never_was() {
        let at = |second| Time(Timestamp::from_second(second).unwrap());
        let mut all = Vec::new();
        Conditions::new(&mut all, Some(1), at(1)).end("Held", false, Reason::Ready, "nothing is held");
        assert_eq!(all, []);
        Conditions::new(&mut all, Some(1), at(2)).say("Held", true, Reason::SweepHeld, "three users");
        Conditions::new(&mut all, Some(2), at(3)).say("Held", true, Reason::SweepHeld, "four users");
        let held = condition(&all, "Held").unwrap();
        assert_eq!((&held.last_transition_time, held.observed_generation), (&at(2), Some(2)));
        assert!(holds(&all, "Held"));
        Conditions::new(&mut all, Some(2), at(4)).end("Held", false, Reason::Ready, "nothing is held");
        assert_eq!(all.len(), 1);
        assert_eq!(
            (&*all[0].status, &*all[0].message, &all[0].last_transition_time),
            ("False", "nothing is held", &at(4))
        );
    }

    #[test]
    fn an_event_tells_what_nobody_expects() {
        let said = |holds, reason, message| {
            let mut all = Vec::new();
            Conditions::new(&mut all, Some(1), Time(Timestamp::UNIX_EPOCH)).say(READY, holds, reason, message);
            all
        };
        let ready = said(true, Reason::Ready, "proven");
        let away = said(false, Reason::KafkaUnreachable, "broker 1");
        for (before, now, expected) in [
            (&[][..], &ready, None),
            (&[], &away, Some((Reason::KafkaUnreachable, "broker 1"))),
            (&away, &ready, Some((Reason::Ready, "proven"))),
            (&ready, &away, Some((Reason::KafkaUnreachable, "broker 1"))),
            (&away, &said(false, Reason::KafkaUnreachable, "broker 2"), None),
            (&ready, &said(true, Reason::Ready, "proven again"), None),
            (&ready, &said(true, Reason::Idle, "no Pod"), None),
            (&away, &said(true, Reason::Idle, "no Pod"), Some((Reason::Idle, "no Pod"))),
        ] {
            assert_eq!(news(before, now), expected);
        }
    }
}
