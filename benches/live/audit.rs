//! What the operator asked of the API server, by the API server's audit log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use crate::cluster::HOME;

/// A place in the log.
pub(crate) struct Mark {
    file: PathBuf,
    offset: u64,
}

/// Calls since a mark, by verb and resource.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) writes: BTreeMap<String, u64>,
    pub(crate) reads: BTreeMap<String, u64>,
}

impl Mark {
    /// The end of the log; nothing where `BED_AUDIT_LOG` names none.
    pub(crate) fn now() -> Option<Self> {
        let file = PathBuf::from(std::env::var_os("BED_AUDIT_LOG")?);
        let offset = fs::metadata(&file).unwrap().len();
        Some(Self { file, offset })
    }

    /// What the operator has called since, but for its Lease; nothing where the log does not say, as after it was rotated.
    pub(crate) fn calls(&self) -> Option<Calls> {
        let mut log = File::open(&self.file).unwrap();
        if log.metadata().unwrap().len() < self.offset {
            return None;
        }
        log.seek(SeekFrom::Start(self.offset)).unwrap();
        let account = format!("system:serviceaccount:{HOME}:admittance-operator");
        let (mut calls, mut renewals) = (Calls::default(), 0);
        for line in BufReader::new(log).lines() {
            let line = line.unwrap();
            // The last line may still be on its way.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            let resource = event["objectRef"]["resource"].as_str().unwrap_or_default();
            if event["user"]["username"] != *account || event["stage"] != "ResponseComplete" {
                continue;
            }
            if resource == "leases" {
                renewals += 1;
                continue;
            }
            let verb = event["verb"].as_str().unwrap();
            let kind = if matches!(verb, "get" | "list" | "watch") { &mut calls.reads } else { &mut calls.writes };
            *kind.entry(format!("{verb} {resource}")).or_default() += 1;
        }
        // Not even its Lease: the log says nothing.
        (renewals > 0).then_some(calls)
    }
}

/// How many in all, and of what.
pub(crate) fn told(calls: &BTreeMap<String, u64>) -> String {
    let each = calls.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ");
    let all: u64 = calls.values().sum();
    if all == 0 { "0".to_owned() } else { format!("{all} ({each})") }
}
