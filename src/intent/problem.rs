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
    /// Names a fault. The value is shortened and stripped of what a terminal could not show.
    #[must_use]
    pub fn new(reason: Reason, place: &str, value: &str, rule: impl Into<String>) -> Self {
        Self { reason, place: place.to_owned(), value: shown(value), rule: rule.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: \"{}\" {}", self.reason, self.place, self.value, self.rule)
    }
}

/// A text of an author's, fit to stand in a message: escaped and of bounded length.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (taken, character) in text.chars().enumerate() {
        if taken == SHOWN {
            out.push('…');
            break;
        }
        if character.is_control() || (!character.is_ascii() && !character.is_alphanumeric()) {
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
    }
}
