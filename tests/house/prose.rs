//! What the documents say, as far as a program can check it.

use std::collections::BTreeSet;
use std::fs;

use admittance::api::reasons::Reason;

use crate::contract::{keys, known};
use crate::sources::{Source, below, none, read, root};

/// Every document that people read in the repository.
fn documents() -> Vec<Source> {
    let pages = ["README.md", "CONTRIBUTING.md", "certs/README.md"].map(|path| Source::new(path, &read(path)));
    [pages.to_vec(), below("docs", ".md")].concat()
}

/// The targets of links to files and headings of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// What a heading is called in a link, by GitHub's rule: lower case, without punctuation, a hyphen for a space.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// Whether a page has a heading of this name.
fn has(page: &str, name: &str) -> bool {
    // Between fences a line that begins with # is a comment of a shell.
    let prose = page.split("```").step_by(2).flat_map(str::lines);
    prose.filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == name)
}

/// Whether a link of a document leads to a file, and to a heading in it where it names one.
fn leads(document: &Source, link: &str) -> bool {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let at = root().join(&document.path).with_file_name(path);
    match heading {
        _ if !path.is_empty() && !at.exists() => false,
        None => true,
        Some(heading) if path.is_empty() => has(&document.text, heading),
        Some(heading) => fs::read_to_string(&at).is_ok_and(|page| has(&page, heading)),
    }
}

fn broken(document: &Source) -> Vec<String> {
    let missing = links(&document.text).filter(|link| !leads(document, link));
    missing.map(|link| format!("{}: there is no {link}", document.path)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    none(&documents().iter().flat_map(broken).collect::<Vec<_>>());
}

#[test]
fn every_alert_leads_to_its_heading_in_the_runbook() {
    let alerts = read("charts/admittance/alerts.yaml");
    let links: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert!(!links.is_empty());
    let of = Source::new("alerts.yaml", &alerts);
    let lost: Vec<String> = links.into_iter().filter(|link| !leads(&of, link)).map(str::to_owned).collect();
    none(&lost);
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

/// The rooms of the program, as paths: folders of `src`, and files that are one. `lib.rs` is their map.
fn rooms(sources: &[Source]) -> BTreeSet<String> {
    let heads = sources.iter().filter_map(|source| source.path.strip_prefix("src/")?.split('/').next());
    heads.filter(|head| *head != "lib.rs").map(|head| format!("src/{head}")).collect()
}

/// Rooms that the README's table does not name.
fn unnamed(rooms: &BTreeSet<String>, readme: &str) -> Vec<String> {
    let unnamed = rooms.iter().filter(|room| !readme.contains(&format!("`{room}`")));
    unnamed.map(|room| format!("README.md says nothing of {room}")).collect()
}

#[test]
fn the_readme_names_every_room() {
    let readme = read("README.md");
    let (_, table) = readme.split_once("## The repository").unwrap();
    none(&unnamed(&rooms(&below("src", ".rs")), table));
}

#[test]
fn the_two_commands_are_told() {
    let readme = read("README.md");
    assert!(readme.contains("cargo bed demo") && readme.contains("cargo bed test"));
    assert!(read(".ci/run").contains("exec cargo bed test"));
}

#[test]
fn the_rules_see_bad_examples() {
    let text = "## Whose *it* is, `x.y`\n[a](reference/none.md#there) [b](https://example.org) [c](#here) [d](../README.md)\n\
                [e](../README.md#see-it) [f](../README.md#see) [g](#whose-it-is-xy)\n```\n# here\n```\n";
    let page = Source::new("docs/x.md", text);
    let missing =
        ["reference/none.md#there", "#here", "../README.md#see"].map(|link| format!("docs/x.md: there is no {link}"));
    assert_eq!(broken(&page), missing);
    let sources = ["src/lib.rs", "src/ownership.rs", "src/access/plan.rs"].map(|path| Source::new(path, ""));
    assert_eq!(rooms(&sources), ["src/access".to_owned(), "src/ownership.rs".to_owned()].into());
    let found = unnamed(&rooms(&sources), "| `src/access/x`, `src/ownership.rs` |");
    assert_eq!(found, ["README.md says nothing of src/access"]);
    assert_eq!(codes("| `A`, `B` | x |\n| c | `D` |\n").collect::<Vec<_>>(), ["A", "B"]);
}
