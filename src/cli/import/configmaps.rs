//! Topics as ConfigMaps, the contract of 2017. Pure.

use super::claims::{Found, FoundTopic};
use crate::cli::kafka::file::properties;
use crate::cli::manifest::node::{Node, Value};

/// The label by which the operator of 2017 told a topic from other ConfigMaps, and its value.
const LABEL: (&str, &str) = ("config", "kafka-topic");

/// What an object is; nothing for other kinds, and for ConfigMaps without the label.
#[must_use]
pub fn read(object: &Node, place: &str) -> Option<Found> {
    let text = |path: &[&str]| object.at(path).and_then(Node::as_text);
    (text(&["kind"])? == "ConfigMap" && text(&["metadata", "labels", LABEL.0])? == LABEL.1).then_some(())?;
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
    let data = |key: &str| match &object.at(&["data", key])?.value {
        Value::Text(text) | Value::Number(text) => Some(text.trim()),
        _ => None,
    };
    let number = |keys: [&str; 2]| {
        let Some((key, text)) = keys.into_iter().find_map(|key| Some((key, data(key)?))) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| format!("{key}: \"{text}\" is no number of partitions or replicas"))
    };
    let mut found = FoundTopic::named(data("name").unwrap_or(name));
    // Both spellings that there were.
    found.spec.partitions = number(["partitions", "num.partitions"])?;
    found.spec.replicas = number(["replication-factor", "repl.factor"])?;
    let settings = properties(data("properties").unwrap_or_default(), true);
    found.spec.config = settings.into_iter().map(|(key, value)| (key, value.trim().to_owned())).collect();
    Ok(found)
}
