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

    /// The program's own lines: without comments, without the unit tests that stand at a file's end, and without what is there for tests
    /// alone before them.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                let mut item = lines.by_ref().skip_while(|(_, line)| line.trim().starts_with(['#', '/'])).peekable();
                if item.peek().is_some_and(|(_, line)| opens_a_module(line)) {
                    break;
                }
                // As rustfmt has it: an item ends on the first line that is as far in as its attribute and ends with one of these.
                let _ = item.find(|(_, end)| indent(end) == indent(line) && end.ends_with([';', '}', ',']));
            } else if !line.trim().starts_with("//") {
                found.push((number, line));
            }
        }
        found.into_iter()
    }
}

/// Where a text has a word that is not a part of a longer one.
pub fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        // What begins or ends with another sign ends the word before it, or begins the one behind.
        let begins = !word.starts_with(part) || !before.ends_with(part);
        begins && (!word.ends_with(part) || !after.starts_with(part))
    })
}

/// Whether a line has to do with a client of the API server: it takes one from `kube`, or calls by one.
pub fn names_the_api_server(line: &str) -> bool {
    let has = |word: &str| words(line, word).next().is_some();
    ["Api<", "Api::"].into_iter().any(has) || (has("kube::") && (has("Client") || has("Api")))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a module begins on a line, and not merely the mention of its file.
fn opens_a_module(line: &str) -> bool {
    line.ends_with('{') && line.split_whitespace().any(|word| word == "mod")
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

#[test]
fn a_client_of_the_api_server_is_known_by_where_it_comes_from() {
    for line in [
        "use kube::Client;",
        "use kube::{Client, ResourceExt};",
        "use kube::api::{Api, ListParams};",
        "    pods: Api<Pod>,",
        "let pods = Api::<Pod>::all(client);",
        "    client: kube::Client,",
    ] {
        assert!(names_the_api_server(line), "{line}");
    }
    for line in [
        "use kube::{CustomResource, KubeSchema};",
        "pub struct Client {",
        "use kafka_protocol::messages::ApiKey;",
        "    keys: MyApi<Pod>,",
    ] {
        assert!(!names_the_api_server(line), "{line}");
    }
}

#[test]
fn only_what_is_for_tests_is_no_code() {
    let code = |text: &str| {
        let lines: Vec<_> =
            Source::new("src/x.rs", text).code().map(|(number, line)| (number, line.to_owned())).collect();
        lines.into_iter().map(|(number, line)| format!("{number} {}", line.trim())).collect::<Vec<_>>()
    };
    for skipped in [
        "mod samples;",
        "pub(crate) mod echo;",
        "use std::{\n    a,\n    b,\n};",
        "/// Why.\n#[must_use]\npub fn one() -> u8 { 1 }",
        "pub fn many<A>(\n    one: A,\n) -> A\nwhere\n    A: Copy,\n{\n    one;\n    if true {\n    }\n}",
        "const NAMES: &[&str] = &[\n    \"a\",\n];",
    ] {
        let text =
            format!("use a;\n#[cfg(test)]\n{skipped}\nuse b;\n// c\n#[cfg(test)]\nmod tests {{\n    use d;\n}}\n");
        let after = 3 + skipped.lines().count();
        assert_eq!(code(&text), ["1 use a;".to_owned(), format!("{after} use b;")], "{skipped}");
    }
    let within = "struct A {\n    #[cfg(test)]\n    seen: u8,\n    kept: u8,\n}";
    assert_eq!(code(within), ["1 struct A {", "4 kept: u8,", "5 }"]);
}
