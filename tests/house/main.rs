//! The rules of the house, read from the sources as text. Each rule is a function from text to complaints, tried on a bad example
//! before it is trusted with the tree.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::string_slice, reason = "the slices begin and end where something was found")]

mod alerts;
mod chart;
mod cli;
mod columns;
mod contract;
mod examples;
mod imports;
mod lock;
mod manifests;
mod profiles;
mod prose;
mod pure;
mod reference;
mod secrets;
mod size;
mod sources;
