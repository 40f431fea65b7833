//! What is looked at, of the API server and of Kafka. I/O; decides nothing.
//!
//! - `held`: what an access has, with `existence` of topics and groups, and the [`readers`] of its Secrets; [`owners`] of its Pods.
//! - `foreign`: what others have of what it asks for, which takes `questions` that [`reviews`] answer; [`verdicts`] are kept for a moment.

mod existence;
pub(super) mod foreign;
pub(super) mod held;
pub mod owners;
mod questions;
pub mod readers;
pub mod reviews;
pub mod verdicts;
