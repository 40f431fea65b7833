//! The command line, read by hand: a parser crate would be a fifth of the program.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::settings::names;
use super::{alive, ready};

/// What `--help` says.
pub const HELP: &str = "\
admittance-probe: checks that a Pod's access to Kafka works

  admittance-probe ready --config DIR [--consumes TOPICS] [--produces TOPICS] [--latch] [--timeout 4s]
      Reads the Secret mounted at DIR, connects, logs in, and checks the topics that the Secret
      lists, those of the Pod itself, and the rights on them.
      --consumes, --produces  the Pod's own topics, separated by commas
      --latch     once ready, stay so until the container restarts
      --timeout   for all of it, in minutes (5m), seconds (4s) or milliseconds (500ms); default 4s

  admittance-probe alive --config DIR [--group GROUP]... [--stuck-after 5m] [--timeout 4s]
      Looks whether consumers of this Pod, in the group of the Secret's group.id and in each
      GROUP, stand still while there is more to read. Fails only where that is seen:
      what cannot be found out, because Kafka is away or a right is missing, is success.
      --stuck-after  how long a committed offset may stand still; default 5m

  admittance-probe install DIR
      Copies itself to DIR/admittance-probe.

  admittance-probe --help | --version

Exit codes: 0 ready, alive or done, 1 not ready, stuck or failed, 2 wrong arguments.";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);
/// As long as a consumer may take for what it polled, by default (`max.poll.interval.ms`).
const DEFAULT_STUCK_AFTER: Duration = Duration::from_secs(5 * 60);

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Check.
    Ready {
        /// The mounted Secret.
        config: PathBuf,
        /// Remember a success.
        latch: bool,
        /// What is asked.
        terms: ready::Terms,
    },
    /// Look for consumers that are stuck.
    Alive {
        /// The mounted Secret.
        config: PathBuf,
        /// What is asked.
        terms: alive::Terms,
    },
    /// Copy the program.
    Install {
        /// Where to.
        directory: PathBuf,
    },
    /// Say how to use it.
    Help,
    /// Say which version it is.
    Version,
}

/// A command line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Nothing was asked.
    #[error("nothing to do; see admittance-probe --help")]
    Nothing,
    /// Something that is not known, or comes twice, or too late.
    #[error("`{0}` is not expected here; see admittance-probe --help")]
    Unexpected(String),
    /// An option or argument is missing.
    #[error("{0} is missing; see admittance-probe --help")]
    Missing(&'static str),
    /// A time that cannot be read, or is zero.
    #[error("`{0}` is not a time; write for example 5m, 4s or 500ms")]
    NotATime(String),
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// [`UsageError`]
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments = arguments.into_iter();
    let unexpected = |argument: &OsString| UsageError::Unexpected(argument.to_string_lossy().into_owned());
    let first = arguments.next().ok_or(UsageError::Nothing)?;
    let command = match first.to_str() {
        Some("--help" | "-h" | "help") => Command::Help,
        Some("--version" | "-V") => Command::Version,
        Some("install") => Command::Install { directory: arguments.next().ok_or(UsageError::Missing("DIR"))?.into() },
        Some("ready") => return read_ready(arguments),
        Some("alive") => return read_alive(arguments),
        _ => return Err(unexpected(&first)),
    };
    arguments.next().map_or(Ok(command), |more| Err(unexpected(&more)))
}

fn read_ready(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let (mut config, mut latch, mut timeout) = (None, false, None);
    let (mut consumes, mut produces) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config") if config.is_none() => config = Some(value(&mut arguments, "the DIR of --config")?),
            Some("--timeout") if timeout.is_none() => timeout = Some(time(&mut arguments, "the time of --timeout")?),
            Some("--consumes") if consumes.is_none() => {
                consumes = Some(topics(&mut arguments, "the TOPICS of --consumes")?);
            }
            Some("--produces") if produces.is_none() => {
                produces = Some(topics(&mut arguments, "the TOPICS of --produces")?);
            }
            Some("--latch") => latch = true,
            _ => return Err(UsageError::Unexpected(argument.to_string_lossy().into_owned())),
        }
    }
    let config = config.ok_or(UsageError::Missing("--config DIR"))?.into();
    let terms = ready::Terms {
        consumes: consumes.unwrap_or_default(),
        produces: produces.unwrap_or_default(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    };
    Ok(Command::Ready { config, latch, terms })
}

fn read_alive(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let (mut config, mut groups, mut stuck_after, mut timeout) = (None, Vec::new(), None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config") if config.is_none() => config = Some(value(&mut arguments, "the DIR of --config")?),
            Some("--timeout") if timeout.is_none() => timeout = Some(time(&mut arguments, "the time of --timeout")?),
            Some("--stuck-after") if stuck_after.is_none() => {
                stuck_after = Some(time(&mut arguments, "the time of --stuck-after")?);
            }
            Some("--group") => {
                groups.push(value(&mut arguments, "the GROUP of --group")?.to_string_lossy().into_owned());
            }
            _ => return Err(UsageError::Unexpected(argument.to_string_lossy().into_owned())),
        }
    }
    let config = config.ok_or(UsageError::Missing("--config DIR"))?.into();
    let stuck_after = stuck_after.unwrap_or(DEFAULT_STUCK_AFTER);
    let terms = alive::Terms { groups, stuck_after, timeout: timeout.unwrap_or(DEFAULT_TIMEOUT) };
    Ok(Command::Alive { config, terms })
}

fn value(arguments: &mut impl Iterator<Item = OsString>, what: &'static str) -> Result<OsString, UsageError> {
    arguments.next().ok_or(UsageError::Missing(what))
}

fn topics(arguments: &mut impl Iterator<Item = OsString>, what: &'static str) -> Result<Vec<String>, UsageError> {
    Ok(names(&value(arguments, what)?.to_string_lossy()))
}

fn time(arguments: &mut impl Iterator<Item = OsString>, what: &'static str) -> Result<Duration, UsageError> {
    duration(&value(arguments, what)?.to_string_lossy())
}

fn duration(text: &str) -> Result<Duration, UsageError> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('m')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 60_000),
        (None, None) => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    let milliseconds = number.parse::<u32>().ok().map(|number| u64::from(number) * unit);
    milliseconds
        .filter(|milliseconds| *milliseconds > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| UsageError::NotATime(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Command, UsageError> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_are_read() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<String>>();
        let ready = |latch, [consumes, produces]: [&[&str]; 2], timeout| {
            let terms = ready::Terms { consumes: names(consumes), produces: names(produces), timeout };
            Ok(Command::Ready { config: "/c".into(), latch, terms })
        };
        assert_eq!(
            parse_text("ready --config /c --latch --timeout 500ms"),
            ready(true, [&[], &[]], Duration::from_millis(500))
        );
        assert_eq!(parse_text("ready --config /c"), ready(false, [&[], &[]], DEFAULT_TIMEOUT));
        assert_eq!(
            parse_text("ready --config /c --latch --consumes a,b --produces --c"),
            ready(true, [&["a", "b"], &["--c"]], DEFAULT_TIMEOUT)
        );
        let terms = |groups: &[&str], stuck_after| alive::Terms {
            groups: names(groups),
            stuck_after: Duration::from_secs(stuck_after),
            timeout: DEFAULT_TIMEOUT,
        };
        assert_eq!(parse_text("alive --config /c"), Ok(Command::Alive { config: "/c".into(), terms: terms(&[], 300) }));
        assert_eq!(
            parse_text("alive --group a --stuck-after 2m --config /c --group b"),
            Ok(Command::Alive { config: "/c".into(), terms: terms(&["a", "b"], 120) })
        );
        assert_eq!(parse_text("install /probe"), Ok(Command::Install { directory: "/probe".into() }));
        assert_eq!(parse_text("--help"), Ok(Command::Help));
        assert_eq!(parse_text("--version"), Ok(Command::Version));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, names) in [
            ("", "nothing to do"),
            ("reddy", "`reddy`"),
            ("ready", "--config DIR"),
            ("ready --config", "DIR of --config"),
            ("ready --config /a --config /b", "`--config`"),
            ("ready --config /a --timeout 0s", "`0s`"),
            ("ready --config /a --timeout -1", "`-1`"),
            ("ready --config /a b", "`b`"),
            ("ready --config /a --consumes", "TOPICS of --consumes"),
            ("ready --config /a --produces a --produces b", "`--produces`"),
            ("alive", "--config DIR"),
            ("alive --config /a --latch", "`--latch`"),
            ("alive --config /a --group", "GROUP of --group"),
            ("alive --config /a --stuck-after 5h", "`5h`"),
            ("install", "DIR"),
            ("install /a /b", "`/b`"),
            ("--version now", "`now`"),
        ] {
            let error = parse_text(text).unwrap_err().to_string();
            assert!(error.contains(names), "{text}: {error}");
        }
    }
}
