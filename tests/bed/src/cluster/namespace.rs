//! The network namespace and the mount namespace of a cluster, each kept by a file in the state folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};

use super::addresses::{NODE, SERVICE_RANGE};
use super::cgroup;
use crate::bed::{Bed, STATE, output};

/// Folders whose paths are fixed in the kubelet, containerd or libcni, and the part of the state that stands in for each.
/// The mounts are the cluster's own, so every cluster sees its own folder under the usual name.
pub const STAND_INS: [(&str, &str); 5] = [
    ("/run/containerd", "run/containerd"),
    ("/var/lib/cni", "cni"),
    ("/var/lib/kubelet", "kubelet"),
    ("/var/log/containers", "log/containers"),
    ("/var/log/pods", "log/pods"),
];

/// Says that the namespaces are set up to the end. `unshare` binds their files before anything happens inside, so that those
/// alone say nothing: a command in namespaces that were left halfway would write into the machine's own folders.
const WHOLE: &str = "ns/whole";

/// Which of the folders above were made here, for the last cluster to remove.
const MADE: &str = "mountpoints";

/// Makes the namespaces, unless both are there. Processes of a cluster that has lost one are of no use: they are killed.
pub fn ensure(bed: &Bed) -> Result<()> {
    let kept = ["ns/net", "ns/mnt"].map(|file| bed.path(file));
    let mounts = mounts_below(bed.folder())?;
    if is_whole(&kept, &bed.path(WHOLE), &mounts) {
        return Ok(());
    }
    cgroup::kill_all(bed.name())?;
    unmount_all(bed)?;
    make_mount_points()?;
    if let Err(error) = make(bed, &set_up_script(bed)) {
        unmount_all(bed)?;
        return Err(error.context("cannot set up the cluster's namespaces"));
    }
    Ok(())
}

/// Makes both namespaces, and runs a script inside.
pub fn make(bed: &Bed, script: &str) -> Result<()> {
    let folder = bed.path("ns");
    fs::create_dir_all(&folder)?;
    // It outlives a restart of the machine, which the mounts do not.
    remove_if_there(&bed.path(WHOLE))?;
    // A namespace can be kept on a private mount only, else its file would be copied into itself.
    output(Command::new("mount").arg("--bind").arg(&folder).arg(&folder))?;
    output(Command::new("mount").arg("--make-private").arg(&folder))?;
    for file in ["ns/net", "ns/mnt"] {
        fs::write(bed.path(file), "")?;
    }
    let mut command = Command::new("unshare");
    // Mounts of the machine arrive inside; none of ours ever leaves.
    command.arg("--propagation=slave").arg(format!("--net={}", bed.path("ns/net").display()));
    command.arg(format!("--mount={}", bed.path("ns/mnt").display())).args(["sh", "-euc", script]);
    output(&mut command).map(drop)
}

/// Whether both namespaces are there, and everything is in them.
fn is_whole(kept: &[PathBuf], mark: &Path, mounts: &[PathBuf]) -> bool {
    kept.iter().all(|file| mounts.contains(file)) && mark.exists()
}

fn remove_if_there(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What happens inside once: links and addresses, then mounts. Both ends of the veth pair are inside: it stands in for a
/// dummy link, whose driver not every kernel has. The route makes service addresses reachable for the node itself; there is
/// no default route, so that nothing in a cluster can hang on the outside.
fn set_up_script(bed: &Bed) -> String {
    let mut script = format!(
        "ip link set lo up
         ip link add node0 type veth peer name node0-peer
         ip address add {NODE}/32 dev node0
         ip link set node0 up
         ip link set node0-peer up
         ip route add {SERVICE_RANGE} dev node0 src {NODE}
         echo 1 >/proc/sys/net/ipv4/ip_forward
         for space in {STATE}/*/ns; do if mountpoint -q $space; then umount --recursive $space; fi; done
         mount --make-rshared /
         mount --bind {} /etc/resolv.conf\n",
        bed.path("config/resolv.conf").display()
    );
    for (target, part) in STAND_INS {
        let source = bed.path(part);
        let source = source.display();
        script.push_str(&format!("mkdir -p {source} {target}; mount --bind {source} {target}\n"));
    }
    script.push_str(&format!(": >{}\n", bed.path(WHOLE).display()));
    script
}

fn make_mount_points() -> Result<()> {
    let list = Path::new(STATE).join(MADE);
    let mut made = fs::read_to_string(&list).unwrap_or_default();
    for (target, _) in STAND_INS {
        if !Path::new(target).exists() {
            made.push_str(target);
            made.push('\n');
        }
    }
    fs::write(list, made)?;
    for (target, _) in STAND_INS {
        fs::create_dir_all(target).with_context(|| format!("cannot make {target}"))?;
    }
    Ok(())
}

/// Removes what [`ensure`] made. All processes must be gone.
pub fn remove(bed: &Bed) -> Result<()> {
    unmount_all(bed)?;
    // The removal of a folder takes a mount away that another cluster has on it: only the last cluster may do that.
    let others = fs::read_dir(STATE)?.flatten().any(|entry| entry.path() != bed.folder() && entry.path().is_dir());
    if !others {
        let list = Path::new(STATE).join(MADE);
        for target in fs::read_to_string(&list).unwrap_or_default().lines() {
            // Not empty means that something else has come to use it.
            let _ = fs::remove_dir(target);
        }
        let _ = fs::remove_file(list);
    }
    Ok(())
}

fn unmount_all(bed: &Bed) -> Result<()> {
    // The newest first: a mount covers the older ones below it.
    for mount in mounts_below(bed.folder())?.iter().rev() {
        unmount(mount, UnmountFlags::DETACH).with_context(|| format!("cannot unmount {}", mount.display()))?;
    }
    let left = mounts_below(bed.folder())?;
    ensure!(left.is_empty(), "still mounted: {left:?}");
    Ok(())
}

/// Mount points at or below a folder, the oldest first.
pub fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|path| path.starts_with(folder))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_that_were_left_halfway_are_not_taken_for_whole_ones() {
        let folder = std::env::temp_dir().join(format!("bed-whole-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (kept, mark) = (["net", "mnt"].map(|file| folder.join(file)), folder.join("whole"));
        assert!(!is_whole(&kept, &mark, &kept), "nobody has said so");
        fs::write(&mark, "").unwrap();
        assert!(is_whole(&kept, &mark, &kept));
        assert!(!is_whole(&kept, &mark, &kept[..1]) && !is_whole(&kept, &mark, &[]), "as a restart leaves it");
        remove_if_there(&mark).unwrap();
        remove_if_there(&mark).unwrap();
        assert!(!is_whole(&kept, &mark, &kept));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_last_that_a_set_up_does_is_to_say_that_it_is_whole() {
        let script = set_up_script(&Bed::open("unit").unwrap());
        assert_eq!(script.lines().last(), Some(": >/var/lib/admittance-bed/unit/ns/whole"));
        assert_eq!(script.matches(WHOLE).count(), 1);
    }
}
