//! Root file systems out of Debian packages: unpacked, not installed, so that no script of theirs runs here.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cache::{Cache, Recipe};
use crate::progress::Progress;

/// The release of Debian that images are made from.
const RELEASE: &str = "bookworm";

/// What no image needs.
const LEFT_OUT: [&str; 7] = [
    "/dev/*",
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/fonts/*",
    // Of Java: for its compiler, and for heaps of more than 32 GB.
    "/usr/lib/jvm/*/lib/ct.sym",
    "/usr/lib/jvm/*/lib/server/classes_nocoops.jsa",
];

/// A layer with these packages and what they depend on.
pub(super) struct Rootfs {
    pub(super) name: &'static str,
    pub(super) packages: &'static [&'static str],
}

impl Rootfs {
    /// What it is made from. Security fixes of the release come in when it is built; the cache then keeps it as it is.
    pub(super) fn recipe(&self) -> Recipe {
        let inputs = self.packages.iter().chain(&LEFT_OUT).map(ToString::to_string).collect();
        Recipe { name: format!("rootfs-{}", self.name), version: RELEASE.into(), inputs }
    }

    /// The layer's tar file, built unless it is in the cache.
    pub(super) fn ensure(&self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let label = format!("root file system {} from Debian packages, about half a minute", self.name);
        let folder = cache.make(
            progress,
            &self.recipe(),
            |progress| progress.step(label),
            |folder, step| {
                let mut command = Command::new("mmdebstrap");
                command.args(["--variant=extract", "--include", &self.packages.join(",")]);
                command.args(LEFT_OUT.map(|pattern| format!("--dpkgopt=path-exclude={pattern}")));
                command.arg(RELEASE).arg(folder.join("layer.tar"));
                step.run(&mut command, &cache.log(&format!("rootfs-{}", self.name)))
            },
        )?;
        Ok(folder.join("layer.tar"))
    }
}
