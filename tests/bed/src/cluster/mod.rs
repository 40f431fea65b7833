//! Start, heal and remove a cluster.

pub mod addresses;
pub mod cgroup;
pub mod components;
pub mod config;
pub mod namespace;
pub mod pki;
pub mod process;
pub mod status;

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::bed::{Bed, STATE, wait_until, write_file};
use crate::images::{Archive, load, seed};
use crate::progress::{Progress, note};
use crate::tools::Tools;
use addresses::NODE_NAME;
use components::Component;

/// How long a component may take to answer. The slowest, the API server, takes 5 s on two idle cores.
const START: Duration = Duration::from_secs(90);

/// Holds the cluster for one command at a time; released when dropped.
///
/// # Errors
/// When the lock's file cannot be made.
pub fn lock(bed: &Bed) -> Result<File> {
    let file = File::create(bed.cache().lock_file(&format!("cluster-{}", bed.name())))?;
    if file.try_lock().is_err() {
        note(&format!("  waiting for another `cargo bed` that changes cluster `{}`", bed.name()));
        file.lock()?;
    }
    Ok(file)
}

/// Starts what does not run and heals what died. The images are loaded as soon as containerd answers.
///
/// # Errors
/// When a component does not come up; the error carries the end of its log.
pub fn up(bed: &Bed, tools: &Tools, images: &[Archive], progress: &Progress) -> Result<()> {
    let seed = seed::ensure(bed.cache(), progress, tools, images)?;
    for part in ["etcd", "log"] {
        fs::create_dir_all(bed.path(part))?;
    }
    seed::plant(&seed, &bed.path("containerd"))?;
    tools.link_into(&bed.path("bin"))?;
    pki::ensure(&bed.path("pki"), "kubernetes", &config::certificates())?;
    config::write(bed)?;
    cgroup::create(bed.name())?;
    namespace::ensure(bed)?;

    let [etcd, containerd, api_server, others @ ..] = components::all(bed);
    thread::scope(|scope| {
        let node = scope.spawn(|| {
            start(bed, progress, &containerd)?;
            images.iter().try_for_each(|image| load(bed, image, progress))
        });
        start(bed, progress, &etcd)?;
        start(bed, progress, &api_server)?;
        apply_base(bed)?;
        let control_plane = start_together(bed, progress, &others);
        // Its own failure is the one to tell: a node without containerd makes the kubelet fail as well.
        node.join().map_err(|_| anyhow!("loading images panicked"))??;
        if control_plane? || !node_is_ready(bed) {
            let step = progress.step(format!("node {NODE_NAME} ready"));
            wait_until("the node", START, || node_is_ready(bed))?;
            // Without it no Pod can be made.
            wait_until("the default service account", START, || {
                bed.kubectl(["get", "serviceaccount", "default", "--request-timeout=5s"]).is_ok()
            })?;
            step.done();
        }
        Ok(())
    })
}

/// Applies the objects that every cluster has, before the components that need their rights. What was applied is kept in a
/// file, written last, so that this is done once.
fn apply_base(bed: &Bed) -> Result<()> {
    let manifests = config::base_manifests(bed)?;
    let applied = bed.path("config/base.yaml");
    if fs::read_to_string(&applied).is_ok_and(|text| text == manifests) {
        return Ok(());
    }
    bed.apply(&manifests)?;
    write_file(&applied, &manifests, false)
}

fn node_is_ready(bed: &Bed) -> bool {
    let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    bed.kubectl(["get", "node", NODE_NAME, "--request-timeout=5s", "--output", ready])
        .is_ok_and(|status| status == "True")
}

/// Starts one component and waits until it answers. Says whether it had to be started.
fn start(bed: &Bed, progress: &Progress, component: &Component) -> Result<bool> {
    if !process::ensure(bed, component)? && component.answers(bed) {
        return Ok(false);
    }
    let step = progress.step(component.name);
    process::wait_ready(bed, component, START)?;
    step.done();
    Ok(true)
}

/// Starts components side by side. Says whether any had to be started.
fn start_together(bed: &Bed, progress: &Progress, components: &[Component]) -> Result<bool> {
    thread::scope(|scope| {
        let starts: Vec<_> =
            components.iter().map(|component| scope.spawn(move || start(bed, progress, component))).collect();
        starts.into_iter().try_fold(false, |any, start| {
            Ok(start.join().map_err(|_| anyhow!("starting a component panicked"))?? || any)
        })
    })
}

/// Removes everything: processes, mounts, namespaces with their links and rules, cgroups, state.
///
/// # Errors
/// When something resists; running it again continues where it stopped.
pub fn down(bed: &Bed, progress: &Progress) -> Result<()> {
    if !bed.folder().exists() && cgroup::processes(bed.name()).is_empty() {
        return Ok(());
    }
    let step = progress.step(format!("cluster `{}` removed", bed.name()));
    step.say("ending its processes");
    cgroup::remove(bed.name())?;
    step.say("removing its mounts and networks");
    namespace::remove(bed)?;
    step.say("removing its state");
    fs::remove_dir_all(bed.folder()).with_context(|| format!("cannot remove {}", bed.folder().display()))?;
    // The folder of all clusters goes with the last one.
    let _ = fs::remove_dir(STATE);
    step.done();
    Ok(())
}
