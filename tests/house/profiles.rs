//! What is shipped holds nothing that is for tests alone.

use crate::sources::{none, read};

/// A test can stop a program with debug assertions after any write: no profile of the workspace asks for them, and none that is shipped has
/// what cargo gives `dev`.
fn complaints(manifest: &str) -> Vec<String> {
    let asks = manifest.lines().filter(|line| line.trim_start().starts_with("debug-assertions"));
    let asks = asks.map(|line| format!("Cargo.toml says {line}: what stops a program for a test would be shipped"));
    let inherits = |profile: &str| manifest.contains(&format!("[profile.{profile}]\ninherits = \"release\"\n"));
    let others = ["image", "probe"].into_iter().filter(|profile| !inherits(profile));
    asks.chain(others.map(|profile| format!("Cargo.toml has no profile {profile} that begins as a release"))).collect()
}

#[test]
fn what_is_shipped_has_no_debug_assertions() {
    none(&complaints(&read("Cargo.toml")));
}

#[test]
fn the_rule_sees_bad_examples() {
    let good = "[profile.image]\ninherits = \"release\"\n[profile.probe]\ninherits = \"release\"\n";
    assert_eq!(complaints(good), [""; 0]);
    assert_eq!(complaints(&format!("{good}debug-assertions = true\n")).len(), 1);
    assert_eq!(complaints(&good.replace("release", "dev")).len(), 2);
}
