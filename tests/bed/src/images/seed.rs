//! containerd's root folder with the testbed's own images already unpacked.
//!
//! To unpack 400 MB is most of a cluster's start. So it is done once, into the cache, and each new cluster begins with hard
//! links to the result: nothing ever writes to an unpacked layer or to a blob in place.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::{Archive, import};
use crate::bed::{output, wait_until};
use crate::cache::{Cache, Recipe};
use crate::progress::{Progress, Step};
use crate::tools::Tools;

/// Databases that containerd writes in place: they must be copies.
const DATABASES: [&str; 2] =
    ["io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db"];

/// Makes the folder, unless it is in the cache.
///
/// # Errors
/// When containerd does not start, or refuses an image.
pub fn ensure(cache: &Cache, progress: &Progress, tools: &Tools, images: &[Archive]) -> Result<PathBuf> {
    let mut inputs: Vec<String> = images.iter().map(|image| format!("{} {}", image.reference, image.digest)).collect();
    inputs.push(tools.program("containerd")?.display().to_string());
    let recipe = Recipe { name: "seed".into(), version: "1".into(), inputs };
    let folder = cache.make(
        progress,
        &recipe,
        |progress| progress.step("images unpacked, once for all clusters"),
        |folder, step| build(folder, step, tools, images),
    )?;
    Ok(folder.join("root"))
}

fn build(folder: &Path, step: &Step, tools: &Tools, images: &[Archive]) -> Result<()> {
    // Not below the cache: its path may be longer than that of a socket can be.
    let run = env::temp_dir().join(format!("bed-seed-{}", std::process::id()));
    fs::create_dir_all(&run)?;
    let (config, socket) = (run.join("config.toml"), run.join("sock"));
    let (root, state) = (folder.join("root"), run.join("state"));
    fs::write(
        &config,
        format!(
            "version = 3\nroot = {root:?}\nstate = {state:?}\ndisabled_plugins = [\"io.containerd.cri.v1.images\", \
             \"io.containerd.cri.v1.runtime\", \"io.containerd.grpc.v1.cri\", \"io.containerd.nri.v1.nri\"]\n\
             [grpc]\naddress = {socket:?}\n[ttrpc]\naddress = {:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
            run.join("sock.ttrpc"),
            run.join("opt")
        ),
    )?;
    let mut containerd = Command::new(tools.program("containerd")?)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start containerd")?;
    let loaded = wait_until("containerd", Duration::from_secs(30), || socket.exists()).and_then(|()| {
        images.iter().try_for_each(|image| {
            step.say(image.reference.as_str());
            import(Command::new(tools.program("ctr")?).arg("--address").arg(&socket), image)
        })
    });
    // Asked, not killed: it closes its databases.
    if let Some(pid) = i32::try_from(containerd.id()).ok().and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    let status = containerd.wait()?;
    fs::remove_dir_all(run)?;
    loaded?;
    ensure!(status.success(), "containerd did not end well ({status})");
    Ok(())
}

/// Gives a new cluster its root folder; does nothing if it has one.
///
/// # Errors
/// When the folder cannot be written.
pub fn plant(seed: &Path, root: &Path) -> Result<()> {
    if root.exists() {
        return Ok(());
    }
    let building = root.with_extension("new");
    let _ = fs::remove_dir_all(&building);
    let copy = |options: &[&str]| output(Command::new("cp").args(options).arg(seed).arg(&building));
    // Links need the cache and the state on one file system.
    if copy(&["--archive", "--link"]).is_err() {
        let _ = fs::remove_dir_all(&building);
        copy(&["--archive"])?;
    }
    for database in DATABASES {
        let (from, to) = (seed.join(database), building.join(database));
        fs::remove_file(&to)?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(fs::rename(building, root)?)
}
