//! What is kept of the lists and maps of a Pod: what may make a difference. Whoever writes a Pod chooses how many elements each has, and an
//! element costs him fewer bytes than it takes here. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::Text;
use crate::api::annotations::{MIRROR, lookup, short};
use crate::intent::identity::{DEPLOYMENT_CONFIG, TEMPLATE_HASHES};
use crate::intent::limits::{MAX_CONTAINERS, MAX_PROBLEMS};

/// Whether an element of a list may make a difference.
pub(super) trait Counts {
    /// Whether this one may.
    fn counts(&self) -> bool;
}

/// The elements of a list that count; nothing where there is no list.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Counts,
{
    struct Kept<T>(Vec<T>);

    impl<'de, T: Deserialize<'de> + Counts> Deserialize<'de> for Kept<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Elements(PhantomData)).map(Self)
        }
    }

    struct Elements<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Counts> Visitor<'de> for Elements<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while let Some(element) = list.next_element::<T>()? {
                if element.counts() {
                    kept.push(element);
                }
            }
            Ok(kept)
        }
    }

    Ok(Option::<Kept<T>>::deserialize(deserializer)?.map(|kept| kept.0))
}

/// The first elements of a list, one more than a Pod may have that is given anything, and how many there are.
#[derive(Debug, Clone)]
pub struct First<T> {
    kept: Vec<T>,
    all: usize,
}

impl<T> First<T> {
    /// How many there are, those that are not kept too.
    #[must_use]
    pub fn all(&self) -> usize {
        self.all
    }
}

impl<T> Deref for First<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.kept
    }
}

impl<'f, T> IntoIterator for &'f First<T> {
    type Item = &'f T;
    type IntoIter = std::slice::Iter<'f, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = First<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= MAX_CONTAINERS {
                    let Some(element) = list.next_element()? else { break };
                    kept.push(element);
                }
                let mut all = kept.len();
                // A list must not be asked again after its end.
                while all > MAX_CONTAINERS && list.next_element::<IgnoredAny>()?.is_some() {
                    all += 1;
                }
                Ok(First { kept, all })
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// Labels or annotations from which an intent may follow. Of keys under our name that nobody knows as many as are told of.
pub(super) fn ours<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<BTreeMap<Text<'a>, Text<'a>>>, D::Error>
where
    D: Deserializer<'de>,
{
    let mut unknown = 0;
    pairs(deserializer, move |key| {
        if lookup(key).is_some() || TEMPLATE_HASHES.contains(&key) || [DEPLOYMENT_CONFIG, MIRROR].contains(&key) {
            return true;
        }
        let strange = short(key).is_some();
        unknown += usize::from(strange);
        strange && unknown <= 2 * MAX_PROBLEMS
    })
}

/// The pairs of a map whose keys count; nothing where there is no map.
pub(super) fn pairs<'de: 'a, 'a, D>(
    deserializer: D,
    counts: impl FnMut(&str) -> bool,
) -> Result<Option<BTreeMap<Text<'a>, Text<'a>>>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Pairs<F>(F);

    impl<'de, F: FnMut(&str) -> bool> Visitor<'de> for Pairs<F> {
        type Value = Option<BTreeMap<Text<'de>, Text<'de>>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = BTreeMap::new();
            while let Some((key, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                if (self.0)(&key) {
                    kept.insert(key, value);
                }
            }
            Ok(Some(kept))
        }
    }

    deserializer.deserialize_option(Pairs(counts))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Held<'a> {
        #[serde(borrow, default, deserialize_with = "ours")]
        labels: Option<BTreeMap<Text<'a>, Text<'a>>>,
        #[serde(default)]
        first: Option<First<u8>>,
        #[serde(default, deserialize_with = "list")]
        odd: Option<Vec<Odd>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Odd(u8);

    impl Counts for Odd {
        fn counts(&self) -> bool {
            self.0 % 2 == 1
        }
    }

    fn read(json: &str) -> Held<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_missing_or_null_is_nothing() {
        for held in [read("{}"), read(r#"{"labels": null, "first": null, "odd": null}"#)] {
            assert!(held.labels.is_none() && held.first.is_none() && held.odd.is_none());
        }
        let held = read(r#"{"labels": {}, "first": [], "odd": []}"#);
        assert!(held.labels.unwrap().is_empty() && held.odd.unwrap().is_empty() && held.first.unwrap().all() == 0);
    }

    #[test]
    fn of_labels_those_that_concern_us_are_kept() {
        let held = read(
            r#"{"labels": {"app": "x", "pod-template-hash": "a", "kafka.admittance.dev/access": "b",
                "kafka.admittance.dev/acess": "c", "kafka-operator": "d", "kafka.admittance.dev/access": "e"}}"#,
        );
        let kept: Vec<_> = held.labels.iter().flatten().map(|(key, value)| (&**key, &**value)).collect();
        let ours = [("kafka.admittance.dev/access", "e"), ("kafka.admittance.dev/acess", "c")];
        assert_eq!(kept, [("kafka-operator", "d"), ours[0], ours[1], ("pod-template-hash", "a")]);
        let strange: Vec<String> = (0..1000).map(|n| format!("\"kafka.admittance.dev/x{n}\": \"\"")).collect();
        let text = format!(r#"{{"labels": {{{}, "kafka.admittance.dev/access": "b"}}}}"#, strange.join(","));
        let kept = read(&text).labels.unwrap();
        assert!(kept.len() <= 2 * MAX_PROBLEMS + 1 && kept.contains_key("kafka.admittance.dev/access"));
        assert!(serde_json::from_str::<Held<'_>>(r#"{"labels": {"app": 7}}"#).is_err());
    }

    #[test]
    fn of_a_list_what_counts_or_comes_first_is_kept() {
        assert_eq!(read(r#"{"odd": [1, 2, 3, 4]}"#).odd.unwrap(), [Odd(1), Odd(3)]);
        for (length, kept) in [
            (1, 1),
            (MAX_CONTAINERS, MAX_CONTAINERS),
            (MAX_CONTAINERS + 1, MAX_CONTAINERS + 1),
            (3000, MAX_CONTAINERS + 1),
        ] {
            let first = read(&serde_json::json!({"first": vec![7; length]}).to_string()).first.unwrap();
            assert_eq!((first.all(), first.len()), (length, kept));
        }
    }
}
