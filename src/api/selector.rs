//! Which namespaces are meant, by their labels: Kubernetes' label selector, with its rules. Pure.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A selector of namespaces: all of it must hold. An empty one selects every namespace.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that the namespace must have, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub match_labels: BTreeMap<String, String>,
    /// More demands on its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub match_expressions: Vec<Requirement>,
}

/// One demand on a namespace's labels.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("In and NotIn need values; Exists and DoesNotExist take none")
)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// What is demanded of it.
    pub operator: Operator,
    /// The values that `In` and `NotIn` speak of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// What is demanded of a label.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is there, with one of the values.
    In,
    /// It is not there, or with another value.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether a namespace with these labels is meant. No selector means every namespace.
#[must_use]
pub fn admits(selector: Option<&NamespaceSelector>, labels: &BTreeMap<String, String>) -> bool {
    selector.is_none_or(|selector| {
        selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && selector.match_expressions.iter().all(|requirement| requirement.holds(labels))
    })
}

/// Whether a namespace may have claims on topics. The labels of one that is not opted in are not known: where some namespaces are selected,
/// that one is not.
#[must_use]
pub fn admits_claims(selector: Option<&NamespaceSelector>, labels: Option<&BTreeMap<String, String>>) -> bool {
    match (selector, labels) {
        (Some(_), Some(labels)) => admits(selector, labels),
        (Some(selector), None) => *selector == NamespaceSelector::default(),
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selector(json: serde_json::Value) -> NamespaceSelector {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn no_selector_and_an_empty_one_admit_all() {
        assert!(admits(None, &labels(&[])));
        assert!(admits(Some(&NamespaceSelector::default()), &labels(&[("a", "b")])));
    }

    #[test]
    fn every_label_must_match() {
        let selector = selector(serde_json::json!({"matchLabels": {"team": "shop", "stage": "live"}}));
        assert!(admits(Some(&selector), &labels(&[("team", "shop"), ("stage", "live"), ("more", "x")])));
        assert!(!admits(Some(&selector), &labels(&[("team", "shop")])));
        assert!(!admits(Some(&selector), &labels(&[("team", "shop"), ("stage", "test")])));
    }

    #[test]
    fn expressions_are_kubernetes_own() {
        let of = |operator: &str, values: &[&str]| {
            selector(serde_json::json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}))
        };
        let (shop, pay, none) = (labels(&[("team", "shop")]), labels(&[("team", "pay")]), labels(&[("x", "shop")]));
        for (operator, values, verdicts) in [
            ("In", &["shop", "web"][..], [true, false, false]),
            // Kubernetes: NotIn holds where the label is absent.
            ("NotIn", &["shop"][..], [false, true, true]),
            ("Exists", &[][..], [true, true, false]),
            ("DoesNotExist", &[][..], [false, false, true]),
        ] {
            let selector = of(operator, values);
            let found = [&shop, &pay, &none].map(|labels| admits(Some(&selector), labels));
            assert_eq!(found, verdicts, "{operator}");
        }
    }

    #[test]
    fn labels_and_expressions_must_both_hold() {
        let selector = selector(serde_json::json!({
            "matchLabels": {"stage": "live"},
            "matchExpressions": [{"key": "frozen", "operator": "DoesNotExist"}],
        }));
        assert!(admits(Some(&selector), &labels(&[("stage", "live")])));
        assert!(!admits(Some(&selector), &labels(&[("stage", "live"), ("frozen", "")])));
        assert!(!admits(Some(&selector), &labels(&[])));
    }
}
