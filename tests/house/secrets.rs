//! Who may look at a secret.

use crate::sources::{Source, below, none};

/// The files that need the text itself: to sign, to log in, to write the Secret that its owner reads.
const MAY_EXPOSE: &[&str] = &[
    "src/access/password/credentials.rs",
    "src/access/write/objects.rs",
    "src/access/password/secret_view.rs",
    "src/api/secret.rs",
    "src/kafka/admin/users.rs",
    "src/kafka/scram.rs",
    "src/trust/authority.rs",
    "src/trust/custody.rs",
    "src/trust/store.rs",
];

fn complaints(source: &Source) -> Vec<String> {
    if MAY_EXPOSE.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let exposing = source.code().filter(|(_, line)| line.contains("expose"));
    exposing.map(|(number, _)| format!("{}:{number}: may not look at a secret", source.path)).collect()
}

#[test]
fn secrets_are_exposed_only_where_they_are_used() {
    none(&below("src", ".rs").iter().flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn every_permission_is_used() {
    let sources = below("src", ".rs");
    let uses = |path: &str| sources.iter().any(|source| source.path == path && source.text.contains("expose"));
    none(
        &MAY_EXPOSE.iter().filter(|path| !uses(path)).map(|path| format!("{path} exposes nothing")).collect::<Vec<_>>(),
    );
}

#[test]
fn the_rule_sees_bad_examples() {
    for line in ["log(password.expose());", "let f = Secret::expose;", "map(Secret::expose)"] {
        assert_eq!(complaints(&Source::new("src/access/report.rs", line)).len(), 1, "{line}");
    }
    let harmless = "// expose\n#[cfg(test)]\nmod tests { fn x() { password.expose(); } }";
    assert_eq!(complaints(&Source::new("src/access/report.rs", harmless)), [""; 0]);
}
