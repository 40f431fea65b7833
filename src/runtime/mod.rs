//! What the long-running programs stand on.

pub mod lease;
pub mod queue;
pub mod writes;
