//! What holds for every Pod and every body, searched by proptest for a counterexample.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper functions fail the test by panicking"
)]

mod answers;
mod deletion;
mod identity;
mod ownership;
mod pods;

#[path = "../admission/neighbour.rs"]
mod neighbour;
#[path = "../admission/review.rs"]
#[allow(dead_code, reason = "shared with the golden tests, which read more of an answer")]
mod review;
#[path = "../admission/subtract.rs"]
mod subtract;
