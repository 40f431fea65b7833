//! `docs/reference/`: what the code says about the contract, as people read it.

use std::fmt::Write;

use admittance::api::annotations::{KEYS, Place};
use admittance::api::reasons::Reason;
use admittance::api::resources::definitions;
use admittance::runtime::metrics::{ALL, Program};
use serde_json::Value;

use crate::sources::generated;

/// Who changes these pages, and where.
fn head(title: &str, home: &str) -> String {
    format!("# {title}\n\n*Generated from `{home}` by `BLESS=1 cargo test --test house`.*\n")
}

/// A cell of a table: in one line, and without what would end it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn annotations() -> String {
    let mut page = head("Labels and annotations", "src/api/annotations.rs");
    for (place, title) in [
        (Place::OptIn, "Opting in and out: labels of Namespaces and Pods"),
        (Place::PodAnnotation, "What a Pod asks for: annotations of the Pod (its template)"),
        (Place::ClaimAnnotation, "What people ask of AccessClaims and BrokerClusters: their annotations"),
        (
            Place::Of2017,
            "The contract of 2017: labels and annotations of the Pod (its template), the Deployment or a ConfigMap",
        ),
        (Place::Ours, "What Admittance writes"),
    ] {
        let _ = write!(page, "\n## {title}\n\n| key | meaning | default |\n|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.place == place) {
            let _ = writeln!(page, "| `{}` | {} | {} |", key.name, cell(key.meaning), cell(key.default));
        }
    }
    page
}

fn reasons() -> String {
    let mut page = head("Reason codes", "src/api/reasons.rs");
    page.push_str(
        "\nThe codes in denials, conditions, Events and metrics. They are stable: alert on them.\n\n\
         | code | what it says | what to do |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let _ = writeln!(page, "| `{reason}` | {} | {} |", cell(reason.meaning()), cell(reason.remedy()));
    }
    page
}

/// What a schema allows, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let name = schema["type"].as_str().unwrap_or_default();
    let range = [("minimum", "from"), ("maximum", "to")].into_iter();
    let range = range.filter_map(|(key, word)| Some(format!(" {word} {}", schema[key].as_f64()?)));
    name.to_owned() + &range.collect::<String>()
}

/// A row for each field below a schema, by its path.
fn rows(schema: &Value, path: &str, page: &mut String) {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let (path, inner) = if field["items"].is_object() { (path + "[]", &field["items"]) } else { (path, field) };
        let default = match &field["default"] {
            Value::Number(number) => format!("; default {number}"),
            Value::String(text) => format!("; default `{text}`"),
            _ if required.contains(&name.as_str()) => "; required".to_owned(),
            _ => String::new(),
        };
        let meaning = field["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "| `{}` | {}{default} | {} |", path.trim_start_matches('.'), kind(inner), cell(meaning));
        // A condition is the same everywhere in Kubernetes.
        if name != "conditions" {
            rows(inner, &path, page);
        }
    }
}

/// What the API server enforces beyond types, each with the field on which it stands.
fn rules(schema: &Value, path: &str, found: &mut Vec<String>) {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    found.extend(own.filter_map(|rule| Some(format!("`{path}`: {}", rule["message"].as_str()?))));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        rules(field, format!("{path}.{name}").trim_start_matches('.'), found);
    }
}

fn resources() -> String {
    let mut page = head("Custom resources", "src/api/resources/");
    page.push_str("\nAll are namespaced and of `kafka.admittance.dev/v1alpha1`; `kubectl explain` says the same.\n");
    for definition in definitions() {
        let definition = serde_json::to_value(definition).unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let (name, meaning) = (&definition["spec"]["names"]["kind"], &schema["description"]);
        let (name, meaning) = (name.as_str().unwrap(), meaning.as_str().unwrap_or_default());
        let _ = write!(page, "\n## {name}\n\n{meaning}\n\n| field | type | meaning |\n|---|---|---|\n");
        for part in ["spec", "status"] {
            rows(&schema["properties"][part], part, &mut page);
        }
        let mut enforced = Vec::new();
        rules(schema, "", &mut enforced);
        if !enforced.is_empty() {
            let _ = write!(page, "\nThe API server also enforces:\n\n");
            for rule in enforced {
                let _ = writeln!(page, "- {rule}");
            }
        }
    }
    page
}

fn metrics() -> String {
    let mut page = head("Metrics", "src/runtime/metrics.rs");
    page.push_str(
        "\nOn port 8080 of every Pod (`webhook.healthPort` of the webhook's), `/metrics`, in OpenMetrics. No label holds the name of anybody's\n\
         object; a reason is one of the [reason codes](reasons.md). What a kind of object is called, and where:\n\
         `kubectl get -A accessclaims`.\n",
    );
    for (program, title) in [
        (Program::Webhook, "The webhook, every replica"),
        (Program::Operator, "The operator, every replica"),
        (Program::Leader, "The operator that leads, once it has listed everything"),
    ] {
        let _ = write!(page, "\n## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n");
        for metric in ALL.iter().filter(|metric| metric.program == program) {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, meaning) = (metric.query(), cell(metric.meaning));
            let _ = writeln!(page, "| `{name}` | {} | {} | {meaning} |", metric.kind, labels.join(", "));
        }
    }
    page
}

#[test]
fn the_reference_is_what_the_code_says() {
    generated("docs/reference/annotations.md", &annotations());
    generated("docs/reference/reasons.md", &reasons());
    generated("docs/reference/resources.md", &resources());
    generated("docs/reference/metrics.md", &metrics());
}

#[test]
fn nothing_of_the_contract_is_left_out() {
    let (keys, codes, fields, counts) = (annotations(), reasons(), resources(), metrics());
    for metric in ALL {
        assert!(counts.contains(&format!("| `{}` |", metric.query())), "{}", metric.name);
    }
    for key in KEYS {
        assert!(keys.contains(key.name), "{}", key.name);
    }
    for reason in Reason::ALL {
        assert!(codes.contains(&format!("| `{reason}` |")), "{reason}");
    }
    for row in [
        "| `spec.external.mechanism` | `SCRAM-SHA-512`, `SCRAM-SHA-256`; default `SCRAM-SHA-512` |",
        "| `spec.topics.defaultPartitions` | integer from 1 to 10000; default 1 |",
        "| `spec.topicName` | string; required |",
        "| `status.refused[].reason` | string; required |",
        "- `spec`: topicName is immutable",
        "- `spec.topicName`: may hold only letters",
    ] {
        assert!(fields.contains(row), "{row}");
    }
}
