//! What the patch added, taken away again: by names written down here, not by those of the code under test.

use serde_json::{Map, Value};

/// The variables of all profiles.
const VARIABLES: &[&str] = &[
    "JAVA_TOOL_OPTIONS",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_GROUP_ID",
    "KAFKA_SASL_JAAS_CONFIG",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SSL_CA_LOCATION",
    "SPRING_KAFKA_BOOTSTRAP_SERVERS",
    "SPRING_KAFKA_CONSUMER_GROUP_ID",
    "SPRING_KAFKA_PROPERTIES_SASL_JAAS_CONFIG",
    "SPRING_KAFKA_PROPERTIES_SASL_MECHANISM",
    "SPRING_KAFKA_PROPERTIES_SECURITY_PROTOCOL",
    "SPRING_KAFKA_SSL_TRUST_STORE_LOCATION",
    "SPRING_KAFKA_SSL_TRUST_STORE_TYPE",
];

/// A patched Pod without our additions. `author` is the Pod as it was: what it had under our names stays.
pub fn subtract(patched: &Value, author: &Value) -> Value {
    let mut pod = patched.clone();
    entry(&mut pod, author, &["metadata", "labels"], "kafka.admittance.dev/access");
    entry(&mut pod, author, &["metadata", "annotations"], "kafka.admittance.dev/injected");
    named(&mut pod, author, &["spec", "volumes"], &["admittance-credentials", "admittance-probe"]);
    named(&mut pod, author, &["spec", "schedulingGates"], &["kafka.admittance.dev/access"]);
    named(&mut pod, author, &["spec", "initContainers"], &["admittance-probe"]);
    for list in ["containers", "initContainers"] {
        let Some(containers) = pod["spec"].get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (index, container) in containers.iter_mut().enumerate() {
            let before = &author["spec"][list][index];
            named(container, before, &["volumeMounts"], &["admittance-credentials", "admittance-probe"]);
            named(container, before, &["env"], VARIABLES);
            for kind in ["readinessProbe", "startupProbe", "livenessProbe"] {
                let program = container.pointer(&format!("/{kind}/exec/command/0"));
                if program.is_some_and(|program| program == "/var/run/admittance/admittance-probe") {
                    restore(container.as_object_mut().unwrap(), before, kind);
                }
            }
        }
    }
    pod
}

/// Removes elements of these names from a list where the author's list has none such.
fn named(value: &mut Value, author: &Value, path: &[&str], names: &[&str]) {
    let (last, parents) = path.split_last().unwrap();
    let before = parents.iter().fold(author, |value, key| &value[key]);
    let parent = parents.iter().try_fold(value, |value, key| value.get_mut(key));
    let Some(parent) = parent.and_then(Value::as_object_mut) else { return };
    let Some(list) = parent.get_mut(*last).and_then(Value::as_array_mut) else { return };
    // By number of appearances: the author may mount one of our volumes too, and stands first in the list.
    for name in names {
        let count = |list: &[Value]| list.iter().filter(|element| element["name"] == *name).count();
        let kept = before[last].as_array().map_or(0, |list| count(list));
        let mut seen = 0;
        list.retain(|element| {
            seen += usize::from(element["name"] == *name);
            element["name"] != *name || seen <= kept
        });
    }
    if list.is_empty() {
        restore(parent, before, last);
    }
}

/// Removes a key from a map where the author's has none such.
fn entry(value: &mut Value, author: &Value, path: &[&str; 2], key: &str) {
    let before = &author[path[0]];
    let Some(parent) = value[path[0]].as_object_mut() else { return };
    let Some(map) = parent.get_mut(path[1]).and_then(Value::as_object_mut) else { return };
    if before[path[1]].get(key).is_none() {
        map.remove(key);
    }
    if map.is_empty() {
        restore(parent, before, path[1]);
    }
}

/// Puts back what the author had under a key: a value, a null or nothing.
fn restore(map: &mut Map<String, Value>, author: &Value, key: &str) {
    match author.get(key) {
        Some(before) => drop(map.insert(key.to_owned(), before.clone())),
        None => drop(map.remove(key)),
    }
}
