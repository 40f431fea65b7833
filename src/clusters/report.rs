//! Says how a cluster stands: in its status, and where that is news, in the log and in an Event.

use kube::{Resource, ResourceExt};
use serde_json::json;

use super::Context;
use crate::api::resources::{BrokerCluster, BrokerClusterStatus, news};
use crate::runtime::kubernetes::{CallError, merge};
use crate::runtime::status::{self, Base};

/// The action that Events name.
const ACTION: &str = "WorkWithKafka";

/// Writes the status, and tells.
///
/// # Errors
/// The API server refused or did not answer: nothing was told.
pub async fn report(context: &Context, cluster: &BrokerCluster, status: &BrokerClusterStatus) -> Result<(), CallError> {
    let changes = merge(&json!(cluster.status), json!(status));
    let words = ("write the BrokerCluster's status", "broker_cluster_status");
    // Who sweeps writes there too: what somebody else wrote meanwhile is looked at first.
    status::write(&context.client, cluster, Base::Unchanged, changes, words).await?;
    let before = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if let Some((reason, message)) = news(before, &status.conditions) {
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        if reason.is_good() {
            tracing::info!(namespace, name, %reason, "the BrokerCluster is ready again: {message}");
        } else {
            tracing::warn!(namespace, name, %reason, "the BrokerCluster is not ready: {message}");
        }
        context.events.tell(&cluster.object_ref(&()), ACTION, reason, message).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::api::names::{ClusterRef, Scope};
    use crate::api::reasons::Reason;
    use crate::api::resources::{Conditions, READY};
    use crate::clusters::Clusters;
    use crate::runtime::events::Events;
    use crate::runtime::fake_api::{Sent, api_server_of};
    use crate::watch::World;
    use crate::watch::reach::Reach;

    fn cluster() -> BrokerCluster {
        let external = json!({"bootstrapServers": "a:1", "insecure": true, "adminSecret": {"name": "admin"}});
        let metadata = json!({"namespace": "ops", "name": "default", "uid": "u", "resourceVersion": "7"});
        let (version, kind) = (BrokerCluster::api_version(&()), BrokerCluster::kind(&()));
        let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"external": external}});
        serde_json::from_value(object).unwrap()
    }

    fn context() -> (Context, Sent) {
        let (client, sent) = api_server_of(json!(cluster()));
        let events = Events::new(client.clone(), "operator-1");
        let home = ClusterRef { namespace: "ops".to_owned(), name: "default".to_owned() };
        let context = Context {
            client,
            world: Arc::new(World::new(home, Reach::default())),
            clusters: Arc::new(Clusters::default()),
            scope: Scope::parse("shop").unwrap(),
            system_uid: String::new(),
            events,
            moved: Arc::new(|_| {}),
        };
        (context, sent)
    }

    fn said(before: &BrokerCluster, reason: Reason, message: &str) -> BrokerClusterStatus {
        let mut status = before.status.clone().unwrap_or_default();
        let holds = reason == Reason::Ready;
        Conditions::new(&mut status.conditions, Some(1), Time(Timestamp::UNIX_EPOCH))
            .say(READY, holds, reason, message);
        status
    }

    #[tokio::test]
    async fn who_looks_in_the_morning_finds_what_happened_at_night() {
        let (context, sent) = context();
        let mut cluster = cluster();
        for (reason, message) in [
            (Reason::Ready, "3 brokers answer"),
            (Reason::KafkaUnreachable, "refused"),
            (Reason::KafkaUnreachable, "no answer in time"),
            (Reason::KafkaAuthenticationFailed, "unknown issuer"),
            (Reason::Ready, "3 brokers answer"),
            (Reason::Ready, "2 brokers answer"),
        ] {
            let status = said(&cluster, reason, message);
            report(&context, &cluster, &status).await.unwrap();
            cluster.status = Some(status);
        }
        let sent = sent.lock().unwrap();
        let count = |verb: &str| sent.iter().filter(|(sent, _)| sent == verb).count();
        assert_eq!((count("PATCH"), count("POST")), (6, 3));
        let events: Vec<&Value> = sent.iter().filter(|(verb, _)| verb == "POST").map(|(_, event)| event).collect();
        let told: Vec<_> = events
            .iter()
            .map(|event| [&event["type"], &event["reason"], &event["note"]].map(|it| it.as_str().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ["Warning", "KafkaUnreachable", "refused"],
                ["Warning", "KafkaAuthenticationFailed", "unknown issuer"],
                ["Normal", "Ready", "3 brokers answer"],
            ]
        );
        let about = &events[0]["regarding"];
        assert_eq!(
            (&about["kind"], &about["namespace"], &about["name"]),
            (&json!("BrokerCluster"), &json!("ops"), &json!("default"))
        );
    }
}
