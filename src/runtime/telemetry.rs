//! Logs: one line an event, on standard error. JSON where a machine reads (in a cluster), plain text on a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The filter is not in the syntax of `tracing_subscriber::EnvFilter`, or logging was set up before.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("--log \"{filter}\" is not a log filter such as info, debug or info,admittance::trust=debug: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging is set up twice")]
    Twice,
}

/// Sets logging up for the whole process.
///
/// # Errors
/// [`TelemetryError`]: a filter that cannot be read, or a second call.
pub fn start(filter: &str) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    }
    .map_err(|_| TelemetryError::Twice)
}
