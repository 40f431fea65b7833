//! The `admittance-probe` program.
fn main() {}
