//! ConfigMaps that describe topics, as the contract of 2017 has it: observe → plan → apply → report, a ConfigMap at a time.
//!
//! Each becomes a `TopicClaim` that it owns, and there the way ends: what comes of a claim is the controller of topics' to see to.

pub mod apply;
pub mod declaration;
pub mod observe;
pub mod plan;
pub mod properties;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use crate::api::reasons::Reason;
use crate::runtime::controller::{self, Controller};
use crate::runtime::events::{Events, REPEAT, Told};
use crate::runtime::kubernetes::CallError;
use crate::runtime::queue::{Next, Queue};
use crate::watch::World;
use crate::watch::table::Name;
use plan::{Plan, Said};

/// How often a claim is looked for that Kubernetes is about to collect.
const WAIT: Duration = Duration::from_secs(5);
/// How often a claim is offered again that the API server refused: what it says changes with a policy, if the ConfigMap does not.
const REFUSED: Duration = Duration::from_secs(600);

/// What a reconciliation needs.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub world: Arc<World>,
    /// Tells people.
    pub events: Events,
    /// What the authors of ConfigMaps were told.
    pub told: Arc<Told>,
}

/// What the API server says of a claim that breaks a rule: of its definition, or of somebody's policy.
fn refusal(error: &CallError) -> Option<Said> {
    let refused = matches!(error.code(), Some(400 | 403 | 422));
    refused.then(|| Said { reason: Reason::InvalidValue, message: error.to_string(), by_reason: false })
}

/// When a claim is offered again after an error, if nothing happens before.
fn again(error: &CallError) -> Next {
    if refusal(error).is_some() { Next::After(REFUSED) } else { Next::Failed }
}

impl Controller for Context {
    type Halt = CallError;
    const KIND: &'static str = plan::KIND;
    // Each may be a megabyte while it is worked on.
    const CONCURRENCY: usize = 4;

    async fn look(&self, name: &Name) -> Result<Next, CallError> {
        reconcile(self, name).await
    }

    async fn halted(&self, _: &Name, halt: CallError) -> Next {
        again(&halt)
    }
}

/// Works on ConfigMaps until the future is dropped.
pub async fn run(context: Context, queue: Queue<Name>) {
    context.world.config_maps.complete().await;
    controller::run(context, queue).await;
}

async fn reconcile(context: &Context, name: &Name) -> Result<Next, CallError> {
    let Some(seen) = observe::observe(context, name).await? else {
        context.told.forget(name);
        return Ok(Next::Idle);
    };
    let mut plan = plan::plan(&seen);
    let applied = apply::apply(context, &seen, &plan).await;
    match &applied {
        Ok(()) => report::done(context, &seen, &plan).await,
        Err(error) => plan.said.extend(refusal(error)),
    }
    report::tell(context, &seen, &plan.said).await;
    applied?;
    Ok(next(&plan))
}

/// When a ConfigMap is looked at again: what is wrong with it is told again, for it has no status that says so. What is merely ignored is
/// told once.
fn next(plan: &Plan) -> Next {
    if plan.waits {
        return Next::After(WAIT);
    }
    let wrong = plan.said.iter().any(|said| said.reason != Reason::UnknownConfigMapKey);
    if wrong { Next::After(REPEAT) } else { Next::Idle }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_again() {
        let plan = |waits, reasons: &[Reason]| {
            let said = |&reason| Said { reason, message: "why".to_owned(), by_reason: false };
            Plan { waits, said: reasons.iter().map(said).collect(), step: None }
        };
        let (wrong, ignored) = (Reason::InvalidValue, Reason::UnknownConfigMapKey);
        assert_eq!(next(&plan(false, &[ignored, wrong])), Next::After(REPEAT));
        assert_eq!(next(&plan(true, &[wrong])), Next::After(WAIT));
        assert_eq!(next(&plan(false, &[ignored])), Next::Idle, "nothing is written at rest");
        assert_eq!(next(&plan(false, &[])), Next::Idle);
    }

    #[test]
    fn what_the_api_server_refuses_is_offered_again_seldom() {
        let answered = |code| {
            let source = Box::new(kube::Error::Api(Box::new(Status { code, ..Status::default() })));
            CallError::Failed { what: "create the TopicClaim", source }
        };
        for (error, next) in [
            (answered(400), Next::After(REFUSED)),
            (answered(403), Next::After(REFUSED)),
            (answered(422), Next::After(REFUSED)),
            (answered(404), Next::Failed),
            (answered(409), Next::Failed),
            (answered(500), Next::Failed),
            (CallError::Overdue { what: "create the TopicClaim", limit: WAIT }, Next::Failed),
        ] {
            assert_eq!(again(&error), next, "{error}");
        }
    }
}
