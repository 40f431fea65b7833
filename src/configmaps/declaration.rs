//! A ConfigMap of the contract of 2017, read. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::properties;
use crate::api::names::{NameError, TopicName};
use crate::api::reasons::Reason;
use crate::api::resources::{MAX_CONFIG, MAX_CONFIG_VALUE};
use crate::intent::problem::shown;

/// The topic's name; absent, the ConfigMap's.
const NAME: &str = "name";
/// Partitions, in both spellings that there were.
const PARTITIONS: [&str; 2] = ["partitions", "num.partitions"];
/// Replicas of each partition, likewise.
const REPLICAS: [&str; 2] = ["replication-factor", "repl.factor"];
/// Settings of the topic, as Java's properties.
const PROPERTIES: &str = "properties";
/// Written by the operator of 2017, and never heeded.
const UNUSED: &str = "acl";
/// Settings that a topic may have.
const MAX_PROPERTIES: usize = 100;
/// Unknown keys that are named.
const NAMED: usize = 5;

/// What a ConfigMap says of its topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declaration {
    /// Its name.
    pub topic: String,
    /// Partitions, where it says so.
    pub partitions: Option<i32>,
    /// Replicas of each partition, where it says so.
    pub replicas: Option<i32>,
    /// Settings.
    pub config: BTreeMap<String, String>,
    /// Keys that say nothing, some of them.
    pub unknown: Vec<String>,
}

/// What is wrong with a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub reason: Reason,
    /// Which key, which value, which rule.
    pub message: String,
}

fn fault(reason: Reason, key: &str, value: &str, rule: impl Display) -> Fault {
    Fault { reason, message: format!("{key}: \"{}\" {rule}", shown(value)) }
}

/// Reads what a ConfigMap of a name holds.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(name: &str, data: &BTreeMap<String, String>) -> Result<Declaration, Vec<Fault>> {
    let mut faults = Vec::new();
    let topic = data.get(NAME).map_or(name, |text| text.trim());
    if let Err(error) = TopicName::parse(topic) {
        let reason = if error == NameError::Internal { Reason::InternalTopic } else { Reason::InvalidTopicName };
        faults.push(fault(reason, NAME, topic, error));
    }
    let mut number = |keys, range| {
        number(data, keys, range).unwrap_or_else(|found| {
            faults.push(found);
            None
        })
    };
    // The ranges are those of a TopicClaim.
    let (partitions, replicas) = (number(PARTITIONS, 1..=10_000), number(REPLICAS, 1..=100));
    let config = config(data.get(PROPERTIES).map_or("", String::as_str)).unwrap_or_else(|found| {
        faults.push(found);
        BTreeMap::new()
    });
    let known = |key: &&String| {
        let plain = [NAME, PROPERTIES, UNUSED];
        plain.iter().chain(&PARTITIONS).chain(&REPLICAS).any(|known| *known == key.as_str())
    };
    let unknown = data.keys().filter(|key| !known(key)).take(NAMED).map(|key| shown(key)).collect();
    let topic = topic.to_owned();
    if faults.is_empty() { Ok(Declaration { topic, partitions, replicas, config, unknown }) } else { Err(faults) }
}

fn number(data: &BTreeMap<String, String>, keys: [&str; 2], range: RangeInclusive<i32>) -> Result<Option<i32>, Fault> {
    let mut said = keys.into_iter().filter_map(|key| Some((key, data.get(key)?.trim())));
    let Some((key, text)) = said.next() else { return Ok(None) };
    if let Some((other, value)) = said.next().filter(|(_, value)| *value != text) {
        return Err(fault(Reason::InvalidValue, other, value, format_args!("is not what {key} says")));
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    let rule = format_args!("is no number from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| fault(Reason::InvalidValue, key, text, rule))
}

fn config(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let broken =
        |message: String| Fault { reason: Reason::InvalidProperties, message: format!("{PROPERTIES}: {message}") };
    let config = properties::parse(text).map_err(|error| broken(error.to_string()))?;
    if config.len() > MAX_PROPERTIES {
        return Err(broken(format!("{} settings are too many: {MAX_PROPERTIES} at most", config.len())));
    }
    // Kafka drops the white space around a value, and would say ever after that it has another one.
    let config: BTreeMap<_, _> = config.into_iter().map(|(key, value)| (key, value.trim().to_owned())).collect();
    // The API server takes no claim with such a value, and whoever wrote this would not be told why.
    if let Some((key, value)) = config.iter().find(|(_, value)| value.len() > MAX_CONFIG_VALUE) {
        return Err(broken(format!("{} has {} bytes; {MAX_CONFIG_VALUE} at most", shown(key), value.len())));
    }
    let bytes: usize = config.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_CONFIG {
        return Err(broken(format!("the settings have {bytes} bytes together; {MAX_CONFIG} at most")));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[(&str, &str)]) -> Result<Declaration, Vec<Fault>> {
        read("orders", &data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn reasons(data: &[(&str, &str)]) -> Vec<Reason> {
        of(data).unwrap_err().into_iter().map(|fault| fault.reason).collect()
    }

    #[test]
    fn both_spellings_are_read() {
        let ours =
            of(&[("name", "a_B"), ("partitions", "20"), ("replication-factor", " 3\n"), ("acl", "true")]).unwrap();
        assert_eq!((ours.topic.as_str(), ours.partitions, ours.replicas), ("a_B", Some(20), Some(3)));
        let later = of(&[("name", "a_B"), ("num.partitions", "20"), ("repl.factor", "3")]).unwrap();
        assert_eq!(ours, later);
        assert!(of(&[("num.partitions", "20"), ("partitions", "20")]).is_ok());
        assert_eq!(reasons(&[("num.partitions", "20"), ("partitions", "21")]), [Reason::InvalidValue]);
    }

    #[test]
    fn what_is_left_out_is_left_open() {
        let bare = of(&[]).unwrap();
        assert_eq!(bare, Declaration { topic: "orders".into(), ..Declaration::default() });
    }

    #[test]
    fn settings_are_properties() {
        let config =
            of(&[("properties", "retention.ms = 2592000000 \n# kept\ncleanup.policy:compact,delete")]).unwrap().config;
        let wanted = [("cleanup.policy", "compact,delete"), ("retention.ms", "2592000000")];
        assert_eq!(config, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let many: String = (0..101).map(|n| format!("k{n}=v\n")).collect();
        for bad in ["a=1\na=2", "a=\\u00", "=b", &many] {
            assert_eq!(reasons(&[("properties", bad)]), [Reason::InvalidProperties], "{bad}");
        }
    }

    #[test]
    fn a_value_that_no_claim_may_have_is_named_by_its_key() {
        let of_length = |length: usize| of(&[("properties", &format!("a=1\nb={}", "x".repeat(length)))]);
        assert_eq!(of_length(4096).unwrap().config["b"].len(), 4096);
        let faults = of_length(4097).unwrap_err();
        let [Fault { reason: Reason::InvalidProperties, message }] = faults.as_slice() else { panic!("{faults:?}") };
        assert_eq!(message, "properties: b has 4097 bytes; 4096 at most");
        let many: String = (0..100).map(|n| format!("k{n:02}={}\n", "x".repeat(161))).collect();
        let faults = of(&[("properties", &many)]).unwrap_err();
        assert_eq!(faults[0].message, "properties: the settings have 16400 bytes together; 16384 at most");
        assert!(of(&[("properties", &many.replacen("xxxxxxxxxxxxxxxx", "", 1))]).is_ok());
    }

    #[test]
    fn every_fault_is_named() {
        for bad in ["0", "-1", "", "many", "1.5", "10001", "99999999999"] {
            assert_eq!(reasons(&[("partitions", bad)]), [Reason::InvalidValue], "{bad}");
        }
        assert_eq!(reasons(&[("replication-factor", "101")]), [Reason::InvalidValue]);
        assert_eq!(reasons(&[("name", "__consumer_offsets")]), [Reason::InternalTopic]);
        assert_eq!(reasons(&[("name", "a/b")]), [Reason::InvalidTopicName]);
        let all = reasons(&[("name", ""), ("partitions", "x"), ("repl.factor", "0"), ("properties", "=")]);
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn unknown_keys_are_named_and_ignored() {
        let found = of(&[("partition", "3"), ("acl", "false")]).unwrap();
        assert_eq!((found.unknown, found.partitions), (vec!["partition".to_owned()], None));
    }
}
