//! Remembers that this container has been ready once.
//!
//! A readiness probe that follows Kafka's health would empty every Service when Kafka is down. So a success is latched,
//! in a file that containers can write whatever their root file system allows: `/dev/shm` belongs to the Pod's sandbox,
//! outlives a container, and is shared by all of them. The file is therefore named after this start of this container.

use std::{
    fs::{self, OpenOptions},
    future::Future,
    path::PathBuf,
};

use crate::api::names::short_hash;

/// What every container can write, whatever its root file system allows.
pub(super) const DIRECTORY: &str = "/dev/shm";

/// The mark of one start of one container.
#[derive(Debug)]
pub struct Latch(PathBuf);

impl Latch {
    /// The latch of this start of this container; `None` where nothing tells it from others.
    #[must_use]
    pub fn of_this_container() -> Option<Self> {
        Some(Self(PathBuf::from(DIRECTORY).join(format!("admittance-ready-{}", this_start()?))))
    }

    /// Whether this container has been ready before.
    #[must_use]
    pub fn is_set(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok_and(|found| found.is_file())
    }

    /// Remembers. Where that cannot be done the probe goes on asking Kafka, so a failure is no error.
    pub fn set(&self) {
        // O_CREAT | O_EXCL: neither an existing file is opened nor a link followed.
        let _ = OpenOptions::new().write(true).create_new(true).open(&self.0);
    }
}

/// What a set latch remembers, and else what `check` says of Kafka: it is not even asked then. Its first success is remembered.
///
/// # Errors
/// Those of the check.
pub async fn remembered<E>(latch: Option<Latch>, check: impl Future<Output = Result<String, E>>) -> Result<String, E> {
    if latch.as_ref().is_some_and(Latch::is_set) {
        return Ok("ready (was ready before in this container)".to_owned());
    }
    let summary = check.await?;
    if let Some(latch) = latch {
        latch.set();
    }
    Ok(summary)
}

/// What tells this start of this container from all others; `None` where nothing does.
pub(super) fn this_start() -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    identity(&read("/proc/sys/kernel/random/boot_id"), &read("/proc/1/stat"), &read("/proc/self/mountinfo"))
}

/// What differs from one start of a container to the next: the boot, the start time of its first process (or, with a
/// shared process namespace, of the Pod's), and its root mount, whose upper directory is new each time.
fn identity(boot: &str, first_process: &str, mounts: &str) -> Option<String> {
    // The name of the process, in parentheses, may itself hold spaces and parentheses; 22 is starttime, 3 comes after.
    let started = first_process.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(19))?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"))?;
    let digest = short_hash(&format!("{}\n{started}\n{root}", boot.trim()), 64);
    digest.get(..32).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "1 (a (b) c) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2";
    const MOUNTS: &str =
        "22 1 0:20 / /proc rw - proc proc rw\n21 1 0:19 / / rw - overlay overlay rw,upperdir=/a/1/fs\n";

    #[test]
    fn every_start_has_its_own_identity() {
        let first = identity("boot", STAT, MOUNTS).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(identity("boot\n", STAT, MOUNTS), Some(first.clone()));
        for other in [
            identity("other", STAT, MOUNTS),
            identity("boot", &STAT.replace("4711", "4712"), MOUNTS),
            identity("boot", STAT, &MOUNTS.replace("/a/1/fs", "/a/2/fs")),
        ] {
            assert_ne!(other.unwrap(), first);
        }
        let elsewhere = MOUNTS.replace("/proc rw", "/secret ro");
        assert_eq!(identity("boot", STAT, &elsewhere), Some(first), "other mounts do not matter");
    }

    #[test]
    fn where_nothing_is_known_nothing_is_latched() {
        assert_eq!(identity("boot", "", MOUNTS), None);
        assert_eq!(identity("boot", STAT, ""), None);
    }

    fn directory() -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("probe-latch-{:02x?}", crate::crypto::random::<8>().unwrap()));
        fs::create_dir(&directory).unwrap();
        directory
    }

    #[tokio::test]
    async fn who_was_ready_before_is_so_without_kafka_and_who_was_not_is_asked_about() {
        let directory = directory();
        let latch = || Some(Latch(directory.join("latch")));
        let down = || async { Err("Kafka is away") };
        assert_eq!(remembered(latch(), down()).await, Err("Kafka is away"));
        assert!(!latch().unwrap().is_set(), "a failure is nothing to remember");
        let up = async { Ok::<_, &str>("ready: 1 topics".to_owned()) };
        assert_eq!(remembered(latch(), up).await.unwrap(), "ready: 1 topics");
        // Not only is its answer not needed: a check that took its time would run into the kubelet's deadline.
        let never = async { panic!("Kafka was asked") };
        let said: Result<String, &str> = remembered(latch(), never).await;
        assert_eq!(said.unwrap(), "ready (was ready before in this container)");
        assert_eq!(remembered(None, down()).await, Err("Kafka is away"), "without --latch nothing is remembered");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_link_is_not_followed_and_does_not_count() {
        let directory = directory();
        let latch = Latch(directory.join("latch"));
        let target = directory.join("target");
        std::os::unix::fs::symlink(&target, &latch.0).unwrap();
        latch.set();
        assert!(!latch.is_set() && !target.exists());
        fs::remove_file(&latch.0).unwrap();
        latch.set();
        assert!(latch.is_set());
        latch.set();
        fs::remove_dir_all(&directory).unwrap();
        latch.set();
        assert!(!latch.is_set(), "a directory that is gone is no error");
    }
}
