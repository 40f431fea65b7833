//! What a patch adds, in words, container by container. Pure.

use serde_json::Value;

use crate::cli::injection::Addition;
use crate::cli::manifest::node::Node;
use crate::intent::problem::shown;

/// One line an addition: who gets it, and what it is.
#[must_use]
pub fn gains(pod: &Node, additions: &[Addition]) -> Vec<String> {
    additions.iter().flat_map(|addition| lines(pod, &addition.path(), &addition.value)).collect()
}

fn lines(pod: &Node, path: &[String], value: &Value) -> Vec<String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    // A list that was not there is added with its elements.
    let elements = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match path.as_slice() {
        ["spec", "volumes", ..] => {
            let volume = |volume: Value| format!("Pod: volume {}, {}", text(&volume, "name"), contents(&volume));
            elements(value).into_iter().map(volume).collect()
        }
        ["spec", "initContainers"] | ["spec", "initContainers", "-"] => {
            let container =
                |one: Value| format!("Pod: init container {} of image {}", text(&one, "name"), text(&one, "image"));
            elements(value).into_iter().map(container).collect()
        }
        ["spec", list @ ("containers" | "initContainers"), index, field, ..] => {
            let who = container(pod, list, index);
            match *field {
                "volumeMounts" => {
                    let mount =
                        |one: Value| format!("{who}: {} mounted at {}", text(&one, "name"), text(&one, "mountPath"));
                    elements(value).into_iter().map(mount).collect()
                }
                "env" => {
                    elements(value).into_iter().map(|one| format!("{who}: variable {}", text(&one, "name"))).collect()
                }
                field => vec![format!("{who}: {field} {}", command(value))],
            }
        }
        ["metadata", field @ ("labels" | "annotations"), rest @ ..] => {
            let one = field.trim_end_matches('s');
            match (rest, value) {
                ([key], value) => vec![format!("Pod: {one} {key}={}", plain(value))],
                (_, Value::Object(entries)) => {
                    entries.iter().map(|(key, value)| format!("Pod: {one} {key}={}", plain(value))).collect()
                }
                (_, value) => vec![format!("Pod: {field} {value}")],
            }
        }
        other => vec![format!("Pod: {} {value}", other.join("."))],
    }
}

/// A container as people know it.
fn container(pod: &Node, list: &str, index: &str) -> String {
    let found = pod.at(&["spec", list]).and_then(Node::elements);
    let found = found.and_then(|found| index.parse().ok().and_then(|index: usize| found.get(index)));
    let name = found.and_then(|one| one.get("name")).and_then(Node::as_text).map_or_else(|| index.to_owned(), shown);
    let kind = if list == "containers" { "container" } else { "init container" };
    format!("{kind} {name}")
}

/// What a volume holds.
fn contents(volume: &Value) -> String {
    let kind = volume.as_object().into_iter().flatten().find(|(key, _)| *key != "name");
    match kind {
        Some((kind, source)) => match source.get("secretName").and_then(Value::as_str) {
            Some(secret) => format!("{kind} {secret}"),
            None => kind.clone(),
        },
        None => "empty".to_owned(),
    }
}

/// What a probe runs.
fn command(value: &Value) -> String {
    let words = value.pointer("/exec/command").and_then(Value::as_array);
    words.map_or_else(|| value.to_string(), |words| words.iter().map(plain).collect::<Vec<_>>().join(" "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(path: &str, value: &Value) -> Vec<String> {
        let pod = json!({"spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "setup"}]}});
        let addition: Addition = serde_json::from_value(json!({"path": path, "value": value})).unwrap();
        gains(&Node::from(&pod), &[addition])
    }

    #[test]
    fn every_addition_is_said_in_words() {
        let mount = json!({"name": "v", "mountPath": "/p"});
        for (path, value, wanted) in [
            ("/spec/volumes/-", json!({"name": "v", "secret": {"secretName": "s"}}), "Pod: volume v, secret s"),
            ("/spec/volumes", json!([{"name": "v", "emptyDir": {}}]), "Pod: volume v, emptyDir"),
            ("/spec/containers/0/volumeMounts", json!([&mount]), "container app: v mounted at /p"),
            ("/spec/initContainers/0/volumeMounts/-", mount, "init container setup: v mounted at /p"),
            (
                "/spec/containers/0/readinessProbe",
                json!({"exec": {"command": ["a", "b"]}}),
                "container app: readinessProbe a b",
            ),
            ("/spec/containers/0/env/-", json!({"name": "A", "value": "b"}), "container app: variable A"),
            ("/spec/initContainers/-", json!({"name": "p", "image": "i"}), "Pod: init container p of image i"),
            ("/metadata/labels", json!({"a": "b"}), "Pod: label a=b"),
            ("/metadata/annotations/x~1y", json!("1"), "Pod: annotation x/y=1"),
            ("/spec/schedulingGates", json!([{"name": "g"}]), "Pod: spec.schedulingGates [{\"name\":\"g\"}]"),
        ] {
            assert_eq!(said(path, &value), [wanted], "{path}");
        }
    }
}
