//! Topics as claimed: observe → plan → apply → report, a claim at a time.
//!
//! - `look` puts the four together for one claim.
//! - [`observe`] asks, and so do [`shares`], [`volumes`] and [`defaults`], by whose [`answers`] many claims live for a while.
//! - [`plan`] decides: whose the topic is ([`rivals`], [`belonging`], [`holders`]), with what it is made ([`create`]), and what is done about
//!   one that is there ([`keep`], [`difference`], [`replicas`]). [`disk`] reckons a share of the disks.
//! - [`apply`] takes each [`step`]; [`placement`] says where replicas go while a broker is away, [`memory`] what was refused of late.
//! - [`report`] tells, with the words of [`refusal`], who uses it ([`users`]), and the numbers of [`metrics`].
//! - [`moves`]: replicas as many as are claimed. [`deletion`]: what becomes of a topic whose claim goes.
//! - [`comparison`] finds what somebody changed in Kafka, and [`dispute`] says what is done while brokers do not agree on it.

pub mod answers;
pub mod apply;
pub mod belonging;
pub mod comparison;
pub mod create;
pub mod defaults;
pub mod deletion;
pub mod difference;
pub mod disk;
pub mod dispute;
pub mod holders;
pub mod keep;
mod look;
pub mod memory;
pub mod metrics;
pub mod moves;
pub mod observe;
pub mod placement;
pub mod plan;
pub mod refusal;
pub mod replicas;
pub mod report;
pub mod rivals;
pub mod roll;
#[cfg(test)]
mod samples;
pub mod shares;
pub mod step;
pub mod users;
pub mod volumes;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use self::look::Work;
use crate::api::resources::{READY, holds};
use crate::clusters::{Clusters, Halt};
use crate::kafka::error::Error;
use crate::runtime::controller::{self, Controller};
use crate::runtime::events::Events;
use crate::runtime::queue::{Next, Queue};
use crate::watch::table::Name;
use crate::watch::{TopicKey, World, name_of};

/// How often a claim is compared with Kafka though nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// For how long changes of who uses a topic are gathered.
const BURST: Duration = Duration::from_secs(1);
/// Topics whose users may change at the same time.
const USERS_AT_ONCE: usize = 1024;

/// What a reconciliation needs.
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
    /// What Kafka has lately refused.
    pub refused: Arc<memory::Refused>,
    /// On which topics' settings brokers do not agree.
    pub disputes: Arc<memory::Disputes>,
    /// Moves of replicas.
    pub moves: Arc<moves::Moves>,
    /// How large the brokers' disks are.
    pub volumes: Arc<volumes::Volumes>,
    /// What brokers give a topic where nobody says otherwise.
    pub defaults: Arc<defaults::Defaults>,
    /// What waits to be looked at.
    pub queue: Queue<Name>,
}

impl Controller for Context {
    type Halt = Halt;
    const KIND: &'static str = "TopicClaim";
    // Enough to fill Kafka's batches.
    const CONCURRENCY: usize = 256;

    async fn look(&self, name: &Name) -> Result<Next, Halt> {
        reconcile(self, name).await
    }
}

/// Works on claims until the future is dropped. `used` holds topics of which somebody who uses them has changed.
pub async fn run(context: Context, used: Queue<TopicKey>) {
    let queue = context.queue.clone();
    let users = follow_users(context.clone(), used, queue.clone());
    let comparison = comparison::watch(&context, &queue);
    tokio::join!(controller::run(context.clone(), queue.clone()), users, comparison);
}

/// Brings a topic to what its claim says, and tells where Kafka does not let it be.
async fn reconcile(context: &Context, name: &Name) -> Result<Next, Halt> {
    let Some(claim) = context.world.topics.get(&(&name.0, &name.1)) else {
        context.refused.forget(name);
        context.disputes.note(name, false);
        return Ok(Next::Idle);
    };
    let mut work = Work::on(claim);
    match work.bring(context, name).await {
        Err(Halt::Kafka(error)) => failed(context, name, &work, &error).await,
        other => other,
    }
}

/// Kafka says that it has a topic, and does not show it.
fn not_shown() -> Halt {
    Halt::Failed("Kafka has the topic and does not show it yet".to_owned())
}

/// Tells what Kafka said.
async fn failed(context: &Context, name: &Name, work: &Work, error: &Error) -> Result<Next, Halt> {
    tracing::warn!(namespace = name.0, claim = name.1, %error, "the topic is not as claimed yet");
    let claim = &work.claim;
    let before = claim.status.clone().unwrap_or_default();
    // While Kafka is away, what was said of a topic that is ready stands; what Kafka refuses is told in any case.
    if refusal::is_told(error, work.asked) || !holds(&before.conditions, READY) {
        let facts = refusal::facts_after(error, before, work.asked, work.reached.as_ref(), work.progress.as_ref());
        let obstacle = Some(refusal::of(error, claim));
        let verdict = plan::Verdict { obstacle, message: String::new(), facts, reverted: Vec::new() };
        let told = report::report(context, claim, &verdict).await;
        // What could not be told is tried again, and told then.
        told.inspect_err(|_| context.refused.forget(name))?;
    } else {
        work.still(context).await?;
    }
    Ok(refusal::pause(error).map_or(Next::Failed, |pause| work.after(pause)))
}

/// Has the claims on topics looked at whose users are no longer those that were told. A burst of them is one look.
async fn follow_users(context: Context, used: Queue<TopicKey>, queue: Queue<Name>) {
    used.run(USERS_AT_ONCE, move |key| {
        let (context, queue) = (context.clone(), queue.clone());
        async move {
            tokio::time::sleep(BURST).await;
            let users = users::Users::of(&context.world, &key);
            for claim in context.world.claims_on(&key) {
                let made = claim.status.as_ref().filter(|status| status.topic_id.is_some());
                if made.is_some_and(|status| users.are_news(status)) {
                    queue.push(name_of(&*claim));
                }
            }
            Next::Idle
        }
    })
    .await;
}
