//! The check: is a consumer of this Pod stuck?
//!
//! What cannot be found out is no failure. A liveness probe that fails restarts a container, and no outage of Kafka, of the network or
//! of a right may do that to every consumer at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    groups::{Parts, Questions},
    notes::Notes,
    settings::{Settings, SettingsError},
    stuck::{Memory, Part, Seen, Stuck},
};
use crate::kafka::{config::ClientConfig, error::Error, wire::connector::Connector};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Groups beside the one in the Secret.
    pub groups: Vec<String>,
    /// How long an offset may stand still.
    pub stuck_after: Duration,
    /// For all of it.
    pub timeout: Duration,
}

/// Where the check runs.
#[derive(Debug)]
pub struct Here {
    /// The Pod's addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// What the last call left.
    pub notes: Option<Notes>,
    /// Seconds since the machine's start.
    pub now: Option<u64>,
}

impl Here {
    /// This container, now.
    #[must_use]
    pub fn this_container() -> Self {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        Self {
            addresses: super::addresses::own(),
            notes: Notes::of_this_container(),
            now: uptime.split('.').next().and_then(|seconds| seconds.parse().ok()),
        }
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Kafka(#[from] Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Here(&'static str),
}

/// Looks at the groups, and compares with what the last calls saw. Gives a line that says what was seen.
///
/// # Errors
/// Partitions that this Pod holds have stood still for too long, while their logs grew.
pub async fn check(directory: &Path, terms: &Terms, here: &Here) -> Result<String, Stuck> {
    let unknown = |why: Unknown| {
        // Time that was not watched does not count.
        if let Some(notes) = &here.notes {
            notes.forget();
        }
        format!("alive, as far as can be known: {why}")
    };
    let (Some(notes), Some(now)) = (&here.notes, here.now) else {
        return Ok(unknown(Unknown::Here("nothing tells this container's start, or the time since it")));
    };
    if here.addresses.is_empty() {
        return Ok(unknown(Unknown::Here("this Pod's addresses are not in /proc/net")));
    }
    let memory = Memory::from_text(&notes.read());
    let look = match look(directory, terms, here, &memory).await {
        Ok(look) => look,
        Err(why) => return Ok(unknown(why)),
    };
    let mut line = match look.seen.len() {
        0 => "alive: this Pod holds no partition with a committed offset".to_owned(),
        held => format!("alive: {held} partitions"),
    };
    for (group, error) in look.unknown {
        line.push_str(&format!("; nothing is known of group `{group}`: {error}"));
    }
    let (memory, verdict) = memory.judge(look.seen, now, terms.stuck_after);
    notes.write(&memory.to_text());
    verdict.map(|()| line)
}

/// What one look found.
#[derive(Debug, Default)]
struct Look {
    seen: BTreeMap<Part, Seen>,
    /// Groups that could not be looked at. What is remembered of them is forgotten; the others are looked at all the same.
    unknown: Vec<(String, Error)>,
}

async fn look(directory: &Path, terms: &Terms, here: &Here, memory: &Memory) -> Result<Look, Unknown> {
    let deadline = Instant::now() + terms.timeout;
    let settings = Settings::read(directory)?;
    let connector = Connector::new(&ClientConfig {
        tls: settings.tls.clone(),
        client_id: "admittance-probe".into(),
        connect_timeout: terms.timeout / 2,
        request_timeout: terms.timeout,
        ..ClientConfig::new(settings.bootstrap.clone())
    })?;
    let looked = async {
        let mut questions = Questions::begin(&connector, settings.sasl.as_ref(), &settings.bootstrap, deadline).await?;
        let groups: BTreeSet<&String> = settings.group.iter().chain(&terms.groups).collect();
        let mut look = Look::default();
        for group in groups {
            match look_at(&mut questions, group, &here.addresses, memory).await {
                Ok(seen) => look.seen.extend(seen),
                Err(error) => look.unknown.push((group.clone(), error)),
            }
        }
        Ok(look)
    };
    timeout_at(deadline, looked).await.map_err(|_| Unknown::Timeout(terms.timeout))?
}

async fn look_at(
    questions: &mut Questions<'_>,
    group: &str,
    addresses: &BTreeSet<IpAddr>,
    memory: &Memory,
) -> Result<BTreeMap<Part, Seen>, Error> {
    let coordinator = questions.coordinator(group).await?;
    let held = questions.held(&coordinator, group, addresses).await?;
    if held.is_empty() {
        return Ok(BTreeMap::new());
    }
    let committed = questions.committed(&coordinator, group, &held).await?;
    let part = |(topic, partition): &(String, i32)| Part {
        group: group.to_owned(),
        topic: topic.clone(),
        partition: *partition,
    };
    // Where commits move, leaders need not be asked: a busy consumer costs two questions.
    let mut standing = Parts::new();
    for (at, _) in committed.iter().filter(|(at, committed)| memory.stands(&part(at), **committed)) {
        standing.entry(at.0.clone()).or_default().insert(at.1);
    }
    let ends = if standing.is_empty() { BTreeMap::new() } else { questions.ends(&standing).await? };
    let seen = |(at, committed): (&(String, i32), &i64)| {
        (part(at), Seen { committed: *committed, end: ends.get(at).copied() })
    };
    Ok(committed.iter().map(seen).collect())
}
