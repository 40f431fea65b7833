//! What would become of a topic: the operator's own decision about its claim, told. Pure.

use std::sync::Arc;

use super::item::{Line, Mark};
use super::observe::Seen;
use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicClaimStatus};
use crate::clusters::Unusable;
use crate::ownership::owner;
use crate::topics::deletion::ids_on_record;
use crate::topics::holders::Holders;
use crate::topics::observe::Observation;
use crate::topics::plan::{Plan, plan};

/// The decision about one claim among all of them: what it would do, and the status that the claim then has.
#[must_use]
pub fn decide(claim: &Arc<TopicClaim>, world: &[Arc<TopicClaim>], seen: &Seen) -> (Vec<Line>, TopicClaimStatus) {
    let same = |other: &&Arc<TopicClaim>| {
        (&other.spec.cluster, &other.spec.topic_name) == (&claim.spec.cluster, &claim.spec.topic_name)
    };
    let claims: Vec<Arc<TopicClaim>> = world.iter().filter(same).cloned().collect();
    let name = &claim.spec.topic_name;
    let before = claim.status.clone().unwrap_or_default();
    let (topic, holders) = match seen.clusters.get(&claim.spec.cluster) {
        Some(Ok(view)) => {
            let scope = &view.connection.claim.scope;
            let holders = view.affecting.get(name).map(|rules| Holders::of(rules, scope, &view.neighbours()));
            (Ok((Arc::clone(&view.connection), view.topics.get(name).cloned())), holders.unwrap_or_default())
        }
        Some(Err(unusable)) => (Err(unusable.clone()), Holders::default()),
        None => {
            let message = format!("BrokerCluster {} was not looked at", claim.spec.cluster);
            (Err(Unusable { reason: Reason::ClusterNotFound, message }), Holders::default())
        }
    };
    let mut known_ids: Vec<String> =
        claims.iter().filter_map(|claim| claim.status.as_ref()?.topic_id.clone()).collect();
    // Of a claim that was deleted, this namespace has the topic again.
    if let Some(Ok(view)) = seen.clusters.get(&claim.spec.cluster) {
        let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
        known_ids.extend(ids_on_record(Some(&view.resource), namespace, name));
    }
    let owner = owner(&claims).cloned().unwrap_or_else(|| Arc::clone(claim));
    let seen = Observation { claim: Arc::clone(claim), owner, known_ids, holders, topic };
    match plan(&seen) {
        Plan::Make(intent) => {
            let replicas = if intent.replicas > 0 {
                count(intent.replicas, "replica")
            } else {
                "the brokers' default of replicas".to_owned()
            };
            let says = format!("create topic {name}: {}, {replicas}", count(intent.partitions, "partition"));
            (vec![Line::new(Mark::Add, says)], TopicClaimStatus { creating: Some(intent), ..before })
        }
        Plan::Report(verdict) => {
            let lines = verdict.obstacle.map(|Unusable { reason, message }| Line::refused(reason.code(), message));
            (lines.into_iter().collect(), verdict.facts)
        }
        Plan::Leave => (Vec::new(), before),
    }
}

fn count(number: i32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
