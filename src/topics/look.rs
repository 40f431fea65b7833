//! One look at a claim, or a few where something is in doubt, and what follows from it. I/O: what is done is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

use super::apply::{self, Applied};
use super::moves::Progress;
use super::observe::{self, Found, Look, Observation};
use super::plan::{self, Plan};
use super::{Context, RESYNC, create, dispute, keep, not_shown, refusal, replicas, report, shares};
use crate::api::resources::{TopicClaim, TopicClaimStatus};
use crate::clusters::{Connection, Halt};
use crate::kafka::error::Error;
use crate::runtime::queue::Next;
use crate::watch::table::Name;

/// How long a broker that is behind is given to catch up: before a change is believed that nobody asked for, and after one of our own by
/// which a share of the disks comes to something else.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How soon a topic is looked at again on whose settings brokers do not agree.
const AGREED: Duration = Duration::from_secs(15);
/// How often one reconciliation looks: twice where there is doubt, and once more each time that somebody was faster.
const LOOKS: usize = 4;

/// A claim that is worked on.
pub(super) struct Work {
    /// The claim, as it was written on the way.
    pub(super) claim: Arc<TopicClaim>,
    /// How far its replicas have come, where that was looked at.
    pub(super) progress: Option<Progress>,
    /// Whether Kafka was asked to change something, and did not.
    pub(super) asked: bool,
    /// What is known of the topic where some of that was done.
    pub(super) reached: Option<TopicClaimStatus>,
}

impl Work {
    pub(super) fn on(claim: Arc<TopicClaim>) -> Self {
        Self { claim, progress: None, asked: false, reached: None }
    }

    /// When to look again at what is not tried for so long: sooner where replicas are on the move.
    pub(super) fn after(&self, pause: Duration) -> Next {
        let next = self.progress.as_ref().and_then(Progress::next_look);
        Next::After(next.map_or(pause, |next| next.min(pause)))
    }

    /// Brings the topic to what the claim says.
    pub(super) async fn bring(&mut self, context: &Context, name: &Name) -> Result<Next, Halt> {
        let mut look = Look::First;
        for _ in 0..LOOKS {
            let (seen, connection) = observe::observe(context, Arc::clone(&self.claim), look).await?;
            let Some(plan) = plan::plan(&seen) else { return Ok(Next::After(RESYNC)) };
            if plan.doubtful && look == Look::First {
                tokio::time::sleep(SECOND_LOOK).await;
                look = Look::Second;
                continue;
            }
            let lasts = context.disputes.note(name, seen.disputed);
            let plan = self.undisputed(plan, seen.disputed, lasts)?;
            let uid = self.claim.metadata.uid.clone();
            let resync = self.resync(&seen, &plan);
            let paused = context.refused.pause(name, uid.as_deref(), &plan.steps);
            let applied = match &connection {
                Some(connection) if paused.is_none() => {
                    apply::apply(context, connection, &mut self.claim, &plan.steps).await
                }
                _ => Ok(Applied::All(None)),
            };
            let (applied, left) = match (applied, &seen.kafka) {
                (Ok(Applied::Part(left, error)), Ok((_, Some(found)))) => {
                    let recorded = self.claim.status.clone().unwrap_or_default();
                    self.reached = Some(keep::reached(found, &plan.verdict.facts, &recorded, &left));
                    (Err(Halt::Kafka(error)), left)
                }
                (applied, _) => (applied, plan.steps),
            };
            let (verdict, refused) = match applied {
                // A topic that somebody else has just made, or changed, is looked at once more.
                Ok(Applied::Overtaken) => continue,
                Ok(Applied::All(None)) => (plan.verdict, None),
                Ok(Applied::All(Some(created))) => (create::made(plan.verdict, &created), None),
                Ok(Applied::Part(_, error)) | Err(Halt::Kafka(error)) => {
                    self.asked = true;
                    let Some(pause) = refusal::pause(&error) else { return Err(error.into()) };
                    context.refused.note(name, uid.as_deref(), &left, pause);
                    (plan.verdict, Some(error))
                }
                Err(halt) => return Err(halt),
            };
            // A setting that is refused holds up no move, and no brake.
            let advanced = self.advance(context, connection.as_deref(), &seen, &verdict, plan.replicas).await;
            self.progress = advanced.as_ref().ok().cloned();
            if let Some(error) = refused {
                return Err(error.into());
            }
            if let Some(pause) = paused {
                // What was said of a refusal stands until the same may be tried again.
                self.still(context).await?;
                return Ok(self.after(pause));
            }
            // What was done is told, whatever becomes of replicas.
            let told = self.progress.clone().unwrap_or_else(|| Progress::as_told(self.claim.status.as_ref()));
            report::conclude(context, &seen.claim, &self.claim, &replicas::tell(verdict, &told)).await?;
            context.refused.forget(name);
            if let Err(error) = advanced {
                tracing::warn!(namespace = name.0, claim = name.1, %error, "it is not known how far replicas have come");
                return Ok(Next::Failed);
            }
            return Ok(Next::After(told.next_look().map_or(resync, |next| next.min(resync))));
        }
        Err(not_shown())
    }

    /// The plan, as far as it stands while brokers do not agree on the topic's settings; `lasts` is whether that is to be told.
    fn undisputed(&self, plan: Plan, disputed: bool, lasts: bool) -> Result<Plan, Halt> {
        let name = &self.claim.spec.topic_name;
        match &self.claim.status {
            _ if !disputed => Ok(plan),
            Some(status) if plan::settled(&self.claim) => Ok(dispute::hold(plan, name, status, lasts)),
            // Nothing stands yet that could be said of it.
            _ => Err(Halt::Failed(format!("brokers do not agree on the settings of topic {name} yet"))),
        }
    }

    /// When to look again though nothing happens.
    fn resync(&self, seen: &Observation, plan: &Plan) -> Duration {
        if seen.disputed {
            AGREED
        } else if shares::divides_anew(&self.claim, &plan.steps) {
            SECOND_LOOK
        } else {
            RESYNC
        }
    }

    /// Brings replicas further, as many as are to be; of a topic that is another's, none.
    async fn advance(
        &self,
        context: &Context,
        connection: Option<&Connection>,
        seen: &Observation,
        verdict: &plan::Verdict,
        replicas: Option<usize>,
    ) -> Result<Progress, Error> {
        match (connection, &seen.kafka) {
            (Some(connection), Ok((_, Some(Found { topic, .. })))) if verdict.is_of(topic) && seen.is_owner() => {
                let cluster = &self.claim.spec.cluster;
                let kafka = context.world.kafka_behind(cluster);
                context.moves.advance(connection, (cluster, &kafka), topic, replicas).await
            }
            _ => Ok(Progress::default()),
        }
    }

    /// Tells how far replicas have come of a claim of which nothing else is to be said anew.
    pub(super) async fn still(&self, context: &Context) -> Result<(), Halt> {
        if let (Some(progress), Some(status)) = (&self.progress, &self.claim.status)
            && let Some(verdict) = replicas::still(status, progress)
        {
            report::report(context, &self.claim, &verdict).await?;
        }
        Ok(())
    }
}
