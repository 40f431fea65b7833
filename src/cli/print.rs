//! Standard output: what a program or a person reads, and nothing else. Logs and messages go to standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;

/// In which form a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Prints a text. A reader that has seen enough, such as `head`, is no fault.
///
/// # Errors
/// Standard output cannot be written to.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints a value for a program to read.
///
/// # Errors
/// Standard output cannot be written to.
pub fn value(value: &impl Serialize, format: Format) -> anyhow::Result<()> {
    text(&match format {
        Format::Yaml => serde_saphyr::to_string(value).context("cannot write the result as YAML")?,
        Format::Json => serde_json::to_string_pretty(value).context("cannot write the result as JSON")? + "\n",
    })
}

/// A line on standard error. Where nobody listens there is nothing to do about it.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line on standard error that is of use only while somebody watches: what takes a while.
pub fn progress(line: &str) {
    if io::stderr().is_terminal() {
        note(&format!("{line} …"));
    }
}

/// How something stands, and by which sign and colour a terminal shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// As it should be.
    Fine,
    /// Worth to know.
    Notice,
    /// Not as it should be.
    Problem,
}

impl Sign {
    /// One character.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Fine => "✓",
            Self::Notice => "!",
            Self::Problem => "✗",
        }
    }
}

/// Colours, or none of them.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours where standard output is a terminal and the environment variable `NO_COLOR` is not set (no-color.org).
    #[must_use]
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !refused }
    }

    /// With colours or without.
    #[must_use]
    pub const fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// A heading.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What matters less.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// The mark of a sign.
    #[must_use]
    pub fn sign(self, sign: Sign) -> String {
        self.with(
            match sign {
                Sign::Fine => "32",
                Sign::Notice => "33",
                Sign::Problem => "31",
            },
            sign.mark(),
        )
    }

    /// A text in a colour, by the number of its escape sequence (ECMA-48, SGR).
    #[must_use]
    pub fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A text of somebody else's without what would move a terminal's cursor or colour it.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert_eq!(Paint::new(false).sign(Sign::Problem), "✗");
        assert_eq!(Paint::new(true).sign(Sign::Problem), "\u{1b}[31m✗\u{1b}[0m");
        assert_eq!(Paint::new(false).bold("x"), "x");
    }

    #[test]
    fn a_text_of_others_cannot_steer_the_terminal() {
        assert_eq!(tame("a\u{1b}[31m\nb"), "a\u{fffd}[31m\nb");
    }
}
