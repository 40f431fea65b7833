//! How a subcommand ends.

use std::process::ExitCode;

/// The end of a subcommand that people and pipelines call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked, and found nothing wrong.
    Fine,
    /// It did what it was asked, and something is wrong: a Pod is refused, an installation is not sound.
    Problems,
    /// It could not do what it was asked: wrong usage, an input that cannot be read, no access to the cluster.
    Unanswered,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Problems => 1,
            // The code by which clap ends wrong usage.
            Exit::Unanswered => 2,
        })
    }
}
