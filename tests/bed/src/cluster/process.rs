//! Processes of a cluster that outlive the command that started them.
//!
//! Each has a file with its process id, the moment it started by the kernel's clock (so that a recycled id is not taken for
//! it), and a digest of what it was started with (so that a changed configuration restarts it).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::components::Component;
use crate::bed::{Bed, wait_until};
use crate::cache::short_digest;

/// Bytes of a log's end that go into an error.
const TAIL: u64 = 1500;

fn record(bed: &Bed, component: &str) -> PathBuf {
    bed.path("pids").join(component)
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`. `None` if there is none, or only a zombie.
fn start_time(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, and may itself hold spaces and brackets.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    // A process is called a zombie once its first thread has ended; until the last has, its sockets are open and its port is taken.
    if fields.next()? == "Z" && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1 {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn read(bed: &Bed, component: &str) -> Option<(i32, String)> {
    let text = fs::read_to_string(record(bed, component)).ok()?;
    let [pid, started, digest] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let pid = pid.parse().ok()?;
    (start_time(pid).as_deref() == Some(started)).then(|| (pid, digest.to_owned()))
}

/// The process id of a component, if it lives.
pub fn pid(bed: &Bed, component: &str) -> Option<i32> {
    read(bed, component).map(|(pid, _)| pid)
}

/// Starts the component, unless it runs already with the same arguments and configuration. Says whether it started it.
///
/// # Errors
/// When the process cannot be started, or an outdated one does not end.
pub fn ensure(bed: &Bed, component: &Component) -> Result<bool> {
    let digest = digest(bed, component)?;
    if let Some((pid, running)) = read(bed, component.name) {
        if running == digest {
            return Ok(false);
        }
        stop(component.name, pid)?;
    }
    let log_path = bed.component_log(component.name);
    let log = OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.with_context(|| format!("cannot write {}", log_path.display()))?;
    // A session of its own: Ctrl-C at the terminal is for the command, not for the cluster.
    let mut command = bed.enter_from("setsid", component.name);
    command.args(["--wdns=/", "--"]).arg(bed.path("bin").join(component.name)).args(&component.arguments);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bed.path("bin").display()));
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let pid = i32::try_from(child.id())?;
    let Some(started) = start_time(pid) else {
        bail!("{} ended at once{}", component.name, log_end(bed, component.name))
    };
    fs::create_dir_all(bed.path("pids"))?;
    fs::write(record(bed, component.name), format!("{pid} {started} {digest}\n"))?;
    Ok(true)
}

fn digest(bed: &Bed, component: &Component) -> Result<String> {
    let program = fs::read_link(bed.path("bin").join(component.name))?.display().to_string();
    let mut parts = vec![program];
    parts.extend(component.arguments.iter().cloned());
    for file in &component.configuration {
        parts.push(fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(short_digest(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn stop(component: &str, pid: i32) -> Result<()> {
    if let Some(id) = Pid::from_raw(pid) {
        let _ = kill_process(id, Signal::KILL);
    }
    wait_until(&format!("the end of {component}"), Duration::from_secs(20), || start_time(pid).is_none())
}

/// Waits until the component answers.
///
/// # Errors
/// When it ends instead, or the deadline passes; the error carries the end of its log.
pub fn wait_ready(bed: &Bed, component: &Component, limit: Duration) -> Result<()> {
    let mut ended = false;
    wait_until(component.name, limit, || {
        ended = pid(bed, component.name).is_none();
        ended || component.answers(bed)
    })
    .with_context(|| format!("{} does not answer{}", component.name, log_end(bed, component.name)))?;
    if ended {
        bail!("{} ended{}", component.name, log_end(bed, component.name));
    }
    Ok(())
}

/// Where the log is, and its last lines.
fn log_end(bed: &Bed, component: &str) -> String {
    let path = bed.component_log(component);
    let mut text = String::new();
    if let Ok(mut file) = File::open(&path) {
        let length = file.metadata().map_or(0, |data| data.len());
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).is_ok() && file.read_to_end(&mut bytes).is_ok() {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    format!(". The end of its log ({}):\n{text}", path.display())
}
