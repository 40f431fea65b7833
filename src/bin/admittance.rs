//! The `admittance` program: arguments in, room called, exit code out.

use admittance::cli::Cli;
use clap::Parser;

fn main() -> anyhow::Result<()> {
    Cli::parse().run()
}
