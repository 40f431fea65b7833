//! Topics as claimed: observe → plan → apply → report, a claim at a time. What becomes of a topic whose claim goes: [`deletion`].

pub mod apply;
pub mod deletion;
pub mod holders;
pub mod observe;
pub mod plan;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::runtime::events::Recorder;

use crate::api::resources::{READY, holds};
use crate::clusters::Clusters;
use crate::kafka::error::Error;
use crate::runtime::kubernetes::CallError;
use crate::runtime::queue::{Next, Queue};
use crate::watch::World;
use crate::watch::table::Name;

/// Claims that are worked on at the same time: enough to fill Kafka's batches.
const CONCURRENCY: usize = 256;
/// How often a claim is compared with Kafka though nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// One reconciliation ends after this, whatever it waits for.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a reconciliation needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// The Kafka clusters.
    pub clusters: Arc<Clusters>,
    /// Writes Events.
    pub recorder: Recorder,
}

/// Why a reconciliation stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The API server refused or was not reached.
    #[error(transparent)]
    Kubernetes(#[from] CallError),
    /// Kafka refused or was not reached.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// Kafka says that it has the topic, and does not show it.
    #[error("Kafka has the topic and does not show it yet")]
    NotShown,
}

/// Works on claims until the future is dropped.
pub async fn run(context: Context, queue: Queue<Name>) {
    queue
        .run(CONCURRENCY, move |name| {
            let context = context.clone();
            async move {
                match tokio::time::timeout(DEADLINE, reconcile(&context, &name)).await {
                    Ok(Ok(())) => Next::After(RESYNC),
                    Ok(Err(halt)) => failed(&context, &name, halt).await,
                    Err(_) => {
                        tracing::warn!(
                            namespace = name.0,
                            claim = name.1,
                            "the reconciliation took too long; it starts again"
                        );
                        Next::Failed
                    }
                }
            }
        })
        .await;
}

async fn reconcile(context: &Context, name: &Name) -> Result<(), Halt> {
    // A topic that somebody else has just made is looked at once more.
    let Some(mut claim) = context.world.topics.get(&(&name.0, &name.1)) else { return Ok(()) };
    for _ in 0..2 {
        let seen = observe::observe(context, claim).await?;
        match (plan::plan(&seen), &seen.topic) {
            (plan::Plan::Make(intent), Ok((connection, _))) => {
                claim = apply::record_intent(context, &seen.claim, &intent).await?;
                if let Some(created) = apply::create(connection, &claim, &intent).await? {
                    return report::report(context, &claim, plan::made(&created)).await;
                }
            }
            (plan::Plan::Report(verdict), _) => return report::report(context, &seen.claim, verdict).await,
            (plan::Plan::Make(_), Err(_)) | (plan::Plan::Leave, _) => return Ok(()),
        }
    }
    Err(Halt::NotShown)
}

async fn failed(context: &Context, name: &Name, halt: Halt) -> Next {
    if let Halt::Kafka(error) = &halt
        && let Some(claim) = context.world.topics.get(&(&name.0, &name.1))
        && let mut facts = claim.status.clone().unwrap_or_default()
        && !holds(&facts.conditions, READY)
    {
        if !error.is_retriable() {
            // Kafka said no: what comes to be under this name later is not of our making.
            facts.creating = None;
        }
        let obstacle = crate::clusters::Unusable { reason: error.into(), message: error.to_string() };
        let verdict = plan::Verdict { obstacle: Some(obstacle), message: String::new(), facts };
        if let Err(error) = report::report(context, &claim, verdict).await {
            tracing::warn!(namespace = name.0, claim = name.1, %error, "the status was not written");
        }
    }
    tracing::warn!(namespace = name.0, claim = name.1, error = %halt, "the topic is not as claimed yet");
    Next::Failed
}
