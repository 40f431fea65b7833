//! New passwords, while clients go on working.

use serde_json::Value;

use crate::bed::{Namespace, apply, exec, get, kafka_logs, kubectl, pod, slots_of, unique, wait_for, wait_ready};

const PYTHON: &str = "localhost/clients-python:2.12.2";
const SLEEP: &str = "[sleep, infinity]";

/// Produces with the mounted files until it is stopped: a line for each delivery and each error.
const STEADY: &str = "
import time
from confluent_kafka import Producer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
conf.pop('group.id', None)
def errors(error): print('error', error, flush=True)
producer = Producer(conf | {'message.timeout.ms': 20000, 'error_cb': errors})
def delivered(error, message): print('failed' if error else 'delivered', error or message.offset(), flush=True)
while True:
    producer.produce('TOPIC', b'tick', on_delivery=delivered)
    producer.poll(0.2)
";

/// Logs in anew with the mounted files and produces one record.
const ONCE: &str = "
import sys
from confluent_kafka import Producer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
conf.pop('group.id', None)
said = []
producer = Producer(conf | {'message.timeout.ms': 20000})
producer.produce(sys.argv[1], b'once', on_delivery=lambda error, _: said.append(error))
producer.flush(25)
print('delivered' if said and said[0] is None else said)
";

fn secret(namespace: &str) -> Value {
    get(&["secret", "app-kafka-credentials", "--namespace", namespace])
}

fn failures() -> usize {
    kafka_logs().lines().filter(|line| line.contains("Failed authentication")).count()
}

#[test]
fn a_rotation_under_load_fails_no_login_and_the_old_password_goes_with_the_old_pods() {
    let (space, topic) = (Namespace::opted_in("live-rotation"), unique("rotation"));
    let ns = space.0.as_str();
    let asks = format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    let steady = format!("[python3, -c, {}]", serde_json::to_string(&STEADY.replace("TOPIC", &topic)).unwrap());
    apply(&pod(ns, "old", &asks, PYTHON, &steady));
    wait_ready("pod", ns, "old");
    let user = get(&["accessclaim", "app", "--namespace", ns])["status"]["username"].as_str().unwrap().to_owned();
    let (before, failed) = (secret(ns), failures());

    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", ns]);
    let after = wait_for("the Secret has a new password", || {
        let secret = secret(ns);
        let new = secret["data"]["password"] != before["data"]["password"];
        if new { Ok(secret) } else { Err("the same password".to_owned()) }
    });
    assert_ne!(after["data"]["sasl.mechanism"], before["data"]["sasl.mechanism"]);
    assert_eq!(after["metadata"]["annotations"]["kafka.admittance.dev/rotation"], "1");
    let claim = wait_for("the claim says who has the old password", || {
        let claim = get(&["accessclaim", "app", "--namespace", ns]);
        let conditions = claim["status"]["conditions"].as_array().unwrap();
        let current = conditions.iter().find(|condition| condition["type"] == "CredentialCurrent");
        match current {
            Some(said) if said["message"].as_str().unwrap().contains("Pods old") => Ok(claim),
            _ => Err(claim["status"].to_string()),
        }
    });
    assert!(claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_none(), "the request is done");
    assert_eq!(slots_of(&user).matches("iterations=").count(), 2, "both passwords work: {}", slots_of(&user));

    // The rollout: a new Pod logs in with the new password while the old one goes on, and then the old one goes.
    apply(&pod(ns, "new", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "new");
    assert_eq!(exec(ns, "new", &["python3", "-c", ONCE, &topic]).1.trim(), "delivered");
    let log = kubectl(&["logs", "old", "--container=main", "--namespace", ns]);
    assert!(log.contains("delivered"), "{log}");
    assert!(!log.contains("failed") && !log.contains("error"), "{log}");
    kubectl(&["delete", "pod", "old", "new", "--namespace", ns]);
    wait_for("the old password is gone", || {
        let slots = slots_of(&user);
        if slots.matches("iterations=").count() == 1 { Ok(()) } else { Err(slots) }
    });
    apply(&pod(ns, "last", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "last");
    assert_eq!(exec(ns, "last", &["python3", "-c", ONCE, &topic]).1.trim(), "delivered");
    assert_eq!(failures(), failed, "brokers refused a login");
}

#[test]
fn what_is_lost_or_changed_by_hand_heals() {
    let (space, topic) = (Namespace::opted_in("live-heals"), unique("heals"));
    let ns = space.0.as_str();
    let asks = format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    apply(&pod(ns, "first", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "first");
    let before = secret(ns);
    // A Secret that was edited is written as it should be, from the password that it holds; one that was deleted is made anew.
    kubectl(&[
        "patch",
        "secret",
        "app-kafka-credentials",
        "--namespace",
        ns,
        "--type=merge",
        "--patch",
        r#"{"data":{"bootstrap.servers":"ZXZpbDo5MDky","extra":"eA=="}}"#,
    ]);
    apply(&pod(ns, "second", &asks, PYTHON, SLEEP));
    wait_for("the Secret is as it was", || {
        let now = secret(ns);
        if now["data"] == before["data"] { Ok(()) } else { Err("still edited".to_owned()) }
    });
    kubectl(&["delete", "secret", "app-kafka-credentials", "--namespace", ns]);
    apply(&pod(ns, "third", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "third");
    assert_eq!(exec(ns, "third", &["python3", "-c", ONCE, &topic]).1.trim(), "delivered");
    let new = secret(ns);
    assert_ne!(new["data"]["sasl.mechanism"], before["data"]["sasl.mechanism"], "Pods that run keep their password");
}
