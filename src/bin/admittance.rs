//! The `admittance` program: arguments in, room called, exit code out.

use std::process::ExitCode;

use admittance::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    Cli::parse().run()
}
