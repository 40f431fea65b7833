//! Who asks for an access, and for what. The Pods and Deployments are read as the watches last saw them.
//!
//! - [`wishes`]: what they ask for together. `strangers` carry the label alone; `askers` are told why they wait.

pub(super) mod askers;
pub(super) mod strangers;
pub mod wishes;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;

use super::Context;
use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, WorkloadOwner};
use crate::intent::{Intent, Problem};
use crate::watch::{AccessKey, DeploymentFacts, Maker, PodFacts};

/// A request for an access.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who asks.
    pub by: Asker,
    /// What is asked for, or what is wrong with it.
    pub intent: Result<Intent, Vec<Problem>>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Asker {
    /// A Pod, by its annotations.
    Pod(Arc<PodFacts>),
    /// A Deployment, by its own annotations: the contract of 2017.
    Deployment(Arc<DeploymentFacts>),
}

impl Asker {
    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Pod(pod) => &pod.namespace,
            Self::Deployment(deployment) => &deployment.namespace,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Pod(pod) => &pod.name,
            Self::Deployment(deployment) => &deployment.name,
        }
    }

    /// The uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        match self {
            Self::Pod(pod) => &pod.uid,
            Self::Deployment(deployment) => &deployment.uid,
        }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pod(_) => "Pod",
            Self::Deployment(_) => "Deployment",
        }
    }

    /// What the Pods are made from: two of one template have one service account.
    #[must_use]
    pub fn template(&self) -> String {
        match self {
            Self::Pod(pod) => pod.template().to_owned(),
            Self::Deployment(deployment) => deployment.template(),
        }
    }

    /// What the access lives as long as.
    #[must_use]
    pub fn owner(&self) -> Option<WorkloadOwner> {
        match self {
            Self::Pod(pod) => pod.owner.clone(),
            Self::Deployment(_) => Some(WorkloadOwner { kind: self.kind().to_owned(), name: self.name().to_owned() }),
        }
    }

    /// For an Event about it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let version = match self {
            Self::Pod(_) => "v1",
            Self::Deployment(_) => "apps/v1",
        };
        reference(self.namespace(), (version, self.kind()), (self.name(), self.uid()))
    }

    /// What made it, for an Event about that: `kubectl describe` finds Events by the uid, so it is the ReplicaSet of a Deployment's Pod.
    #[must_use]
    pub fn maker(&self) -> Option<ObjectReference> {
        let Self::Pod(pod) = self else { return None };
        let Maker { api_version, kind, name, uid } = pod.maker.as_deref()?;
        Some(reference(&pod.namespace, (api_version, kind), (name, uid)))
    }
}

fn reference(namespace: &str, (api_version, kind): (&str, &str), (name, uid): (&str, &str)) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Everybody who asks for an access, Pods first, in the order of their names; nobody where the namespace is not opted in.
#[must_use]
pub fn of(context: &Context, key: &AccessKey, claim: Option<&AccessClaim>) -> Vec<Ask> {
    // A label can be set by hand: what counts is that the namespace is opted in, and what the Pod itself asks for.
    if !context.world.opted_in(&key.0) {
        return Vec::new();
    }
    let (install, default) = (context.world.install(), context.world.default_of(&key.0));
    let place = |intent: Result<Intent, Vec<Problem>>, names_one: bool| match intent {
        Ok(read) if !names_one => placed(read, claim, &default, install),
        other => other,
    };
    let pods = context.world.pods.of(key).into_iter().filter_map(|pod| {
        let intent = place(Result::clone(pod.intent.as_ref()?), pod.names_cluster);
        Some(Ask { by: Asker::Pod(pod), intent })
    });
    let deployments = context.world.deployments.of(key).into_iter().map(|deployment| {
        let intent = place(deployment.intent.clone(), deployment.names_cluster);
        Ask { by: Asker::Deployment(deployment), intent }
    });
    pods.chain(deployments).collect()
}

/// The intent of who names no cluster: it goes where its access is, and where there is none yet, to the default of the namespace. The
/// webhook knows neither, so the names stay those of a Pod on the installation's default.
fn placed(
    mut intent: Intent,
    claim: Option<&AccessClaim>,
    default: &str,
    install: &ClusterRef,
) -> Result<Intent, Vec<Problem>> {
    let ours = claim.filter(|claim| claim.spec.workload == intent.workload.as_ref());
    let text = ours.map_or(default, |claim| &claim.spec.cluster);
    intent.cluster = ClusterRef::parse(text, &install.namespace).map_err(|error| {
        vec![Problem::new(Reason::InvalidValue, "the Namespace's annotation cluster", text, error.to_string())]
    })?;
    Ok(intent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::annotations::CONSUMES;
    use crate::api::resources::AccessClaimSpec;
    use crate::intent::PodMeta;
    use crate::intent::request;

    fn install() -> ClusterRef {
        ClusterRef { namespace: "ops".into(), name: "default".into() }
    }

    fn of(claim: Option<(&str, &str)>, default: &str) -> Result<Intent, Vec<Problem>> {
        let pod = PodMeta {
            namespace: "shop",
            name: Some("web"),
            annotations: [(CONSUMES, "a")].into(),
            ..PodMeta::default()
        };
        let intent = request::read(&pod, &install()).unwrap().unwrap();
        let claim = claim.map(|(workload, cluster)| {
            let (workload, cluster) = (workload.to_owned(), cluster.to_owned());
            AccessClaim::new("web", AccessClaimSpec { workload, cluster, ..AccessClaimSpec::empty() })
        });
        placed(intent, claim.as_ref(), default, &install())
    }

    #[test]
    fn the_default_of_the_namespace_decides_for_who_is_new() {
        let intent = of(None, "kafka/eu").unwrap();
        assert_eq!(intent.cluster.to_string(), "kafka/eu");
        assert_eq!((intent.access_name(), intent.secret_name()), ("web".into(), "web-kafka-credentials".into()));
    }

    #[test]
    fn a_default_that_changes_moves_nobody() {
        assert_eq!(of(Some(("web", "ops/default")), "kafka/eu").unwrap().cluster.to_string(), "ops/default");
        let stranger = of(Some(("other", "ops/default")), "kafka/eu").unwrap();
        assert_eq!(stranger.cluster.to_string(), "kafka/eu", "another workload's access says nothing of this one");
    }

    #[test]
    fn a_default_that_cannot_be_read_is_no_other() {
        let problems = of(None, "Not A Name").unwrap_err();
        assert_eq!(problems[0].reason, Reason::InvalidValue);
    }
}
