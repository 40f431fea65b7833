//! The Lease against an API server that is played: who waits, who takes it, who loses it.

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
            // The first turn is two calls, it reads and it writes, and each that follows writes.
            if call > turns {
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

#[tokio::test(start_paused = true)]
async fn who_leads_writes_on_what_it_wrote_and_looks_where_that_no_longer_stands() {
    for (code, then, end) in [(409, "other", "another replica"), (409, "me", "restored"), (404, "me", "restored")] {
        let puts = Arc::new(AtomicUsize::new(0));
        let (client, sent) = recording(move |asked| {
            let put = asked.method == "PUT";
            ready(match puts.fetch_add(usize::from(put), Ordering::Relaxed) {
                0 => (200, lease(if put { 8 } else { 7 }, Some("me"))),
                1 if put => (200, lease(9, Some("me"))),
                2 if put => (code, Value::Null),
                3 if put => (200, lease(11, Some("me"))),
                4 if put => (200, lease(5, Some("me"))),
                _ => (200, lease(10, Some(then))),
            })
        });
        let lost = candidate(client).lead(pending(), pending()).await.unwrap_err();
        assert!(lost.to_string().contains(end), "{lost}");
        let sent = sent.lock().unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().unwrap_or("-").to_owned();
        let calls: Vec<_> = sent.iter().map(|(verb, lease)| format!("{verb} {}", version(lease))).collect();
        let begins = ["GET -", "PUT 7", "PUT 8", "PUT 9", "GET -"];
        let goes_on = ["PUT 10", "PUT 11"].into_iter().filter(|_| then == "me");
        assert_eq!(calls, begins.into_iter().chain(goes_on).collect::<Vec<_>>());
    }
}
