//! What is written to the API server.
//!
//! - [`objects`]: Secrets and claims. [`gates`] let Pods through; [`restart`] rolls what has an old password.

pub mod gates;
pub mod objects;
pub mod restart;
