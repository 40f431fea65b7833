//! The command line as people and pipelines call it: the program is run, and its output and exit code are looked at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper functions fail the test by panicking"
)]

mod api;
mod check;
mod explain;
mod export;
mod import;
mod inject;
mod manifest;
mod plan;
mod program;
