//! One broker away for long.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Namespace, apply, exec, get, kubectl, pod, ready, scale, unique, wait_for, wait_ready};
use crate::steady::{Family, PYTHON, SLEEP, asks, goes_on, produce_once, steady_pod};

/// How long it is away.
const AWAY: Duration = Duration::from_secs(600);
/// How soon a new access is ready all the same: a login that nobody answers takes some seconds to give up, and the machine is busy.
const SOON: Duration = Duration::from_secs(30);
/// How often a new access is asked for meanwhile.
const ROUNDS: u32 = 5;

const BROKERS: &str = "statefulset/kafka";
const THERE: u32 = 3;

/// The last broker killed and kept away; back with the guard.
struct Away;

impl Away {
    fn kill() -> Self {
        kubectl(&["scale", BROKERS, "--namespace=kafka", &format!("--replicas={}", THERE - 1)]);
        let by_force = ["--force", "--grace-period=0", "--ignore-not-found"];
        kubectl(&[&["delete", "pod", "kafka-2", "--namespace=kafka"], &by_force[..]].concat());
        Self
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        kubectl(&["scale", BROKERS, "--namespace=kafka", &format!("--replicas={THERE}")]);
    }
}

/// What an access says of itself, once it is ready.
fn said(namespace: &str, access: &str) -> String {
    let claim = wait_ready("accessclaim", namespace, access);
    let conditions = claim["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|said| said["type"] == "Ready").unwrap()["message"].as_str().unwrap().to_owned()
}

/// Accesses of a namespace that are not ready.
fn unready(namespace: &str) -> Vec<Value> {
    let claims = get(&["accessclaims", "--namespace", namespace]);
    claims["items"].as_array().unwrap().iter().filter(|claim| ready(claim).is_err()).cloned().collect()
}

#[test]
fn a_broker_away_for_ten_minutes_holds_no_new_access_up_and_serves_it_when_it_returns() {
    let space = Namespace::opted_in("live-broker");
    let (ns, topic) = (space.0.as_str(), unique("broker"));
    apply(&steady_pod(ns, "steady", "steady", Family::Librdkafka, &topic));
    wait_ready("pod", ns, "steady");
    goes_on(ns, &["steady"], "steady");

    let away = Away::kill();
    let began = Instant::now();
    let names: Vec<String> = (0..ROUNDS).map(|round| format!("new-{round}")).collect();
    for (round, name) in (0..).zip(&names) {
        let asked = Instant::now();
        apply(&pod(ns, name, &asks(name, &topic_of(&topic, round)), PYTHON, SLEEP));
        let message = said(ns, name);
        let took = asked.elapsed();
        assert!(took < SOON, "{name}, {:?} after the broker's end, took {took:?}", began.elapsed());
        assert!(message.contains("proven on 2 of 3 brokers") && message.contains("broker 2: "), "{message}");
        wait_ready("pod", ns, name);
        wait_for(&format!("{name} produces"), || produce_once(ns, name, &topic_of(&topic, round)));
        // Until the next round everything stays as it is.
        while began.elapsed() < AWAY / ROUNDS * (round + 1) {
            std::thread::sleep(Duration::from_secs(5));
            assert!(unready(ns).is_empty(), "{:?}", unready(ns));
        }
    }
    goes_on(ns, &["steady"], "steady");
    drop(away);

    scale("kafka", BROKERS, THERE);
    for name in &names {
        // By this broker alone.
        wait_for(&format!("{name} logs in at the broker that was away"), || logs_in(ns, name, "kafka-2"));
    }
    assert!(unready(ns).is_empty(), "{:?}", unready(ns));
    goes_on(ns, &["steady"], "steady");
}

fn topic_of(topic: &str, round: u32) -> String {
    format!("{topic}-{round}")
}

/// Whether a Pod's credential is good at one broker: what was asked of it there, unless it answered.
fn logs_in(namespace: &str, name: &str, broker: &str) -> Result<(), String> {
    let script = "
import sys
from confluent_kafka.admin import AdminClient
lines = open('/var/run/secrets/kafka/librdkafka.conf').read().splitlines()
conf = dict(line.split('=', 1) for line in lines)
conf.pop('group.id', None)
conf['bootstrap.servers'] = sys.argv[1]
print(len(AdminClient(conf).list_topics(timeout=10).topics))
";
    let address = format!("{broker}.kafka.kafka.svc.cluster.local:9092");
    let (done, said) = exec(namespace, name, &["python3", "-c", script, &address]);
    if done { Ok(()) } else { Err(said) }
}
