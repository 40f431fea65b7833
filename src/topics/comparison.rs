//! Compares all topics with their claims now and then, in few requests, and has those looked at that differ. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::observe::{Found, Look, is_admitted, with};
use super::plan::plan;
use super::report::status;
use crate::api::resources::TopicClaim;
use crate::clusters::Connection;
use crate::kafka::admin::At;
use crate::kafka::error::Error;
use crate::runtime::queue::Queue;
use crate::runtime::{controller, looks};
use crate::watch::name_of;
use crate::watch::table::Name;

/// How often.
const EVERY: Duration = Duration::from_secs(30);
/// Topics that are asked for in one request: their settings, most of which are defaults, make answers of half a megabyte.
const AT_ONCE: usize = 200;
/// One cluster's comparison ends after this.
const DEADLINE: Duration = Duration::from_secs(30);

/// Compares until the future is dropped.
pub async fn watch(context: &Context, queue: &Queue<Name>) {
    loop {
        tokio::time::sleep(EVERY).await;
        for (cluster, claims) in made(context) {
            // What is said of its topics stands until it can be asked again.
            let Ok(connection) = context.clusters.get(&cluster) else { continue };
            let compared = compare(context, queue, &connection, &claims);
            controller::attempt(DEADLINE, looks::TOPICS, &cluster, compared).await;
        }
    }
}

/// The claims whose topics are there, by cluster: the others are worked on already.
fn made(context: &Context) -> BTreeMap<String, Vec<Arc<TopicClaim>>> {
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for name in context.world.topics.names() {
        if let Some(claim) = context.world.topics.get(&(&name.0, &name.1))
            && claim.status.as_ref().is_some_and(|status| status.topic_id.is_some())
        {
            found.entry(claim.spec.cluster.clone()).or_default().push(claim);
        }
    }
    found
}

async fn compare(
    context: &Context,
    queue: &Queue<Name>,
    connection: &Connection,
    claims: &[Arc<TopicClaim>],
) -> Result<(), Error> {
    for part in claims.chunks(AT_ONCE) {
        let mut names: Vec<String> = part.iter().map(|claim| claim.spec.topic_name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let topics = connection.admin.describe_topics(&names, At::Any).await?;
        let settings = connection.admin.describe_settings(&names, At::Any).await?;
        let found: BTreeMap<_, _> = names.into_iter().zip(topics.into_iter().zip(settings)).collect();
        for claim in part {
            let Some((topic, settings)) = found.get(&claim.spec.topic_name) else { continue };
            let found = match (topic, settings) {
                (Ok(None), _) => None,
                (Ok(Some(topic)), Ok(Some(settings))) => Some((topic, Ok(settings.clone()))),
                (Ok(Some(topic)), Err(error @ Error::Denied(_))) => Some((topic, Err(error.clone()))),
                // It cannot be told, or is on its way to this broker.
                (Ok(Some(_)), _) | (Err(_), _) => continue,
            };
            let found = found.map(|(topic, settings)| Found { topic: topic.clone(), settings });
            if differs(context, claim, connection, found) {
                queue.push(name_of(&**claim));
            }
        }
    }
    Ok(())
}

/// Whether something is to be done, or to be said, that was not said.
fn differs(context: &Context, claim: &Arc<TopicClaim>, connection: &Connection, found: Option<Found>) -> bool {
    let mut seen = with(&context.world, Arc::clone(claim), Ok((connection.terms.topics.clone(), found)), Look::First);
    seen.admitted = is_admitted(context, connection, claim);
    plan(&seen)
        .is_some_and(|plan| !plan.steps.is_empty() || claim.status.as_ref() != Some(&status(claim, &plan.verdict)))
}
