//! The webhook's decisions, seen from outside: Pods in, answers out, each compared with a golden file and with the invariants.
//!
//! `UPDATE_GOLDEN=1 cargo test --test admission` writes the golden files anew; their difference is then read in review.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper functions fail the test by panicking"
)]

mod delivery;
mod gates;
mod golden;
mod hostile;
mod invariants;
mod neighbour;
mod pods;
mod readiness;
mod restricted;
mod review;
mod subtract;
