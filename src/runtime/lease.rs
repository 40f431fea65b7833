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

    /// Takes or renews the Lease if it is ours to take. The resource version makes two takers exclude each other.
    async fn turn(&self, observed: &mut Observed) -> Result<Turn, CallError> {
        let found = at_once(CALL, "read the Lease", self.api.get_opt(&self.name)).await?;
        let Some(mut lease) = found else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            let written = at_once(CALL, "take the Lease", self.api.create(&params(), &lease)).await?;
            return Ok(self.settle(&written, observed));
        };
        if !observed.goes_on(&lease) {
            return Ok(Turn::Past);
        }
        let spec = lease.spec.take();
        if !observed.may_take(spec.as_ref(), &self.identity, Instant::now()) {
            return Ok(Turn::Anothers);
        }
        lease.spec = Some(self.spec(spec.as_ref()));
        let written = at_once(CALL, "write the Lease", self.api.replace(&self.name, &params(), &lease)).await?;
        Ok(self.settle(&written, observed))
    }

    fn settle(&self, written: &Lease, observed: &mut Observed) -> Turn {
        writes::WRITES.get_or_create(&writes::Write { kind: "lease" }).inc();
        if let Some(time) = written_at(written) {
            self.clock.heard(time);
        }
        if observed.goes_on(written) { Turn::Ours } else { Turn::Past }
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
mod tests {
    use std::future::{pending, ready};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::jiff::SignedDuration;
    use kube::Client;
    use serde_json::{Value, json};
    use tokio::sync::Notify;

    use super::*;
    use crate::runtime::fake_api::{answering, recording};

    fn lease(version: usize, holder: Option<&str>) -> Value {
        let (metadata, spec) =
            (json!({"name": "it", "resourceVersion": version.to_string()}), json!({"holderIdentity": holder}));
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
    }

    fn candidate(client: Client) -> Leadership {
        Leadership::new(Api::namespaced(client, "ops"), "it", "me", Arc::default())
    }

    #[tokio::test]
    async fn who_leads_goes_by_the_api_servers_clock_however_wrong_the_nodes_is() {
        for skew in [-180, 0, 180] {
            let theirs = Timestamp::now() + SignedDuration::from_secs(skew);
            let client = answering(move |_| {
                let entry = |manager: &str, time: Timestamp| json!({"manager": manager, "operation": "Update", "time": time.to_string()});
                let fields = [entry("kubectl", theirs + SignedDuration::from_hours(1)), entry(FIELD_MANAGER, theirs)];
                let metadata = json!({"name": "it", "resourceVersion": "1", "managedFields": fields});
                ready((200, json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata})))
            });
            let replica = candidate(client);
            let (heard, done) = (Mutex::new(None), Notify::new());
            let work = async {
                *heard.lock().unwrap() = Some(replica.clock.now());
                done.notify_one();
                pending().await
            };
            replica.lead(work, done.notified()).await.unwrap();
            let off = heard.lock().unwrap().unwrap().duration_since(theirs);
            assert!((SignedDuration::ZERO..SignedDuration::from_secs(30)).contains(&off), "{skew}: {off}");
        }
    }

    /// How long a replica leads with an API server that takes so long for each answer, and gives none after so many turns.
    async fn led(slow: Duration, turns: usize) -> Duration {
        let asked = Arc::new(AtomicUsize::new(0));
        let client = answering(move |_| {
            let call = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                // A turn is two calls: it reads, and it writes.
                if call >= 2 * turns {
                    pending::<()>().await;
                }
                sleep(slow).await;
                (200, lease(call + 1, Some("me")))
            }
        });
        let start = Instant::now();
        let lost = candidate(client).lead(pending(), pending()).await.unwrap_err();
        assert!(lost.to_string().contains("could not be renewed"), "{lost}");
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_stops_so_long_after_its_last_renewal_began_whatever_it_waits_for() {
        let second = Duration::from_secs(1);
        for (slow, turns, last_began) in [
            (Duration::ZERO, 1, Duration::ZERO),
            (second, 1, Duration::ZERO),
            (second, 2, 2 * second),
            (second * 7 / 5, 2, second * 14 / 5),
        ] {
            let end = last_began + GIVE_UP;
            let led = led(slow, turns).await;
            assert!((end..end + second / 10).contains(&led), "{slow:?} an answer, {turns} turns: {led:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_waits_ends_when_it_is_told_and_takes_nothing_any_more() {
        let (client, sent) = recording(|_| ready((200, lease(1, Some("other")))));
        let end = RENEWAL * 5 / 2;
        let start = Instant::now();
        let led = timeout_at(start + 2 * DURATION, candidate(client).lead(pending(), sleep(end))).await;
        led.unwrap().unwrap();
        assert!(start.elapsed() < end + RENEWAL, "{:?}", start.elapsed());
        let asked: Vec<_> = sent.lock().unwrap().iter().map(|(verb, _)| verb.clone()).collect();
        assert_eq!(asked, ["GET"; 3]);
        let (client, sent) = recording(|_| ready((200, lease(1, None))));
        candidate(client).lead(pending(), ready(())).await.unwrap();
        assert_eq!(sent.lock().unwrap().len(), 0, "whoever was told before it looked does not look");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_end_while_it_takes_the_lease_hands_it_over_and_does_no_work() {
        let second = Duration::from_secs(1);
        let (client, sent) = recording(move |asked| async move {
            sleep(second).await;
            (200, if asked.method == "PUT" { asked.body } else { lease(1, Some("me")) })
        });
        let work = async { panic!("the work began") };
        candidate(client).lead(work, sleep(second * 3 / 2)).await.unwrap();
        let sent = sent.lock().unwrap();
        let put = sent.iter().filter(|(verb, _)| verb == "PUT");
        let holders: Vec<_> = put.map(|(_, lease)| lease["spec"]["holderIdentity"].clone()).collect();
        assert_eq!(holders, [json!("me"), Value::Null]);
    }

    /// A client of an API server that has this Lease and minds its version, and how many writes it has refused for that. Each read takes
    /// a moment, so that two who look together both see what neither has changed.
    fn minding(lease: Value) -> (Client, Arc<Mutex<Value>>, Arc<AtomicUsize>) {
        let (lease, refused) = (Arc::new(Mutex::new(lease)), Arc::new(AtomicUsize::new(0)));
        let kept = (Arc::clone(&lease), Arc::clone(&refused));
        let client = answering(move |asked| {
            let (lease, refused) = kept.clone();
            async move {
                if asked.method == "GET" {
                    let seen = lease.lock().unwrap().clone();
                    sleep(RENEWAL / 20).await;
                    return (200, seen);
                }
                let mut lease = lease.lock().unwrap();
                let version = lease["metadata"]["resourceVersion"].clone();
                if asked.body["metadata"]["resourceVersion"] != version {
                    refused.fetch_add(1, Ordering::Relaxed);
                    return (409, Value::Null);
                }
                let next = version.as_str().unwrap().parse::<usize>().unwrap() + 1;
                *lease = asked.body;
                lease["metadata"]["resourceVersion"] = json!(next.to_string());
                (200, lease.clone())
            }
        });
        (client, lease, refused)
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_who_wait_for_a_silent_holder_one_takes_its_lease_and_the_other_goes_on_waiting() {
        let (client, lease, refused) = minding(lease(1, Some("silent")));
        let (start, led) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let candidates = ["one", "two"].map(|identity| {
            let replica = Leadership::new(Api::namespaced(client.clone(), "ops"), "it", identity, Arc::default());
            let (led, told) = (Arc::clone(&led), Arc::new(Notify::new()));
            let end = Arc::clone(&told);
            let work = async move {
                led.lock().unwrap().push((identity, start.elapsed()));
                pending().await
            };
            (identity, told, tokio::spawn(async move { replica.lead(work, end.notified()).await }))
        });
        sleep(4 * DURATION).await;
        let holder = || lease.lock().unwrap()["spec"]["holderIdentity"].clone();
        let [(first, after)] = led.lock().unwrap()[..] else { panic!("exactly one leads: {led:?}") };
        assert!((DURATION..DURATION + 2 * RENEWAL).contains(&after), "{after:?}");
        assert_eq!(refused.load(Ordering::Relaxed), 1, "both tried, and one was refused");
        assert_eq!(holder(), first);
        // Whoever was refused has not given up, and the one who leads has not lost it: it follows at once when that one ends.
        let (winner, loser): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|(identity, ..)| *identity == first);
        for (place, (identity, told, task)) in winner.into_iter().chain(loser).enumerate() {
            assert_eq!(holder(), identity);
            assert_eq!(led.lock().unwrap().len(), place + 1);
            told.notify_one();
            task.await.unwrap().unwrap();
            assert_eq!(holder(), Value::Null);
            sleep(2 * RENEWAL).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_renewal_is_refused_looks_again_and_ends_if_another_has_it() {
        let (client, lease, refused) = minding(lease(1, None));
        let replica = candidate(client);
        let take_over = || {
            let mut lease = lease.lock().unwrap();
            lease["spec"]["holderIdentity"] = json!("other");
            lease["metadata"]["resourceVersion"] = json!("100");
        };
        let work = async {
            // Work begins with the first write: the leader reads the next time a renewal after its first read, and writes a read later.
            sleep(RENEWAL - RENEWAL / 40).await;
            take_over();
            pending().await
        };
        let lost = replica.lead(work, pending()).await.unwrap_err();
        assert!(lost.to_string().contains("another replica holds it"), "{lost}");
        assert_eq!(refused.load(Ordering::Relaxed), 1);
        assert_eq!(lease.lock().unwrap()["spec"]["holderIdentity"], "other", "it was not handed over by who lost it");
    }
}
