//! The vocabulary that every other room speaks. Pure data: imports nothing of ours.

pub mod annotations;
pub mod duration;
pub mod list;
pub mod names;
pub mod pem;
pub mod reasons;
#[cfg(feature = "cluster")]
pub mod resources;
pub mod secret;
pub mod secret_layout;
#[cfg(feature = "cluster")]
pub mod selector;
