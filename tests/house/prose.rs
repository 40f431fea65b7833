//! What the documents say, as far as a program can check it.

use admittance::api::reasons::Reason;

use crate::contract::{keys, known};
use crate::sources::{Source, below, none, read, root};

/// Every document that people read in the repository.
fn documents() -> Vec<Source> {
    let pages = ["README.md", "CONTRIBUTING.md", "certs/README.md"].map(|path| Source::new(path, &read(path)));
    [pages.to_vec(), below("docs", ".md")].concat()
}

/// The targets of links to files of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#'))
}

fn broken(document: &Source) -> Vec<String> {
    let at = root().join(&document.path);
    let folder = at.parent().unwrap();
    let missing = links(&document.text).filter(|link| !folder.join(link.split('#').next().unwrap()).exists());
    missing.map(|link| format!("{}: there is no {link}", document.path)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    none(&documents().iter().flat_map(broken).collect::<Vec<_>>());
}

#[test]
fn documents_and_examples_know_no_other_keys() {
    let files = [documents(), below("examples", ".yaml")].concat();
    let unknown = |file: &Source| {
        let unknown: Vec<_> = keys(&file.text).filter(|key| !known(key)).map(str::to_owned).collect();
        unknown.into_iter().map(|key| format!("{}: {key} is not in the contract", file.path)).collect::<Vec<_>>()
    };
    none(&files.iter().flat_map(unknown).collect::<Vec<_>>());
}

/// The codes that begin a row of a table.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ")).filter_map(|code| code.strip_prefix('`')?.strip_suffix('`'))
}

#[test]
fn the_developers_table_has_every_reason() {
    let guide = read("docs/guide-developer.md");
    let told: Vec<_> = codes(&guide).collect();
    let silent = Reason::ALL.iter().filter(|reason| !told.contains(&reason.code()) && **reason != Reason::Ready);
    none(&silent.map(|reason| format!("docs/guide-developer.md says nothing of {reason}")).collect::<Vec<_>>());
}

#[test]
fn the_two_commands_are_told() {
    let readme = read("README.md");
    assert!(readme.contains("cargo bed demo") && readme.contains("cargo bed test"));
    assert!(read(".ci/run").contains("exec cargo bed test"));
}

#[test]
fn the_rules_see_bad_examples() {
    let page =
        Source::new("docs/x.md", "[a](reference/none.md#there) [b](https://example.org) [c](#here) [d](../README.md)");
    assert_eq!(broken(&page), ["docs/x.md: there is no reference/none.md#there"]);
    assert_eq!(codes("| `A`, `B` | x |\n| c | `D` |\n").collect::<Vec<_>>(), ["A", "B"]);
}
