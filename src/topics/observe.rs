//! Reads everything that a decision about one claim needs. I/O; decides nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;

use super::holders::{Holders, borrows};
use super::plan::wrong;
use super::users::Users;
use super::{Context, create, not_shown, rivals, shares};
use crate::api::resources::{TopicClaim, TopicPolicy};
use crate::clusters::{Connection, Halt, Unusable};
use crate::intent::claim::settings::of_a_move;
use crate::kafka::acl::{AclBinding, AclFilter, ResourceType};
use crate::kafka::admin::configs::TopicDefaults;
use crate::kafka::admin::settings::Overrides;
use crate::kafka::admin::topics::Topic;
use crate::kafka::admin::{Admin, At};
use crate::kafka::error::Error;
use crate::ownership::{OnRecord, owner};
use crate::watch::World;

/// How many brokers are asked at a second look: one of two is another than the first.
const WITNESSES: usize = 2;
/// For how long.
const PATIENCE: Duration = Duration::from_secs(3);

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// The claim.
    pub claim: Arc<TopicClaim>,
    /// The claim that has the topic: this one, or another's.
    pub owner: Arc<TopicClaim>,
    /// The other claims on the topic, as `namespace/name`, in the order of their names.
    pub rivals: Vec<String>,
    /// Whether the cluster is for claims of this namespace.
    pub admitted: bool,
    /// Ids under which any claim has made or taken over the topic.
    pub known_ids: Vec<String>,
    /// Whose the topic was, by claims that were deleted.
    pub on_record: Vec<OnRecord>,
    /// Who holds rights on the topic in Kafka. Looked at only where nothing else says whose it is.
    pub holders: Holders,
    /// Whether the topic has no record. Looked at only where the claim says that it was about to make it.
    pub empty: bool,
    /// Which workloads use it.
    pub users: Users,
    /// What brokers give a topic where nobody says otherwise. Looked at only where one is to be made, and that decides something.
    pub defaults: TopicDefaults,
    /// What `retention.diskFraction` comes to in bytes a partition; `None` where nothing of the kind is claimed, or it is not known.
    pub share: Option<i64>,
    /// Why there is no room on the disks for what the claim promises itself, where that was asked.
    pub no_room: Option<Unusable>,
    /// Whether brokers do not agree on the settings of the topic. Looked at only at a second look.
    pub disputed: bool,
    /// What the cluster says of topics, and the topic as Kafka has it; or why Kafka cannot be asked.
    pub kafka: Result<(TopicPolicy, Option<Found>), Unusable>,
}

/// A topic as Kafka has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The topic.
    pub topic: Topic,
    /// Its own settings, or why they cannot be read.
    pub settings: Result<Overrides, Error>,
}

/// How hard is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What some broker says.
    First,
    /// What is absent is absent only if every broker that answers says so, and settings are what others say as well.
    Second,
}

/// What is known without Kafka; the topic as `kafka` says, by such a look.
#[must_use]
pub fn with(
    world: &World,
    claim: Arc<TopicClaim>,
    kafka: Result<(TopicPolicy, Option<Found>), Unusable>,
    look: Look,
) -> Observation {
    let key = (claim.spec.cluster.clone(), claim.spec.topic_name.clone());
    let claims = world.claims_on(&key);
    let on_record = that_stand(world.on_record(&key), &kafka, look);
    let users = Users::of(world, &key);
    let refused = |claim: &TopicClaim| world.refusal(claim).is_some();
    among(claim, &claims, on_record, users, kafka, refused)
}

/// The same among any claims on the topic; `refused` is whether the cluster's policy refuses one. Pure.
#[must_use]
pub fn among(
    claim: Arc<TopicClaim>,
    claims: &[Arc<TopicClaim>],
    on_record: Vec<OnRecord>,
    users: Users,
    kafka: Result<(TopicPolicy, Option<Found>), Unusable>,
    refused: impl Fn(&TopicClaim) -> bool,
) -> Observation {
    let owner = owner(claims, &on_record, refused).cloned().unwrap_or_else(|| Arc::clone(&claim));
    let mut known_ids: Vec<String> =
        claims.iter().filter_map(|claim| claim.status.as_ref()?.topic_id.clone()).collect();
    // Of a claim that was deleted, this namespace has the topic again.
    let ours = on_record.iter().filter(|record| Some(&record.namespace) == claim.metadata.namespace.as_ref());
    known_ids.extend(ours.map(|record| record.topic_id.clone()));
    let rivals = rivals::of(&claim, claims);
    Observation {
        claim,
        owner,
        rivals,
        admitted: true,
        known_ids,
        on_record,
        holders: Holders::default(),
        empty: false,
        users,
        defaults: TopicDefaults::default(),
        share: None,
        no_room: None,
        disputed: false,
        kafka,
    }
}

/// What is on record of the very topic that Kafka has: of one that was made anew, or is gone for all brokers, the books say nothing. Where
/// that is not known, they stand.
#[must_use]
pub fn that_stand(
    mut books: Vec<OnRecord>,
    kafka: &Result<(TopicPolicy, Option<Found>), Unusable>,
    look: Look,
) -> Vec<OnRecord> {
    match kafka {
        Ok((_, Some(found))) => {
            let id = found.topic.id.to_string();
            books.retain(|record| record.topic_id == id);
        }
        Ok((_, None)) if look == Look::Second => books.clear(),
        Ok((_, None)) | Err(_) => {}
    }
    books
}

impl Observation {
    /// Whether the claim is the one that has the topic.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.owner.metadata.uid == self.claim.metadata.uid
    }

    /// What of the claim the cluster's policy refuses, where that is known.
    #[must_use]
    pub fn refuses(&self) -> Option<Unusable> {
        self.kafka.as_ref().ok().and_then(|(policy, _)| wrong(&self.claim, policy, self.admitted))
    }
}

/// Whether a cluster is for claims of this one's namespace.
#[must_use]
pub fn is_admitted(context: &Context, connection: &Connection, claim: &TopicClaim) -> bool {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let facts = context.world.namespaces.get(&("", namespace));
    connection.terms.admit_claims(facts.as_deref().map(|facts| &facts.labels))
}

/// Observes one claim; with it comes what its steps are sent by.
///
/// # Errors
/// Kafka did not answer; the queue tries again.
pub async fn observe(
    context: &Context,
    claim: Arc<TopicClaim>,
    look: Look,
) -> Result<(Observation, Option<Arc<Connection>>), Halt> {
    let connection = match context.clusters.get(&claim.spec.cluster) {
        Err(unusable) => return Ok((with(&context.world, claim, Err(unusable), look), None)),
        Ok(connection) => connection,
    };
    let (found, disputed) = find(&connection, &claim.spec.topic_name, look).await?;
    let mut seen = with(&context.world, claim, Ok((connection.terms.topics.clone(), found)), look);
    seen.disputed = disputed;
    seen.admitted = is_admitted(context, &connection, &seen.claim);
    let on_record = seen.claim.status.as_ref().is_some_and(|status| status.creating.is_some());
    let known = |found: &Found| seen.known_ids.contains(&found.topic.id.to_string());
    if let Ok((_, Some(found))) = &seen.kafka
        && !known(found)
    {
        let filter = AclFilter::Affecting(ResourceType::Topic, seen.claim.spec.topic_name.clone());
        let rules = connection.admin.describe_acls(&filter, At::Any).await?;
        seen.holders = holders(&context.world, &connection, &seen.claim.spec.topic_name, &rules);
        if on_record {
            let youngest = connection.admin.youngest_records(std::slice::from_ref(&found.topic)).await?;
            seen.empty = youngest.into_iter().next().transpose()?.flatten().is_none();
        }
    }
    if seen.is_owner() {
        let topic = seen.kafka.as_ref().ok().and_then(|(_, found)| found.as_ref()).map(|found| &found.topic);
        let limits = &connection.terms.topics.limits;
        let makes = (topic.is_none() || on_record) && create::needs_defaults(&seen.claim.spec, limits);
        if makes || create::withdraws_retention(&seen.claim, limits) {
            seen.defaults = context.defaults.of(&connection, &seen.claim.spec.cluster).await?;
        }
        seen.share = match topic {
            Some(topic) => shares::of(context, &connection, &seen.claim, topic).await?,
            None => shares::to_be(context, &connection, &seen).await?,
        };
        seen.no_room = shares::no_room(context, &connection, &seen.claim);
    }
    Ok((seen, Some(connection)))
}

/// Whether other brokers see the settings of a topic like this: the one that was asked may be cut off from the controller, and be quick to
/// answer. Who does not answer, or does not know the topic, says nothing.
///
/// # Errors
/// No broker said who there is.
pub async fn are_seen_alike(admin: &Admin, topic: &str, settings: &Overrides) -> Result<bool, Error> {
    let live = admin.describe_cluster().await?.brokers.into_iter().filter(|broker| !broker.fenced);
    let topics = [topic.to_owned()];
    let witnesses = live.take(WITNESSES).map(|broker| {
        let asked = admin.describe_settings(&topics, At::Broker(broker.id));
        async { timeout(PATIENCE, asked).await.ok()?.ok()?.into_iter().next()?.ok()? }
    });
    let own = |settings: &Overrides| -> Overrides {
        let own = settings.iter().filter(|(key, _)| !of_a_move(key));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    Ok(join_all(witnesses).await.iter().flatten().all(|seen| own(seen) == own(settings)))
}

/// The topic, and whether brokers do not agree on its settings.
async fn find(connection: &Connection, name: &str, look: Look) -> Result<(Option<Found>, bool), Halt> {
    let (topic, settings) = tokio::join!(
        connection.batcher.describe_topic(name.to_owned()),
        connection.batcher.describe_settings(name.to_owned()),
    );
    let topic = match (topic?, look) {
        (None, Look::Second) => connection.admin.describe_topic_anywhere(name).await?,
        (topic, _) => topic,
    };
    let Some(topic) = topic else { return Ok((None, false)) };
    let mut disputed = false;
    let settings = match settings {
        Ok(Some(settings)) => {
            disputed = look == Look::Second && !are_seen_alike(&connection.admin, name, &settings).await?;
            Ok(settings)
        }
        // It is on its way to this broker.
        Ok(None) => return Err(not_shown()),
        Err(error @ Error::Denied(_)) => Err(error),
        Err(error) => return Err(error.into()),
    };
    Ok((Some(Found { topic, settings }), disputed))
}

/// Who holds rights on a topic, by the rules that affect it. The neighbours are those that Kafka named before the cluster was worked on: the
/// status of a cluster names some of them, and later.
fn holders(world: &World, connection: &Connection, topic: &str, rules: &[AclBinding]) -> Holders {
    let borrows = |namespace: &str, access: &str| {
        world.accesses.get(&(namespace, access)).is_some_and(|access| borrows(&access, topic))
    };
    Holders::of(rules, &connection.claim.scope, &connection.terms.neighbours, borrows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plan::plan;
    use super::super::samples::{claim, connection, reason, see, topic};
    use super::*;
    use crate::api::names::ClusterRef;
    use crate::api::reasons::Reason;
    use crate::kafka::acl::{Operation, PatternType};
    use crate::watch::reach::Reach;

    /// The first look beside a neighbour: nobody has written a status of the cluster yet.
    #[tokio::test]
    async fn a_neighbours_topic_is_adopted_by_no_claim_before_the_status_names_the_neighbour() {
        let world = World::new(ClusterRef { namespace: "a".into(), name: "b".into() }, Reach::default());
        let user = |user: &str| {
            let (kind, pattern) = (ResourceType::Topic, PatternType::Literal);
            [AclBinding::allow(format!("User:{user}"), Operation::Write, kind, pattern, "shop.orders")]
        };
        let of = |neighbours: &[&str], rules: &[AclBinding]| {
            let connection = connection("ours", neighbours);
            let seen = see(claim(json!({}), json!(null)), json!({}), topic(3, 1, json!({})));
            let holders = holders(&world, &connection, "shop.orders", rules);
            reason(&plan(&Observation { holders, ..seen }).unwrap())
        };
        let many: Vec<String> = (0..40).map(|n| format!("bank{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = Some(Reason::TopicOwnedElsewhere);
        assert_eq!(of(&["bank"], &user("bank.shop.app")), refused);
        assert_eq!(of(&many, &user("bank39.shop.app")), refused, "one of more than a status names");
        assert_eq!(of(&["bank"], &user("ours.shop.app")), None, "our own workload");
        assert_eq!(of(&[], &user("legacy")), None, "whom no Kubernetes cluster speaks for");
    }
}
