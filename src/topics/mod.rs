//! Topics as claimed: observe → plan → apply → report, a claim at a time.
//!
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

use kafka_protocol::error::ResponseError;
use kube::Client;

use self::apply::Applied;
use self::moves::Progress;
use self::observe::{Found, Look};
use crate::api::resources::{READY, TopicClaim, TopicClaimStatus, holds};
use crate::clusters::{Clusters, Halt};
use crate::kafka::error::Error;
use crate::runtime::controller::{self, Controller};
use crate::runtime::events::Events;
use crate::runtime::queue::{Next, Queue};
use crate::watch::table::Name;
use crate::watch::{TopicKey, World, name_of};

/// How often a claim is compared with Kafka though nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// How soon what Kafka denies us is tried again: somebody has to grant it. What it refuses as such waits for the next look.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How soon Kafka is asked again that had too few brokers: they come back by themselves.
const BROKERS_AGAIN: Duration = Duration::from_secs(10);
/// How soon what a quota delays is tried again, whatever Kafka says.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// How long a broker that is behind is given to catch up: before a change is believed that nobody asked for, and after one of our own by
/// which a share of the disks comes to something else.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How soon a topic is looked at again on whose settings brokers do not agree.
const AGREED: Duration = Duration::from_secs(15);
/// How often one reconciliation looks: twice where there is doubt, and once more each time that somebody was faster.
const LOOKS: usize = 4;
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
pub async fn run(context: Context, queue: Queue<Name>, used: Queue<TopicKey>) {
    let users = follow_users(context.clone(), used, queue.clone());
    let comparison = comparison::watch(&context, &queue);
    tokio::join!(controller::run(context.clone(), queue.clone()), users, comparison);
}

/// A claim that is worked on.
struct Work {
    /// The claim, as it was written on the way.
    claim: Arc<TopicClaim>,
    /// How far its replicas have come, where that was looked at.
    progress: Option<Progress>,
    /// Whether Kafka was asked to change something, and did not.
    asked: bool,
    /// What is known of the topic where some of that was done.
    reached: Option<TopicClaimStatus>,
}

impl Work {
    /// When to look again at what is not tried for so long: sooner where replicas are on the move.
    fn after(&self, pause: Duration) -> Next {
        let next = self.progress.as_ref().and_then(Progress::next_look);
        Next::After(next.map_or(pause, |next| next.min(pause)))
    }
}

/// Brings a topic to what its claim says, and tells where Kafka does not let it be.
async fn reconcile(context: &Context, name: &Name) -> Result<Next, Halt> {
    let Some(claim) = context.world.topics.get(&(&name.0, &name.1)) else {
        context.refused.forget(name);
        context.disputes.note(name, false);
        return Ok(Next::Idle);
    };
    let mut work = Work { claim, progress: None, asked: false, reached: None };
    match bring(context, name, &mut work).await {
        Err(Halt::Kafka(error)) => failed(context, name, &work, &error).await,
        other => other,
    }
}

/// One look, and what follows from it.
async fn bring(context: &Context, name: &Name, work: &mut Work) -> Result<Next, Halt> {
    let mut look = Look::First;
    for _ in 0..LOOKS {
        let (seen, connection) = observe::observe(context, Arc::clone(&work.claim), look).await?;
        let Some(plan) = plan::plan(&seen) else { return Ok(Next::After(RESYNC)) };
        if plan.doubtful && look == Look::First {
            tokio::time::sleep(SECOND_LOOK).await;
            look = Look::Second;
            continue;
        }
        let lasts = context.disputes.note(name, seen.disputed);
        let plan = match &work.claim.status {
            _ if !seen.disputed => plan,
            Some(status) if plan::settled(&work.claim) => {
                dispute::hold(plan, &work.claim.spec.topic_name, status, lasts)
            }
            // Nothing stands yet that could be said of it.
            _ => {
                let name = &work.claim.spec.topic_name;
                return Err(Halt::Failed(format!("brokers do not agree on the settings of topic {name} yet")));
            }
        };
        let uid = work.claim.metadata.uid.clone();
        let resync = if seen.disputed {
            AGREED
        } else if shares::divides_anew(&work.claim, &plan.steps) {
            SECOND_LOOK
        } else {
            RESYNC
        };
        let paused = context.refused.pause(name, uid.as_deref(), &plan.steps);
        let applied = match &connection {
            Some(connection) if paused.is_none() => {
                apply::apply(context, connection, &mut work.claim, &plan.steps).await
            }
            _ => Ok(Applied::All(None)),
        };
        let (applied, left) = match (applied, &seen.kafka) {
            (Ok(Applied::Part(left, error)), Ok((_, Some(found)))) => {
                let recorded = work.claim.status.clone().unwrap_or_default();
                work.reached = Some(keep::reached(found, &plan.verdict.facts, &recorded, &left));
                (Err(Halt::Kafka(error)), left)
            }
            (applied, _) => (applied, plan.steps),
        };
        let (verdict, refusal) = match applied {
            // A topic that somebody else has just made, or changed, is looked at once more.
            Ok(Applied::Overtaken) => continue,
            Ok(Applied::All(None)) => (plan.verdict, None),
            Ok(Applied::All(Some(created))) => (create::made(plan.verdict, &created), None),
            Ok(Applied::Part(_, error)) | Err(Halt::Kafka(error)) => {
                work.asked = true;
                let Some(pause) = pause(&error) else { return Err(error.into()) };
                context.refused.note(name, uid.as_deref(), &left, pause);
                (plan.verdict, Some(error))
            }
            Err(halt) => return Err(halt),
        };
        // A setting that is refused holds up no move, and no brake.
        let advanced = match (&connection, &seen.kafka) {
            // Another's topic is left alone.
            (Some(connection), Ok((_, Some(Found { topic, .. })))) if verdict.is_of(topic) && seen.is_owner() => {
                let cluster = &work.claim.spec.cluster;
                let kafka = context.world.kafka_behind(cluster);
                context.moves.advance(connection, (cluster, &kafka), topic, plan.replicas).await
            }
            _ => Ok(Progress::default()),
        };
        work.progress = advanced.as_ref().ok().cloned();
        if let Some(error) = refusal {
            return Err(error.into());
        }
        if let Some(pause) = paused {
            // What was said of a refusal stands until the same may be tried again.
            still(context, work).await?;
            return Ok(work.after(pause));
        }
        // What was done is told, whatever becomes of replicas.
        let told = work.progress.clone().unwrap_or_else(|| Progress::as_told(work.claim.status.as_ref()));
        report::report(context, &work.claim, &replicas::tell(verdict, &told)).await?;
        context.refused.forget(name);
        if let Err(error) = advanced {
            tracing::warn!(namespace = name.0, claim = name.1, %error, "it is not known how far replicas have come");
            return Ok(Next::Failed);
        }
        return Ok(Next::After(told.next_look().map_or(resync, |next| next.min(resync))));
    }
    Err(not_shown())
}

/// Kafka says that it has a topic, and does not show it.
fn not_shown() -> Halt {
    Halt::Failed("Kafka has the topic and does not show it yet".to_owned())
}

/// Tells how far replicas have come of a claim of which nothing else is to be said anew.
async fn still(context: &Context, work: &Work) -> Result<(), Halt> {
    if let (Some(progress), Some(status)) = (&work.progress, &work.claim.status)
        && let Some(verdict) = replicas::still(status, progress)
    {
        report::report(context, &work.claim, &verdict).await?;
    }
    Ok(())
}

/// Tells what Kafka said.
async fn failed(context: &Context, name: &Name, work: &Work, error: &Error) -> Result<Next, Halt> {
    tracing::warn!(namespace = name.0, claim = name.1, %error, "the topic is not as claimed yet");
    let claim = &work.claim;
    let mut facts = claim.status.clone().unwrap_or_default();
    // While Kafka is away, what was said of a topic that is ready stands; what Kafka refuses is told in any case.
    if refusal::is_told(error, work.asked) || !holds(&facts.conditions, READY) {
        if work.asked && matches!(error, Error::Invalid(_) | Error::Denied(_)) && !brokers_lack(error) {
            // Kafka said no: what comes to be under this name later is not of our making. What is asked again soon stays on record, or each
            // try would write it twice.
            facts.creating = None;
        }
        if let Some(reached) = &work.reached {
            let TopicClaimStatus { topic_id, creating, partitions, replicas, config, managed_config, .. } =
                reached.clone();
            facts = TopicClaimStatus { topic_id, creating, partitions, replicas, config, managed_config, ..facts };
        }
        if let Some(progress) = &work.progress {
            facts.moving = progress.moving;
        }
        let obstacle = Some(refusal::of(error, claim));
        let verdict = plan::Verdict { obstacle, message: String::new(), facts, reverted: Vec::new() };
        let told = report::report(context, claim, &verdict).await;
        // What could not be told is tried again, and told then.
        told.inspect_err(|_| context.refused.forget(name))?;
    } else {
        still(context, work).await?;
    }
    Ok(pause(error).map_or(Next::Failed, |pause| work.after(pause)))
}

/// Whether there are too few brokers for now.
fn brokers_lack(error: &Error) -> bool {
    let codes = [ResponseError::InvalidReplicationFactor, ResponseError::InvalidReplicaAssignment];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// How long Kafka is not asked the same again; `None` where another try may succeed at any time.
fn pause(error: &Error) -> Option<Duration> {
    match error {
        Error::Retriable(_) | Error::Fenced(_) => error.retry_after().map(|wait| wait.max(LEAST_WAIT)),
        _ if brokers_lack(error) => Some(BROKERS_AGAIN),
        Error::Invalid(_) => Some(RESYNC),
        Error::Denied(_) | Error::Unknown(_) => Some(ASK_AGAIN),
    }
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
