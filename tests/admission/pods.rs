//! The Pods of the golden files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One author's Pod.
pub struct Case {
    /// The file's name without its end.
    pub name: String,
    /// The Pod as the API server would send it.
    pub pod: Value,
}

/// A directory beside this file.
pub fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission").join(name)
}

/// The names of the YAML files in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Every case.
pub fn all() -> Vec<Case> {
    let directory = directory("pods");
    let cases: Vec<Case> = names(&directory)
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(directory.join(format!("{name}.yaml"))).unwrap();
            let pod = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            Case { name, pod }
        })
        .collect();
    assert!(cases.len() >= 45, "most of the cases are gone");
    cases
}
