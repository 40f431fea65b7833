//! What a workload is given of what it asks for. Pure.
//!
//! - `judgement` goes through what is asked for: of each topic by [`topic_view`] and [`standing`], of [`groups`], of what begins with the
//!   namespace's name by [`prefix`]; [`lending`] is what others say to it.
//! - [`rights`] are the rules that follow from it, [`quotas`] the limits beside them.

pub mod groups;
pub(super) mod judgement;
pub mod lending;
pub mod prefix;
pub mod quotas;
pub mod rights;
pub mod standing;
pub mod topic_view;
