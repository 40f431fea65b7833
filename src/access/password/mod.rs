//! The password of an access, in Kafka and in its Secrets. Pure.
//!
//! - [`rotation`] decides when one comes and goes, by the Pods that have it, which are `sought`; `slots` bring that to Kafka.
//! - [`credentials`] is what a Secret says, [`secret_view`] how one stands, `copies` are further ones.

pub(super) mod copies;
pub mod credentials;
pub mod rotation;
pub mod secret_view;
pub(super) mod slots;
pub(super) mod sought;
