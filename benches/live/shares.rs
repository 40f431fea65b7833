//! Who used the CPU: a rate on a machine that everybody shares says little without it.

use std::collections::BTreeMap;
use std::fs;

use crate::process::cpu_seconds;

/// What stands for less is not told, in seconds.
const LITTLE: f64 = 0.1;

/// CPU seconds of each program since its start, all its processes together.
pub(crate) struct Shares(BTreeMap<String, f64>);

impl Shares {
    pub(crate) fn now() -> Self {
        let mut shares = BTreeMap::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let folder = entry.unwrap().path();
            let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
            // What is no process, or has ended meanwhile, is left out.
            let (Some(stat), Some(line)) = (read("stat"), read("cmdline")) else { continue };
            if let Some(name) = program(&stat, &line) {
                *shares.entry(name).or_default() += cpu_seconds(&stat);
            }
        }
        Self(shares)
    }

    /// Who used how much of it since, the most first.
    pub(crate) fn since(&self) -> String {
        let now = Self::now();
        let used = now.0.into_iter().map(|(name, after)| (after - self.0.get(&name).unwrap_or(&0.0), name));
        let mut used: Vec<_> = used.filter(|(seconds, _)| *seconds >= LITTLE).collect();
        used.sort_by(|one, other| other.0.total_cmp(&one.0));
        used.iter().map(|(seconds, name)| format!("{name} {seconds:.1}")).collect::<Vec<_>>().join(", ")
    }
}

/// A program's name, ours with what it does; `None` for a thread of the kernel, which has no command line.
fn program(stat: &str, line: &str) -> Option<String> {
    let mut words = line.split('\0').filter(|word| !word.is_empty());
    words.next()?;
    let name = stat.split_once('(')?.1.rsplit_once(')')?.0;
    Some(match (name, words.next()) {
        ("admittance", Some(part)) => part.to_owned(),
        _ => name.to_owned(),
    })
}
