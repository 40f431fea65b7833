//! What is to be done about trust. Pure: what was observed goes in, steps come out, and every replica comes to the same ones.

use std::time::{Duration, SystemTime};

use super::SKEW;
use super::certificate::{Certificate, Validity};
use super::custody::Custody;

/// How long a successor is published before it signs: every API server has read it by then.
pub const SETTLE: Duration = Duration::from_secs(3600);

/// What was observed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What the Secret holds; `None` where there is nothing of use.
    pub custody: Option<Custody>,
    /// Whether the Secret's content is ours to write: it does not exist yet, or carries our mark.
    pub ours: bool,
    /// The `caBundle` of every webhook in the configuration; `None` where there is no configuration.
    pub published: Option<Vec<String>>,
    /// Whether a configuration could not be read: what it trusts is not known.
    pub unread: bool,
    /// The leaf that serves.
    pub leaf: Option<Serving>,
}

/// A leaf that serves.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Who signed it.
    pub issuer: Certificate,
    /// From when until when it holds.
    pub validity: Validity,
    /// When it was signed.
    pub signed: SystemTime,
}

impl Serving {
    fn is_due(&self, now: SystemTime) -> bool {
        self.validity.is_due_since(self.signed, now)
    }
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write the bundle into the configuration.
    Publish,
    /// Sign a leaf and serve it.
    Sign,
    /// Make the first authority, or one in place of what cannot be used.
    Found,
    /// Make a successor, to be trusted and not to sign yet.
    Prepare,
    /// Put the successor in charge.
    Promote,
    /// Let go of the predecessor, which has ended.
    Forget,
}

impl Step {
    /// Whether the step writes the Secret: then the world is another, and has to be observed again.
    #[must_use]
    pub fn writes_secret(self) -> bool {
        match self {
            Self::Publish | Self::Sign => false,
            Self::Found | Self::Prepare | Self::Promote | Self::Forget => true,
        }
    }
}

/// The steps that are due, in their order; at most the last of them writes the Secret.
#[must_use]
pub fn plan(observed: &Observed, now: SystemTime) -> Vec<Step> {
    let Some(custody) = &observed.custody else {
        return if observed.ours { vec![Step::Found] } else { Vec::new() };
    };
    let published = observed.published.as_ref().is_some_and(|all| all.iter().all(|one| *one == custody.bundle()));
    let mut steps = Vec::new();
    if observed.published.is_some() && !published {
        steps.push(Step::Publish);
    }
    let current = &custody.current.certificate;
    if observed.leaf.as_ref().is_none_or(|leaf| leaf.issuer != *current || leaf.is_due(now)) {
        steps.push(Step::Sign);
    }
    if observed.ours {
        steps.extend(renewal(custody, published && !observed.unread, now));
    }
    steps
}

fn renewal(custody: &Custody, published: bool, now: SystemTime) -> Option<Step> {
    let current = custody.current.certificate.validity;
    match &custody.next {
        None if current.is_due(now) => Some(Step::Prepare),
        Some(next) => {
            // The successor's first moment lies `SKEW` before the one at which it was made.
            let settled = now >= next.certificate.validity.from + SKEW + SETTLE;
            // Who has expired is trusted by nobody: there is nothing left to wait for.
            ((published && settled) || !current.holds(now)).then_some(Step::Promote)
        }
        None => custody.previous.as_ref().is_some_and(|previous| now > previous.validity.until).then_some(Step::Forget),
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Forget, Found, Prepare, Promote, Publish, Sign};
    use super::*;
    use crate::trust::authority::LIFETIME;
    use crate::trust::leaf;

    const HOUR: Duration = Duration::from_secs(3600);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn founded() -> Custody {
        Custody::found(start()).unwrap()
    }

    /// Everything in order: published, and served by a leaf that was signed at `signed`.
    fn settled(custody: &Custody, signed: SystemTime) -> Observed {
        let validity = Validity { from: signed - SKEW, until: signed + leaf::LIFETIME };
        let issuer = custody.current.certificate.clone();
        Observed {
            custody: Some(custody.clone()),
            ours: true,
            published: Some(vec![custody.bundle()]),
            unread: false,
            leaf: Some(Serving { issuer, validity, signed }),
        }
    }

    #[test]
    fn a_first_start_founds_then_publishes_and_signs() {
        let nothing = Observed { ours: true, published: Some(vec![String::new()]), ..Observed::default() };
        assert_eq!(plan(&nothing, start()), [Found]);
        let founded = Observed { custody: Some(founded()), ..nothing };
        assert_eq!(plan(&founded, start()), [Publish, Sign]);
    }

    #[test]
    fn what_is_not_ours_is_used_and_never_written() {
        let broken = Observed { ours: false, ..Observed::default() };
        assert_eq!(plan(&broken, start()), []);
        let theirs = Observed { ours: false, ..settled(&founded(), start()) };
        assert_eq!(plan(&theirs, start() + LIFETIME), [Sign]);
    }

    #[test]
    fn at_rest_there_is_nothing_to_do() {
        assert_eq!(plan(&settled(&founded(), start()), start() + HOUR), []);
    }

    #[test]
    fn a_leaf_is_signed_anew_in_time_and_by_the_wall_clock() {
        let observed = settled(&founded(), start());
        assert_eq!(plan(&observed, start() + HOUR * 15), []);
        assert_eq!(plan(&observed, start() + HOUR * 16), [Sign]);
        assert_eq!(plan(&observed, start() - HOUR * 2), [], "a clock that was set back within what is allowed for");
        assert_eq!(plan(&observed, start() - HOUR * 25), [Sign, Prepare], "and by more");
    }

    #[test]
    fn a_bundle_that_was_changed_is_written_again() {
        let custody = founded();
        let changed = Observed { published: Some(vec![custody.bundle(), "x".into()]), ..settled(&custody, start()) };
        assert_eq!(plan(&changed, start()), [Publish]);
        let gone = Observed { published: None, ..changed };
        assert_eq!(plan(&gone, start()), [], "no configuration: there is nowhere to write");
    }

    #[test]
    fn a_successor_is_trusted_before_it_signs() {
        let due = start() + LIFETIME * 2 / 3;
        let first = founded();
        assert_eq!(plan(&settled(&first, due), due), [Prepare]);
        let prepared = first.clone().prepared(due).unwrap();
        let unpublished = Observed { published: Some(vec![first.bundle()]), ..settled(&prepared, due) };
        assert_eq!(plan(&unpublished, due), [Publish]);
        assert_eq!(plan(&unpublished, due + HOUR * 2), [Publish], "never in charge before it is published");
        let published = settled(&prepared, due);
        assert_eq!(plan(&published, due + SETTLE - Duration::from_secs(2)), []);
        let in_part = Observed { unread: true, ..published.clone() };
        assert_eq!(plan(&in_part, due + SETTLE), [], "what one of two configurations trusts is not known");
        assert_eq!(plan(&published, due + SETTLE), [Promote]);
        let promoted = Observed { custody: Some(prepared.promoted()), ..published };
        assert_eq!(
            plan(&promoted, due + SETTLE),
            [Publish, Sign],
            "the bundle's order follows; the leaf has a new issuer"
        );
    }

    #[test]
    fn the_predecessor_is_let_go_when_it_has_ended() {
        let promoted = founded().prepared(start() + LIFETIME * 2 / 3).unwrap().promoted();
        let end = start() + LIFETIME;
        assert_eq!(plan(&settled(&promoted, end), end - HOUR), []);
        assert_eq!(plan(&settled(&promoted, end), end + HOUR), [Forget]);
    }

    #[test]
    fn an_authority_that_ended_while_nobody_was_there_is_replaced_at_once() {
        let late = start() + LIFETIME * 2;
        let first = founded();
        assert_eq!(plan(&settled(&first, late), late), [Prepare]);
        let prepared = first.prepared(late).unwrap();
        let observed = Observed { published: None, ..settled(&prepared, late) };
        assert_eq!(plan(&observed, late), [Promote]);
    }
}
