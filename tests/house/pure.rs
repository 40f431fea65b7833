//! Who says of itself that it is pure.

use crate::sources::{Source, below, names_the_api_server, none, read, words};

/// What only somebody writes who waits, looks at a clock, tells the log, casts lots, or speaks to a disk. Who speaks to the API server is known by
/// [`names_the_api_server`].
const IMPURE: &[&str] = &[".await", "async fn", "::now()", ".elapsed()", "tracing::", "std::fs", "RandomState"];

/// Folders and files that are pure as a whole, whatever their headers say.
const PURE: &[&str] =
    &["src/access/given/", "src/access/password/", "src/admission/", "src/api/", "src/intent/", "src/ownership.rs"];

/// And what in them is not: the doors through which I/O enters.
const BUT_FOR: &[&str] = &["src/admission/room.rs", "src/admission/server.rs"];

/// Whether a file's header says that it is pure, and names nothing in which it is not. What a list says is said of other files.
fn is_said_pure(source: &Source) -> bool {
    let header = source.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let header: Vec<_> = header.filter(|line| !line.starts_with("- ")).collect();
    let header = header.join(" ");
    let mut said = ["Pure", "pure"].into_iter().flat_map(|word| words(&header, word).map(move |at| at + word.len()));
    said.any(|end| !header[end..].trim_start_matches([',', ' ']).starts_with("but for"))
}

/// Whether it lies where all is pure.
fn lies_pure(path: &str) -> bool {
    PURE.iter().any(|place| path.starts_with(place)) && !BUT_FOR.contains(&path)
}

fn complaints(source: &Source) -> Vec<String> {
    if !is_said_pure(source) && !lies_pure(&source.path) {
        return Vec::new();
    }
    let lines = source.code().flat_map(|(number, line)| {
        let found = IMPURE.iter().copied().filter(|word| words(line, word).next().is_some());
        let found = found.chain(names_the_api_server(line).then_some("a client of the API server"));
        found.map(move |word| (number, word)).collect::<Vec<_>>()
    });
    lines.map(|(number, word)| format!("{}:{number}: is to be pure, and has {word}", source.path)).collect()
}

#[test]
fn what_is_said_to_be_pure_is() {
    none(&below("src", ".rs").iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn what_lies_pure_is_there_and_has_no_idle_exception() {
    let paths: Vec<String> = below("src", ".rs").into_iter().map(|source| source.path).collect();
    for place in PURE.iter().chain(BUT_FOR) {
        assert!(paths.iter().any(|path| path.starts_with(place)), "there is no {place}");
    }
    for exception in BUT_FOR {
        let source = Source::new("src/api/x.rs", &read(exception));
        assert!(!complaints(&source).is_empty(), "{exception} is pure: it needs no exception");
    }
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
        ("//! What. Pure.", "client: kube::Client,"),
        ("//! What. Pure.", "let late = since.elapsed() > PATIENCE;"),
        ("//! What. Pure.", "let seed = RandomState::new();"),
        ("//! When. A pure state machine: all that it knows is told.", "let now = Timestamp::now();"),
    ] {
        let text = format!("{header}\n\n{line}\n");
        assert_eq!(complaints(&Source::new("src/access/plan.rs", &text)).len(), 1, "{text}");
    }
    let unsaid = "//! What a Pod asks for.\n\nlet now = Timestamp::now();\n";
    for (path, count) in [
        ("src/intent/asked.rs", 1),
        ("src/api/resources/policy.rs", 1),
        ("src/ownership.rs", 1),
        ("src/admission/decide.rs", 1),
        ("src/admission/server.rs", 0),
        ("src/access/observe.rs", 0),
    ] {
        assert_eq!(complaints(&Source::new(path, unsaid)).len(), count, "{path}");
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
