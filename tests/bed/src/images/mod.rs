//! Container images without a registry and without a builder: each is an OCI archive in the cache, made of tar files.

pub mod golang;
pub mod kafka;
pub mod oci;
pub mod pause;
pub mod project;
pub mod python;
mod rootfs;
pub mod seed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::bed::{Bed, output};
use crate::cache::{Cache, Recipe};
use crate::progress::{Progress, Step};
use oci::Image;

/// The machine that images are for, by the name that Debian and the OCI have for it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// Raised when the way an archive is written changes, so that the cached ones are written anew.
const FORMAT: &str = "archive-1";

/// An image in the cache, ready to be loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Archive {
    /// The name that a Pod calls it by.
    pub reference: String,
    /// The digest of its manifest: another content is another digest.
    pub digest: String,
    /// The tar file.
    pub file: PathBuf,
}

/// Makes an archive, or finds it: `layers` puts the layers' tar files, the base first, beside the archive or names others.
fn archive(
    cache: &Cache,
    progress: &Progress,
    recipe: Recipe,
    label: &str,
    image: &Image<'_>,
    layers: impl FnOnce(&Path, &Step) -> Result<Vec<PathBuf>>,
) -> Result<Archive> {
    let mut recipe = recipe;
    recipe.inputs.extend([FORMAT.to_owned(), serde_json::to_string(&image.config())?]);
    let folder = cache.make(
        progress,
        &recipe,
        |progress| progress.step(label),
        |folder, step| {
            let layers = layers(folder, step)?;
            step.say("writing the archive");
            let digest = oci::write(image, &layers, &folder.join("image.tar"))?;
            for layer in layers.iter().filter(|layer| layer.starts_with(folder)) {
                fs::remove_file(layer)?;
            }
            Ok(fs::write(folder.join("digest"), digest)?)
        },
    )?;
    let digest = fs::read_to_string(folder.join("digest"))?;
    Ok(Archive { reference: image.reference.to_owned(), digest, file: folder.join("image.tar") })
}

/// The images of the testbed itself; `pause` first, for without it no Pod starts.
///
/// # Errors
/// When one cannot be built.
pub fn ensure_own(cache: &Cache, progress: &Progress) -> Result<Vec<Archive>> {
    Ok(vec![
        pause::ensure(cache, progress)?,
        kafka::ensure(cache, progress)?,
        python::ensure(cache, progress)?,
        golang::ensure(cache, progress)?,
    ])
}

/// Loads an image into a cluster, unless it is there.
///
/// # Errors
/// When containerd refuses it.
pub fn load(bed: &Bed, image: &Archive, progress: &Progress) -> Result<()> {
    let ctr = || bed.enter_command(bed.path("bin/ctr"));
    let filter = format!("name=={}", image.reference);
    if output(ctr().args(["--namespace=k8s.io", "images", "list", &filter]))?.contains(&image.digest) {
        return Ok(());
    }
    let step = progress.step(format!("image {}", image.reference));
    import(&mut ctr(), image)?;
    step.done();
    Ok(())
}

/// Hands an archive to containerd by way of `ctr`.
fn import(ctr: &mut Command, image: &Archive) -> Result<()> {
    output(ctr.args(["--namespace=k8s.io", "images", "import"]).arg(&image.file))
        .with_context(|| format!("cannot load {}", image.reference))
        .map(drop)
}
