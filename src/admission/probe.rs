//! The probes that a container is given.

use std::borrow::Cow;

use serde::Serialize;

use crate::api::secret_layout::MOUNT_PATH;
use crate::intent::{Intent, Probes};

/// The probe in the containers that have it.
const PROGRAM: &str = "/var/run/admittance/admittance-probe";

/// A kind of probe, of which a container has one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whether the container is to get requests.
    Readiness,
    /// Whether it has started.
    Startup,
    /// Whether it is to be restarted.
    Liveness,
}

impl Kind {
    /// All kinds, in the order in which they are added.
    pub const ALL: [Self; 3] = [Self::Readiness, Self::Startup, Self::Liveness];

    /// The container's field.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Readiness => "readinessProbe",
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
        }
    }

    /// Whether a probe of this kind is among those asked for.
    #[must_use]
    pub fn is_in(self, probes: Probes) -> bool {
        match self {
            Self::Readiness => probes.readiness || probes.readiness_live,
            Self::Startup => probes.startup,
            Self::Liveness => probes.liveness,
        }
    }
}

/// A probe.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    exec: Exec,
    period_seconds: u32,
    timeout_seconds: u32,
    failure_threshold: u32,
}

#[derive(Debug, Clone, Serialize)]
struct Exec {
    command: Command,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Command {
    Fixed(&'static [&'static str]),
    Of(Vec<Cow<'static, str>>),
}

/// Succeeds once the access works, and from then on: an outage of Kafka must not empty a Service.
const LATCHED: &[&str] = &[PROGRAM, "ready", "--config", MOUNT_PATH, "--latch"];
/// Succeeds while the access works.
const LIVE: &[&str] = &[PROGRAM, "ready", "--config", MOUNT_PATH];
/// Fails for a consumer that is stuck.
const ALIVE: &[&str] = &[PROGRAM, "alive", "--config", MOUNT_PATH];

impl Probe {
    /// The probe of a kind, as the Pod asks for it, which has this many containers.
    #[must_use]
    pub fn new(kind: Kind, intent: &Intent, containers: usize) -> Self {
        match kind {
            Kind::Readiness if intent.probes.readiness_live => Self::exec(Command::Fixed(LIVE), 5, 5, 3),
            Kind::Readiness => Self::exec(latched(intent, containers), 5, 5, 3),
            // Five minutes: what is not there by then is not on its way.
            Kind::Startup => Self::exec(Command::Fixed(LIVE), 5, 5, 60),
            // The program itself counts the minutes of standing still. What a failure here adds is that a node too busy to run it
            // in time, which counts as failed, must be so three times before a container is restarted for it.
            Kind::Liveness => Self::exec(alive(intent, containers), 30, 10, 3),
        }
    }

    fn exec(command: Command, period_seconds: u32, timeout_seconds: u32, failure_threshold: u32) -> Self {
        Self { exec: Exec { command }, period_seconds, timeout_seconds, failure_threshold }
    }
}

/// Bytes of names that all probes of a kind may hold in a Pod: its author chooses how many topics or groups and how many containers it has,
/// and each container's probe names each of them.
const MOST: usize = 64 << 10;

fn fits(names: impl Iterator<Item = usize>, containers: usize) -> bool {
    names.sum::<usize>().saturating_mul(containers) <= MOST
}

/// Whether the probes of so many containers can name the Pod's topics.
#[must_use]
pub fn names_topics(intent: &Intent, containers: usize) -> bool {
    fits(intent.consumes.iter().chain(&intent.produces).map(|name| name.as_ref().len() + 1), containers)
}

/// Whether they can name its groups.
#[must_use]
pub fn names_groups(intent: &Intent, containers: usize) -> bool {
    fits(groups(intent).map(|group| GROUP.len() + group.len()), containers)
}

/// The check of the access, for the topics that this very Pod asks for too: the Secret lists what the workload was given. One that is there
/// from before says nothing of what the next version is refused, or has not been given yet. Only until it has worked once: a check that goes
/// on must not take a Pod out of service for one topic that its owner lends no more.
fn latched(intent: &Intent, containers: usize) -> Command {
    if !names_topics(intent, containers) {
        return Command::Fixed(LATCHED);
    }
    let lists = [("--consumes", &intent.consumes), ("--produces", &intent.produces)];
    let options = lists.into_iter().filter(|(_, topics)| !topics.is_empty()).map(|(option, topics)| {
        let names: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
        (option, names.join(","))
    });
    command(LATCHED, options)
}

/// Whether this is the command of a readiness probe of ours that asks for other topics than the Pod does: one from a manifest that was
/// injected before its annotations were edited.
pub fn is_outdated<'w>(words: impl Iterator<Item = &'w str> + Clone, intent: &Intent, containers: usize) -> bool {
    let ours = words.clone().take(LATCHED.len()).eq(LATCHED.iter().copied());
    ours && match latched(intent, containers) {
        Command::Fixed(now) => !words.eq(now.iter().copied()),
        Command::Of(now) => !words.eq(now.iter().map(|word| &**word)),
    }
}

const GROUP: &str = "--group";

/// The groups that a Pod names.
fn groups(intent: &Intent) -> impl Iterator<Item = &str> {
    intent.streams.iter().chain(&intent.groups).map(AsRef::as_ref)
}

/// The check of the workload's own group, and of those that the Pod names.
fn alive(intent: &Intent, containers: usize) -> Command {
    if !names_groups(intent, containers) {
        return Command::Fixed(ALIVE);
    }
    command(ALIVE, groups(intent).map(|group| (GROUP, group.to_owned())))
}

fn command(words: &'static [&'static str], options: impl Iterator<Item = (&'static str, String)>) -> Command {
    let mut options = options.peekable();
    if options.peek().is_none() {
        return Command::Fixed(words);
    }
    let options = options.flat_map(|(option, value)| [Cow::Borrowed(option), Cow::Owned(value)]);
    Command::Of(words.iter().map(|word| Cow::Borrowed(*word)).chain(options).collect())
}

#[cfg(test)]
mod tests {
    use super::super::parts::PROBE_PATH;
    use super::*;

    #[test]
    fn the_program_lies_where_it_is_installed() {
        assert_eq!(PROGRAM, format!("{PROBE_PATH}/admittance-probe"));
    }
}
