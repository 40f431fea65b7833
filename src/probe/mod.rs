//! What runs inside other people's Pods: a program of a few megabytes that needs no shell, no libc and no JVM.
//!
//! - [`args`]: the command line. Pure.
//! - [`settings`]: the mounted Secret, read into plain data.
//! - [`ready`]: the check itself: TLS, login, metadata, rights.
//! - [`latch`]: remembers a success until the container restarts.
//! - [`alive`]: the check for consumers that are stuck: [`groups`] is what Kafka says, [`addresses`] who we are,
//!   [`stuck`] the decision, [`notes`] what one call leaves for the next.
//! - [`install`]: copies the program into a volume that the Pod's containers share.

pub mod addresses;
pub mod alive;
pub mod args;
pub mod groups;
pub mod install;
pub mod latch;
pub mod notes;
pub mod ready;
pub mod settings;
pub mod stuck;

use std::{ffi::OsString, process::ExitCode};

use args::{Command, HELP};

/// It works: ready, or done.
const DONE: u8 = 0;
/// It does not work, for now: not ready, or stuck.
const NOT_READY: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;

/// Runs the program: a line to say, and an exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> (String, ExitCode) {
    let (text, code) = match args::parse(arguments) {
        Err(error) => (error.to_string(), USAGE),
        Ok(Command::Help) => (HELP.to_owned(), DONE),
        Ok(Command::Version) => (format!("admittance-probe {}", env!("CARGO_PKG_VERSION")), DONE),
        Ok(Command::Install { directory }) => match install::install(&directory) {
            Ok(path) => (format!("installed {}", path.display()), DONE),
            Err(error) => (error.to_string(), NOT_READY),
        },
        Ok(Command::Alive { config, terms }) => {
            match alive::check(&config, &terms, &alive::Here::this_container()).await {
                Ok(summary) => (summary, DONE),
                Err(stuck) => (stuck.to_string(), NOT_READY),
            }
        }
        Ok(Command::Ready { config, latch, terms }) => {
            let latch = latch.then(latch::Latch::of_this_container).flatten();
            match latch::remembered(latch, ready::check(&config, &terms)).await {
                Ok(summary) => (summary, DONE),
                Err(error) => (format!("not ready: {error}"), NOT_READY),
            }
        }
    };
    (text, ExitCode::from(code))
}
