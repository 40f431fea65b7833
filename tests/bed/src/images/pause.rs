//! The image of the process that holds a Pod's namespaces.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::oci::{Image, Layer};
use super::{Archive, archive};
use crate::cache::{Cache, Recipe};
use crate::progress::Progress;

/// Its name, as containerd's configuration has it.
pub const REFERENCE: &str = "localhost/pause:1";

const SOURCE: &str = include_str!("../../recipes/pause/pause.c");

/// Builds the image, unless it is in the cache.
///
/// # Errors
/// When the program cannot be compiled.
pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Archive> {
    let recipe = Recipe { name: "image-pause".into(), version: "1".into(), inputs: vec![SOURCE.into()] };
    let image =
        Image { reference: REFERENCE, entrypoint: &["/pause"], user: "65535:65535", folder: "/", ..Image::default() };
    archive(cache, progress, recipe, "image pause", &image, |folder, step| {
        let (source, program, layer_file) = (folder.join("pause.c"), folder.join("pause"), folder.join("layer.tar"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("gcc");
        compiler.args(["-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o"]).args([&program, &source]);
        step.run(&mut compiler, &cache.log("pause"))?;
        let mut layer = Layer::create(&layer_file)?;
        layer.copy("pause", 0o755, &program)?;
        layer.finish()?;
        Ok(vec![layer_file])
    })
}
