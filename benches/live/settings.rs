//! What the environment says of a run.

use std::env;
use std::time::Duration;

/// How large and how long.
pub(crate) struct Settings {
    /// Accesses at rest.
    pub(crate) accesses: usize,
    /// How long they are watched at rest, with the operator and without.
    pub(crate) rest: Duration,
    only: Vec<String>,
}

impl Settings {
    pub(crate) fn read() -> Self {
        let number = |name: &str, usual: usize| match env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
            Err(_) => usual,
        };
        let only = env::var("BENCH_ONLY").unwrap_or_default();
        Self {
            accesses: number("BENCH_ACCESSES", 300),
            rest: Duration::from_secs(number("BENCH_REST_SECONDS", 120).try_into().unwrap()),
            only: only.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// Whether a measurement is to be made.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}
