//! An image with a client in pure Go: one static program of franz-go on nothing.

use anyhow::Result;

use super::oci::{Image, Layer};
use super::{Archive, archive};
use crate::cache::{Cache, Recipe};
use crate::progress::Progress;
use crate::tools::go::{GoProgram, Source};

/// The image's name: its tag is the version of franz-go.
pub const REFERENCE: &str = "localhost/clients-go:1.22.2";

const CLIENT: GoProgram = GoProgram {
    name: "clients-go",
    version: "1.22.2",
    source: Source::Module {
        files: &[
            ("go.mod", include_str!("../../recipes/clients-go/go.mod")),
            ("main.go", include_str!("../../recipes/clients-go/main.go")),
        ],
    },
    flags: "-s -w",
    packages: 170,
    cost: "a quarter of a minute",
    commands: &["clients-go"],
};

/// Builds the image, unless it is in the cache.
///
/// # Errors
/// When the program cannot be compiled.
pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Archive> {
    let image = Image {
        reference: REFERENCE,
        entrypoint: &["/clients-go"],
        user: "1000:1000",
        folder: "/",
        ..Image::default()
    };
    let program = CLIENT.ensure(cache, progress)?.join("clients-go");
    let recipe =
        Recipe { name: "image-clients-go".into(), version: CLIENT.version.into(), inputs: vec![CLIENT.recipe().key()] };
    archive(cache, progress, recipe, "image clients-go", &image, |folder, _| {
        let layer_file = folder.join("layer.tar");
        let mut layer = Layer::create(&layer_file)?;
        layer.copy("clients-go", 0o755, &program)?;
        layer.finish()?;
        Ok(vec![layer_file])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_names_the_version_of_the_image() {
        let Source::Module { files } = CLIENT.source else { panic!() };
        assert!(files.iter().any(|(_, text)| text.contains(&format!("franz-go v{}\n", CLIENT.version))));
        assert!(REFERENCE.ends_with(CLIENT.version));
    }
}
