//! Says how a cluster stands: in its status, and where that is news, in the log and in an Event.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::claim::Claim;
use super::plan::established;
use super::rights;
use super::{Context, Seen, Unusable};
use crate::api::reasons::Reason;
use crate::api::resources::{
    BrokerCluster, BrokerClusterStatus, Conditions, INSECURE, Neighbour, READY, RIGHTS_MISSING, condition, news,
};
use crate::runtime::kubernetes::{CallError, merge};
use crate::runtime::status::{self, Base};

/// The action that Events name.
const ACTION: &str = "WorkWithKafka";
/// Neighbours that a status names: enough to see that there are some.
const NEIGHBOURS: usize = 32;

/// The status to write; nothing where the one that stands is right. Where the words of a cluster that is out of order `stand`, they are
/// kept: see [`heard`](super::plan::heard).
#[must_use]
pub fn status(
    cluster: &BrokerCluster,
    seen: Option<&Seen>,
    verdict: &Result<(), Unusable>,
    stand: bool,
    now: Timestamp,
) -> Option<BrokerClusterStatus> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut status = before.clone();
    if let Some(seen) = seen {
        facts(cluster, seen, &mut status);
    }
    let (reason, message) = match verdict {
        Ok(()) => (Reason::Ready, format!("{} brokers answer", status.brokers.unwrap_or_default())),
        Err(unusable) => match condition(&before.conditions, READY).filter(|_| stand) {
            Some(said) => (unusable.reason, said.message.clone()),
            None => (unusable.reason, unusable.message.clone()),
        },
    };
    let mut conditions = Conditions::new(&mut status.conditions, cluster.metadata.generation, Time(now));
    conditions.say(READY, verdict.is_ok(), reason, &message);
    if cluster.spec.external.insecure {
        let message = "messages, and the keys that are written for new users, cross the network in the clear";
        conditions.say(INSECURE, true, Reason::InsecureListener, message);
    } else {
        status.conditions.retain(|condition| condition.type_ != INSECURE);
    }
    // While Kafka does not answer, what it said stands.
    if let Some(seen) = seen {
        let lacks = rights::limits(&seen.rights, cluster.spec.quotas.asks());
        let lacks = (seen.connection.credential.username.as_str(), &*lacks);
        limits(&mut status.conditions, cluster.metadata.generation, now, lacks);
    }
    (status != before).then_some(status)
}

/// Tells what the operator's user lacks, though the cluster can be worked with.
fn limits(all: &mut Vec<Condition>, generation: Option<i64>, now: Timestamp, (user, lacks): (&str, &[&str])) {
    if lacks.is_empty() {
        all.retain(|condition| condition.type_ != RIGHTS_MISSING);
        return;
    }
    let message = format!("Kafka user {user} lacks what some of the work needs: {}", lacks.join("; "));
    let mut conditions = Conditions::new(all, generation, Time(now));
    conditions.say(RIGHTS_MISSING, true, Reason::KafkaAuthorizationFailed, &message);
}

/// What was seen, whatever follows from it.
fn facts(cluster: &BrokerCluster, seen: &Seen, status: &mut BrokerClusterStatus) {
    let (ours, terms) = (&seen.connection.claim, &seen.connection.terms);
    let alive = seen.kafka.brokers.iter().filter(|broker| !broker.fenced).count();
    status.brokers = i32::try_from(alive).ok();
    status.mechanisms.clone_from(&terms.mechanisms);
    status.protocol = Some(terms.security_protocol.as_str().to_owned());
    if seen.kafka.operations.as_ref().is_some_and(Vec::is_empty) {
        // We could not ask for claims, so nothing is known to have changed.
        return;
    }
    let claimed = seen.claims.contains(ours);
    let rival = seen.claims.iter().find(|claim| claim.scope == ours.scope && claim.uid != ours.uid);
    match (claimed, rival) {
        (true, None) => {
            status.claimed_by = Some(ours.uid.clone());
            status.adopted.clone_from(&cluster.spec.adopt);
        }
        // That we were here first must be remembered: it is why we do not withdraw.
        (true, Some(_)) if established(cluster, seen) => {}
        (_, rival) => status.claimed_by = rival.map(|rival| rival.uid.clone()),
    }
    if cluster.spec.adopt.is_none() {
        status.adopted = None;
    }
    let neighbours = seen.claims.iter().filter(|claim| claim.scope != ours.scope);
    let neighbour = |claim: &Claim| Neighbour { scope: claim.scope.to_string(), uid: claim.uid.clone() };
    status.neighbours = neighbours.take(NEIGHBOURS).map(neighbour).collect();
    status.kafka_cluster_id = Some(seen.kafka.id.clone());
    status.scope = Some(ours.scope.to_string());
}

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

    use serde_json::Value;

    use super::*;
    use crate::api::names::{ClusterRef, Scope};
    use crate::clusters::Clusters;
    use crate::runtime::events::Events;
    use crate::runtime::fake_api::{Sent, api_server_of};
    use crate::watch::World;
    use crate::watch::reach::Reach;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LATER: Timestamp = Timestamp::MAX;

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
        Conditions::new(&mut status.conditions, Some(1), Time(NOW)).say(READY, holds, reason, message);
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

    fn with(insecure: bool, status: Option<&BrokerClusterStatus>) -> BrokerCluster {
        let mut cluster = cluster();
        cluster.spec.external.insecure = insecure;
        cluster.status = status.cloned();
        cluster
    }

    fn refused(reason: Reason, message: &str) -> Result<(), Unusable> {
        Err(Unusable { reason, message: message.to_owned() })
    }

    fn words(status: &BrokerClusterStatus, kind: &str) -> Option<(String, String)> {
        condition(&status.conditions, kind).map(|said| (said.reason.clone(), said.message.clone()))
    }

    #[test]
    fn a_cluster_without_tls_says_so_as_long_as_it_is() {
        let outage = refused(Reason::KafkaUnreachable, "away");
        let open = status(&with(true, None), None, &outage, false, NOW).unwrap();
        assert_eq!(words(&open, INSECURE).unwrap().0, "InsecureListener");
        assert_eq!(status(&with(true, Some(&open)), None, &outage, false, LATER), None, "nothing new, nothing written");
        let closed = status(&with(false, Some(&open)), None, &outage, false, NOW).unwrap();
        assert_eq!(words(&closed, INSECURE), None);
    }

    #[test]
    fn what_the_user_lacks_is_told_until_it_is_granted() {
        let mut all = Vec::new();
        limits(&mut all, Some(1), NOW, ("op", &["Delete on Topic", "Alter on Topic"]));
        let said = condition(&all, RIGHTS_MISSING).unwrap();
        assert_eq!((&*said.status, &*said.reason), ("True", "KafkaAuthorizationFailed"));
        assert!(said.message.ends_with("needs: Delete on Topic; Alter on Topic"), "{}", said.message);
        assert!(said.message.contains("Kafka user op"), "{}", said.message);
        limits(&mut all, Some(1), LATER, ("op", &[]));
        assert_eq!(all, []);
    }

    #[test]
    fn words_that_stand_are_not_written_over() {
        let outage = |message| refused(Reason::KafkaUnreachable, message);
        let before = status(&with(false, None), None, &outage("first"), false, NOW).unwrap();
        assert_eq!(status(&with(false, Some(&before)), None, &outage("second"), true, LATER), None);
        let now = status(&with(false, Some(&before)), None, &outage("second"), false, NOW).unwrap();
        assert_eq!(words(&now, READY), Some(("KafkaUnreachable".to_owned(), "second".to_owned())));
    }
}
