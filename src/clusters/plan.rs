//! What a look at a cluster means: what to do next, and whether it is news. Pure.

use std::sync::Arc;

use super::claim::{Claim, Move, Standing, decide, taken};
use super::rights::missing;
use super::words::{Heard, alike};
use super::{Connection, Seen, Unusable};
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, READY, condition};

/// What to do about a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Work on it.
    Work,
    /// Leave it alone, for this reason.
    Refuse(Unusable),
    /// Take a step, and look again.
    Do(Step),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write our claim on the scope, and wait for others to see it.
    Claim,
    /// Wait for others to see it, and to withdraw theirs.
    Settle,
    /// Withdraw our claim.
    Withdraw,
    /// Remove these claims.
    TakeOver(Vec<Claim>),
    /// Find out whether everyone may use what no rule speaks of.
    AskWitness,
}

/// Decides. First whether we can do anything at all, then whether the scope is ours, then whether rules do no harm here.
#[must_use]
pub fn plan(cluster: &BrokerCluster, seen: &Seen) -> Plan {
    let ours = &seen.connection.claim;
    let lacks = missing(&seen.rights, cluster.spec.quotas.asks());
    if !lacks.is_empty() {
        let message = format!("Kafka user {} lacks: {}", seen.connection.credential.username, lacks.join("; "));
        return Plan::Refuse(Unusable { reason: Reason::KafkaAuthorizationFailed, message });
    }
    let standing = Standing { established: established(cluster, seen), adopt: adopt(cluster), settled: seen.settled };
    match decide(&seen.claims, ours, standing) {
        Move::Held => {}
        Move::Write => return Plan::Do(Step::Claim),
        Move::Settle => return Plan::Do(Step::Settle),
        Move::Withdraw => return Plan::Do(Step::Withdraw),
        Move::TakeOver(theirs) => return Plan::Do(Step::TakeOver(theirs)),
        Move::Taken(uid) => return Plan::Refuse(taken(&ours.scope, &uid)),
    }
    match seen.open {
        _ if cluster.spec.acknowledge_open_cluster => Plan::Work,
        Some(false) => Plan::Work,
        Some(true) => Plan::Refuse(open()),
        None => Plan::Do(Step::AskWitness),
    }
}

fn open() -> Unusable {
    let message = "allow.everyone.if.no.acl.found is true in this Kafka: the first rule on a topic or group shuts out all clients \
                   of it that have none. Give them rules and close it, or set acknowledgeOpenCluster";
    Unusable { reason: Reason::EveryoneAllowed, message: message.to_owned() }
}

/// Whether our status says that the scope is ours, in this very Kafka.
pub(super) fn established(cluster: &BrokerCluster, seen: &Seen) -> bool {
    let ours = &seen.connection.claim;
    cluster.status.as_ref().is_some_and(|status| {
        status.claimed_by.as_ref() == Some(&ours.uid)
            && status.scope.as_deref() == Some(ours.scope.as_ref())
            && status.kafka_cluster_id.as_ref() == Some(&seen.kafka.id)
    })
}

/// The uid to take over from, if that was not done already: a standing order would make two clusters take turns for ever.
fn adopt(cluster: &BrokerCluster) -> Option<&str> {
    let done = cluster.status.as_ref().and_then(|status| status.adopted.as_ref());
    cluster.spec.adopt.as_ref().filter(|uid| Some(*uid) != done).map(String::as_str)
}

/// How what was found out now compares with what the status says. What is said of an older generation is about something else.
#[must_use]
pub fn heard(cluster: &BrokerCluster, verdict: &Result<(), Unusable>) -> Heard {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    match (condition(conditions, READY), verdict) {
        (Some(said), Err(unusable))
            if said.reason == unusable.reason.code() && said.observed_generation == cluster.metadata.generation =>
        {
            if alike(&said.message, &unusable.message) {
                Heard::Again
            } else if names_a_broker(unusable.reason) {
                Heard::Otherwise
            } else {
                Heard::New
            }
        }
        _ => Heard::New,
    }
}

/// Whether what is said with this reason depends on who was asked, each time somebody else.
fn names_a_broker(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::KafkaUnreachable | Reason::KafkaAuthenticationFailed | Reason::KafkaRefused | Reason::NoAuthorizer
    )
}

/// Whether the other controllers should look again: the connection came, went, or is another.
#[must_use]
pub fn differs(before: &Result<Arc<Connection>, Unusable>, now: &Result<Arc<Connection>, Unusable>) -> bool {
    match (before, now) {
        (Ok(before), Ok(now)) => !Arc::ptr_eq(before, now),
        (Err(before), Err(now)) => before.reason != now.reason,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::api::resources::BrokerClusterStatus;
    use crate::clusters::report;

    fn cluster(status: Option<&BrokerClusterStatus>) -> BrokerCluster {
        let external = json!({"bootstrapServers": "a:1", "insecure": true, "adminSecret": {"name": "admin"}});
        let object =
            json!({"metadata": {"name": "c", "generation": 3}, "spec": {"external": external}, "status": status});
        serde_json::from_value(object).unwrap()
    }

    fn status(cluster: &BrokerCluster, verdict: &Result<(), Unusable>) -> Option<BrokerClusterStatus> {
        report::status(cluster, None, verdict, false, Timestamp::UNIX_EPOCH)
    }

    fn refused(reason: Reason, message: &str) -> Result<(), Unusable> {
        Err(Unusable { reason, message: message.to_owned() })
    }

    #[test]
    fn what_is_heard_is_told_apart_from_what_was_heard_before() {
        const DNS: &str = "name lookup at a:1: no such host (temporary: try again)";
        let outage = |message| refused(Reason::KafkaUnreachable, message);
        let before = status(&cluster(None), &outage(DNS)).unwrap();
        let mut now = cluster(Some(&before));
        for (verdict, expected) in [
            (outage(DNS), Heard::Again),
            (outage("name lookup at b:1: no such host (temporary: try again)"), Heard::Again),
            (outage("TCP connect at a:1: no answer in time (temporary: try again)"), Heard::Otherwise),
            (refused(Reason::KafkaAuthenticationFailed, DNS), Heard::New),
            (Ok(()), Heard::New),
        ] {
            assert_eq!(heard(&now, &verdict), expected, "{verdict:?}");
        }
        now.metadata.generation = Some(4);
        assert_eq!(heard(&now, &outage(DNS)), Heard::New, "it was said of other brokers");
        assert_eq!(heard(&cluster(None), &outage(DNS)), Heard::New);
        let lacks = status(&cluster(None), &refused(Reason::KafkaAuthorizationFailed, "two"));
        let now = cluster(lacks.as_ref());
        assert_eq!(heard(&now, &refused(Reason::KafkaAuthorizationFailed, "one")), Heard::New, "half of it is mended");
    }

    #[test]
    fn an_order_to_adopt_is_heeded_once() {
        let mut cluster = cluster(Some(&BrokerClusterStatus::default()));
        assert_eq!(adopt(&cluster), None);
        cluster.spec.adopt = Some("a".into());
        assert_eq!(adopt(&cluster), Some("a"));
        cluster.status.as_mut().unwrap().adopted = Some("a".into());
        assert_eq!(adopt(&cluster), None);
        cluster.spec.adopt = Some("b".into());
        assert_eq!(adopt(&cluster), Some("b"));
    }
}
