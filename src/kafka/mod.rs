//! Kafka, as an administrator sees it: our own client on the codecs of the `kafka-protocol` crate.
//!
//! - [`admin`]: what an administrator asks, a file a noun.
//! - [`acl`]: access rules. Plain data.
//! - [`assignment`]: what members of groups tell each other. Pure.
//! - `batch`: many callers, few requests; `proof`: that brokers serve what was committed. (Feature `operator`.)
//! - [`config`]: where the brokers are and who we are.
//! - [`error`]: what can go wrong, sorted by what to do about it.
//! - [`scram`]: keys, proofs and passwords. Pure.
//! - [`wire`]: frames, TLS, SASL, versions, names; one connection to one broker.

pub mod acl;
pub mod admin;
pub mod assignment;
#[cfg(feature = "operator")]
pub mod batch;
pub mod config;
pub mod error;
mod mechanism;
#[cfg(feature = "operator")]
pub mod proof;
pub mod scram;
pub mod wire;
