//! Conditions: what a status says of an object, type by type. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

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
}
