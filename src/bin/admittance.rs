//! The `admittance` program.
fn main() {}
