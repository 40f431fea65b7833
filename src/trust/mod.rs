//! How the API server comes to trust the webhook: an authority (CA) in a Secret, a short leaf of its own in every replica, and
//! the authority's certificate in the webhook configuration. Or a certificate that somebody else keeps in a folder.
//!
//! - Pure: [`certificate`], [`authority`], [`leaf`], [`custody`] (what the Secret holds) and [`plan`] (what is to be done).
//! - I/O: [`store`] (the Secret), [`publish`] (the configuration), [`keeper`] (the loop over both), [`folder`] (files).
//! - [`resolver`] hands the leaf of the moment to each TLS handshake.

pub mod authority;
pub mod certificate;
pub mod custody;
pub mod folder;
pub mod keeper;
pub mod leaf;
pub mod metrics;
pub mod plan;
pub mod publish;
pub mod resolver;
pub mod store;

use std::time::Duration;

/// How far a clock may be behind ours and still find a certificate valid that we just made. A replica whose node is ahead of the API server by
/// more is refused, and cannot see it: so this is more than a clock is wrong by that nobody notices.
pub const SKEW: Duration = Duration::from_secs(86_400);
