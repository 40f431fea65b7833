//! The tree as text.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the repository's root, with slashes.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The program's own lines: without comments, and without the unit tests that stand at a file's end.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]").filter(|(_, line)| !line.trim().starts_with("//"))
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file with this ending in a folder and below, by path.
pub fn below(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    found.sort_by(|one, two| one.path.cmp(&two.path));
    assert!(!found.is_empty(), "there is no *{ending} below {folder}: the rule would hold for nothing");
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Fails with every complaint, one a line.
pub fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// What a generated file must hold. `BLESS=1` writes it instead.
pub fn generated(path: &str, expected: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join(path), expected).unwrap();
    }
    assert!(
        read(path) == expected,
        "{path} is not what the code says; run BLESS=1 cargo test --test house, and look at the change"
    );
}
