//! What every long-running program needs and no controller should write again: deadlines, shutdown, readiness, telemetry.

pub mod deadline;
pub mod duration;
pub mod health;
pub mod kubernetes;
pub mod listen;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;
