//! The operations of a patch: `add` alone (RFC 6902), so that nothing of the author's can be changed.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchError, PatchOperation};
use serde::Serialize;
use serde_json::{Map, Value};

use super::kept::First;
use super::parts::{Gate, Installer, Mount, Volume};
use super::pod::{Container, Pod};
use super::probe::Probe;
use super::profile::Variable;

/// An `add`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "op", rename = "add")]
pub struct Add<'a> {
    /// Where, as a JSON pointer (RFC 6901).
    pub path: PointerBuf,
    /// What.
    pub value: Addition<'a>,
}

/// What is added.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Addition<'a> {
    /// The value of a label or an annotation, or a probe, or an element of a list.
    Part(Part<'a>),
    /// A list that was not there, with its first element.
    List([Part<'a>; 1]),
    /// The environment that was not there.
    Variables(Vec<Variable>),
    /// The map of labels that was not there.
    Labels(BTreeMap<&'static str, String>),
}

/// One thing that is put into a Pod.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Part<'a> {
    /// The value of a label or an annotation.
    Text(String),
    /// An element of `spec.volumes`.
    Volume(Volume<'a>),
    /// An element of `spec.schedulingGates`.
    Gate(Gate),
    /// An element of a container's `volumeMounts`.
    Mount(Mount),
    /// An element of a container's `env`.
    Variable(Variable),
    /// One of a container's probes.
    Probe(Probe),
    /// An element of `spec.initContainers`.
    Container(Installer<'a>),
}

/// Applies the operations to the shape of a Pod: what applies to the shape applies to the Pod.
///
/// # Errors
/// The first operation that the API server could not apply either.
pub fn check(pod: &Pod<'_>, operations: &[Add<'_>]) -> Result<(), PatchError> {
    let value = |addition: &Addition<'_>| match addition {
        Addition::Part(_) => Value::Null,
        Addition::List(_) | Addition::Variables(_) => Value::Array(vec![Value::Null]),
        Addition::Labels(_) => Value::Object(Map::new()),
    };
    let variables = operations.iter().any(|add| matches!(add.value, Addition::Part(Part::Variable(_))));
    let add = |add: &Add<'_>| AddOperation { path: add.path.clone(), value: value(&add.value) };
    let operations: Vec<_> = operations.iter().map(|operation| PatchOperation::Add(add(operation))).collect();
    // Unsafe in that a failed patch is not undone, and the shape is thrown away in any case.
    json_patch::patch_unsafe(&mut shape(pod, variables), &operations)
}

/// The maps and lists of a Pod that operations go into, and nothing else. Only the place of a container matters: to all other lists
/// something is appended, whatever their length.
fn shape(pod: &Pod<'_>, variables: bool) -> Value {
    let list = |length| Value::Array(vec![Value::Null; length]);
    let mounts = |container: &Container<'_>| container.volume_mounts.as_ref().map(|mounts| list(mounts.len()));
    let containers = |containers: &Option<First<Container<'_>>>| {
        let containers = containers.as_ref()?.iter();
        let env = |container: &Container<'_>| container.env.filter(|_| variables).map(|_| list(0));
        let shape = |container| object([("volumeMounts", mounts(container)), ("env", env(container))]);
        Some(containers.map(shape).collect::<Value>())
    };
    let map = |there: bool| there.then(|| Value::Object(Map::new()));
    let Pod { metadata, spec } = pod;
    let metadata =
        object([("labels", map(metadata.labels.is_some())), ("annotations", map(metadata.annotations.is_some()))]);
    let spec = object([
        ("volumes", spec.volumes.as_ref().map(|volumes| list(volumes.len()))),
        ("initContainers", containers(&spec.init_containers)),
        ("containers", containers(&spec.containers)),
        ("schedulingGates", spec.scheduling_gates.as_ref().map(|gates| list(gates.len()))),
    ]);
    object([("metadata", Some(metadata)), ("spec", Some(spec))])
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    Value::Object(fields.into_iter().filter_map(|(key, value)| value.map(|value| (key.to_owned(), value))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::env::Env;
    use super::super::profile::missing;
    use super::*;
    use crate::api::annotations::ACCESS;
    use crate::intent::EnvProfile;

    fn pod(json: &str) -> Pod<'_> {
        serde_json::from_str(json).unwrap()
    }

    fn add<'a>(path: &str, value: Addition<'a>) -> Add<'a> {
        Add { path: PointerBuf::parse(path).unwrap(), value }
    }

    #[test]
    fn an_operation_is_written_as_the_rfc_has_it() {
        let operation = add("/spec/containers/0/volumeMounts", Addition::List([Part::Mount(Mount::credentials())]));
        let wanted = r#"{"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"admittance-credentials","mountPath":"/var/run/secrets/kafka","readOnly":true}]}"#;
        assert_eq!(serde_json::to_string(&operation).unwrap(), wanted);
        let labels = serde_json::to_value(Addition::Labels(BTreeMap::from([(ACCESS, "shop".into())]))).unwrap();
        assert_eq!(labels, serde_json::json!({ACCESS: "shop"}));
    }

    #[test]
    fn what_the_api_server_could_not_apply_is_found() {
        let mount = || Part::Mount(Mount::credentials());
        let bare = pod(r#"{"metadata": {}, "spec": {"containers": [{"name": "a"}]}}"#);
        let append = add("/spec/containers/0/volumeMounts/-", Addition::Part(mount()));
        let make = add("/spec/containers/0/volumeMounts", Addition::List([mount()]));
        assert!(check(&bare, std::slice::from_ref(&append)).is_err(), "there is no list to append to");
        assert!(check(&bare, &[make, append]).is_ok(), "the first made it");
        assert!(check(&bare, &[add("/spec/containers/1/readinessProbe", Addition::Part(mount()))]).is_err());
        assert!(check(&bare, &[add("/metadata/annotations/x", Addition::Part(mount()))]).is_err());
        let environment =
            pod(r#"{"metadata": {}, "spec": {"containers": [{"name": "a", "env": [{"name": "PATH"}]}]}}"#);
        let variable = missing(EnvProfile::Jaas, Env::default(), "s").remove(0);
        let variable = add("/spec/containers/0/env/-", Addition::Part(Part::Variable(variable)));
        assert!(check(&environment, std::slice::from_ref(&variable)).is_ok());
        assert!(check(&bare, &[variable]).is_err(), "there is no environment to append to");
        let gate = || Part::Gate(Gate::access());
        assert!(check(&bare, &[add("/spec/schedulingGates", Addition::List([gate()]))]).is_ok());
        assert!(check(&bare, &[add("/spec/schedulingGates/-", Addition::Part(gate()))]).is_err());
        let full = pod(r#"{"metadata": {"annotations": {}}, "spec": {"volumes": []}}"#);
        assert!(check(&full, &[add("/metadata/annotations/x", Addition::Part(mount()))]).is_ok());
        assert!(check(&full, &[add("/spec/volumes/-", Addition::Part(mount()))]).is_ok());
    }
}
