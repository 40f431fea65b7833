//! The chart against the code, and against itself.

use std::collections::BTreeSet;

use admittance::api::resources::definitions;
use admittance::cli::{Cli, crds};
use clap::CommandFactory;
use serde_json::Value;

use crate::sources::{below, generated, none, read};

fn values() -> Value {
    serde_saphyr::from_str(&read("charts/admittance/values.yaml")).unwrap()
}

#[test]
fn the_charts_resources_are_the_codes() {
    generated("charts/admittance/crds/admittance.yaml", &crds::yaml().unwrap());
}

#[test]
fn the_resources_are_the_same_when_read_back() {
    let read: Vec<Value> = serde_saphyr::from_multiple(&crds::yaml().unwrap()).unwrap();
    let written: Vec<Value> =
        definitions().iter().map(|definition| serde_json::to_value(definition).unwrap()).collect();
    assert_eq!(read, written);
}

/// Keys that one side has and the other lacks.
fn out_of_step(values: &Value, schema: &Value, path: &str) -> Vec<String> {
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let Some(values) = values.as_object() else { return vec![format!("{path}: is no object in values.yaml")] };
    let mut found = Vec::new();
    if schema["additionalProperties"] != false {
        found.push(format!("{path}: the schema lets unknown keys pass"));
    }
    for (key, schema) in properties.iter().filter(|(key, _)| path != "values" || *key != "global") {
        match values.get(key) {
            Some(value) => found.extend(out_of_step(value, schema, &format!("{path}.{key}"))),
            None => found.push(format!("{path}.{key}: is in the schema and not in values.yaml")),
        }
    }
    let lost = values.keys().filter(|key| !properties.contains_key(*key));
    found.extend(lost.map(|key| format!("{path}.{key}: is in values.yaml and not in the schema")));
    found
}

#[test]
fn the_schema_is_in_step_with_the_values() {
    let schema = serde_json::from_str(&read("charts/admittance/values.schema.json")).unwrap();
    none(&out_of_step(&values(), &schema, "values"));
}

/// The paths that a template reads from the values.
fn used(template: &str) -> impl Iterator<Item = &str> {
    template.split(".Values.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    })
}

/// The paths of all values; a map without keys and a list are one value.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => {
            for (key, value) in map {
                leaves(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

fn unmatched(values: &Value, templates: &str) -> Vec<String> {
    let used: BTreeSet<&str> = used(templates).collect();
    let mut all = BTreeSet::new();
    leaves(values, "", &mut all);
    let covers =
        |path: &str, leaf: &str| leaf == path || leaf.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    let unknown = used.iter().filter(|path| !all.iter().any(|leaf| covers(path, leaf)));
    let idle = all.iter().filter(|leaf| !used.iter().any(|path| covers(path, leaf)));
    unknown
        .map(|path| format!(".Values.{path} is read by a template and not in values.yaml"))
        .chain(idle.map(|leaf| format!("{leaf} is in values.yaml and read by no template")))
        .collect()
}

#[test]
fn every_value_is_used_and_every_use_has_a_value() {
    let templates = [
        below("charts/admittance/templates", ".yaml"),
        below("charts/admittance/templates", ".tpl"),
        below("charts/admittance/templates", ".txt"),
    ];
    let templates: String = templates.concat().into_iter().map(|template| template.text).collect();
    none(&unmatched(&values(), &templates));
}

/// The flags that a template gives to a subcommand and that it does not know.
fn unknown_flags(template: &str, subcommand: &str) -> Vec<String> {
    let mut command = Cli::command();
    command.build();
    let command = command.find_subcommand(subcommand).unwrap_or_else(|| panic!("there is no subcommand {subcommand}"));
    let known: BTreeSet<_> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
    let flags = template.lines().filter_map(|line| line.trim().strip_prefix("- --")?.split('=').next());
    flags.filter(|flag| !known.contains(flag)).map(|flag| format!("{subcommand} has no flag --{flag}")).collect()
}

#[test]
fn the_programs_know_their_flags() {
    for subcommand in ["webhook", "operator"] {
        none(&unknown_flags(&read(&format!("charts/admittance/templates/{subcommand}.yaml")), subcommand));
    }
}

#[test]
fn the_charts_version_is_the_programs() {
    let chart: Value = serde_saphyr::from_str(&read("charts/admittance/Chart.yaml")).unwrap();
    assert_eq!(
        (&chart["version"], &chart["appVersion"]),
        (&env!("CARGO_PKG_VERSION").into(), &env!("CARGO_PKG_VERSION").into())
    );
}

/// The environment variables that a template sets itself.
fn environment(template: &str) -> BTreeSet<&str> {
    let (_, rest) = template.split_once("\n          env:\n").unwrap();
    let (ours, _) = rest.split_once(".Values.extraEnv").unwrap();
    let names = ours.lines().filter_map(|line| line.trim().trim_start_matches(['-', ' ', '{']).strip_prefix("name: "));
    names.map(|rest| rest.split(',').next().unwrap_or_default()).collect()
}

/// Of a variable that is said twice the last counts, and a merge that knows lists by names loses one of them.
#[test]
fn no_extra_variable_has_the_name_of_one_of_the_charts() {
    let templates = ["webhook", "operator"].map(|program| read(&format!("charts/admittance/templates/{program}.yaml")));
    let ours: BTreeSet<&str> = templates.iter().flat_map(|template| environment(template)).collect();
    let schema: Value = serde_json::from_str(&read("charts/admittance/values.schema.json")).unwrap();
    let refused = schema.pointer("/properties/extraEnv/items/properties/name/not/enum").unwrap().as_array().unwrap();
    assert_eq!(ours, refused.iter().map(|name| name.as_str().unwrap()).collect());
    assert!(ours.contains("POD_NAME") && ours.contains("MALLOC_TRIM_THRESHOLD_"), "{ours:?}");
}

/// A replica that is not ready serves nobody; by default its budget would keep its node from being drained for as long.
#[test]
fn no_budget_keeps_a_broken_pod_on_its_node() {
    let templates = below("charts/admittance/templates", ".yaml");
    let budgets = templates.iter().flat_map(|template| template.text.split("\n---\n"));
    let budgets: Vec<_> = budgets.filter(|manifest| manifest.contains("kind: PodDisruptionBudget")).collect();
    assert_eq!(budgets.len(), 2);
    for budget in budgets {
        assert!(budget.contains("\n  unhealthyPodEvictionPolicy: AlwaysAllow\n"), "{budget}");
    }
}

#[test]
fn the_rules_see_bad_examples() {
    let schema = serde_json::json!({"additionalProperties": false, "properties": {"a": {}, "b": {"properties": {}}}});
    let values = serde_json::json!({"a": 1, "b": {"c": 1}, "d": 1});
    let found = out_of_step(&values, &schema, "values");
    assert_eq!(found.len(), 3, "{found:?}");
    let found = unmatched(&values, "{{ .Values.a }} {{ toJson .Values.b }} {{ .Values.e.f | quote }}");
    assert_eq!(
        found,
        [".Values.e.f is read by a template and not in values.yaml", "d is in values.yaml and read by no template"]
    );
    assert_eq!(unknown_flags("  - --port=1\n  - --sport=1\n  - webhook", "webhook"), ["webhook has no flag --sport"]);
}
