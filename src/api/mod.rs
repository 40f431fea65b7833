//! The vocabulary that every other room speaks. Pure data: imports nothing of ours.

pub mod secret;
