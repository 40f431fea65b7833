//! Topics whose claims were deleted: observe → plan → apply → report, a cluster at a time.
//!
//! A topic is deleted late and after a look, or not at all. Only the deletion of a claim that was seen counts; what a list merely lacks
//! has not been deleted by anybody. It is put on record in the status of the `BrokerCluster`, announced, and carried out when the time to
//! undo it has passed and nobody uses the topic; many at once wait for a person. Nothing is written into users' claims, and no
//! finalizer keeps them.

pub mod apply;
pub mod attention;
pub mod books;
pub mod brake;
pub mod definition;
pub mod departures;
pub mod note;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod report;
pub mod room;
pub mod seen;
pub mod standing;

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Client, Resource};

use self::attention::Looked;
use self::books::Books;
use self::departures::{Departure, Departures};
use self::note::Note;
use self::plan::{Evidence, Plan};
use self::policy::{Policy, waited, whole};
use self::seen::Seen;
use crate::api::annotations::RELEASE_DELETION;
use crate::api::reasons::Reason;
use crate::api::resources::BrokerCluster;
use crate::clusters::{Clusters, Connection, Halt};
use crate::ownership::records;
use crate::runtime::events::Events;
use crate::runtime::queue::Queue;
use crate::runtime::{controller, looks};
use crate::watch::table::Name;
use crate::watch::{World, cluster_id, name_of};

/// How often it is asked, of what is in memory, whether a look is worth while.
const TICK: Duration = Duration::from_secs(1);
/// How long claims that are deleted together are waited for.
const GATHER: Duration = Duration::from_millis(300);
/// One look ends after this, whatever it waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a look needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// The Kafka clusters.
    pub clusters: Arc<Clusters>,
    /// Tells people.
    pub events: Events,
    /// Claims that were seen to be deleted.
    pub departures: Arc<Departures>,
    /// The claims that are to be looked at: a topic that they were refused may be theirs by what is on record now.
    pub topics: Queue<Name>,
}

/// Looks after the clusters until the future is dropped.
pub async fn run(context: Context) {
    let (mut looks, mut nudged) = (HashMap::<Name, Looked>::new(), HashSet::new());
    let mut seen = HashMap::<Name, Seen>::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = context.departures.arrived() => tokio::time::sleep(GATHER).await,
        }
        let mut gone: BTreeMap<String, Vec<Departure>> = BTreeMap::new();
        for departure in context.departures.take() {
            gone.entry(departure.cluster.clone()).or_default().push(departure);
        }
        let mut known = HashSet::new();
        for name in context.world.clusters.names() {
            let Some(cluster) = context.world.clusters.get(&(&name.0, &name.1)) else { continue };
            let id = cluster_id(&name);
            nudge(&context, &id, &cluster, &nudged, &mut known);
            let mut gone = gone.remove(&id).unwrap_or_default();
            let now = Timestamp::now();
            if gone.is_empty() && !wants(&context.world, &id, &cluster, looks.get(&name), now) {
                continue;
            }
            if looks.get(&name).is_some_and(|last| last.failed && waited(last.at, now) < attention::SOON) {
                context.departures.put_back(gone);
                continue;
            }
            let seen = seen.entry(name.clone()).or_default();
            let look = Box::pin(look(&context, &name, &mut gone, seen));
            let failed = controller::attempt(DEADLINE, looks::DELETIONS, &id, look).await.is_none();
            context.departures.put_back(gone);
            looks.insert(name, Looked { at: now, release: release_of(&cluster), failed });
        }
        nudged = known;
        for (cluster, gone) in gone {
            tracing::info!(
                cluster,
                topics = gone.len(),
                "claims were deleted; their topics stay: there is no such BrokerCluster"
            );
        }
    }
}

fn release_of(cluster: &BrokerCluster) -> Option<String> {
    cluster.metadata.annotations.as_ref().and_then(|annotations| annotations.get(RELEASE_DELETION).cloned())
}

/// Has claims looked at again that came before what is on record was known.
fn nudge(context: &Context, id: &str, cluster: &BrokerCluster, nudged: &HashSet<String>, known: &mut HashSet<String>) {
    for record in records(cluster) {
        for claim in context.world.topics.of(&(id.to_owned(), record.topic.to_owned())) {
            let meta = &claim.metadata;
            let (Some(uid), Some(namespace), Some(name)) = (&meta.uid, &meta.namespace, &meta.name) else { continue };
            let has = claim.status.as_ref().is_some_and(|status| status.topic_id.is_some());
            if !has && namespace == record.namespace && known.insert(uid.clone()) && !nudged.contains(uid) {
                context.topics.push((namespace.clone(), name.clone()));
            }
        }
    }
}

/// Whether a look at a cluster is worth while, by what is in memory.
fn wants(world: &World, id: &str, cluster: &BrokerCluster, last: Option<&Looked>, now: Timestamp) -> bool {
    let Some(status) = &cluster.status else { return false };
    let clusters = LazyCell::new(|| observe::one_kafka(world, id));
    let yields = |topic: &str, topic_id: &str| observe::yields(world, &clusters, topic, topic_id);
    attention::wants(status, release_of(cluster).as_deref(), last, now, yields)
}

/// Looks at one cluster. What has gone is on record once `gone` is empty; what the look came to its end about is `seen`.
async fn look(context: &Context, name: &Name, gone: &mut Vec<Departure>, seen: &mut Seen) -> Result<(), Halt> {
    let id = cluster_id(name);
    let Some(cluster) = observe::cluster(&context.client, name).await? else {
        gone.clear();
        return Ok(());
    };
    let mut books = Books::of(&cluster);
    let policy =
        Policy::of(&cluster.spec.topics.deletion, || observe::claimed_topics(&context.world, &id, &books, gone))
            .map_err(|error| Halt::refused(Reason::InvalidValue, format!("spec.topics.deletion: {error}")))?;
    let now = whole(Timestamp::now());
    let definition = observe::definition(&context.client).await?;
    books.heed(release_of(&cluster).as_deref());
    let mut notes = books.enter(gone, definition.as_ref(), &policy, now);
    let definition = definition.map(|definition| definition.uid);
    let standing = observe::watched(&context.world, &id, &books);
    notes.extend(books.revise(definition.as_deref(), &standing, seen, &policy, now));
    let cluster = report::write(context, cluster, &books, &policy).await?;
    gone.clear();
    seen.note([], &books, now);

    // What is on record is told while Kafka is asked: one waits for nothing that the other brings.
    let about = cluster.object_ref(&());
    let evidence = Evidence { definition, standing, sights: BTreeMap::new() };
    let carried_out = carry_out(context, cluster, books, evidence, seen, &policy, now);
    let ((), carried_out) = tokio::join!(report::tell(&context.events, &about, notes), carried_out);
    report::tell(&context.events, &about, carried_out?).await;
    Ok(())
}

/// Deletes what is due and what nothing speaks for, and says what is to be told of it.
async fn carry_out(
    context: &Context,
    cluster: BrokerCluster,
    books: Books,
    mut evidence: Evidence,
    seen: &mut Seen,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Note>, Halt> {
    let id = cluster_id(&name_of(&cluster));
    let due = books.due(policy, now);
    let Some(connection) = context.clusters.get(&id).ok().filter(|_| !due.is_empty()) else { return Ok(Vec::new()) };
    evidence.sights = observe::sights(&connection, &due, !policy.min_record_age.is_zero()).await;
    let mut plan = plan::decide(books.clone(), &evidence, policy, now);
    if !plan.delete.is_empty() {
        // What is watched may lag, or have been cut off: before anything is deleted, everything is read afresh.
        evidence.standing = observe::live(context, &id, &books).await?;
        evidence.definition = observe::definition(&context.client).await?.map(|definition| definition.uid);
        plan = plan::decide(books.clone(), &evidence, policy, now);
        plan = confirm(&connection, plan, books, &mut evidence, policy, now).await;
    }
    let outcomes = apply::apply(&connection, &plan).await;
    let (books, notes) = plan.settle(outcomes, whole(Timestamp::now()));
    report::write(context, cluster, &books, policy).await?;
    let looked_at = evidence.sights.iter().filter(|(_, sight)| sight.is_ok());
    seen.note(looked_at.map(|(id, _)| id), &books, now);
    Ok(notes)
}

/// Decides about what is to be deleted once more, by what Kafka says now: reading all claims took its time, in which a consumer may have come.
pub async fn confirm(
    connection: &Arc<Connection>,
    plan: Plan,
    books: Books,
    evidence: &mut Evidence,
    policy: &Policy,
    now: Timestamp,
) -> Plan {
    if plan.delete.is_empty() {
        return plan;
    }
    evidence.sights.extend(observe::sights(connection, &plan.delete, !policy.min_record_age.is_zero()).await);
    plan::decide(books, evidence, policy, now)
}
