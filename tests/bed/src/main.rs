//! The `bed` program: see [`bed`] for what it is, or `cargo bed --help` for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    bed::commands::run()
}
