//! How many ran or waited to run, beside what was measured.

use std::fs;

/// The load of the machine over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
