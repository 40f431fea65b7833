//! Brakes of ours that no reconciliation looks after: of claims that are gone, or that we left half-way when we stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::Seen;
use super::observe::throttled;
use super::throttle::read;
use crate::clusters::Connection;
use crate::kafka::admin::At;
use crate::kafka::admin::settings::Values;
use crate::kafka::error::Error;
use crate::runtime::queue::Queue;
use crate::runtime::{controller, looks};
use crate::topics::Context;
use crate::watch::table::Name;
use crate::watch::{cluster_id, name_of};

/// How often all topics are looked at though no brake is known.
const RARELY: Duration = Duration::from_secs(300);
/// How often they are while one is, or while a cluster could not be asked.
const OFTEN: Duration = Duration::from_secs(30);
/// A topic that nobody has looked at for so long is nobody's.
const FORGOTTEN: Duration = Duration::from_secs(90);
/// One cluster's turn ends after this.
const DEADLINE: Duration = Duration::from_secs(60);

/// Looks for such brakes until the future is dropped: a claim that is there is asked to look, and where there is none, what was begun is
/// brought to its end here.
pub async fn run(context: Context, queue: Queue<Name>) {
    loop {
        let mut pause = RARELY;
        for name in context.world.clusters.names() {
            let cluster = cluster_id(&name);
            let Ok(connection) = context.clusters.get(&cluster) else {
                pause = OFTEN;
                continue;
            };
            let look = sweep(&context, &queue, &cluster, &connection);
            if controller::attempt(DEADLINE, looks::THROTTLES, &cluster, look).await != Some(0) {
                pause = OFTEN;
            }
        }
        sleep(pause).await;
    }
}

/// Looks at one cluster; how many brakes of ours there are.
async fn sweep(context: &Context, queue: &Queue<Name>, cluster: &str, connection: &Connection) -> Result<usize, Error> {
    let found = {
        let turn = context.moves.turn(&context.world.kafka_behind(cluster));
        let _turn = turn.lock().await;
        let names = connection.admin.list_topics().await?.into_iter().map(|topic| topic.name).collect();
        let lists = throttled(&connection.admin, names).await?;
        let scope = &connection.claim.scope;
        let ours = |list: &Values| read(list, scope).ours().map(|brake| brake.rates.clone());
        let found: BTreeMap<_, _> =
            lists.iter().filter_map(|(topic, list)| Some((topic.clone(), ours(list)?))).collect();
        let gone = context.moves.braked(|braked| {
            let of_cluster = braked.keys().filter(|key| key.0 == cluster);
            of_cluster.filter(|key| !found.contains_key(&key.1)).cloned().collect()
        });
        context.moves.forget(connection, gone).await?;
        found
    };
    for (topic, rates) in &found {
        let key = (cluster.to_owned(), topic.clone());
        let claims = context.world.topics.of(&key);
        if context.world.is_only_twins(&key) {
            // It is claimed through another BrokerCluster that leads to the same Kafka, whose sweep looks after it.
            continue;
        }
        let last = context.moves.braked(|braked| braked.entry(key).or_insert_with(|| Seen::now(rates, false)).looked);
        if !claims.is_empty() && last.elapsed() < FORGOTTEN {
            claims.iter().for_each(|claim| queue.push(name_of(&**claim)));
            continue;
        }
        let described = connection.admin.describe_topics(std::slice::from_ref(topic), At::Any).await?;
        if let Some(Ok(Some(topic))) = described.into_iter().next() {
            let kafka = context.world.kafka_behind(cluster);
            context.moves.advance(connection, (cluster, &kafka), &topic, None).await?;
        }
    }
    Ok(found.len())
}
