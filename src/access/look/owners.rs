//! Looks for the owners of workloads. I/O; decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ReplicationController};
use kube::Client;
use kube::api::{Api, ObjectMeta};

use crate::access::life::Ownership;
use crate::api::annotations::INJECTION;
use crate::api::names::check_object;
use crate::api::resources::WorkloadOwner;
use crate::intent::{self, PodMeta, contract_2017};
use crate::runtime::kubernetes::{CallError, call};
use crate::watch::deployments;

const CALL: Duration = Duration::from_secs(5);
const READ: &str = "read a workload's owner";
/// Where an Argo Rollout notes, on the ReplicaSets that it scales, how many Pods all of them are to have.
const OF_ROLLOUT: &str = "rollout.argoproj.io/desired-replicas";

/// What became of owners, in their order. That nothing is told of one says nothing of the others.
pub async fn look(client: &Client, namespace: &str, owners: &[WorkloadOwner]) -> Vec<Ownership> {
    let looks = owners.iter().map(|owner| async move {
        one(client, namespace, owner).await.unwrap_or_else(|error| {
            tracing::warn!(namespace, kind = owner.kind, name = owner.name, %error, "what became of it is not known");
            Ownership::Unknown
        })
    });
    join_all(looks).await
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Whether a Deployment itself asks, whether or not such are served: what was given to it then is not taken away by a setting.
async fn deployment(client: &Client, namespace: &str, name: &str) -> Result<bool, CallError> {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    let found = call(CALL, READ, api.get_metadata_opt(name)).await?;
    Ok(found.filter(|found| found.metadata.deletion_timestamp.is_none()).is_some_and(|found| {
        let ObjectMeta { labels, annotations, .. } = &found.metadata;
        contract_2017::deployment_asks(&deployments::asking(namespace, name, labels.as_ref(), annotations.as_ref()))
    }))
}

/// Whether an Argo Rollout has gone on to another ReplicaSet: it wants Pods, and none of this one. It keeps it for its history.
fn is_left(found: &ReplicaSet) -> bool {
    let wanted = found.metadata.annotations.as_ref().and_then(|annotations| annotations.get(OF_ROLLOUT)?.parse().ok());
    let replicas = found.spec.as_ref().and_then(|spec| spec.replicas);
    replicas == Some(0) && wanted.is_some_and(|wanted: i32| wanted > 0)
}

async fn one(client: &Client, namespace: &str, owner: &WorkloadOwner) -> Result<Ownership, CallError> {
    /// Reads one object; `parts` gives its template and how many Pods it is to have, or nothing where it makes no more.
    async fn read<K>(
        client: &Client,
        namespace: &str,
        name: &str,
        parts: impl FnOnce(K) -> Option<(PodTemplateSpec, i32)>,
    ) -> Result<Ownership, CallError>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let found = call(CALL, READ, Api::<K>::namespaced(client.clone(), namespace).get_opt(name)).await?;
        let found = found.filter(|found| found.meta().deletion_timestamp.is_none());
        let Some((template, replicas)) = found.and_then(parts) else { return Ok(Ownership::Gone) };
        let meta = template.metadata.unwrap_or_default();
        let labels = pairs(meta.labels.as_ref());
        let opted_out = labels.get(INJECTION) == Some(&"disabled");
        let annotations = pairs(meta.annotations.as_ref());
        let asks = !opted_out && intent::request::asks(&PodMeta { labels, annotations, ..PodMeta::default() });
        // Scaled to zero, its Pods may still be patched to ask when they come.
        Ok(if asks || replicas == 0 { Ownership::Asks } else { Ownership::Silent })
    }
    let name = &owner.name;
    // Anybody may write the owners of a Pod. No object bears such a name, and in a path it would ask for something else, or for nothing.
    if check_object(name).is_err() {
        return Ok(Ownership::Gone);
    }
    match owner.kind.as_str() {
        "Deployment" if deployment(client, namespace, name).await? => Ok(Ownership::Asks),
        "Deployment" => {
            read::<Deployment>(client, namespace, name, |found| {
                found.spec.map(|spec| (spec.template, spec.replicas.unwrap_or(1)))
            })
            .await
        }
        "StatefulSet" => {
            read::<StatefulSet>(client, namespace, name, |found| {
                found.spec.map(|spec| (spec.template, spec.replicas.unwrap_or(1)))
            })
            .await
        }
        "ReplicaSet" => {
            read::<ReplicaSet>(client, namespace, name, |found| {
                let left = is_left(&found);
                found.spec.filter(|_| !left).and_then(|spec| Some((spec.template?, spec.replicas.unwrap_or(1))))
            })
            .await
        }
        "ReplicationController" => {
            read::<ReplicationController>(client, namespace, name, |found| {
                found.spec.and_then(|spec| Some((spec.template?, spec.replicas.unwrap_or(1))))
            })
            .await
        }
        "DaemonSet" => {
            read::<DaemonSet>(client, namespace, name, |found| {
                let wanted = found.status.map_or(0, |status| status.desired_number_scheduled);
                found.spec.map(|spec| (spec.template, wanted))
            })
            .await
        }
        "CronJob" => {
            // Between two runs there is no Pod, however often it runs.
            read::<CronJob>(client, namespace, name, |found| {
                found.spec.and_then(|spec| spec.job_template.spec).map(|spec| (spec.template, 1))
            })
            .await
        }
        "Job" => {
            read::<Job>(client, namespace, name, |found| {
                // One that has finished makes no more Pods.
                let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
                let over = conditions.iter().any(|condition| {
                    matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
                });
                found.spec.filter(|_| !over).map(|spec| (spec.template, 1))
            })
            .await
        }
        // Of no other kind is it known what it is called in the API, how it is scaled, or where its template is.
        _ => Ok(Ownership::Gone),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::annotations::CONSUMES;
    use crate::runtime::fake_api::answering;

    const KINDS: [(&str, &str); 7] = [
        ("Deployment", "/apis/apps/v1/namespaces/shop/deployments/web"),
        ("StatefulSet", "/apis/apps/v1/namespaces/shop/statefulsets/web"),
        ("DaemonSet", "/apis/apps/v1/namespaces/shop/daemonsets/web"),
        ("ReplicaSet", "/apis/apps/v1/namespaces/shop/replicasets/web"),
        ("ReplicationController", "/api/v1/namespaces/shop/replicationcontrollers/web"),
        ("CronJob", "/apis/batch/v1/namespaces/shop/cronjobs/web"),
        ("Job", "/apis/batch/v1/namespaces/shop/jobs/web"),
    ];
    /// Those that a number of Pods is asked of.
    const SCALED: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];

    /// An object whose Pods have an annotation, and which wants so many of them.
    fn object(kind: &str, annotation: &str, replicas: i32) -> Value {
        let template = json!({
            "metadata": {"labels": {"app": "web"}, "annotations": {annotation: "orders"}},
            "spec": {"containers": [{"name": "main", "image": "web:1"}]},
        });
        let selector = json!({"matchLabels": {"app": "web"}});
        let (spec, status) = match kind {
            "CronJob" => (json!({"schedule": "@hourly", "jobTemplate": {"spec": {"template": template}}}), json!({})),
            "Job" => (json!({"template": template}), json!({})),
            "ReplicationController" => (json!({"template": template, "replicas": replicas}), json!({"replicas": 0})),
            "DaemonSet" => (
                json!({"template": template, "selector": selector}),
                json!({
                    "desiredNumberScheduled": replicas, "currentNumberScheduled": 0, "numberMisscheduled": 0,
                    "numberReady": 0,
                }),
            ),
            _ => (
                json!({"template": template, "selector": selector, "replicas": replicas, "serviceName": "web"}),
                json!({"replicas": 0}),
            ),
        };
        json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec, "status": status})
    }

    /// What is said of an owner on record, by an API server that has one object.
    async fn looked(kind: &str, path: &'static str, held: Value) -> Ownership {
        let client = answering(move |asked| {
            let found = asked.method == "GET" && asked.path == path;
            std::future::ready(if found { (200, held.clone()) } else { (404, Value::Null) })
        });
        look(&client, "shop", &[WorkloadOwner { kind: kind.into(), name: "web".into() }]).await[0]
    }

    #[tokio::test]
    async fn an_owner_of_every_kind_is_found_as_it_is() {
        for (kind, path) in KINDS {
            assert_eq!(looked(kind, path, object(kind, CONSUMES, 1)).await, Ownership::Asks, "{kind}");
            assert_eq!(looked(kind, path, object(kind, "mine", 1)).await, Ownership::Silent, "{kind} asks no more");
            assert_eq!(looked(kind, "/nowhere", Value::Null).await, Ownership::Gone, "{kind} is not there");
            let mut ending = object(kind, CONSUMES, 1);
            ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            assert_eq!(looked(kind, path, ending).await, Ownership::Gone, "{kind} is being deleted");
            let at_zero = if SCALED.contains(&kind) { Ownership::Asks } else { Ownership::Silent };
            assert_eq!(looked(kind, path, object(kind, "mine", 0)).await, at_zero, "{kind} at zero");
            let mut out = object(kind, CONSUMES, 1);
            let template = if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" };
            out.pointer_mut(template).unwrap()["metadata"]["labels"][INJECTION] = json!("disabled");
            assert_eq!(looked(kind, path, out).await, Ownership::Silent, "{kind} is opted out");
        }
    }

    #[tokio::test]
    async fn a_job_that_is_over_makes_no_more_pods() {
        let (kind, path) = KINDS[6];
        for (condition, status, found) in [
            ("Complete", "True", Ownership::Gone),
            ("Failed", "True", Ownership::Gone),
            ("Failed", "False", Ownership::Asks),
            ("Suspended", "True", Ownership::Asks),
        ] {
            let mut job = object(kind, CONSUMES, 1);
            job["status"]["conditions"] = json!([{"type": condition, "status": status}]);
            assert_eq!(looked(kind, path, job).await, found, "{condition}: {status}");
        }
    }

    #[tokio::test]
    async fn a_replica_set_of_a_rollout_counts_until_another_has_taken_its_place() {
        let (kind, path) = KINDS[3];
        for (replicas, wanted, found) in [
            (0, "0", Ownership::Asks),
            (0, "3", Ownership::Gone),
            (3, "3", Ownership::Asks),
            // It is on its way to zero, or has just been made.
            (1, "0", Ownership::Asks),
            (0, "?", Ownership::Asks),
        ] {
            let mut set = object(kind, CONSUMES, replicas);
            set["metadata"]["annotations"] = json!({OF_ROLLOUT: wanted});
            assert_eq!(looked(kind, path, set).await, found, "{replicas} of {wanted}");
        }
    }

    #[tokio::test]
    async fn a_deployment_of_2017_asks_by_itself() {
        let (kind, path) = KINDS[0];
        let mut deployment = object(kind, "mine", 1);
        deployment["metadata"]["labels"] = json!({"kafka-operator": "inject-credentials"});
        deployment["metadata"]["annotations"] = json!({"topic.kafka.nb/consumes": "orders"});
        assert_eq!(looked(kind, path, deployment).await, Ownership::Asks);
    }

    #[tokio::test]
    async fn of_other_kinds_nothing_is_asked_and_silence_is_no_answer() {
        let broken = answering(|_| std::future::ready((500, Value::Null)));
        let owner = |kind: &str| [WorkloadOwner { kind: kind.into(), name: "web".into() }];
        for kind in ["FlinkDeployment", "StatefulSet.apps.kruise.io", "Job.batch.volcano.sh"] {
            assert_eq!(look(&broken, "shop", &owner(kind)).await, [Ownership::Gone], "{kind}");
        }
        for (kind, _) in KINDS {
            assert_eq!(look(&broken, "shop", &owner(kind)).await, [Ownership::Unknown], "{kind}");
        }
    }

    #[tokio::test]
    async fn a_name_that_no_object_has_is_asked_of_nobody() {
        let broken = answering(|_| std::future::ready((500, Value::Null)));
        for name in ["a b", "a/b", "../deployments/web", "a?b", "a:b", "", "Web", "é", &"x".repeat(100_000)] {
            for (kind, _) in KINDS {
                let owner = [WorkloadOwner { kind: kind.into(), name: name.into() }];
                assert_eq!(look(&broken, "shop", &owner).await, [Ownership::Gone], "{kind} {name:.20}");
            }
        }
    }

    #[tokio::test]
    async fn one_that_cannot_be_looked_at_says_nothing_of_the_others() {
        let (kind, path) = KINDS[1];
        let client = answering(move |asked| {
            let said = if asked.path == path { (200, object(kind, CONSUMES, 1)) } else { (403, Value::Null) };
            std::future::ready(said)
        });
        let owners = ["web", "other"].map(|name| WorkloadOwner { kind: kind.into(), name: name.into() });
        assert_eq!(look(&client, "shop", &owners).await, [Ownership::Asks, Ownership::Unknown]);
    }
}
