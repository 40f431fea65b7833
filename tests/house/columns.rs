//! What `kubectl get` shows of the resources.

use admittance::api::resources::{READY, definitions};
use serde_json::{Value, json};

use crate::sources::none;

/// The columns of each kind, and its schema.
fn kinds() -> Vec<(String, Vec<Value>, Value)> {
    let of = |definition| {
        let definition: Value = serde_json::to_value(definition).unwrap();
        let version = &definition["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().unwrap().clone();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        (kind, columns, version["schema"]["openAPIV3Schema"].clone())
    };
    definitions().into_iter().map(of).collect()
}

fn column(columns: &[Value], name: &str) -> Value {
    columns.iter().find(|column| column["name"] == name).cloned().unwrap_or_else(|| panic!("no column {name}"))
}

/// The path of the condition of a type.
fn of_condition(kind: &str, field: &str) -> String {
    format!(".status.conditions[?(@.type=='{kind}')].{field}")
}

/// Columns of fields that the schema does not have: they are empty for ever.
fn empty(kind: &str, columns: &[Value], schema: &Value) -> Vec<String> {
    let lost = columns.iter().filter(|column| {
        let path = column["jsonPath"].as_str().unwrap();
        let plain = path.split('[').next().unwrap_or_default();
        let field = plain.split('.').skip(1).fold(schema, |schema, key| &schema["properties"][key]);
        field.is_null() && !plain.starts_with(".metadata.")
    });
    lost.map(|column| format!("{kind} has no field for its column {}", column["name"])).collect()
}

#[test]
fn every_column_has_a_field() {
    none(&kinds().iter().flat_map(|(kind, columns, schema)| empty(kind, columns, schema)).collect::<Vec<_>>());
    let (columns, schema) = ([json!({"name": "X", "jsonPath": ".spec.y"})], json!({"properties": {"spec": {}}}));
    assert_eq!(empty("A", &columns, &schema).len(), 1, "the rule sees a bad example");
}

#[test]
fn why_something_is_not_ready_is_a_column_of_wide_output() {
    for (kind, columns, _) in kinds() {
        let message = column(&columns, "Message");
        assert_eq!(
            (&message["jsonPath"], &message["priority"]),
            (&json!(of_condition(READY, "message")), &json!(1)),
            "{kind}"
        );
    }
}

#[test]
fn what_waits_for_a_person_is_a_column_of_the_cluster() {
    let kinds = kinds();
    let (_, columns, _) = kinds.iter().find(|(kind, _, _)| kind == "BrokerCluster").unwrap();
    for (name, held) in [
        ("Users held", admittance::sweep::report::HELD),
        ("Deletions held", admittance::topics::deletion::report::HELD),
    ] {
        let column = column(columns, name);
        assert_eq!(column["jsonPath"], of_condition(held, "status"));
        assert!(column["priority"].as_i64().unwrap_or_default() == 0, "it is seen without being looked for");
    }
}

#[test]
fn a_topic_claim_shows_the_cluster_that_was_decided_on_and_what_its_end_does() {
    let kinds = kinds();
    let (_, columns, _) = kinds.iter().find(|(kind, _, _)| kind == "TopicClaim").unwrap();
    // A claim may name none.
    assert_eq!(column(columns, "Cluster")["jsonPath"], ".status.cluster");
    assert_eq!(column(columns, "Deletion")["jsonPath"], ".spec.deletion");
}
