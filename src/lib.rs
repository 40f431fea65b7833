//! Kafka access, admitted with the Pod.
//!
//! The map. A room that decides does no I/O; a room that acts decides nothing.
//!
//! - [`api`]: the vocabulary: annotations, names, reasons, the Secret's layout, the custom resources. Pure data.
//! - [`crypto`]: the one choice of a cryptography provider.
//! - `kafka`: our own admin client: wire, admin, batch, proof.
//! - `probe`: what `admittance-probe` checks inside a Pod.

pub mod api;
pub mod crypto;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "probe")]
pub mod probe;
