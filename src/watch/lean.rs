//! Of an object of ours, what is kept. The rest is skipped while it is read: whoever may write a claim may put a quarter of a megabyte into
//! its annotations, and more into labels, finalizers and owners, which are nobody's question here. Nothing that is written rests on them:
//! every write is a merge that names what it changes. Pure, but for the warning of what cannot be read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::api::annotations::{Place, lookup};

/// Bytes of an annotation's value that are kept: none that means something comes near it.
const MAX_VALUE: usize = 253;
/// Bytes of the texts of an owner that is kept; no object that there is has a longer name.
const MAX_OWNER: usize = 1024;

/// An object of ours as it is kept, or why it cannot be read: one that cannot leaves its neighbours alone.
#[derive(Debug, Clone)]
pub struct Lean<K>(pub Result<K, Unreadable>);

/// An object that cannot be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Which field is other than its definition says.
    pub error: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

impl<K: Resource> Resource for Lean<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, K::meta_mut)
    }
}

/// An object that can be read: one that cannot is left out, and its neighbours are not.
pub fn readable<K: Resource<DynamicType = ()> + Clone>(found: Lean<K>) -> Option<K> {
    let read = found.0.map_err(|unreadable| {
        let meta = unreadable.metadata;
        let (namespace, name) = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
        let (kind, error) = (K::kind(&()), unreadable.error);
        tracing::warn!(%kind, namespace, name, error, "an object cannot be read; it is left as it is");
    });
    // What an answer was read into has room for more; a copy has not.
    read.ok().as_ref().cloned()
}

/// The object with that of its metadata that is kept.
#[must_use]
pub fn lean<K: Resource + Clone>(mut object: K) -> K {
    let meta = std::mem::take(object.meta_mut());
    *object.meta_mut() = ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        uid: meta.uid,
        resource_version: meta.resource_version,
        generation: meta.generation,
        creation_timestamp: meta.creation_timestamp,
        deletion_timestamp: meta.deletion_timestamp,
        annotations: meta.annotations.map(|all| all.into_iter().filter_map(|(key, value)| kept(key, value)).collect()),
        owner_references: meta.owner_references.map(|all| all.into_iter().filter(is_kept).collect()),
        ..ObjectMeta::default()
    };
    // As above.
    object.clone()
}

/// Whether people write an annotation of this key on our objects.
fn is_known(key: &str) -> bool {
    lookup(key).is_some_and(|row| row.place == Place::ClaimAnnotation)
}

/// An annotation as it is kept. One that is too long stays one that is there, and says nothing that is understood.
fn kept(key: String, mut value: String) -> Option<(String, String)> {
    value.truncate(value.floor_char_boundary(MAX_VALUE));
    value.shrink_to_fit();
    is_known(&key).then_some((key, value))
}

/// Whether an owner is kept: the one that leads the object, of which there is one at most.
fn is_kept(owner: &OwnerReference) -> bool {
    let texts = [&owner.api_version, &owner.kind, &owner.name, &owner.uid];
    owner.controller == Some(true) && texts.iter().map(|text| text.len()).sum::<usize>() <= MAX_OWNER
}

/// What is read of an object.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

/// What is read of its metadata.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Option<Annotations>,
    owner_references: Option<Vec<OwnerReference>>,
}

struct Annotations(BTreeMap<String, String>);

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        Self {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            annotations: meta.annotations.map(|all| all.0),
            owner_references: meta.owner_references.map(|all| all.into_iter().filter(is_kept).collect()),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Known;
        impl<'de> Visitor<'de> for Known {
            type Value = Annotations;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if is_known(&key) {
                        all.extend(kept(key, map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Annotations(all))
            }
        }
        deserializer.deserialize_map(Known)
    }
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { metadata, spec, status } = Parts::deserialize(deserializer)?;
        let metadata = ObjectMeta::from(metadata);
        let parts = [("metadata", Value::Object(Map::new())), ("spec", spec), ("status", status)];
        let whole = Value::Object(parts.map(|(key, value)| (key.to_owned(), value)).into_iter().collect());
        Ok(Self(match K::deserialize(whole) {
            Ok(mut object) => {
                *object.meta_mut() = metadata;
                Ok(object)
            }
            Err(error) => Err(Unreadable { error: error.to_string(), metadata }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectList;
    use serde_json::json;

    use super::*;
    use crate::api::annotations::{RELEASE, ROTATE};
    use crate::api::resources::{AccessClaim, BrokerCluster, TopicClaim};

    /// A claim with everything in it that its author can put there.
    fn laden() -> Value {
        let junk = "x".repeat(250_000);
        let many: Vec<_> = (0..4000).map(|n| format!("example.com/{n}")).collect();
        let labels: Map<_, _> = many.iter().map(|key| (key.clone(), json!("x"))).collect();
        let owner = |uid: &str, controller: bool, name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "controller": controller});
        json!({
            "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim",
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 2, "selfLink": junk,
                "creationTimestamp": "2026-11-30T09:00:00Z", "deletionTimestamp": "2026-11-30T10:00:00Z",
                "annotations": {
                    ROTATE: "now", RELEASE: junk, "kafka.admittance.dev/junk": junk, "example.com/junk": junk,
                    "kubectl.kubernetes.io/last-applied-configuration": junk,
                },
                "labels": labels, "finalizers": many,
                "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:config": {}}}}],
                "ownerReferences": [owner("1", false, "a"), owner("2", true, "b"), owner("3", true, &junk)],
            },
            "spec": {"topicName": "orders", "cluster": "a/b", "config": {"flush.ms": "5"}},
            "status": {"topicId": "t"},
        })
    }

    #[test]
    fn of_a_claim_stays_what_somebody_asks_for_and_nothing_else_that_its_author_put_there() {
        let text = laden().to_string();
        let read = readable(serde_json::from_str::<Lean<TopicClaim>>(&text).unwrap()).unwrap();
        let written = lean(serde_json::from_str::<TopicClaim>(&text).unwrap());
        assert_eq!(read, written, "what a write of ours returned is no news to the watch");
        let held = format!("{read:?}");
        assert!(held.len() < 2500, "{} characters", held.len());
        let meta = &read.metadata;
        let annotations = meta.annotations.clone().unwrap();
        assert_eq!(annotations.keys().collect::<Vec<_>>(), [RELEASE, ROTATE]);
        assert_eq!((annotations[ROTATE].as_str(), annotations[RELEASE].len()), ("now", MAX_VALUE));
        let owners: Vec<_> = meta.owner_references.iter().flatten().map(|owner| owner.uid.as_str()).collect();
        assert_eq!(owners, ["2"]);
        let kept = [&meta.name, &meta.namespace, &meta.uid, &meta.resource_version].map(|text| text.as_deref());
        assert_eq!(kept, [Some("orders"), Some("shop"), Some("u"), Some("7")]);
        assert!(meta.creation_timestamp.is_some() && meta.deletion_timestamp.is_some() && meta.generation == Some(2));
        assert_eq!(read.spec.config["flush.ms"], "5");
        assert_eq!(read.status.unwrap().topic_id.as_deref(), Some("t"));
    }

    #[test]
    fn what_is_cut_ends_with_a_character() {
        assert_eq!(kept(ROTATE.to_owned(), "é".repeat(200)).unwrap().1, "é".repeat(MAX_VALUE / 2));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_leaves_its_neighbours_alone() {
        let mut broken = laden();
        broken["spec"]["partitions"] = json!("many");
        broken["metadata"]["name"] = json!("broken");
        let list = json!({"metadata": {}, "items": [broken, laden()]}).to_string();
        let found = serde_json::from_str::<ObjectList<Lean<TopicClaim>>>(&list).unwrap().items;
        assert_eq!(
            found.iter().map(|one| one.meta().name.as_deref()).collect::<Vec<_>>(),
            [Some("broken"), Some("orders")]
        );
        let Lean(Err(unreadable)) = &found[0] else { panic!("{found:?}") };
        assert!(unreadable.error.contains("many"), "{unreadable:?}");
        assert_eq!(found.into_iter().filter_map(readable).count(), 1);
    }

    #[test]
    fn a_status_that_is_missing_and_every_kind_can_be_read() {
        let access = json!({"metadata": {"name": "web"}, "spec": {"source": "Pods", "workload": "web"}}).to_string();
        assert_eq!(serde_json::from_str::<Lean<AccessClaim>>(&access).unwrap().0.unwrap().status, None);
        let cluster = json!({"metadata": {"annotations": null, "ownerReferences": null}, "spec": {
            "external": {"bootstrapServers": "a:1", "insecure": true, "adminSecret": {"name": "s"}},
        }});
        assert!(serde_json::from_str::<Lean<BrokerCluster>>(&cluster.to_string()).unwrap().0.is_ok());
    }
}
