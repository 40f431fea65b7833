//! Who says of itself that it is pure.

use crate::sources::{Source, below, none};

/// What only somebody writes who waits, looks at a clock, tells the log, or speaks to a disk or the API server.
const IMPURE: &[&str] = &[".await", "async fn", "::now()", "tracing::", "std::fs", "Api::"];

/// Whether a file's header says that it is pure, and names nothing in which it is not. What a list says is said of other files.
fn is_said_pure(source: &Source) -> bool {
    let header = source.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let header: Vec<_> = header.filter(|line| !line.starts_with("- ")).collect();
    let header = header.join(" ");
    let mut said = header.match_indices("Pure");
    said.any(|(at, word)| {
        let before = header[..at].trim_end();
        let after = &header[at + word.len()..];
        let begins = before.is_empty() || before.ends_with('.');
        begins
            && !after.starts_with(char::is_alphabetic)
            && !after.trim_start_matches([',', ' ']).starts_with("but for")
    })
}

fn complaints(source: &Source) -> Vec<String> {
    if !is_said_pure(source) {
        return Vec::new();
    }
    let lines = source.code().flat_map(|(number, line)| {
        let found = IMPURE.iter().filter(move |word| line.contains(**word));
        found.map(move |word| (number, *word))
    });
    lines.map(|(number, word)| format!("{}:{number}: says that it is pure, and has {word}", source.path)).collect()
}

#[test]
fn what_is_said_to_be_pure_is() {
    none(&below("src", ".rs").iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn the_rule_sees_bad_examples() {
    for (header, line) in [
        ("//! What. Pure.", "let now = Timestamp::now();"),
        ("//! What.\n//! Pure.", "call().await;"),
        ("//! What. Pure: data in, steps out.", "async fn look() {}"),
        ("//! Pure, and the only reader.", "tracing::info!(\"x\");"),
        ("//! Pure; others call it.", "use std::fs::read;"),
        ("//! Pure data.", "let pods = Api::all(client);"),
    ] {
        let text = format!("{header}\n\n{line}\n");
        assert_eq!(complaints(&Source::new("src/access/plan.rs", &text)).len(), 1, "{text}");
    }
    for harmless in [
        "//! What. Pure.\n\n// tracing::\nlet x = 1;\n#[cfg(test)]\nmod tests {\n    let now = Timestamp::now();\n}\n",
        "//! What. Pure, but for the log.\n\ntracing::info!(\"x\");\n",
        "//! Pure but for [`server`].\n\ntracing::info!(\"x\");\n",
        "//! What.\n//!\n//! - [`plan`]: decides. Pure.\n\ntracing::info!(\"x\");\n",
        "//! Purely told.\n/// Pure.\n\ntracing::info!(\"x\");\n",
    ] {
        assert_eq!(complaints(&Source::new("src/access/plan.rs", harmless)), [""; 0], "{harmless}");
    }
}
