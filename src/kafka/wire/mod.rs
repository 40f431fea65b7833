//! The wire: names to addresses, TLS, SASL, frames, and one connection to one broker.
//!
//! Every wait here has a deadline, every reply is capped before it is allocated, and only flexible protocol versions
//! (KIP-482) are spoken, because only their counts can be checked.

pub mod connection;
pub mod connector;
pub mod frame;
pub mod guard;
pub mod resolve;
mod sasl;
pub mod tls;
pub mod versions;
