//! Kafka access, admitted with the Pod.
//!
//! The map. A room that decides does no I/O; a room that acts decides nothing.
//!
//! - [`api`]: the vocabulary: annotations, names, reasons, the Secret's layout, the custom resources. Pure data.
//! - [`intent`]: what a Pod asks for, from its annotations and its owner. Pure; webhook, operator and command line share it.
//! - `admission`: from an AdmissionReview to its answer. Pure, but for its server.
//! - [`crypto`]: the one choice of a cryptography provider.
//! - `kafka`: our own admin client: wire, admin, batch.

#[cfg(feature = "webhook")]
pub mod admission;
pub mod api;
#[cfg(feature = "operator")]
pub mod clusters;
pub mod crypto;
pub mod intent;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "program")]
pub mod runtime;
#[cfg(feature = "operator")]
pub mod watch;
