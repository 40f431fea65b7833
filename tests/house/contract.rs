//! The contract's keys are written down once.

use admittance::api::annotations::{GROUP, lookup};

use crate::sources::{Source, below, none};

/// Where keys are defined.
const HOME: &str = "src/api/annotations.rs";

/// Every key of ours that a text mentions.
pub fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(GROUP).filter_map(|(start, _)| {
        let rest = text[start..].strip_prefix(GROUP)?.strip_prefix('/')?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        (end > 0).then(|| &text[start..start + GROUP.len() + 1 + end])
    })
}

/// Whether a mention is a key of the contract, or the version of the API.
pub fn known(key: &str) -> bool {
    lookup(key).is_some() || key.ends_with("/v1alpha1")
}

fn complaints(source: &Source) -> Vec<String> {
    let literal = format!("\"{GROUP}/");
    let mut found = Vec::new();
    for (number, line) in source.code() {
        if source.path != HOME && line.contains(&literal) {
            found.push(format!("{}:{number}: write the constant of {HOME} instead: {}", source.path, line.trim()));
        }
        for key in keys(line).filter(|key| !known(key)) {
            found.push(format!("{}:{number}: {key} is not in the contract", source.path));
        }
    }
    found
}

#[test]
fn keys_are_written_in_one_file() {
    none(&below("src", ".rs").iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn the_chart_knows_no_other_keys() {
    let files =
        [below("charts", ".yaml"), below("charts", ".tpl"), below("charts", ".txt"), below("webhook-config", ".yaml")];
    let unknown = |file: &Source| {
        let unknown: Vec<_> = keys(&file.text).filter(|key| !known(key)).map(str::to_owned).collect();
        unknown.into_iter().map(|key| format!("{}: {key} is not in the contract", file.path)).collect::<Vec<_>>()
    };
    none(&files.concat().iter().flat_map(unknown).collect::<Vec<_>>());
}

#[test]
fn the_rule_sees_bad_examples() {
    let constant = Source::new("src/access/plan.rs", "let key = \"kafka.admittance.dev/access\";");
    assert!(complaints(&constant)[0].contains("write the constant"), "{:?}", complaints(&constant));
    let typo = Source::new(
        "src/access/plan.rs",
        "// fine: kafka.admittance.dev/typo\n\"set kafka.admittance.dev/typo, please\"",
    );
    assert_eq!(complaints(&typo), ["src/access/plan.rs:2: kafka.admittance.dev/typo is not in the contract"]);
    assert_eq!(complaints(&Source::new("src/x.rs", "see kafka.admittance.dev/, kafka.admittance.dev")), [""; 0]);
}
