//! Topics as ConfigMaps, the contract of 2017. Pure.

use super::claims::{Found, FoundTopic};
use crate::cli::manifest::node::{Node, Value};

/// What an object is; nothing for other kinds, and for ConfigMaps without the label.
#[must_use]
pub fn read(object: &Node, place: &str) -> Option<Found> {
    let text = |path: &[&str]| object.at(path).and_then(Node::as_text).map(str::to_owned);
    (text(&["kind"])? == "ConfigMap" && text(&["metadata", "labels", "config"])? == "kafka-topic").then_some(())?;
    let data = |keys: &[&str]| {
        keys.iter().find_map(|key| match &object.at(&["data", key])?.value {
            Value::Text(text) | Value::Number(text) => Some(text.trim().to_owned()),
            _ => None,
        })
    };
    let name = data(&["name"]).filter(|name| !name.is_empty()).or_else(|| text(&["metadata", "name"]))?;
    let mut found = FoundTopic::named(&name);
    found.place = Some(place.to_owned());
    found.namespace = text(&["metadata", "namespace"]);
    found.spec.partitions = data(&["partitions", "num.partitions"]).and_then(|text| text.parse().ok());
    found.spec.replicas = data(&["replication-factor", "repl.factor"]).and_then(|text| text.parse().ok());
    Some(found.into())
}
