//! The access of workloads: observe → plan → apply → report, a key at a time.
//!
//! A Pod that carries an access label, or a Deployment of the contract of 2017, leads to an `AccessClaim`; the claim to rules and a user
//! in Kafka; and when every broker is seen to serve them, to the Secret that the Pod waits for. The controller of topics is met in the
//! API server alone.
//!
//! - A look: [`observe`] reads what is [`seen`], [`plan`] decides which [`step`]s there are, [`apply`] does them, [`report`] says how it
//!   stands. `echo` knows whether the watch has more to tell, [`metrics`] what is counted.
//! - Who [`asks`], and for what; [`life`]: whether it is still wanted.
//! - What is [`given`], and whose everything is.
//! - The [`password`]: when one comes and goes, and the Secrets that hold it.
//! - In Kafka: `provision` plans rules, credential and quotas, by way of the `case` that all decisions share; [`drift`] is what somebody else
//!   changed.
//! - What there is to [`look`] at, and what there is to [`write`](mod@write): the API server and Kafka.

pub mod apply;
pub mod asks;
mod case;
pub mod drift;
mod echo;
pub mod given;
pub mod life;
pub mod look;
pub mod metrics;
pub mod observe;
pub mod password;
pub mod plan;
mod provision;
pub mod report;
pub mod seen;
pub mod step;
#[cfg(test)]
mod trials;
pub mod write;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;

use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::clusters::{Clusters, Halt, Unusable};
use crate::kafka::proof::Unproven;
use crate::runtime::clock::Clock;
use crate::runtime::controller::{self, Controller};
use crate::runtime::events::{Events, Told};
use crate::runtime::queue::{Next, Queue};
use crate::watch::{AccessKey, World};

/// How soon an access is looked at again whose topic is still on its way.
const SOON: Duration = Duration::from_millis(100);

/// How often an access is compared with Kafka and its Secret at least, though nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// How often the API server is asked anew about topics of other namespaces: a grant that is lost is a right lost within it.
const REVIEW_AGAIN: Duration = Duration::from_secs(30);
/// How long brokers may take to serve what was committed; afterwards everything is looked at afresh.
const PATIENCE: Duration = Duration::from_secs(12);
/// What a look needs of its time beside its proofs.
const SPARE: Duration = Duration::from_secs(5);
/// Somebody wrote meanwhile.
const CHANGED: Halt = Halt::Changed("what the decision rests on has changed");

/// What a reconciliation needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// The Kafka clusters.
    pub clusters: Arc<Clusters>,
    /// The prefix of every user.
    pub scope: Scope,
    /// Whether Deployments of the contract of 2017 are served.
    pub deployments_of_2017: bool,
    /// Tells people.
    pub events: Events,
    /// What the Pods and Deployments behind an access were told.
    pub told: Arc<Told>,
    /// The service accounts behind the Pods.
    pub accounts: Arc<look::reviews::Accounts>,
    /// What the API server said of grants a short while ago.
    pub verdicts: Arc<look::verdicts::Verdicts>,
    /// The Pods that were let through the gate.
    pub gates: Arc<write::gates::Gates>,
    /// The time by which Pods are made.
    pub clock: Arc<Clock>,
    /// What waits to be looked at.
    pub queue: Queue<AccessKey>,
}

impl Controller for Context {
    type Halt = Halt;
    const KIND: &'static str = "AccessClaim";
    // Enough to fill Kafka's batches.
    const CONCURRENCY: usize = 256;

    async fn look(&self, key: &AccessKey) -> Result<Next, Halt> {
        let begun = Instant::now();
        match pass(self, key, None).await {
            // A published credential that does not log in, where all else is served, is written again, once, in what time is left.
            Err(Halt::Unproven(Unproven { login: true, .. })) => {
                pass(self, key, Some(Self::DEADLINE.saturating_sub(begun.elapsed() + SPARE))).await
            }
            looked => looked,
        }
    }

    async fn overdue(&self, key: &AccessKey, why: String) -> Next {
        report::halted(self, key, &Unusable { reason: Reason::Provisioning, message: why }).await;
        Next::Failed
    }

    fn is_race(halt: &Halt) -> bool {
        halt.is_race()
    }

    async fn halted(&self, key: &AccessKey, halt: Halt) -> Next {
        let why = halt.unusable();
        if !report::halted(self, key, &why).await {
            asks::askers::tell_halted(self, key, &why).await;
        }
        Next::Failed
    }
}

/// Works on accesses until the future is dropped.
pub async fn run(context: Context) {
    let queue = context.queue.clone();
    controller::run(context, queue).await;
}

/// When an access is compared though nothing happens: within [`RESYNC`], and not all of them at once because they began together.
fn spread(key: &AccessKey) -> Duration {
    let share = BuildHasherDefault::<DefaultHasher>::default().hash_one(key) % 100;
    RESYNC * 4 / 5 + RESYNC / 5 * u32::try_from(share).unwrap_or_default() / 100
}

/// Where the published credential is in doubt, the time that is left to dispel it is given.
async fn pass(context: &Context, key: &AccessKey, doubted: Option<Duration>) -> Result<Next, Halt> {
    let (seen, connection) = observe::observe(context, key, doubted.is_some()).await?;
    let Some(plan) = plan::plan(&seen) else {
        context.told.forget(key);
        return Ok(Next::Idle);
    };
    let patience = doubted.map_or(PATIENCE, |left| left.min(PATIENCE));
    let applied = apply::apply(context, (&seen, connection.as_deref()), &plan, patience).await?;
    if plan.ends {
        tracing::info!(namespace = key.0, access = key.1, "nobody wants the access any more; it is removed");
        context.accounts.forget(key);
        context.told.forget(key);
        return Ok(Next::Idle);
    }
    if let Err(unusable) = &seen.held {
        let ready = report::halted(context, key, unusable).await;
        asks::askers::tell(context, &seen, &plan, ready).await;
        // The cluster tells when it works again; who waits is told again before.
        return Ok(if seen.asks.is_empty() { Next::Idle } else { Next::After(spread(key)) });
    }
    report::report(context, (&seen, connection.as_ref()), &plan, &applied).await?;
    if let Some(why) = seen.held().and_then(|held| held.unseen.clone()) {
        return Err(Halt::Unusable(why));
    }
    asks::askers::tell(context, &seen, &plan, false).await;
    let looks = [Some(spread(key)), plan.next, (!seen.accounts.is_empty()).then_some(REVIEW_AGAIN)];
    Ok(match plan.obstacle.as_ref().map(|obstacle| obstacle.reason) {
        Some(Reason::Provisioning) => Next::After(SOON),
        Some(Reason::ReviewFailed) => Next::Failed,
        _ => looks.into_iter().flatten().min().map_or(Next::Idle, Next::After),
    })
}
