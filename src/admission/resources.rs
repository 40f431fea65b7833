//! What a container requests and may use, as far as one that is added beside it must have the same. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess};

use super::lenient::{Lenient, Shape};
use super::text::Text;

/// What is looked at: what the limits and quotas of a namespace may ask of every container.
const NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Requests and limits that a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundResources<'a> {
    requests: Amounts<'a>,
    limits: Amounts<'a>,
}

/// The amount of each of `NAMES`, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Amounts<'a>([Option<Text<'a>>; NAMES.len()]);

/// Requests and limits to give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resources {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    requests: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<&'static str, String>,
}

impl FoundResources<'_> {
    /// The same for another container; nothing where there is nothing.
    #[must_use]
    pub fn copied(&self) -> Option<Resources> {
        let resources = Resources { requests: self.requests.copied(), limits: self.limits.copied() };
        let empty = resources.requests.is_empty() && resources.limits.is_empty();
        (!empty).then_some(resources)
    }
}

impl Amounts<'_> {
    fn copied(&self) -> BTreeMap<&'static str, String> {
        let amounts = NAMES.into_iter().zip(&self.0);
        amounts.filter_map(|(name, amount)| Some((name, str::to_owned(amount.as_ref()?)))).collect()
    }
}

impl<'de: 'a, 'a> Shape<'de> for FoundResources<'a> {
    fn of_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key {
                "requests" => found.requests = map.next_value::<Lenient<Amounts<'a>>>()?.0,
                "limits" => found.limits = map.next_value::<Lenient<Amounts<'a>>>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

impl<'de: 'a, 'a> Shape<'de> for Amounts<'a> {
    fn of_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match NAMES.iter().zip(&mut found.0).find(|(name, _)| key == **name) {
                Some((_, amount)) => *amount = map.next_value::<Lenient<Quantity<'a>>>()?.0.0,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// A text, or a number as people may write it.
#[derive(Default)]
struct Quantity<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Shape<'de> for Quantity<'a> {
    fn of_text(text: Text<'de>) -> Self {
        Self(Some(text))
    }

    fn of_number(number: String) -> Self {
        Self(Some(Text::owned(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(json: &str) -> Option<String> {
        let Lenient(found) = serde_json::from_str::<Lenient<FoundResources<'_>>>(json).unwrap();
        found.copied().map(|resources| serde_json::to_string(&resources).unwrap())
    }

    #[test]
    fn what_every_container_may_have_to_have_is_copied() {
        let found = r#"{"limits": {"cpu": 2, "memory": "1Gi", "nvidia.com/gpu": "1"},
            "requests": {"cpu": 0.5, "ephemeral-storage": "1Gi"}, "claims": [{"name": "gpu"}]}"#;
        let wanted = r#"{"requests":{"cpu":"0.5","ephemeral-storage":"1Gi"},"limits":{"cpu":"2","memory":"1Gi"}}"#;
        assert_eq!(copied(found).unwrap(), wanted);
        assert_eq!(copied(r#"{"limits": {"memory": "1Gi"}}"#).unwrap(), r#"{"limits":{"memory":"1Gi"}}"#);
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        for nothing in [
            "{}",
            r#"{"requests": {}, "limits": null}"#,
            r#"{"requests": 7, "limits": ["cpu"]}"#,
            r#"{"limits": {"nvidia.com/gpu": "1"}}"#,
            r#"{"limits": {"cpu": null, "memory": {}}}"#,
            "7",
        ] {
            assert_eq!(copied(nothing), None, "{nothing}");
        }
    }
}
