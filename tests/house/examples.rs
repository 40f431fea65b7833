//! `examples/broker-cluster.yaml`: all that a BrokerCluster has, with the defaults that it has.

use std::collections::BTreeSet;

use admittance::api::resources::{BrokerCluster, definitions};
use admittance::clusters::terms::terms;
use serde_json::{Value, json};

use crate::sources::read;

const EXAMPLE: &str = "examples/broker-cluster.yaml";

/// The example with what it leaves to its reader set too: what stands behind a `#` without a space.
fn in_full(text: &str) -> String {
    let line = |line: &str| {
        let inner = line.trim_start();
        let set = inner.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with([' ', '#']));
        // What is further in is behind the same number sign.
        let deeper = inner.strip_prefix('#').filter(|rest| rest.starts_with("  "));
        let indent = &line[..line.len() - inner.len()];
        // At the margin stands what the file is about.
        set.or(deeper).filter(|_| !indent.is_empty()).map_or_else(|| line.to_owned(), |rest| format!("{indent}{rest}"))
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The paths of all fields of a value; what a map holds by names that people choose is not looked into.
fn fields(value: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let (schema, values) = match value.as_array() {
            Some(values) => (&schema["properties"][key]["items"], values.iter().collect()),
            None => (&schema["properties"][key], vec![value]),
        };
        if schema["properties"].is_object() {
            values.into_iter().for_each(|value| fields(value, schema, &path, found));
        }
        found.insert(path);
    }
}

/// The same of a schema.
fn known(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (key, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        known(if field["items"].is_object() { &field["items"] } else { field }, &path, found);
        found.insert(path);
    }
}

fn schema() -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == "BrokerCluster");
    let schema = definition.unwrap().spec.versions.remove(0).schema.unwrap().open_api_v3_schema;
    serde_json::to_value(schema).unwrap()["properties"]["spec"].clone()
}

#[test]
fn the_example_of_a_cluster_has_every_field_and_no_other() {
    let whole: Value = serde_saphyr::from_str(&in_full(&read(EXAMPLE))).unwrap();
    let (schema, mut named, mut all) = (schema(), BTreeSet::new(), BTreeSet::new());
    fields(&whole["spec"], &schema, "spec", &mut named);
    known(&schema, "spec", &mut all);
    // Each of a workload's quotas is among those of the default.
    all.retain(|path| !path.starts_with("spec.quotas.workloads.quotas."));
    named.retain(|path| !path.starts_with("spec.quotas.workloads.quotas."));
    assert_eq!(named, all);
    let cluster: BrokerCluster = serde_json::from_value(whole).unwrap();
    terms(&cluster, None).unwrap();
}

#[test]
fn what_the_example_sets_is_the_default() {
    let example: BrokerCluster = serde_saphyr::from_str(&read(EXAMPLE)).unwrap();
    let external = json!(example.spec.external);
    let least = json!({"metadata": {"name": "default"}, "spec": {"external": external}});
    let least: BrokerCluster = serde_json::from_value(least).unwrap();
    assert_eq!(example.spec, least.spec);
    terms(&example, None).unwrap();
}

#[test]
fn what_is_left_to_the_reader_is_found() {
    let text = "a:\n  # Why.\n  #b: 1\n  #c:\n  #  d: 2\n  # e: prose.\n#   $ a command\n";
    let whole: Value = serde_saphyr::from_str(&in_full(text)).unwrap();
    assert_eq!(whole, json!({"a": {"b": 1, "c": {"d": 2}}}));
}
