//! An image with two clients of Python: confluent-kafka, whose wheel carries its own librdkafka, and kafka-python, which has no C.
//!
//! Debian 12's librdkafka (2.0.2) repeats its SCRAM nonce and cannot log in to Kafka 4; that was fixed in 2.6.1.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::oci::{Image, Layer};
use super::rootfs::Rootfs;
use super::{Archive, archive};
use crate::cache::{Cache, Recipe};
use crate::progress::Progress;

/// The version of confluent-kafka; its librdkafka is 2.12.1.
const VERSION: &str = "2.12.2";

/// What else is installed, each without what it would bring: none needs anything.
const BESIDE: &str = "kafka-python==3.0.12";

/// The image's name.
pub const REFERENCE: &str = "localhost/clients-python:2.12.2";

const PYTHON: Rootfs = Rootfs { name: "python", packages: &["python3", "dash", "coreutils", "libc-bin"] };

/// Builds the image, unless it is in the cache.
///
/// # Errors
/// When packages or the wheel cannot be fetched.
pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Archive> {
    let inputs = vec![PYTHON.recipe().key(), BESIDE.to_owned()];
    let recipe = Recipe { name: "image-clients-python".into(), version: VERSION.into(), inputs };
    let image = Image {
        reference: REFERENCE,
        entrypoint: &["/usr/bin/python3"],
        environment: &["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/opt/clients", "PYTHONDONTWRITEBYTECODE=1"],
        user: "1000:1000",
        folder: "/tmp",
    };
    let python = PYTHON.ensure(cache, progress)?;
    archive(
        cache,
        progress,
        recipe,
        "image clients-python: confluent-kafka and kafka-python",
        &image,
        |folder, step| {
            let (packages, layer_file) = (folder.join("packages"), folder.join("layer.tar"));
            let mut pip = Command::new("pip3");
            // For the Python of the image, whatever this machine runs.
            pip.args([
                "install",
                "--quiet",
                "--no-deps",
                "--no-compile",
                "--only-binary=:all:",
                "--python-version=3.11",
            ]);
            pip.args(["--implementation=cp", "--target"]).arg(&packages);
            pip.arg(format!("confluent-kafka=={VERSION}")).arg(BESIDE);
            step.run(&mut pip, &cache.log("clients-python"))?;
            let mut layer = Layer::create(&layer_file)?;
            layer.folder("tmp", 0o1777)?;
            layer.text(
                "etc/passwd",
                0o644,
                "root:x:0:0:root:/root:/bin/sh\nappuser:x:1000:1000:appuser:/tmp:/bin/sh\n",
            )?;
            layer.text("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n")?;
            add_tree(&mut layer, &packages, "opt/clients")?;
            layer.finish()?;
            fs::remove_dir_all(packages)?;
            Ok(vec![python, layer_file])
        },
    )
}

fn add_tree(layer: &mut Layer, source: &Path, target: &str) -> Result<()> {
    layer.folder(target, 0o755)?;
    let mut entries: Vec<_> = fs::read_dir(source)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let target = format!("{target}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add_tree(layer, &entry.path(), &target)?;
        } else {
            layer.copy(&target, 0o755, &entry.path())?;
        }
    }
    Ok(())
}
