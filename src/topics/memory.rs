//! What Kafka has lately refused: the same is not asked of it again at once. A refusal is written into the claim, and whoever writes a
//! claim has it looked at, so without a memory each refusal would lead to the next.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::step::Step;
use crate::watch::table::Name;

/// What was refused, of which claim, and until when it is not tried again.
#[derive(Debug, Default)]
pub struct Refused(Mutex<HashMap<Name, Refusal>>);

/// The claim's uid, what Kafka was asked, and until when it is not asked again.
type Refusal = (Option<String>, Vec<Step>, Instant);

impl Refused {
    /// Notes that steps of a claim, by its uid, were refused.
    pub fn note(&self, name: &Name, uid: Option<&str>, steps: &[Step], pause: Duration) {
        let entry = (uid.map(str::to_owned), asked(steps), Instant::now() + pause);
        self.all().insert(name.clone(), entry);
    }

    /// How long the same steps are not tried again; `None` where they may be tried now, or are others.
    #[must_use]
    pub fn pause(&self, name: &Name, uid: Option<&str>, steps: &[Step]) -> Option<Duration> {
        let all = self.all();
        let (of, refused, until) = all.get(name)?;
        let left = until.saturating_duration_since(Instant::now());
        (of.as_deref() == uid && *refused == asked(steps) && !left.is_zero()).then_some(left)
    }

    /// Forgets what was refused of a claim.
    pub fn forget(&self, name: &Name) {
        self.all().remove(name);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Name, Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long brokers may disagree before it is told: most that are behind catch up at once.
const LASTS: Duration = Duration::from_secs(60);

/// Since when brokers have not agreed on the settings of claims' topics.
#[derive(Debug, Default)]
pub struct Disputes(Mutex<HashMap<Name, Instant>>);

impl Disputes {
    /// Notes whether they disagree; whether they have for so long that it is told.
    pub fn note(&self, name: &Name, disputed: bool) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if disputed {
            return all.entry(name.clone()).or_insert_with(Instant::now).elapsed() >= LASTS;
        }
        all.remove(name);
        false
    }
}

/// What Kafka is asked: a record is the API server's.
fn asked(steps: &[Step]) -> Vec<Step> {
    steps.iter().filter(|step| !matches!(step, Step::Record { .. })).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn brokers_that_disagree_for_long_are_told_of() {
        let (disputes, name) = (Disputes::default(), ("shop".to_owned(), "orders".to_owned()));
        for (seconds, disputed, told) in
            [(0, true, false), (59, true, false), (1, true, true), (9, false, false), (60, true, false)]
        {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(disputes.note(&name, disputed), told, "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_is_not_tried_again_before_its_time_and_other_things_are() {
        let (refused, name) = (Refused::default(), ("shop".to_owned(), "orders".to_owned()));
        let record = Step::Record { creating: None, managed: Vec::new() };
        refused.note(&name, Some("u"), &[record, Step::Grow(3)], Duration::from_secs(60));
        assert_eq!(refused.pause(&name, Some("u"), &[Step::Grow(3)]), Some(Duration::from_secs(60)));
        assert_eq!(refused.pause(&name, Some("u"), &[Step::Grow(4)]), None, "the claim has changed");
        assert_eq!(refused.pause(&name, Some("v"), &[Step::Grow(3)]), None, "another claim of that name");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(refused.pause(&name, Some("u"), &[Step::Grow(3)]), None);
        refused.note(&name, Some("u"), &[Step::Grow(3)], Duration::from_secs(60));
        refused.forget(&name);
        assert_eq!(refused.pause(&name, Some("u"), &[Step::Grow(3)]), None);
    }
}
