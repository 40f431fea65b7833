//! What the operator keeps of a Pod: what it asks for, read afresh, and enough to tell its people. Not its annotations: anybody may put a
//! quarter of a megabyte into them, in any namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;

use super::AccessKey;
use crate::api::annotations::{ACCESS, CLUSTER};
use crate::api::names::{ClusterRef, check_object};
use crate::api::resources::WorkloadOwner;
use crate::intent::identity::{TEMPLATE_HASHES, derive};
use crate::intent::{Intent, Owner, PodMeta, Problem, request};

/// Bytes of what is kept of a Pod's owner; no object that there is has a longer name.
const MAX_OWNER: usize = 1024;
/// The label by which a `StatefulSet` or `DaemonSet` marks the Pods of one template.
const REVISION: &str = "controller-revision-hash";

/// What made a Pod, as its owner reference has it: enough for an Event about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// Its API version.
    pub api_version: String,
    /// Its kind, such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A Pod that carries an access label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What it asks for, or what is wrong with it; nothing where it asks for nothing. Pods of one template share it.
    pub intent: Option<Arc<Result<Intent, Vec<Problem>>>>,
    /// Whether it names its cluster. Where it does not, the intent says the installation's default, and so do the names.
    pub names_cluster: bool,
    /// What it belongs to, as far up as its labels and names tell; nothing where no object can have that name.
    pub owner: Option<WorkloadOwner>,
    /// What made it; nothing where nothing in its namespace did. Pods of one maker share it.
    pub maker: Option<Arc<Maker>>,
    access: String,
    template: String,
}

impl PodFacts {
    /// Keeps what matters; nothing where the Pod carries no access label.
    #[must_use]
    pub fn new(meta: &ObjectMeta, default_cluster: &ClusterRef) -> Option<Self> {
        let access = meta.labels.as_ref()?.get(ACCESS)?.clone();
        let asking = asking(meta)?;
        Some(Self {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
            uid: meta.uid.clone()?,
            intent: request::read(&asking, default_cluster).transpose().map(Arc::new),
            names_cluster: asking.annotations.contains_key(CLUSTER),
            owner: owner(&asking),
            maker: maker(meta).map(Arc::new),
            access,
            template: template(&asking, meta.uid.as_ref()?),
        })
    }

    /// The same, with what it has in common with one of these held once.
    #[must_use]
    pub fn beside(mut self, siblings: &[Arc<Self>]) -> Self {
        // Where each Pod is a template of its own they mostly ask alike, and any other will do.
        let sibling = siblings.iter().find(|sibling| sibling.template == self.template).or(siblings.first());
        if let Some(sibling) = sibling.filter(|sibling| sibling.intent == self.intent) {
            self.intent.clone_from(&sibling.intent);
        }
        if let Some(sibling) = siblings.iter().find(|sibling| sibling.maker == self.maker) {
            self.maker.clone_from(&sibling.maker);
        }
        self
    }

    /// The access that its label names. The label only finds the Pod; what the Pod may have is its intent.
    #[must_use]
    pub fn access_key(&self) -> AccessKey {
        (self.namespace.clone(), self.access.clone())
    }

    /// What it was made from: Pods of one template differ in nothing that matters here. A bare Pod is a template of its own.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }
}

/// What the intent of a Pod is read from.
fn asking(meta: &ObjectMeta) -> Option<PodMeta<'_>> {
    fn pairs(map: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
    let owner = controller(meta);
    Some(PodMeta {
        namespace: meta.namespace.as_deref()?,
        name: meta.name.as_deref(),
        generate_name: meta.generate_name.as_deref(),
        labels: pairs(meta.labels.as_ref()),
        annotations: pairs(meta.annotations.as_ref()),
        owner: owner.map(|owner| Owner::new(&owner.api_version, &owner.kind, &owner.name)),
    })
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn maker(meta: &ObjectMeta) -> Option<Maker> {
    // The mirror of a static Pod belongs to its Node, which is in no namespace.
    let made = |owner: &&OwnerReference| owner.kind != "Node" && is_short(owner);
    let OwnerReference { api_version, kind, name, uid, .. } = controller(meta).filter(made)?;
    let (api_version, kind) = (api_version.clone(), kind.clone());
    Some(Maker { api_version, kind, name: name.clone(), uid: uid.clone() })
}

/// Whether a reference is to something that there can be: anybody may write those of a Pod, and no rule limits their texts.
fn is_short(owner: &OwnerReference) -> bool {
    let OwnerReference { api_version, kind, name, uid, .. } = owner;
    [api_version, kind, name, uid].iter().map(|text| text.len()).sum::<usize>() <= MAX_OWNER
}

fn owner(pod: &PodMeta<'_>) -> Option<WorkloadOwner> {
    let owner = pod.owner.filter(|owner| owner.group.len() + owner.kind.len() <= MAX_OWNER)?;
    let workload = derive(pod)?.name;
    let (kind, name) = match owner.kind {
        // Nobody looks at it: it is told as it is, and not taken for a kind of Kubernetes' own.
        _ if !owner.is_known() => (owner.shown_kind(), owner.name),
        // Nobody but its controller tells what an Argo Rollout is; its ReplicaSet is read as any other.
        "ReplicaSet" if workload != owner.name && !of_a_rollout(pod, owner.name, workload) => {
            ("Deployment".into(), workload)
        }
        "Job" if workload != owner.name => ("CronJob".into(), workload),
        kind => (kind.into(), owner.name),
    };
    let is_name = check_object(name).is_ok();
    is_name.then(|| WorkloadOwner { kind: kind.into_owned(), name: name.to_owned() })
}

/// Whether what the name of the ReplicaSet has beyond the workload's is an Argo Rollout's hash, and not a Deployment's.
fn of_a_rollout(pod: &PodMeta<'_>, replica_set: &str, workload: &str) -> bool {
    let [deployments, rollouts] = TEMPLATE_HASHES.map(|label| {
        let rest = replica_set.strip_prefix(workload).and_then(|rest| rest.strip_prefix('-'));
        pod.labels.get(label).copied().is_some_and(|hash| rest == Some(hash))
    });
    rollouts && !deployments
}

fn is_job(owner: &Owner<'_>) -> bool {
    owner.is_known() && owner.kind == "Job"
}

fn template(pod: &PodMeta<'_>, uid: &str) -> String {
    let mut hashes = TEMPLATE_HASHES.iter().chain(&[REVISION]);
    let hash = hashes.find_map(|label| pod.labels.get(label)).copied().unwrap_or_default();
    match pod.owner {
        // A Job has one template, which never changes. Another's may have several: Volcano's has one for each task.
        Some(owner) if (!hash.is_empty() || is_job(&owner)) && owner.size() <= MAX_OWNER => {
            format!("{}/{}/{hash}", owner.shown_kind(), owner.name)
        }
        _ => uid.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::annotations::{CONSUMES, WORKLOAD};

    fn pod(number: usize, hash: &str, consumes: &str) -> PodFacts {
        let meta = json!({
            "name": format!("web-{hash}-{number}"), "namespace": "shop", "uid": format!("uid-{number}"),
            "labels": {ACCESS: "web", "pod-template-hash": hash},
            "annotations": {CONSUMES: consumes},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{hash}"), "uid": hash, "controller": true,
            }],
        });
        facts(&serde_json::from_value(meta).unwrap())
    }

    fn facts(meta: &ObjectMeta) -> PodFacts {
        PodFacts::new(meta, &ClusterRef { namespace: "ops".into(), name: "default".into() }).unwrap()
    }

    #[test]
    fn pods_of_one_template_hold_their_request_once() {
        let first = Arc::new(pod(1, "a", "orders"));
        let same = pod(2, "a", "orders").beside(std::slice::from_ref(&first));
        assert!(Arc::ptr_eq(same.intent.as_ref().unwrap(), first.intent.as_ref().unwrap()));
        let edited = pod(3, "a", "payments").beside(std::slice::from_ref(&first));
        assert_ne!(edited.intent, first.intent, "an annotation of a living Pod can be edited, and is its own");
        for other in [&same, &edited.beside(std::slice::from_ref(&first))] {
            assert!(
                Arc::ptr_eq(other.maker.as_ref().unwrap(), first.maker.as_ref().unwrap()),
                "one maker is held once"
            );
        }
        let alike = pod(4, "b", "orders").beside(std::slice::from_ref(&first));
        assert!(Arc::ptr_eq(alike.intent.as_ref().unwrap(), first.intent.as_ref().unwrap()), "of another template");
        assert_eq!(first.owner, Some(WorkloadOwner { kind: "Deployment".into(), name: "web".into() }));
    }

    #[test]
    fn an_owner_is_what_can_be_looked_up() {
        let owner_in = |version: &str, kind: &str, name: &str, label: &str, hash: &str| {
            let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": "u", "controller": true});
            let meta = json!({
                "name": "pod", "namespace": "shop", "uid": "uid",
                "labels": {ACCESS: "web", label: hash}, "annotations": {CONSUMES: "orders"}, "ownerReferences": [owner],
            });
            facts(&serde_json::from_value(meta).unwrap()).owner
        };
        let owner_of = |kind: &str, name: &str, label: &str, hash: &str| {
            let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
            owner_in(version, kind, name, label, hash)
        };
        let told = |owner: Option<WorkloadOwner>| {
            owner.map_or_else(String::new, |owner| format!("{} {}", owner.kind, owner.name))
        };
        let owner = |kind: &str, name: &str, label: &str, hash: &str| told(owner_of(kind, name, label, hash));
        let [deployments, rollouts] = TEMPLATE_HASHES;
        assert_eq!(owner("ReplicaSet", "web-6f7d8c", deployments, "6f7d8c"), "Deployment web");
        assert_eq!(owner("ReplicaSet", "web-6f7d8c", rollouts, "6f7d8c"), "ReplicaSet web-6f7d8c");
        assert_eq!(owner("ReplicaSet", "web-6f7d8c", rollouts, "other"), "ReplicaSet web-6f7d8c", "of nobody");
        assert_eq!(owner("Job", "web-29410560", "job-name", "web-29410560"), "CronJob web");
        assert_eq!(owner("Job", "web-once", "job-name", "web-once"), "Job web-once");
        assert_eq!(owner("StatefulSet", "web", REVISION, "web-5"), "StatefulSet web");
        assert_eq!(owner("FlinkDeployment", "web", "app", "web"), "FlinkDeployment web");
        // Of another group, it is not put down to what Kubernetes has under that name.
        let kruise = |kind: &str, name: &str, hash: &str| {
            told(owner_in("apps.kruise.io/v1beta1", kind, name, deployments, hash))
        };
        assert_eq!(kruise("StatefulSet", "web", ""), "StatefulSet.apps.kruise.io web");
        assert_eq!(kruise("ReplicaSet", "web-6f7d8c", "6f7d8c"), "ReplicaSet.apps.kruise.io web-6f7d8c");
        assert_eq!(kruise("CloneSet", "web", ""), "CloneSet web");
        let volcano = owner_in("batch.volcano.sh/v1alpha1", "Job", "web-29410560", "app", "web");
        assert_eq!(told(volcano), "Job.batch.volcano.sh web-29410560");
        for name in ["a b", "a/b", "../deployments/web", "a:b", "Web"] {
            assert_eq!(owner_of("StatefulSet", name, REVISION, "web-5"), None, "no object is called {name}");
        }
    }

    #[test]
    fn only_a_job_of_kubernetes_own_has_one_template() {
        let template = |version: &str, uid: &str| {
            let owner = json!({"apiVersion": version, "kind": "Job", "name": "train", "uid": "u", "controller": true});
            let meta = json!({
                "name": uid, "namespace": "shop", "uid": uid, "labels": {ACCESS: "train"}, "ownerReferences": [owner],
            });
            facts(&serde_json::from_value(meta).unwrap()).template
        };
        assert_eq!(template("batch/v1", "1"), template("batch/v1", "2"));
        // Two tasks may have two service accounts, and both are asked about.
        assert_ne!(template("batch.volcano.sh/v1alpha1", "1"), template("batch.volcano.sh/v1alpha1", "2"));
    }

    #[test]
    fn a_maker_is_known_well_enough_for_an_event_about_it() {
        let maker = pod(1, "a", "orders").maker.unwrap();
        let Maker { api_version, kind, name, uid } = &*maker;
        assert_eq!([api_version, kind, name, uid], ["apps/v1", "ReplicaSet", "web-a", "a"]);
        let owned = |kind: &str, controller: bool| {
            let owner = json!({"apiVersion": "v1", "kind": kind, "name": "it", "uid": "uid", "controller": controller});
            let meta = json!({
                "name": "web", "namespace": "shop", "uid": "uid", "labels": {ACCESS: "web"}, "ownerReferences": [owner],
            });
            facts(&serde_json::from_value(meta).unwrap()).maker.map(|maker| maker.kind.clone())
        };
        assert_eq!(owned("Job", true), Some("Job".to_owned()));
        assert_eq!(owned("Job", false), None, "who merely owns a Pod did not make it");
        assert_eq!(owned("Node", true), None, "an Event about a Node would be in another namespace");
    }

    #[test]
    fn what_somebody_puts_into_annotations_is_not_kept() {
        let junk = "x".repeat(200_000);
        let meta = json!({
            "name": "web", "namespace": "shop", "uid": "uid", "labels": {ACCESS: "web"},
            "annotations": {CONSUMES: junk, "kafka.admittance.dev/junk": junk, "junk": junk},
        });
        let mut owned = meta.clone();
        let owner = |(version, kind, name): (&str, &str, &str)| json!([{"apiVersion": version, "kind": kind, "name": name, "uid": junk, "controller": true}]);
        let (group, junk) = (format!("{junk}/v1"), junk.as_str());
        for reference in [
            ("apps/v1", "StatefulSet", junk),
            ("batch/v1", "Job", junk),
            (junk, junk, junk),
            (&group, "StatefulSet", "web"),
            (&group, "Job", "web"),
        ] {
            owned["labels"][REVISION] = json!("web-5");
            owned["ownerReferences"] = owner(reference);
            owned["annotations"] = json!({CONSUMES: "orders", WORKLOAD: "web"});
            let text = format!("{:?}", facts(&serde_json::from_value(owned.clone()).unwrap()));
            assert!(text.contains("orders") && text.len() < 2_000, "{} characters", text.len());
        }
        let text = format!("{:?}", facts(&serde_json::from_value(meta).unwrap()));
        assert!(text.contains("UnknownAnnotation") && text.len() < 2_000, "{} characters", text.len());
    }
}
