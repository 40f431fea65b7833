//! The contract's keys are written down once, and its reasons are given.

use admittance::api::annotations::{GROUP, lookup};
use admittance::api::reasons::Reason;

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
        // An attribute takes no constant; that the key is one of the contract's is seen below.
        if source.path != HOME && line.contains(&literal) && !line.trim().starts_with("#[serde(") {
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

/// Whether a file's code names a reason: a code that nothing gives is a promise that nobody keeps.
fn gives(source: &Source, reason: Reason) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
    let names = |line: &str| {
        let mut paths = line.split("::").skip(1);
        paths.any(|rest| rest.strip_prefix(reason.code()).is_some_and(ends))
    };
    source.path != "src/api/reasons.rs" && source.code().any(|(_, line)| names(line))
}

#[test]
fn every_reason_is_given() {
    let sources = below("src", ".rs");
    let idle = Reason::ALL.iter().filter(|reason| !sources.iter().any(|source| gives(source, **reason)));
    none(&idle.map(|reason| format!("{reason} is in the contract and given by nothing")).collect::<Vec<_>>());
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
    let attribute = "#[serde(rename = \"kafka.admittance.dev/access\")]";
    assert_eq!(complaints(&Source::new("src/x.rs", attribute)), [""; 0]);
    assert_eq!(complaints(&Source::new("src/x.rs", &attribute.replace("access", "typo"))).len(), 1);
    assert_eq!(complaints(&Source::new("src/x.rs", "see kafka.admittance.dev/, kafka.admittance.dev")), [""; 0]);
    let reason = Reason::TopicDrifted;
    assert!(gives(&Source::new("src/topics/plan.rs", "refused(facts, Reason::TopicDrifted, why)"), reason));
    assert!(!gives(&Source::new("src/topics/plan.rs", "// Reason::TopicDrifted\nReason::TopicDriftedAway"), reason));
    assert!(!gives(&Source::new("src/api/reasons.rs", "Self::TopicDrifted => 1"), reason));
}
