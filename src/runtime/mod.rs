//! What every long-running program needs and no controller should write again: deadlines, shutdown, readiness, telemetry, leases.

pub mod deadline;
pub mod health;
pub mod kubernetes;
pub mod lease;
pub mod listen;
pub mod metrics;
pub mod queue;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;
pub mod writes;
