//! One leader among the operator's replicas, by a `coordination.k8s.io/v1` Lease.
//!
//! A Lease does not fence: a leader that was paused may wake after another took over. So every write of ours is safe when it
//! happens twice, and a leader that cannot renew in time stops.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::clock::Clock;
use super::kubernetes::{CallError, at_once};
use super::observed::Observed;
use super::writes;

/// How long a leader may be silent before another replica takes over. This and the next two are what Kubernetes' own controllers go by
/// (`LeaderElectionConfiguration` of component-base): on less, a busy API server costs the Lease, and what begins anew makes it busier.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// How often the leader renews, and a follower looks.
const RENEWAL: Duration = Duration::from_secs(2);
/// A leader that could not renew for this long stops: earlier than anybody else may take over.
const GIVE_UP: Duration = Duration::from_secs(10);
/// The deadline of one call.
const CALL: Duration = Duration::from_secs(4);
/// By what name our writes of the Lease are known to the API server, which notes when the last of them was.
const FIELD_MANAGER: &str = "admittance-leader";

/// The Lease was lost, or could not be renewed in time.
#[derive(Debug, thiserror::Error)]
#[error("the Lease {name} was lost: {why}")]
pub struct Lost {
    name: String,
    why: String,
}

/// One replica's hold on the Lease.
#[derive(Clone, Debug)]
pub struct Leadership {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Arc<Clock>,
}

impl Leadership {
    /// A candidate for the Lease `name`; `identity` tells replicas apart (the Pod's name), and `clock` is set by what comes of each write.
    #[must_use]
    pub fn new(api: Api<Lease>, name: &str, identity: &str, clock: Arc<Clock>) -> Self {
        Self { api, name: name.to_owned(), identity: identity.to_owned(), clock }
    }

    /// Waits until this replica leads, then works until `shutdown` completes or the Lease is lost. What has begun of the Lease is ended: one that
    /// was taken is handed over.
    ///
    /// # Errors
    /// [`Lost`]; the process should end, so that nothing of its state outlives its leadership.
    pub async fn lead(
        &self,
        work: impl Future<Output = Infallible>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Lost> {
        let mut shutdown = pin!(shutdown);
        let mut observed = Observed::default();
        let mut wait = Duration::ZERO;
        let taken = loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                () = sleep(wait) => wait = RENEWAL,
            }
            let began = Instant::now();
            match self.turn(&mut observed).await {
                Ok(Turn::Ours) => break began,
                Ok(Turn::Anothers | Turn::Past) => {}
                Err(error) => tracing::warn!(lease = self.name, %error, "cannot look at the Lease"),
            }
        };
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let result = tokio::select! {
            // The end may have come while the Lease was taken: then no work begins.
            biased;
            () = &mut shutdown => Ok(()),
            lost = self.keep(&mut observed, taken) => Err(lost),
            never = work => match never {},
        };
        if result.is_ok() {
            self.release().await;
        }
        result
    }

    /// Keeps the Lease that was taken by a turn which began then, until it is lost. Others count from when they see a renewal, which is after
    /// its turn began: so do we, and whatever that turn or the next waits for, the end is not put off.
    async fn keep(&self, observed: &mut Observed, taken: Instant) -> Lost {
        let lost = |why: String| Lost { name: self.name.clone(), why };
        let mut renewed = taken;
        loop {
            match timeout_at(renewed + GIVE_UP, self.renew(observed, renewed)).await {
                Ok(Ok(began)) => renewed = began,
                Ok(Err(why)) => return lost(why.to_owned()),
                Err(_) => return lost(format!("it could not be renewed for {GIVE_UP:?}")),
            }
        }
    }

    /// Tries until the Lease is renewed, for the first time so long after the turn that began then; returns when the turn began that did it,
    /// or why there is no use in trying.
    async fn renew(&self, observed: &mut Observed, mut began: Instant) -> Result<Instant, &'static str> {
        loop {
            sleep_until(began + RENEWAL).await;
            began = Instant::now();
            match self.turn(observed).await {
                Ok(Turn::Ours) => return Ok(began),
                Ok(Turn::Anothers) => return Err("another replica holds it"),
                Ok(Turn::Past) => return Err("the API server was restored from before"),
                Err(error) => tracing::warn!(lease = self.name, %error, "cannot renew the Lease"),
            }
        }
    }

    /// Takes or renews the Lease if it is ours to take. The resource version makes two takers exclude each other: who holds the Lease need not
    /// look, and writes on what it wrote last, until that no longer stands.
    async fn turn(&self, observed: &mut Observed) -> Result<Turn, CallError> {
        if let Some(lease) = observed.written.take() {
            match self.write(lease, observed).await {
                Err(error) if matches!(error.code(), Some(404 | 409)) => {}
                turned => return turned,
            }
        }
        let found = at_once(CALL, "read the Lease", self.api.get_opt(&self.name)).await?;
        let Some(lease) = found else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            let written = at_once(CALL, "take the Lease", self.api.create(&params(), &lease)).await?;
            return Ok(self.settle(written, observed));
        };
        if !observed.goes_on(&lease) {
            return Ok(Turn::Past);
        }
        if !observed.may_take(lease.spec.as_ref(), &self.identity, Instant::now()) {
            return Ok(Turn::Anothers);
        }
        self.write(lease, observed).await
    }

    async fn write(&self, mut lease: Lease, observed: &mut Observed) -> Result<Turn, CallError> {
        lease.spec = Some(self.spec(lease.spec.as_ref()));
        let written = at_once(CALL, "write the Lease", self.api.replace(&self.name, &params(), &lease)).await?;
        Ok(self.settle(written, observed))
    }

    fn settle(&self, written: Lease, observed: &mut Observed) -> Turn {
        writes::WRITES.get_or_create(&writes::Write { kind: "lease" }).inc();
        if let Some(time) = written_at(&written) {
            self.clock.heard(time);
        }
        let goes_on = observed.goes_on(&written);
        observed.written = Some(written).filter(|_| goes_on);
        if goes_on { Turn::Ours } else { Turn::Past }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let mine = before.filter(|spec| spec.holder_identity.as_deref() == Some(self.identity.as_str()));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: mine.and_then(|spec| spec.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if mine.is_some() { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    /// Hands the Lease over, so that the next leader need not wait.
    async fn release(&self) {
        let Ok(Some(mut lease)) = at_once(CALL, "read the Lease", self.api.get_opt(&self.name)).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&*self.identity))
        else {
            return;
        };
        spec.holder_identity = None;
        if let Err(error) = at_once(CALL, "write the Lease", self.api.replace(&self.name, &params(), &lease)).await {
            tracing::info!(lease = self.name, %error, "the Lease was not handed over; it runs out by itself");
        }
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// When the API server made the write that it answers: each renewal changes a field, and the time of the entry with it. What others wrote
/// there, who can set any time, is no word of the API server's.
fn written_at(lease: &Lease) -> Option<Timestamp> {
    let entries = lease.metadata.managed_fields.iter().flatten();
    let ours = entries.filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    ours.filter_map(|entry| entry.time.as_ref().map(|time| time.0)).max()
}

/// What came of a look at the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It is ours, for now.
    Ours,
    /// Another replica holds it.
    Anothers,
    /// The API server has forgotten what it had said of it.
    Past,
}

#[cfg(test)]
mod trials;
