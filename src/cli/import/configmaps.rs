//! Topics as ConfigMaps, the contract of 2017. Pure.

use std::collections::BTreeMap;

use super::claims::{Found, FoundTopic};
use crate::api::annotations::{CONFIG_MAP_2017, CONFIG_MAP_2017_VALUE};
use crate::cli::manifest::node::{Node, Value};
use crate::configmaps::declaration;

/// What an object is; nothing for other kinds, and for ConfigMaps without the label.
#[must_use]
pub fn read(object: &Node, place: &str) -> Option<Found> {
    let text = |path: &[&str]| object.at(path).and_then(Node::as_text);
    (text(&["kind"])? == "ConfigMap" && text(&["metadata", "labels", CONFIG_MAP_2017])? == CONFIG_MAP_2017_VALUE)
        .then_some(())?;
    let name = text(&["metadata", "name"]).unwrap_or_default();
    Some(topic(object, name).map_or_else(
        |fault| Found::Unreadable(format!("{place}: ConfigMap {name}: {fault}")),
        |mut found| {
            found.place = Some(place.to_owned());
            found.namespace = text(&["metadata", "namespace"]).map(str::to_owned);
            found.into()
        },
    ))
}

fn topic(object: &Node, name: &str) -> Result<FoundTopic, String> {
    let entries = match object.get("data").map(|data| &data.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let text = |node: &Node| match &node.value {
        // The API server takes texts alone; a number that somebody forgot to quote says what it says.
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    };
    let data: BTreeMap<_, _> = entries.iter().filter_map(|(key, node)| Some((key.clone(), text(node)?))).collect();
    let declared = declaration::read(name, &data).map_err(|faults| {
        let messages: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
        messages.join("; ")
    })?;
    let mut found = FoundTopic::named(&declared.topic);
    found.spec.partitions = declared.partitions;
    found.spec.replicas = declared.replicas;
    found.spec.config = declared.config;
    Ok(found)
}
