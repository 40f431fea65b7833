//! How a subcommand ends.

use std::fmt;
use std::process::ExitCode;

/// The end of a subcommand that people and pipelines call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked, and found nothing wrong.
    Fine,
    /// It did what it was asked, and something is wrong: a Pod is refused, an installation is not sound.
    Problems,
    /// It did what it was asked, nothing is wrong, and there is something to do.
    Changes,
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
            Exit::Changes => 3,
        })
    }
}

/// The next command to try, as the context of an error.
#[derive(Debug)]
pub struct Try(pub String);

impl fmt::Display for Try {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "try: {}", self.0)
    }
}

/// An error as a person reads it: what went wrong with its causes, each said once, and what to try.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let hint = error.downcast_ref::<Try>().map(ToString::to_string);
    let mut text = "error".to_owned();
    for cause in error.chain().map(ToString::to_string).filter(|cause| hint.as_ref() != Some(cause)) {
        // Many errors repeat their causes.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    let hint = hint.unwrap_or_else(|| "try: admittance help".to_owned());
    format!("{text}\n{hint}")
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn an_error_says_each_cause_once_and_ends_with_what_to_try() {
        let error = Err::<(), _>(anyhow!("the door is shut"));
        let error =
            error.context("cannot enter: the door is shut").with_context(|| Try("knock".to_owned())).unwrap_err();
        assert_eq!(told(&error), "error: cannot enter: the door is shut\ntry: knock");
        assert_eq!(
            told(&anyhow!("it is late").context("no entry")),
            "error: no entry: it is late\ntry: admittance help"
        );
    }
}
