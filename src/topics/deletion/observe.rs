//! Reads what a decision about topics without claims needs. I/O; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, ObjectMeta};
use kube::{Client, CustomResourceExt, Resource};
use serde::de::DeserializeOwned;

use super::Context;
use super::books::Books;
use super::definition::Definition;
use super::departures::Departure;
use super::plan::Sight;
use super::standing::{self, Claimed, Standing};
use crate::api::resources::{AccessClaim, BrokerCluster, PendingDeletion, TopicClaim};
use crate::clusters::{Connection, Halt, Unusable};
use crate::kafka::acl::{AclFilter, PatternType, Permission, ResourceType};
use crate::kafka::admin::At;
use crate::kafka::admin::topics::Topic;
use crate::kafka::error::Error;
use crate::runtime::kubernetes::{CallError, call};
use crate::runtime::pages;
use crate::watch::reach::{Scope, within};
use crate::watch::table::Name;
use crate::watch::{World, cluster_id};

const CALL: Duration = Duration::from_secs(20);
/// Claims on a page: a round has a minute for all of them.
const CLAIMS: u32 = 50;

/// Reads a cluster live; nothing where it is gone.
///
/// # Errors
/// The API server refused or was not reached.
pub async fn cluster(client: &Client, name: &Name) -> Result<Option<BrokerCluster>, CallError> {
    let api = Api::<BrokerCluster>::namespaced(client.clone(), &name.0);
    match call(CALL, "read the BrokerCluster", api.get_opt(&name.1)).await {
        // Without its definition there is none either.
        Err(error) if error.code() == Some(404) => Ok(None),
        found => found,
    }
}

/// Reads the definition of TopicClaims live; nothing where it is gone, or going with all claims.
///
/// # Errors
/// The API server refused or was not reached.
pub async fn definition(client: &Client) -> Result<Option<Definition>, CallError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let found = api.get_metadata_opt(TopicClaim::crd_name());
    let found = call(CALL, "read the definition of TopicClaims", found).await?;
    let stands = found.filter(|found| found.metadata.deletion_timestamp.is_none());
    let of = |meta: ObjectMeta| Some(Definition { uid: meta.uid?, created: meta.creation_timestamp?.0 });
    Ok(stands.and_then(|found| of(found.metadata)))
}

/// All clusters that may lead to the same Kafka as this one, and what claims say that name none.
#[must_use]
pub fn one_kafka(world: &World, cluster: &str) -> Vec<String> {
    let names = world.clusters.names().into_iter().map(|name| cluster_id(&name));
    names.chain([String::new()]).filter(|other| world.may_be_one_kafka(cluster, other)).collect()
}

/// Whether all watched claims yield to others that have a topic of one of these clusters, by its id; nothing where none has it.
#[must_use]
pub fn yields(world: &World, clusters: &[String], topic: &str, id: &str) -> Option<bool> {
    let claims = clusters.iter().flat_map(|cluster| world.topics.of(&(cluster.clone(), topic.to_owned())));
    let has = |claim: &Arc<TopicClaim>| claim.status.as_ref().is_some_and(|had| had.topic_id.as_deref() == Some(id));
    claims.filter(has).map(|claim| standing::yields(claim.spec.source)).min()
}

/// Who names the topics on record, as far as the watches tell.
#[must_use]
pub fn watched(world: &World, cluster: &str, books: &Books) -> Standing {
    let mut standing = Standing::default();
    let clusters = one_kafka(world, cluster);
    for topic in books.topics() {
        for cluster in &clusters {
            let key = (cluster.clone(), topic.to_owned());
            for claim in world.topics.of(&key) {
                standing.claims.entry(topic.to_owned()).or_default().extend(claimed(&claim));
            }
            for access in world.accesses.of(&key) {
                standing.uses.entry(topic.to_owned()).or_default().extend(name_of(&*access));
            }
        }
    }
    standing
}

/// How many topics of a cluster have a claim, as far as the watches tell, or had one: those on record as deleted or to be deleted, and
/// those that are about to be.
#[must_use]
pub fn claimed_topics(world: &World, cluster: &str, books: &Books, gone: &[Departure]) -> usize {
    let names = world.topics.names();
    let claims = names.iter().filter_map(|(namespace, name)| world.topics.get(&(namespace, name)));
    let have_one = |claim: &Arc<TopicClaim>| {
        let has_topic = claim.status.as_ref().is_some_and(|status| status.topic_id.is_some());
        has_topic && claim.cluster() == Some(cluster)
    };
    let recorded: BTreeSet<&str> = books.deletions.iter().map(|record| record.topic_id.as_str()).collect();
    let about_to_be = gone.iter().filter(|gone| !recorded.contains(gone.topic_id.as_str()));
    claims.filter(have_one).count() + recorded.len() + about_to_be.count()
}

/// Who names the topics on record, as the API server lists them now, in all namespaces that are looked after.
///
/// # Errors
/// A list is not complete.
pub async fn live(context: &Context, cluster: &str, books: &Books) -> Result<Standing, Halt> {
    let mut standing = Standing::default();
    let topics = books.topics();
    let here = |other: &str| context.world.may_be_one_kafka(cluster, other);
    let claims = |claim: TopicClaim| {
        let topic = claim.spec.topic_name.as_str();
        let concerned = topics.contains(topic) && here(&claim.spec.cluster);
        concerned.then(|| (topic.to_owned(), claimed(&claim)))
    };
    let uses = |access: AccessClaim| {
        let named = access.spec.consumes.iter().chain(&access.spec.produces);
        let named: Vec<_> = named.filter(|topic| topics.contains(topic.as_str())).cloned().collect();
        (!named.is_empty() && here(&access.spec.cluster)).then(|| (named, name_of(&access)))
    };
    let lists = (list(context, "list TopicClaims", claims), list(context, "list AccessClaims", uses));
    let (claims, uses) = tokio::try_join!(lists.0, lists.1)?;
    for (topic, claimed) in claims {
        standing.claims.entry(topic).or_default().extend(claimed);
    }
    for (named, user) in uses {
        for topic in named {
            standing.uses.entry(topic).or_default().extend(user.clone());
        }
    }
    Ok(standing)
}

fn claimed(claim: &TopicClaim) -> Option<Claimed> {
    let (namespace, name) = (claim.metadata.namespace.clone()?, claim.metadata.name.clone()?);
    let topic_id = claim.status.as_ref().and_then(|status| status.topic_id.clone());
    Some(Claimed { namespace, name, uid: claim.metadata.uid.clone(), topic_id, source: claim.spec.source })
}

fn name_of(object: &impl Resource) -> Option<String> {
    let meta = object.meta();
    Some(format!("{}/{}", meta.namespace.as_ref()?, meta.name.as_ref()?))
}

/// What `keep` makes of each object of a kind: the rest of a page goes before the next one comes.
async fn list<K, T>(context: &Context, what: &'static str, keep: impl Fn(K) -> Option<T>) -> Result<Vec<T>, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned,
{
    let (client, keep) = (&context.client, &keep);
    let within = |scope| async move { list_within(client, &scope, what, keep).await };
    Ok(context.world.reach.gather(client, within).await?.into_iter().flatten().collect())
}

async fn list_within<K, T>(
    client: &Client,
    scope: &Scope,
    what: &'static str,
    keep: impl Fn(K) -> Option<T>,
) -> Result<Vec<T>, CallError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned,
{
    let api = within::<K>(client, scope);
    let mut kept = Vec::new();
    pages::each(&api, CALL, what, ListParams::default().limit(CLAIMS), |object| kept.extend(keep(object))).await?;
    Ok(kept)
}

/// What Kafka says of topics that are due, by their ids on record. `ages`: whether the age of records matters.
pub async fn sights(
    connection: &Arc<Connection>,
    due: &[PendingDeletion],
    ages: bool,
) -> BTreeMap<String, Result<Sight, Unusable>> {
    match look(connection, due, ages).await {
        Ok(sights) => sights,
        Err(error) => due.iter().map(|record| (record.topic_id.clone(), Err((&error).into()))).collect(),
    }
}

async fn look(
    connection: &Arc<Connection>,
    due: &[PendingDeletion],
    ages: bool,
) -> Result<BTreeMap<String, Result<Sight, Unusable>>, Error> {
    // A name is asked about once for all records that bear it: of these the ids differ, and one topic at most has that name.
    let topics: BTreeSet<String> = due.iter().map(|record| record.topic.clone()).collect();
    let described =
        topics.iter().map(|topic| async move { (topic, connection.batcher.describe_topic(topic.clone()).await) });
    let described: Vec<(&String, Result<Option<Topic>, Error>)> = join_all(described).await;
    let admin = &connection.admin;
    let (rules, activity) = tokio::try_join!(admin.describe_acls(&AclFilter::All, At::Any), admin.activity(&topics))?;
    let on_record = |topic: &&Topic| {
        let id = topic.id.to_string();
        ages && due.iter().any(|record| record.topic == topic.name && record.topic_id == id)
    };
    let there = described.iter().filter_map(|(_, found)| found.as_ref().ok()?.as_ref());
    let there: Vec<Topic> = there.filter(on_record).cloned().collect();
    let youngest = admin.youngest_records(&there).await?;
    let youngest: BTreeMap<String, _> = there.iter().map(|topic| topic.id.to_string()).zip(youngest).collect();
    let mut sights = BTreeMap::new();
    for record in due {
        let Some((_, found)) = described.iter().find(|(topic, _)| **topic == record.topic) else { continue };
        let sight = || -> Result<Sight, Error> {
            let id = found.clone()?.map(|topic| topic.id.to_string());
            let youngest = youngest.get(&record.topic_id).cloned().transpose()?.flatten();
            let own = format!("User:{}", connection.credential.username);
            let holds = rules.iter().filter(|rule| {
                (rule.resource_type, rule.pattern_type) == (ResourceType::Topic, PatternType::Literal)
                    && rule.resource_name == record.topic
                    && rule.permission == Permission::Allow
                    && rule.principal != own
            });
            Ok(Sight {
                id,
                holders: holds.map(|rule| rule.principal.trim_start_matches("User:").to_owned()).collect(),
                // One is enough to hold it, and to be told: there may be as many as there are clients, beside each topic that is due.
                groups: activity
                    .groups_of
                    .get(&record.topic)
                    .into_iter()
                    .flatten()
                    .take(1)
                    .map(|id| id.to_string())
                    .collect(),
                unclear: activity.unclear.iter().take(1).map(|id| id.to_string()).collect(),
                // A time beyond what can be counted is in the future: such a record is young.
                youngest: youngest.map(|millis| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)),
            })
        };
        sights.insert(record.topic_id.clone(), sight().map_err(Unusable::from));
    }
    Ok(sights)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::api::names::ClusterRef;
    use crate::api::resources::ReleasedTopic;
    use crate::runtime::events::Events;
    use crate::runtime::fake_api::answering;
    use crate::watch::reach::Reach;

    /// Who names the topics on record, by an API server that takes a second for each list, and refuses one of them.
    async fn listed(refused: &'static str) -> (Result<Standing, Halt>, Duration) {
        let second = Duration::from_secs(1);
        let client = answering(move |asked| async move {
            sleep(second).await;
            let meta = |name: &str| json!({"name": name, "namespace": "shop", "uid": name, "resourceVersion": "7"});
            let spec = |topic: &str| json!({"topicName": topic, "cluster": "a/b"});
            let claims = ["orders", "bills"].map(|topic| json!({"metadata": meta(topic), "spec": spec(topic)}));
            let asks = json!({"source": "Pods", "workload": "web", "cluster": "a/b", "consumes": ["orders", "bills"]});
            let (kind, items) = match asked.path.rsplit('/').next() {
                Some("topicclaims") => ("TopicClaim", claims.to_vec()),
                _ => ("AccessClaim", vec![json!({"metadata": meta("web"), "spec": asks})]),
            };
            let version = "kafka.admittance.dev/v1alpha1";
            let list = json!({"apiVersion": version, "kind": format!("{kind}List"), "metadata": {}, "items": items});
            if kind == refused { (403, Value::Null) } else { (200, list) }
        });
        let home = ClusterRef { namespace: "a".to_owned(), name: "b".to_owned() };
        let context = Context {
            client: client.clone(),
            world: Arc::new(World::new(home, Reach::default())),
            clusters: Arc::default(),
            events: Events::new(client, "me"),
            departures: Arc::default(),
            topics: crate::runtime::queue::Queue::default(),
        };
        let record: ReleasedTopic = serde_json::from_value(json!({
            "topic": "orders", "topicId": "1", "namespace": "shop", "claim": "c", "since": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let books = Books { deletions: Vec::new(), released: vec![record] };
        let began = Instant::now();
        (live(&context, "a/b", &books).await, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn both_kinds_are_listed_side_by_side_and_without_one_nothing_is_known() {
        let (standing, took) = listed("").await;
        let standing = standing.unwrap();
        assert_eq!(standing.claims["orders"].iter().map(|claim| claim.name.as_str()).collect::<Vec<_>>(), ["orders"]);
        assert_eq!((standing.claims.len(), &standing.uses["orders"]), (1, &vec!["shop/web".to_owned()]));
        assert_eq!(standing.uses.len(), 1, "what is not on record is nobody's question");
        assert!(took < Duration::from_millis(1500), "{took:?}");
        for refused in ["TopicClaim", "AccessClaim"] {
            assert!(listed(refused).await.0.is_err(), "{refused}");
        }
    }
}
