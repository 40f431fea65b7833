//! The OCI image layout as one tar file: `oci-layout`, `index.json`, and blobs named by their digest.
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ring::digest::{Context as Hasher, SHA256};
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::cache::hex;

/// What an image says of itself.
#[derive(Debug, Default)]
pub struct Image<'a> {
    /// The name that a Pod calls it by: with a host and a tag, so that no default is put before or behind it.
    pub reference: &'a str,
    /// The program and its first arguments.
    pub entrypoint: &'a [&'a str],
    /// `NAME=value`.
    pub environment: &'a [&'a str],
    /// User and group by number: the kubelet cannot tell whether a name is root.
    pub user: &'a str,
    /// Where the program starts.
    pub folder: &'a str,
}

impl Image<'_> {
    /// The execution part of the image's configuration.
    pub fn config(&self) -> Value {
        json!({
            "Entrypoint": self.entrypoint,
            "Env": self.environment,
            "User": self.user,
            "WorkingDir": self.folder,
        })
    }
}

/// Writes the archive and returns the manifest's digest, `sha256:…`. Layers are plain tar files, the base first.
///
/// # Errors
/// When a layer cannot be read or the archive cannot be written.
pub fn write(image: &Image<'_>, layers: &[PathBuf], target: &Path) -> Result<String> {
    let file = File::create(target).with_context(|| format!("cannot write {}", target.display()))?;
    let mut archive = Builder::new(file);
    let mut descriptors = Vec::new();
    for layer in layers {
        let (digest, size) = digest_file(layer)?;
        let mut content = File::open(layer)?;
        append(&mut archive, &blob(&digest), size, &mut content)?;
        descriptors.push(descriptor("application/vnd.oci.image.layer.v1.tar", &digest, size));
    }
    // Not compressed, so the layer's digest is that of its content as well.
    let contents: Vec<&Value> = descriptors.iter().filter_map(|layer| layer.get("digest")).collect();
    let config = json!({
        "architecture": super::ARCHITECTURE,
        "os": "linux",
        "config": image.config(),
        "rootfs": {"type": "layers", "diff_ids": contents},
    });
    let config = append_json(&mut archive, "application/vnd.oci.image.config.v1+json", &config)?;
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": descriptors});
    let mut manifest = append_json(&mut archive, manifest_type, &manifest)?;
    let digest = manifest.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    // How containerd learns the whole name; the layout's own annotation has room for a tag only.
    if let Some(fields) = manifest.as_object_mut() {
        fields.insert("annotations".into(), json!({"io.containerd.image.name": image.reference}));
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]});
    append_bytes(&mut archive, "index.json", index.to_string().as_bytes())?;
    append_bytes(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.into_inner()?;
    Ok(digest)
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": size})
}

/// SHA-256 and length of a file, read in pieces: layers are hundreds of megabytes.
///
/// # Errors
/// When the file cannot be read.
pub fn digest_file(path: &Path) -> Result<(String, u64)> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Hasher::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((format!("sha256:{}", hex(hasher.finish().as_ref())), size));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        size += count as u64;
    }
}

/// An entry that depends on nothing but its name and content: the same input is the same archive.
fn append(archive: &mut Builder<File>, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content)
}

fn append_bytes(archive: &mut Builder<File>, name: &str, mut content: &[u8]) -> io::Result<()> {
    append(archive, name, content.len() as u64, &mut content)
}

fn append_json(archive: &mut Builder<File>, media_type: &str, value: &Value) -> Result<Value> {
    let text = value.to_string();
    let digest = format!("sha256:{}", hex(ring::digest::digest(&SHA256, text.as_bytes()).as_ref()));
    append_bytes(archive, &blob(&digest), text.as_bytes())?;
    Ok(descriptor(media_type, &digest, text.len() as u64))
}

/// A layer in the making: files that belong to root, dated to the epoch.
pub struct Layer {
    builder: Builder<File>,
}

impl Layer {
    /// An empty layer in this file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { builder: Builder::new(file) })
    }

    /// Adds a folder.
    ///
    /// # Errors
    /// When the layer cannot be written.
    pub fn folder(&mut self, path: &str, mode: u32) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(mode);
        Ok(self.builder.append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    /// Adds a file with this content.
    ///
    /// # Errors
    /// When the layer cannot be written.
    pub fn text(&mut self, path: &str, mode: u32, content: &str) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        Ok(self.builder.append_data(&mut header, path, content.as_bytes())?)
    }

    /// Adds a copy of a file.
    ///
    /// # Errors
    /// When the file cannot be read, or the layer cannot be written.
    pub fn copy(&mut self, path: &str, mode: u32, source: &Path) -> Result<()> {
        let file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
        let mut header = Header::new_gnu();
        header.set_size(file.metadata()?.len());
        header.set_mode(mode);
        Ok(self.builder.append_data(&mut header, path, file)?)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the layer cannot be written.
    pub fn finish(self) -> Result<()> {
        self.builder.into_inner()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::{env, fs};

    use super::*;

    fn entries(file: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(File::open(file).unwrap());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        });
        entries.collect()
    }

    fn follow<'a>(entries: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = &entries[&blob(digest)];
        let actual = format!("sha256:{}", hex(ring::digest::digest(&SHA256, content).as_ref()));
        assert_eq!(actual, digest);
        assert_eq!(descriptor["size"], content.len());
        content
    }

    #[test]
    fn every_descriptor_leads_to_its_content_and_the_same_input_to_the_same_archive() {
        let folder = env::temp_dir().join(format!("bed-oci-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let layer_file = folder.join("layer.tar");
        let mut layer = Layer::create(&layer_file).unwrap();
        layer.folder("opt", 0o755).unwrap();
        layer.text("opt/hello", 0o755, "hello").unwrap();
        layer.finish().unwrap();
        let image = Image {
            reference: "localhost/hello:1",
            entrypoint: &["/opt/hello"],
            user: "65532:65532",
            ..Image::default()
        };

        let target = folder.join("image.tar");
        let digest = write(&image, std::slice::from_ref(&layer_file), &target).unwrap();
        let first = fs::read(&target).unwrap();
        assert_eq!(write(&image, &[layer_file], &target).unwrap(), digest);
        assert_eq!(fs::read(&target).unwrap(), first);

        let entries = entries(&target);
        let index: Value = serde_json::from_slice(&entries["index.json"]).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "localhost/hello:1");
        assert_eq!(entry["digest"], digest);
        let manifest: Value = serde_json::from_slice(follow(&entries, entry)).unwrap();
        let config: Value = serde_json::from_slice(follow(&entries, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        assert!(String::from_utf8_lossy(follow(&entries, &manifest["layers"][0])).contains("hello"));
        fs::remove_dir_all(folder).unwrap();
    }
}
