//! The chart's alerts against the metrics that there are.

use admittance::api::reasons::Reason;
use admittance::runtime::metrics::ALL;
use serde_json::Value;

use crate::sources::{none, read};

/// Rules of Prometheus, as the chart ships them.
const RULES: &str = "charts/admittance/alerts.yaml";

/// Labels by which a rule selects or groups, and that the metric does not have. Whoever scrapes adds the namespace.
fn strange_labels(rules: &str) -> Vec<String> {
    let mut found = Vec::new();
    for metric in ALL {
        let name = metric.query();
        let known = |label: &str| label == "namespace" || metric.labels.contains(&label);
        for (at, _) in rules.match_indices(&name) {
            let selected = rules[at + name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next());
            let selected =
                selected.into_iter().flat_map(|all| all.split(", ")).filter_map(|one| one.split(['=', '!']).next());
            // What the rule groups by stands before the metric, in the same line.
            let before = rules[..at].rsplit('\n').next().unwrap_or_default();
            let grouped = before.rsplit_once("by (").and_then(|(_, rest)| rest.split(')').next());
            let labels = selected.chain(grouped.into_iter().flat_map(|all| all.split(", ")));
            found.extend(labels.filter(|label| !known(label)).map(|label| format!("{name} has no label {label}")));
        }
    }
    found
}

#[test]
fn alerts_are_on_what_there_is() {
    let rules = read(RULES);
    let known: Vec<String> = ALL.iter().map(admittance::runtime::metrics::Metric::query).collect();
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: Vec<&str> = words.filter(|word| word.starts_with("admittance_")).collect();
    assert!(!named.is_empty());
    for word in named {
        assert!(known.iter().any(|metric| metric == word), "{word}");
    }
    for needed in [
        "unless max by (namespace) (admittance_leads == 1)",
        "unless max by (namespace) (admittance_queue_depth)",
        r#"apiserver_admission_webhook_fail_open_count{name=~"(pods|claims)[.]kafka[.]admittance[.]dev"}"#,
        r#"kind="TopicClaim", condition="Ready""#,
    ] {
        assert!(rules.contains(needed), "{needed}");
    }
    assert_eq!(strange_labels(&rules), [""; 0]);
    assert!(!rules.contains("absent("), "one release that is there would stand in for another that is not");
    for condition in [admittance::sweep::report::HELD, admittance::topics::deletion::report::HELD] {
        assert!(rules.contains(&format!(r#"condition="{condition}", status="True""#)), "{condition}");
    }
    let reasons = rules
        .split("reason")
        .skip(1)
        .filter_map(|rest| rest.trim_start_matches('!').strip_prefix("=\"").and_then(|rest| rest.split('"').next()));
    let reasons: Vec<&str> = reasons.collect();
    assert!(reasons.contains(&Reason::RotationOverdue.code()), "{reasons:?}");
    for reason in reasons {
        assert!(Reason::of_code(reason).is_some(), "{reason}");
    }
}

#[test]
fn the_rule_on_labels_sees_bad_examples() {
    let rules = "sum by (kind, pod) (rate(admittance_writes_total{kind!=\"lease\", what=\"x\"}[10m]))\nmax by (namespace) (admittance_leads == 1)";
    assert_eq!(
        strange_labels(rules),
        ["admittance_writes_total has no label what", "admittance_writes_total has no label pod"]
    );
}

/// What an alert lacks by which people are woken, and know why and what to do.
fn lacks(rule: &Value) -> Vec<String> {
    let name = rule["alert"].as_str().unwrap_or_default();
    let runbook = format!("docs/operator/runbook.md#{}", name.to_lowercase());
    let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
    let summary = rule["annotations"]["summary"].as_str().unwrap_or_default();
    [
        (!name.starts_with("Admittance"), "is not named after the program"),
        (!["critical", "warning"].contains(&severity), "has no severity that the file explains"),
        (summary.is_empty() || summary.ends_with('.'), "has no summary, or one that is a sentence"),
        (rule["annotations"]["runbook_url"] != runbook.as_str(), "does not lead to its heading in the runbook"),
        (rule["expr"].as_str().is_none_or(str::is_empty), "has no expression"),
    ]
    .into_iter()
    .filter(|(fault, _)| *fault)
    .map(|(_, what)| format!("{name} {what}"))
    .collect()
}

#[test]
fn who_is_woken_knows_how_badly_why_and_what_to_do() {
    let rules: Value = serde_saphyr::from_str(&read(RULES)).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(!rules.is_empty());
    none(&rules.into_iter().flat_map(lacks).collect::<Vec<_>>());
}

#[test]
fn the_rule_on_alerts_sees_bad_examples() {
    let found =
        lacks(&serde_json::json!({"alert": "X", "labels": {"severity": "page"}, "annotations": {"summary": "It is."}}));
    assert_eq!(found.len(), 5, "{found:?}");
    let good = serde_json::json!({
        "alert": "AdmittanceX", "expr": "x > 0", "labels": {"severity": "warning"},
        "annotations": {"summary": "It is", "runbook_url": "docs/operator/runbook.md#admittancex"},
    });
    assert_eq!(lacks(&good), [""; 0]);
}
