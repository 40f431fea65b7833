//! What the lock file may hold: one TLS provider, one patch type, nothing abandoned.

use crate::sources::{none, read};

/// Crates that must not come in, and why.
const ABSENT: &[(&str, &str)] = &[
    ("aws-lc-rs", "ring is the one TLS provider"),
    ("aws-lc-sys", "ring is the one TLS provider"),
    ("native-tls", "rustls is the one TLS stack"),
    ("openssl", "rustls is the one TLS stack"),
    ("serde_yaml", "it is archived; serde-saphyr is its heir"),
];

/// Crates of which a second version would be a second, incompatible type.
const ONCE: &[&str] = &["json-patch", "k8s-openapi", "kube", "ring", "rustls", "schemars", "tokio"];

fn complaints(lock: &str) -> Vec<String> {
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let count = |name: &str| names.iter().filter(|found| **found == name).count();
    let absent = ABSENT.iter().filter(|(name, _)| count(name) > 0);
    let absent = absent.map(|(name, why)| format!("Cargo.lock holds {name}: {why}"));
    let once = ONCE.iter().filter(|name| count(name) != 1);
    absent
        .chain(once.map(|name| format!("Cargo.lock holds {} versions of {name}: one is wanted", count(name))))
        .collect()
}

#[test]
fn the_lock_file_holds_one_of_each() {
    none(&complaints(&read("Cargo.lock")));
}

#[test]
fn the_rule_sees_bad_examples() {
    let good: String = ONCE.iter().map(|name| format!("name = \"{name}\"\n")).collect();
    assert_eq!(complaints(&good), [""; 0]);
    assert_eq!(complaints(&good.replace("name = \"rustls\"\n", "")).len(), 1);
    let found = complaints(&format!("{good}name = \"rustls\"\nname = \"aws-lc-rs\"\n"));
    assert!(found[0].contains("aws-lc-rs") && found[1].contains("2 versions of rustls"), "{found:?}");
}
