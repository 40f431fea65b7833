//! Where manifests come from: files, folders, standard input.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::exit::Try;

/// The endings of manifests in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A text and where it is from.
#[derive(Debug)]
pub struct Source {
    /// The file's path, or `standard input`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Reads files, folders (their manifests, by name) and `-`, standard input, which is also read where nothing is named.
///
/// # Errors
/// A file cannot be read, a folder holds no manifest, or nobody pipes anything in.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if files.is_empty() {
        return Ok(vec![standard_input()?]);
    }
    let mut found = Vec::new();
    for file in files {
        if file.as_os_str() == "-" {
            found.push(standard_input()?);
        } else if file.is_dir() {
            for path in folder(file)? {
                found.push(one(&path)?);
            }
        } else {
            found.push(one(file)?);
        }
    }
    Ok(found)
}

fn one(path: &Path) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"));
    let text = text.with_context(|| Try(format!("ls -l {name}")))?;
    Ok(Source { name, text })
}

fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = path.display();
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot look into the folder {name}"))?;
    let mut found = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    found.retain(|path| path.extension().and_then(|end| end.to_str()).is_some_and(|end| ENDINGS.contains(&end)));
    found.sort();
    if found.is_empty() {
        let empty = anyhow!("the folder {name} holds no file that ends in .{}", ENDINGS.join(", ."));
        return Err(empty.context(Try(format!("ls {name}"))));
    }
    Ok(found)
}

fn standard_input() -> anyhow::Result<Source> {
    if io::stdin().is_terminal() {
        let none = anyhow!("no manifest is given: name one with -f FILE, or pipe one in");
        let pipe = "kubectl create deployment web --image web -o yaml --dry-run=client | admittance explain";
        return Err(none.context(Try(pipe.to_owned())));
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).context("cannot read standard input as text")?;
    Ok(Source { name: "standard input".to_owned(), text })
}
