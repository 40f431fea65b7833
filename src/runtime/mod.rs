//! What the long-running programs stand on.

pub mod deadline;
pub mod kubernetes;
pub mod lease;
pub mod queue;
pub mod writes;
