//! What every long-running program needs and no controller should write again: deadlines, shutdown, readiness, telemetry, leases; and the
//! loops, the Events and the status of controllers.

pub mod clock;
pub mod connections;
pub mod controller;
pub mod deadline;
pub mod events;
#[cfg(test)]
pub(crate) mod fake_api;
pub mod health;
pub mod kubernetes;
pub mod lease;
pub mod listen;
pub mod looks;
pub mod metrics;
mod observed;
pub mod pages;
pub mod queue;
pub mod readiness;
pub mod shutdown;
pub mod status;
pub mod telemetry;
pub mod writes;
