//! One noun a file, short enough to be read at one sitting.

use crate::sources::{Source, below, none};

const LINES: usize = 400;

fn complaint(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > LINES)
        .then(|| format!("{}: {lines} lines; {LINES} at most: find the second noun and move it out", source.path))
}

#[test]
fn no_file_is_too_long() {
    let files = [below("src", ".rs"), below("tests", ".rs"), below("benches", ".rs")].concat();
    none(&files.iter().filter_map(complaint).collect::<Vec<_>>());
}

#[test]
fn the_rule_sees_a_long_file() {
    assert!(complaint(&Source::new("x.rs", &"\n".repeat(LINES + 1))).is_some());
    assert!(complaint(&Source::new("x.rs", &"\n".repeat(LINES))).is_none());
}
