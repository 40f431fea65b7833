//! From an `AdmissionReview` to its answer: [`decide`] for Pods, [`claims`] for the claims that people write. Pure but for [`server`],
//! the only door, its [`room`] and the [`answers`] on their way: no Kafka, no Kubernetes client, no clock.

pub mod answers;
pub mod claims;
pub mod command;
pub mod decide;
pub mod delivery;
pub mod env;
pub mod kept;
mod lenient;
pub mod operation;
pub mod parts;
pub mod patch;
pub mod pod;
pub mod probe;
pub mod profile;
pub mod resources;
pub mod review;
pub mod room;
pub mod server;
mod serving;
pub mod text;
pub mod warnings;
