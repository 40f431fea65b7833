//! Java's properties text, as `java.util.Properties.load` reads it. Pure.
//!
//! One difference: a key that is there twice is an error. Java lets the last one win, and nobody learns of it.

use std::collections::BTreeMap;

use crate::intent::problem::shown;

/// What is wrong with a text, and on which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that begins with its separator.
    #[error("line {0} has no key")]
    NoKey(usize),
    /// `\u` without four hexadecimal digits, or half of a surrogate pair.
    #[error("line {0} has a \\u escape that is no character")]
    Escape(usize),
    /// A key that stands on an earlier line too.
    #[error("line {0} repeats the key \"{1}\"")]
    Repeated(usize, String),
}

/// Reads a text.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let mut properties = BTreeMap::new();
    for (number, line) in logical_lines(text) {
        let (key, value) = split(&line);
        let unescape = |text: &str| unescape(text).ok_or(Fault::Escape(number));
        let (key, value) = (unescape(key)?, unescape(value)?);
        if key.is_empty() {
            return Err(Fault::NoKey(number));
        }
        let shown_key = shown(&key);
        if properties.insert(key, value).is_some() {
            return Err(Fault::Repeated(number, shown_key));
        }
    }
    Ok(properties)
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

/// Lines without comments, with those joined that end in a backslash; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut natural = text.split('\n').enumerate();
    let mut lines = Vec::new();
    while let Some((index, line)) = natural.next() {
        let line = line.trim_start_matches(is_space);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while goes_on(&whole) {
            whole.pop();
            // What goes on is no comment, whatever it begins with; at the end of the text nothing does.
            let Some((_, next)) = natural.next() else { break };
            whole.push_str(next.trim_start_matches(is_space));
        }
        lines.push((index + 1, whole));
    }
    lines
}

/// Whether a line ends in a backslash that no other backslash escapes.
fn goes_on(line: &str) -> bool {
    line.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1
}

/// Key and value: apart by white space, `=` or `:` with white space around it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let ends = |character: char| {
        let end = !escaped && (is_space(character) || matches!(character, '=' | ':'));
        escaped = character == '\\' && !escaped;
        end
    };
    let (key, rest) = line.split_at(line.find(ends).unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_space))
}

/// Java counts in UTF-16: a character beyond it is a pair of escapes.
fn unescape(text: &str) -> Option<String> {
    let mut units = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let meant = match character {
            '\\' => match characters.next() {
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let are_digits = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| are_digits)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(meant.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    #[track_caller]
    fn one(text: &str, key: &str, value: &str) {
        assert_eq!(read(text), [(key.to_owned(), value.to_owned())], "{text:?}");
    }

    #[test]
    fn every_separator_parts() {
        for text in ["a=b", "a:b", "a b", "a = b", "  a\t:\tb", "a \x0c b", "\n\r\n a=b\r", "a=b\n"] {
            one(text, "a", "b");
        }
        one("a==b", "a", "=b");
        one("a = :b", "a", ":b");
        one("a b=c", "a", "b=c");
        one("a", "a", "");
        one("a=", "a", "");
        one("a=b \t", "a", "b \t");
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(read("# a=b\n  ! c=d\n\n \t\n"), []);
        one("#x\\\na=b", "a", "b");
        one("a=b # no comment", "a", "b # no comment");
    }

    #[test]
    fn a_backslash_joins_lines() {
        one("a=b\\\n   c", "a", "bc");
        one("a=b\\\r\n# d", "a", "b# d");
        one("a\\\n=b", "a", "b");
        let lines = read("a=b\\\n\nc=d\\");
        assert_eq!(lines, [("a".into(), "b".into()), ("c".into(), "d".into())], "an empty line ends what went on");
    }

    #[test]
    fn two_backslashes_are_one() {
        one("a=b\\\\", "a", "b\\");
        assert_eq!(read("a=b\\\\\nc=d").len(), 2);
    }

    #[test]
    fn escapes_stand_for_characters() {
        one("a\\ b\\=c\\:d=e", "a b=c:d", "e");
        one("a=\\t\\n\\r\\f\\x\\\"", "a", "\t\n\r\x0cx\"");
        one("\\u0061=\\u00e9\\uD83D\\uDE00", "a", "é😀");
        one("\\#a=b", "#a", "b");
    }

    #[test]
    fn what_is_no_character_is_named() {
        for bad in ["a=\\u12", "a=\\u12g4", "a=\\u+123", "a=\\uD83D", "a=\\uDE00\\uD83D", "\\u=b"] {
            assert_eq!(parse(&format!("x=y\n{bad}")), Err(Fault::Escape(2)), "{bad}");
        }
    }

    #[test]
    fn what_java_would_drop_is_named() {
        assert_eq!(parse("a=1\n\nb=2\n\\u0061:3"), Err(Fault::Repeated(4, "a".into())));
        assert_eq!(parse("a=1\n=b"), Err(Fault::NoKey(2)));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(pairs in prop::collection::btree_map("[^\u{0}]{1,8}", any::<String>(), 0..5)) {
            let escape = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            let lines = pairs.iter().map(|(key, value)| format!("{}={}\n", escape(key), escape(value)));
            prop_assert_eq!(parse(&lines.collect::<String>()), Ok(pairs));
        }

        #[test]
        fn nothing_breaks_it(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
