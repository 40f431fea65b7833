//! An access whose cluster can be asked, as the decisions about it look at it. Pure.

use super::given::prefix::{Names, Prefixes, Question};
use super::given::rights::principal;
use super::seen::{Held, Observation, Subject};
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, READY, Refusal, condition};
use crate::clusters::Ground;

/// What is known of an access, its parts at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'c> {
    /// All that was seen.
    pub(super) seen: &'c Observation,
    /// Who it is.
    pub(super) subject: &'c Subject,
    /// Terms and scope of its cluster.
    pub(super) ground: &'c Ground,
    /// What is held.
    pub(super) held: &'c Held,
}

impl<'c> Case<'c> {
    /// The names that begin with the namespace's, or with the workload's: who has them.
    pub(super) fn prefixes(&self, names: Names<'_>) -> Prefixes {
        let rival = match names {
            Names::Groups => &self.held.rival,
            Names::Ids(_) => &self.held.id_rival,
        };
        Prefixes::of(&Question {
            names,
            principal: &principal(&self.subject.username),
            namespace: &self.seen.key.0,
            scope: &self.ground.scope,
            neighbours: &self.ground.terms.neighbours,
            held: &self.held.rules,
            rival: rival.as_deref(),
        })
    }

    /// The grants that were reported last.
    pub(super) fn grants(&self) -> &'c [Grant] {
        self.seen.status().map_or(&[], |status| &status.grants)
    }

    /// What was refused last.
    pub(super) fn refused(&self) -> &'c [Refusal] {
        self.seen.status().map_or(&[], |status| &status.refused)
    }

    /// What the rules of the user were last left as.
    pub(super) fn recorded(&self) -> Option<&'c String> {
        self.seen.status()?.rules.as_ref()
    }

    /// Whether the claim is reported ready for what it says now.
    pub(super) fn is_ready(&self) -> bool {
        let generation = self.seen.claim.as_ref().and_then(|claim| claim.metadata.generation);
        let ready = self.seen.status().and_then(|status| condition(&status.conditions, READY));
        ready.is_some_and(|ready| ready.reason == Reason::Ready.code() && ready.observed_generation == generation)
    }

    /// Whether the Secret was handed out before, as far as the claim knows.
    pub(super) fn was_published(&self) -> bool {
        self.seen.status().is_some_and(|status| status.secret_name.is_some())
    }

    /// Whether a password was handed out that no Secret holds any more: the Secret was deleted, or somebody emptied it.
    pub(super) fn is_lost(&self) -> bool {
        self.was_published() && self.held.secret.password().is_none() && !self.held.secret.is_foreign()
    }
}
