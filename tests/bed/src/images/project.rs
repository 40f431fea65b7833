//! The project's own image: its two programs, static, on nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::Value;

use super::oci::{self, Image, Layer};
use super::{Archive, load};
use crate::bed::{Bed, output, write_file};
use crate::progress::{Progress, Step};

/// What the cluster remembers of the image: a JSON file with its reference.
const RECORD: &str = "images/admittance.json";

/// How much the operator and the webhook are optimised. The probe, whose size counts, always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimised {
    /// As cargo does for tests, with which nearly everything is shared, and with the checks of a debug build.
    Little,
    /// As a release is: for whoever measures or ships it.
    Fully,
}

impl Optimised {
    /// Cargo's profile.
    const fn profile(self) -> &'static str {
        match self {
            Self::Little => "dev",
            Self::Fully => "image",
        }
    }
}

/// The image that is loaded in this cluster: what a Helm value or a Pod names.
///
/// # Errors
/// When none was loaded yet.
pub fn loaded(bed: &Bed) -> Result<Archive> {
    let text = fs::read_to_string(bed.path(RECORD))
        .with_context(|| format!("no image of the project is loaded: run `cargo bed --name {} images`", bed.name()))?;
    Ok(serde_json::from_str(&text)?)
}

/// Builds both programs from the workspace, makes one image of them and loads it.
///
/// # Errors
/// When a program does not compile, or the image cannot be loaded.
pub fn build_and_load(bed: &Bed, optimised: Optimised, progress: &Progress) -> Result<Archive> {
    let step = progress.step("programs: admittance and admittance-probe, static");
    let profile = optimised.profile();
    let operator: &[&str] = match optimised {
        // With a test beside it cargo resolves features as it does for all tests of the workspace: no dependency is compiled once more.
        Optimised::Little => &["--workspace", "--test", "house", "--bin", "admittance"],
        Optimised::Fully => &["--package", "admittance", "--bin", "admittance"],
    };
    let programs = [("admittance", cargo(bed, &step, profile, operator)?), ("admittance-probe", probe(bed, &step)?)];
    step.done();

    let folder = bed.path("images");
    fs::create_dir_all(&folder)?;
    let layer_file = folder.join("layer.tar");
    let mut layer = Layer::create(&layer_file)?;
    for (name, file) in programs {
        layer.copy(name, 0o755, &file)?;
    }
    layer.finish()?;
    let (digest, _) = oci::digest_file(&layer_file)?;
    let tag: String = digest.chars().skip("sha256:".len()).take(12).collect();
    let reference = format!("localhost/admittance:{tag}");
    let image = Image {
        reference: &reference,
        entrypoint: &["/admittance"],
        user: "65532:65532",
        folder: "/",
        environment: &["PATH=/"],
    };
    let file = folder.join("admittance.tar");
    let digest = oci::write(&image, std::slice::from_ref(&layer_file), &file)?;
    fs::remove_file(layer_file)?;
    let archive = Archive { reference, digest, file };
    load(bed, &archive, progress)?;
    write_file(&bed.path(RECORD), &serde_json::to_string_pretty(&archive)?, false)?;
    Ok(archive)
}

/// Compiles the probe alone.
///
/// # Errors
/// When it does not compile.
pub fn build_probe(bed: &Bed, progress: &Progress) -> Result<()> {
    let step = progress.step("program: admittance-probe, static");
    probe(bed, &step)?;
    step.done();
    Ok(())
}

fn probe(bed: &Bed, step: &Step) -> Result<PathBuf> {
    let probe =
        ["--package", "admittance", "--no-default-features", "--features", "probe", "--bin", "admittance-probe"];
    cargo(bed, step, "probe", &probe)
}

/// The folder of the workspace that this program was compiled in.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

/// Compiles one program and says where it is.
fn cargo(bed: &Bed, step: &Step, profile: &str, arguments: &[&str]) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // These would be taken in place of the workspace's own, which make the program static.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build
        .current_dir(workspace())
        .args(["build", "--locked", "--target", &target(), "--profile", profile])
        .args(arguments);
    step.run(&mut build, &bed.cache().log(&format!("cargo-{profile}-{}", bed.name())))?;
    let name = arguments.last().copied().unwrap_or_default();
    program(profile, name)
}

/// Where cargo puts a static program of a profile.
///
/// # Errors
/// When cargo cannot be asked.
pub fn program(profile: &str, name: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let question = ["metadata", "--no-deps", "--locked", "--format-version=1"];
    let metadata = output(Command::new(cargo).current_dir(workspace()).args(question))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let folder = metadata.get("target_directory").and_then(Value::as_str).context("cargo names no target folder")?;
    // Cargo's one exception.
    let profile = if profile == "dev" { "debug" } else { profile };
    Ok(Path::new(folder).join(target()).join(profile).join(name))
}

/// What the workspace's configuration says too, whatever the environment does.
fn target() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}
