//! What the author of an unknown key may have meant: an annotation, or a setting of a topic.

use crate::api::annotations::{self, Place};

/// Wrong, missing or needless letters that still count as a typing mistake.
const MISTAKES: usize = 3;

/// What is wrong with a key that the contract does not have: it may be a typing mistake for one that it has.
pub(super) fn unknown(written: &str) -> String {
    let keys = annotations::KEYS.iter().filter(|key| key.place == Place::PodAnnotation);
    let names: Vec<&str> = keys.filter_map(|key| annotations::short(key.name)).collect();
    match nearest(written, names.iter().copied()) {
        Some(name) => format!("is not a key of a Pod's; did you mean \"{name}\"?"),
        None => format!("is not a key of a Pod's; those are: {}", names.join(", ")),
    }
}

/// The name that was meant, if one is near enough.
pub(super) fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = |name: &&str| written.len().abs_diff(name.len()) <= MISTAKES && distance(name, written) <= MISTAKES;
    // Three mistakes in a key of three letters are another word.
    let alike = |name: &&str| distance(name, written) < name.len();
    names.filter(near).filter(alike).min_by_key(|name| distance(name, written))
}

/// The Levenshtein distance of two texts, in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.bytes().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named_and_no_other_word() {
        assert!(unknown("evn").ends_with("did you mean \"env\"?"));
        assert!(unknown("group").ends_with("did you mean \"groups\"?"));
        assert!(unknown("transaction").ends_with("did you mean \"transactions\"?"));
        assert!(unknown("xyz").contains("those are: consumes, produces"), "{}", unknown("xyz"));
        assert!(unknown("").contains("those are: consumes, produces"), "{}", unknown(""));
    }
}
