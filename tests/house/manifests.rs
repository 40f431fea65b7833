//! `webhook-config/`: the manifests that decide which Pods are called for, as people read them. They are the chart's templates with
//! the default values, so neither can drift from the other, and their keys are the code's.

use std::collections::BTreeSet;

use admittance::admission::parts::CREDENTIALS_VOLUME;
use admittance::admission::server::{CLAIMS_PATH, PATH};
use admittance::api::annotations::{
    ACCESS, CONSUMES, CONSUMES_2017, CONTAINERS, GROUP, INJECTED, INJECTION, LABEL_2017, LABEL_2017_VALUES, MIRROR,
    PRODUCES, PRODUCES_2017, STREAMS,
};
use admittance::api::resources::definitions;
use serde_json::{Value, json};

use crate::sources::{generated, read};

/// Which template is which manifest.
const MANIFESTS: &[(&str, &str)] = &[
    ("webhook-configuration.yaml", "webhook-configuration.yaml"),
    ("policy-injected.yaml", "policy-injected.yaml"),
    ("policy-frozen.yaml", "policy-frozen.yaml"),
    ("policy-claims.yaml", "policy-claims.yaml"),
    ("claims-configuration.yaml", "claims-configuration.yaml"),
];

/// What the few expressions of these templates are with the default values, in a release and a namespace called `admittance`.
const EXPRESSIONS: &[(&str, &str)] = &[
    (r#"{{ include "admittance.name" . }}"#, "admittance"),
    (r#"{{ include "admittance.uninjected" . }}"#, "Deny"),
    ("{{ .Release.Namespace }}", "admittance"),
    (r#"{{ include "admittance.reach" . }}"#, ""),
    (r#"{{ include "admittance.served" . }}"#, ""),
    (r#"{{ include "admittance.servedAlone" . }}"#, ""),
    ("{{- if not .Values.webhook.certificate.secret }}\n", ""),
    ("{{- end }}\n", ""),
    ("{{ .Values.webhook.failurePolicy }}", "Fail"),
    ("{{ toJson .Values.webhook.certificate.configurationAnnotations }}", "{}"),
];

fn rendered(template: &str) -> Result<String, String> {
    let text = EXPRESSIONS.iter().fold(template.to_owned(), |text, (from, to)| text.replace(from, to));
    match text.find("{{") {
        Some(at) => Err(text[at..].lines().next().unwrap_or_default().to_owned()),
        None => Ok(text),
    }
}

#[test]
fn the_manifests_are_the_charts() {
    for (template, manifest) in MANIFESTS {
        let text = rendered(&read(&format!("charts/admittance/templates/{template}")));
        let text =
            text.unwrap_or_else(|found| panic!("{template}: say in EXPRESSIONS what this is by default: {found}"));
        generated(&format!("webhook-config/{manifest}"), &text);
    }
}

#[test]
fn an_unknown_expression_is_noticed() {
    assert_eq!(rendered("a: {{ .Release.Namespace }}\n").unwrap(), "a: admittance\n");
    assert_eq!(rendered("a: {{ .Release.Name }}\nb: 1").unwrap_err(), "{{ .Release.Name }}");
}

fn documents(manifest: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(&format!("webhook-config/{manifest}"))).unwrap()
}

fn expressions(conditions: &Value) -> String {
    let conditions = conditions.as_array().unwrap();
    conditions.iter().map(|condition| condition["expression"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_webhook_and_the_policy_mean_the_same_pods() {
    let (configuration, policy) = (documents("webhook-configuration.yaml"), documents("policy-injected.yaml"));
    let (webhook, policy) = (&configuration[0]["webhooks"][0], &policy[0]["spec"]);
    // The first says which Pods ask: the webhook is also called for those that a mistyped key may mean.
    let but_for_the_first = |conditions: &Value| conditions.as_array().unwrap()[1..].to_vec();
    assert_eq!(but_for_the_first(&webhook["matchConditions"]), but_for_the_first(&policy["matchConditions"]));
    let [called, asks] = [webhook, policy].map(|one| one["matchConditions"][0]["expression"].as_str().unwrap());
    let of_2017 = |expression: &str| expression.split_once(" || (has(object.metadata.labels)").unwrap().1.to_owned();
    assert_eq!(of_2017(called), of_2017(asks));
    assert_eq!(webhook["namespaceSelector"], policy["matchConstraints"]["namespaceSelector"]);
    assert_eq!(webhook["rules"], policy["matchConstraints"]["resourceRules"]);
    assert_eq!(webhook["clientConfig"]["service"]["path"], PATH);
}

#[test]
fn the_conditions_read_the_codes_keys() {
    let configuration = documents("webhook-configuration.yaml");
    let conditions = expressions(&configuration[0]["webhooks"][0]["matchConditions"]);
    assert!(conditions.contains(&format!("key.startsWith('{GROUP}/')")), "{conditions}");
    let of_policy = expressions(&documents("policy-injected.yaml")[0]["spec"]["matchConditions"]);
    for key in [CONSUMES, PRODUCES, STREAMS, MIRROR] {
        assert!(of_policy.contains(&format!("'{key}' in object.metadata.annotations")), "{key}: {of_policy}");
    }
    let old = [format!("object.metadata.labels['{LABEL_2017}'] in {}", list(LABEL_2017_VALUES)), keys_of_2017()];
    assert!(old.iter().all(|part| conditions.contains(part)), "{conditions}");
    assert!(conditions.contains(&format!("object.metadata.labels['{INJECTION}'] == 'disabled'")), "{conditions}");
    let policy = expressions(&documents("policy-injected.yaml")[0]["spec"]["validations"]);
    assert!(policy.contains(&format!("'{ACCESS}' in object.metadata.labels")), "{policy}");
    assert!(policy.contains(&format!("volume.name == '{CREDENTIALS_VOLUME}'")), "{policy}");
    let variables = expressions(&documents("policy-injected.yaml")[0]["spec"]["variables"]);
    let guarded =
        format!("'{CONTAINERS}' in object.metadata.annotations ? object.metadata.annotations['{CONTAINERS}']");
    assert!(variables.contains(&guarded), "{variables}");
    let frozen = expressions(&documents("policy-frozen.yaml")[0]["spec"]["validations"]);
    assert!(frozen.contains(&format!("startsWith('{GROUP}/')")) && frozen.contains(ACCESS), "{frozen}");
}

#[test]
fn claims_are_sent_where_they_are_judged_and_the_operators_are_not_sent() {
    let webhook = &documents("claims-configuration.yaml")[0]["webhooks"][0];
    assert_eq!(webhook["clientConfig"]["service"]["path"], CLAIMS_PATH);
    let names: Vec<_> = definitions().iter().map(|one| one.spec.names.plural.clone()).collect();
    let sent = webhook["rules"][0]["resources"].as_array().unwrap();
    assert!(sent.iter().all(|resource| names.iter().any(|name| resource == name)), "{sent:?}");
    assert_eq!(webhook["rules"][0]["apiGroups"], json!([GROUP]));
    let (conditions, policy) = (&webhook["matchConditions"], &documents("policy-claims.yaml")[0]["spec"]);
    assert_eq!(conditions[0]["expression"], policy["matchConditions"][0]["expression"]);
    // Whom the policy knows as the operator.
    let operator = "request.userInfo.username == 'system:serviceaccount:admittance:admittance-operator'";
    assert!(expressions(&policy["validations"]).contains(operator));
    assert_eq!(conditions[1]["expression"], operator.replace("==", "!="));
}

/// No label opts in the namespaces by which a cluster lives, or our own: no failure of ours keeps their Pods from starting. What somebody writes
/// there of claims is theirs, and waits for nobody.
#[test]
fn no_failure_of_ours_reaches_the_namespaces_by_which_a_cluster_lives() {
    let opted_in = json!({"key": INJECTION, "operator": "In", "values": ["enabled"]});
    let but_for = |names: &[&str]| json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": names});
    let pods = json!({"matchExpressions": [opted_in, but_for(&["kube-system", "kube-node-lease", "admittance"])]});
    let claims = json!({"matchExpressions": [but_for(&["kube-system", "kube-node-lease"])]});
    for (manifest, place, selector) in [
        ("webhook-configuration.yaml", "/webhooks/0/namespaceSelector", &pods),
        ("policy-injected.yaml", "/spec/matchConstraints/namespaceSelector", &pods),
        ("policy-frozen.yaml", "/spec/matchConstraints/namespaceSelector", &pods),
        ("claims-configuration.yaml", "/webhooks/0/namespaceSelector", &claims),
    ] {
        let documents = documents(manifest);
        assert_eq!(documents[0].pointer(place), Some(selector), "{manifest}");
        let webhooks = documents[0]["webhooks"].as_array().map_or(0, Vec::len);
        assert!(webhooks < 2, "{manifest}: the others are looked at by nobody here");
    }
    assert_eq!(documents("claims-configuration.yaml")[0]["webhooks"][0]["failurePolicy"], "Ignore");
}

/// A list as CEL has it.
fn list(texts: &[&str]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| format!("'{text}'")).collect();
    format!("[{}]", texts.join(", "))
}

fn keys_of_2017() -> String {
    list(&[CONSUMES_2017, PRODUCES_2017].concat())
}

/// The label is allowed on the Pods that the webhook is called for: what the conditions say of the object, the policy says of its
/// variables.
#[test]
fn the_frozen_policy_means_the_pods_that_are_called_for() {
    let variables = &documents("policy-frozen.yaml")[0]["spec"]["variables"];
    let variable = |name: &str| {
        let found = variables.as_array().unwrap().iter().find(|variable| variable["name"] == name);
        found.unwrap()["expression"].as_str().unwrap().to_owned()
    };
    assert_eq!(variable("keysOf2017"), keys_of_2017());
    for key in [CONSUMES, PRODUCES, STREAMS] {
        assert!(variable("asks").contains(&format!("'{key}' in variables.annotations")), "{key}");
    }
    assert!(variable("asks").contains(&format!("variables.labels['{LABEL_2017}'] in {}", list(LABEL_2017_VALUES))));
    assert!(variable("calledFor").contains(&format!("variables.labels['{INJECTION}'] == 'disabled'")));
    assert!(variable("calledFor").contains(&format!("'{MIRROR}' in variables.annotations")));
    assert!(variable("injected").contains(&format!("'{INJECTED}' in variables.annotations")));
    assert!(variable("injected").contains(&format!("volume.name == '{CREDENTIALS_VOLUME}'")));
}

/// Of an update, that policy judges labels and annotations, by themselves and with what they were. It is asked about every update that has
/// one of them other than it was, and of no map that is not there.
#[test]
fn the_frozen_policy_is_asked_about_whatever_it_judges() {
    let spec = &documents("policy-frozen.yaml")[0]["spec"];
    let [condition] = spec["matchConditions"].as_array().unwrap().as_slice() else { panic!("{spec}") };
    let asked: BTreeSet<&str> = condition["expression"].as_str().unwrap().split("||").map(str::trim).collect();
    let mut expected = BTreeSet::from(["request.operation != 'UPDATE'".to_owned()]);
    for map in ["metadata.labels", "metadata.annotations"] {
        expected.insert(format!("has(object.{map}) != has(oldObject.{map})"));
        expected.insert(format!("(has(object.{map}) && object.{map} != oldObject.{map})"));
    }
    assert_eq!(asked, expected.iter().map(String::as_str).collect());
    let rules = spec["validations"].as_array().unwrap().iter().map(|rule| rule["expression"].as_str().unwrap());
    let of_updates: Vec<_> = rules.filter(|rule| rule.starts_with("request.operation != 'UPDATE' ||")).collect();
    assert_eq!(of_updates.len(), 2);
    let read = ["labels", "annotations", "oldLabels", "oldAnnotations", "keysOf2017"];
    for rule in of_updates {
        let mut variables = rule.split("variables.").skip(1);
        assert!(
            variables.all(|rest| read.contains(&rest.split(|c: char| !c.is_alphanumeric()).next().unwrap())),
            "{rule}"
        );
        assert!(!rule.contains("object.") && !rule.contains("oldObject"), "{rule}");
    }
}

#[test]
fn every_map_is_looked_at_before_it_is_read() {
    let configuration = documents("webhook-configuration.yaml");
    for condition in configuration[0]["webhooks"][0]["matchConditions"].as_array().unwrap() {
        let expression = condition["expression"].as_str().unwrap();
        for map in ["object.metadata.annotations", "object.metadata.labels"] {
            let guard = format!("has({map})");
            let (read, guarded) = (expression.find(map), expression.find(&guard));
            assert!(read.is_none() || guarded.is_some_and(|at| at + "has(".len() == read.unwrap_or(0)), "{expression}");
        }
    }
}
