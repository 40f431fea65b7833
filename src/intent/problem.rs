//! What is wrong with a Pod's request.

use std::fmt;

use super::limits::SHOWN;
use crate::api::reasons::Reason;

/// One thing that is wrong: which annotation, which value, which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable code.
    pub reason: Reason,
    /// The annotation, or the part of the Pod, that is at fault.
    pub place: String,
    /// The value at fault, made fit to be shown.
    pub value: String,
    /// The rule that it breaks, as the end of a sentence that begins with the value.
    pub rule: String,
}

impl Problem {
    /// Names a fault. Place and value are shortened and stripped of what a terminal could not show: a webhook runs before the
    /// API server has validated a single key.
    #[must_use]
    pub fn new(reason: Reason, place: &str, value: &str, rule: impl Into<String>) -> Self {
        Self { reason, place: shown(place), value: shown(value), rule: rule.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: \"{}\" {}", self.reason, self.place, self.value, self.rule)
    }
}

/// A text of an author's, fit to stand in a message: escaped, and no longer than [`SHOWN`] characters and an ellipsis.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escaped = character.is_control() || (!character.is_ascii() && !character.is_alphanumeric());
        length += if escaped { character.escape_unicode().count() } else { 1 };
        if length > SHOWN {
            out.push('…');
            break;
        }
        if escaped {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_short() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\u{a}");
        assert_eq!(shown("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN + 1);
        assert!(shown(&"\u{1b}".repeat(1000)).chars().count() <= SHOWN + 1, "escapes count as they are written");
        assert_eq!(shown(&"x".repeat(SHOWN)), "x".repeat(SHOWN));
    }

    #[test]
    fn places_are_escaped_too() {
        let problem = Problem::new(Reason::UnknownAnnotation, "key\nError: fine", "", "is unknown");
        assert_eq!(problem.place, "key\\u{a}Error: fine");
    }
}
