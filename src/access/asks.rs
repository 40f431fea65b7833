//! What the Pods of an access ask for.

use std::sync::Arc;

use super::Context;
use super::observe::Ask;
use crate::api::annotations::CLUSTER;
use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::api::resources::AccessClaim;
use crate::intent::{self, Intent, Problem};
use crate::watch::{AccessKey, PodFacts};

/// The requests of an access's Pods, in the order of the Pods' names; none where the namespace is not opted in.
#[must_use]
pub fn asks(context: &Context, key: &AccessKey, claim: Option<&AccessClaim>) -> Vec<Ask> {
    // A label can be set by hand: what counts is that the namespace is opted in, and what the Pod itself asks for.
    if !context.world.opted_in(&key.0) {
        return Vec::new();
    }
    let pods = context.world.pods.of(key).into_iter();
    let read = |pod: Arc<PodFacts>| {
        let meta = pod.meta();
        let names_none = !meta.annotations.contains_key(CLUSTER);
        let mut intent = intent::request::read(&meta, &context.default_cluster).transpose()?;
        if names_none && let Ok(read) = intent {
            intent = placed(read, claim, &context.world.default_of(&key.0), &context.default_cluster);
        }
        Some(Ask { pod, intent })
    };
    pods.filter_map(read).collect()
}

/// The intent of a Pod that names no cluster: it goes where its access is, and where there is none yet, to the default of the namespace. The
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
        let intent = intent::request::read(&pod, &install()).unwrap().unwrap();
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
