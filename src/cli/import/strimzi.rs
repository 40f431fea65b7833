//! Strimzi's `KafkaTopic` and `KafkaUser` (`kafka.strimzi.io/v1beta2` and `v1`). Pure.

use super::acls::{Kind, Rule};
use super::claims::{Found, FoundAccess, FoundTopic};
use crate::api::resources::{AccessClaimSpec, AccessSource, Quotas};
use crate::cli::manifest::node::{Node, Value};

const GROUP: &str = "kafka.strimzi.io/";

/// What an object is; nothing for other kinds.
#[must_use]
pub fn read(object: &Node, place: &str, service_account: &str) -> Option<Found> {
    text(object, &["apiVersion"])?.starts_with(GROUP).then_some(())?;
    match text(object, &["kind"])?.as_str() {
        "KafkaTopic" => Some(topic(object, place)),
        "KafkaUser" => Some(user(object, place, service_account)),
        _ => None,
    }
}

fn topic(object: &Node, place: &str) -> Found {
    let Some(name) = text(object, &["spec", "topicName"]).or_else(|| text(object, &["metadata", "name"])) else {
        return Found::Unreadable(format!("{place}: a KafkaTopic without a name"));
    };
    let mut found = FoundTopic::named(&name);
    found.place = Some(place.to_owned());
    found.namespace = text(object, &["metadata", "namespace"]);
    // Absent, or -1, is the brokers' default, as it is with us.
    found.spec.partitions = number(object, &["spec", "partitions"]).and_then(count);
    found.spec.replicas = number(object, &["spec", "replicas"]).and_then(count);
    if let Some(Value::Map(entries)) = object.at(&["spec", "config"]).map(|config| &config.value) {
        found.spec.config = entries.iter().filter_map(|(key, value)| Some((key.clone(), setting(value)?))).collect();
    }
    found.into()
}

fn user(object: &Node, place: &str, service_account: &str) -> Found {
    let Some(name) = text(object, &["metadata", "name"]) else {
        return Found::Unreadable(format!("{place}: a KafkaUser without a name"));
    };
    let mut unmapped = Vec::new();
    let rules = object.at(&["spec", "authorization", "acls"]).and_then(Node::elements).unwrap_or_default();
    if rules.is_empty() {
        unmapped.push("it has no ACLs: nobody says what it consumes and produces".to_owned());
    }
    let mut quotas = Quotas {
        produce_bytes_per_second: number(object, &["spec", "quotas", "producerByteRate"]),
        consume_bytes_per_second: number(object, &["spec", "quotas", "consumerByteRate"]),
        ..Quotas::default()
    };
    quotas.request_percentage = number(object, &["spec", "quotas", "requestPercentage"]).and_then(count);
    if object.at(&["spec", "quotas", "controllerMutationRate"]).is_some() {
        unmapped.push("the quota controllerMutationRate: claims make no topics".to_owned());
    }
    let spec = AccessClaimSpec {
        source: AccessSource::Manual,
        workload: name,
        service_account: Some(service_account.to_owned()),
        quotas: Some(quotas).filter(|quotas| *quotas != Quotas::default()),
        ..AccessClaimSpec::empty()
    };
    let mut read = Vec::new();
    for acl in rules {
        match rule(acl) {
            Some(rule) => read.push(rule),
            None => unmapped.push(format!("a rule that cannot be understood: {}", acl.to_json())),
        }
    }
    let namespace = text(object, &["metadata", "namespace"]);
    Found::Access(Box::new(FoundAccess { place: place.to_owned(), namespace, spec, rules: read, unmapped }))
}

fn rule(acl: &Node) -> Option<Rule> {
    let kind = match text(acl, &["resource", "type"])?.as_str() {
        "topic" => Kind::Topic,
        "group" => Kind::Group,
        "transactionalId" => Kind::TransactionalId,
        "cluster" => Kind::Cluster,
        _ => return None,
    };
    let listed = acl.get("operations").and_then(Node::elements).unwrap_or_default();
    // The singular is what older versions had.
    let operations = listed.iter().chain(acl.get("operation")).filter_map(Node::as_text).map(str::to_owned);
    let operations: Vec<String> = operations.collect();
    let pattern = text(acl, &["resource", "patternType"]);
    Some(Rule {
        kind,
        name: text(acl, &["resource", "name"]).unwrap_or_default(),
        prefix: pattern.is_some_and(|pattern| pattern == "prefix"),
        operations: Some(operations).filter(|operations| !operations.is_empty())?,
        host: text(acl, &["host"]).unwrap_or_else(|| "*".to_owned()),
        allow: text(acl, &["type"]).is_none_or(|kind| kind == "allow"),
    })
}

/// The value of a setting: Strimzi takes numbers, truth values and lists as well as texts.
fn setting(value: &Node) -> Option<String> {
    match &value.value {
        Value::Null | Value::Map(_) => None,
        Value::Text(text) => Some(text.clone()),
        Value::List(elements) => Some(elements.iter().filter_map(setting).collect::<Vec<_>>().join(",")),
        Value::Bool(_) | Value::Number(_) => Some(value.to_json()),
    }
}

fn text(object: &Node, path: &[&str]) -> Option<String> {
    object.at(path).and_then(Node::as_text).map(str::to_owned)
}

fn number(object: &Node, path: &[&str]) -> Option<i64> {
    match &object.at(path)?.value {
        Value::Number(number) => number.parse().ok(),
        _ => None,
    }
}

fn count(number: i64) -> Option<i32> {
    i32::try_from(number).ok().filter(|number| *number > 0)
}
