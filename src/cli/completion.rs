//! `admittance completion`: what a shell needs to complete our arguments.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::Exit;
use super::{Cli, print};

const AFTER_HELP: &str = "\
Examples:
  source <(admittance completion bash)
  admittance completion zsh > \"${fpath[1]}/_admittance\"
  admittance completion fish > ~/.config/fish/completions/admittance.fish

Exit codes:
  0  the script was printed
  2  wrong usage, or standard output cannot be written to";

/// The arguments of `admittance completion`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written to.
pub fn run(args: &CompletionArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "admittance", &mut script);
    print::text(&String::from_utf8(script)?)?;
    Ok(Exit::Fine)
}
