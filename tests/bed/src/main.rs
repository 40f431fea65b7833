//! The testbed.
fn main() {}
