//! The program that a probe of the author's runs. Pure.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::lenient::{Lenient, Shape};
use super::text::Text;

/// Words of a command that are kept. Ours has fewer, so what is longer is not ours whatever comes behind.
const WORDS: usize = 16;

/// A probe that a container has, as far as we look: the first words of the program that it runs, none where it runs none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundProbe<'a>(Vec<Text<'a>>);

impl FoundProbe<'_> {
    /// The program with its words.
    pub fn command(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|word| &**word)
    }
}

impl<'de: 'a, 'a> Shape<'de> for FoundProbe<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let exec: Option<Exec<'a>> = value(map, "exec")?;
        Ok(Self(exec.unwrap_or_default().0.0))
    }
}

#[derive(Default)]
struct Exec<'a>(Words<'a>);

impl<'de: 'a, 'a> Shape<'de> for Exec<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self(value(map, "command")?.unwrap_or_default()))
    }
}

#[derive(Default)]
struct Words<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Shape<'de> for Words<'a> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut words = Vec::new();
        let mut all_are_words = true;
        while let Some(Lenient(Word(word))) = list.next_element()? {
            all_are_words &= word.is_some();
            words.extend(word.filter(|_| words.len() < WORDS));
        }
        Ok(Self(if all_are_words { words } else { Vec::new() }))
    }
}

#[derive(Default)]
struct Word<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Shape<'de> for Word<'a> {
    fn of_text(text: Text<'de>) -> Self {
        Self(Some(text))
    }
}

/// The value of one key of a map.
fn value<'de, A: MapAccess<'de>, T: Shape<'de>>(mut map: A, wanted: &str) -> Result<Option<T>, A::Error> {
    let mut found = None;
    while let Some(key) = map.next_key::<Text<'de>>()? {
        if key == *wanted {
            found = Some(map.next_value::<Lenient<T>>()?.0);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(json: &str) -> Vec<String> {
        let Lenient(probe) = serde_json::from_str::<Lenient<FoundProbe<'_>>>(json).unwrap();
        probe.command().map(str::to_owned).collect()
    }

    #[test]
    fn the_words_of_a_program_are_found() {
        assert_eq!(words(r#"{"periodSeconds": 3, "exec": {"x": [], "command": ["/a", "\u0062"]}}"#), ["/a", "b"]);
    }

    #[test]
    fn what_runs_no_program_has_no_words() {
        for other in [
            "7",
            "-7",
            "1.5",
            "true",
            "\"x\"",
            "[]",
            "[[1]]",
            "{}",
            r#"{"httpGet": {"path": "/", "port": 80}}"#,
            r#"{"exec": null}"#,
            r#"{"exec": {"command": "x"}}"#,
            r#"{"exec": {"command": {"a": "b"}}}"#,
            r#"{"exec": {"command": ["x", 7]}}"#,
            r#"{"exec": {"command": ["x", null]}}"#,
        ] {
            assert_eq!(words(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn of_a_million_words_a_few_are_kept() {
        let command = vec!["w"; 1_000_000];
        assert_eq!(words(&serde_json::json!({"exec": {"command": command}}).to_string()), ["w"; WORDS]);
    }
}
