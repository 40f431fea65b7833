//! Replicas that are moved under load, while operators are killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{HOME, Namespace, Spec, apply, exec, try_get, unique, wait_for, wait_ready};
use crate::moves::{claim_replicas, replicas_of, throttles_of, topic_claim, wait_moved};
use crate::operator::{Operator, without_operator};
use crate::steady::{Family, goes_on, log_of, no_complaint, steady_pod};

/// A move has about seven writes; more than this many and something writes without end.
const MOST_WRITES: usize = 30;
/// Writes 4000 records of 1 KiB, most of which is key: clients tell of values.
const BALLAST: &str = r#"
for n in $(seq 4000); do printf '%d-%01000d:tick ballast 1\n' "$n" 0; done |
    kafka-console-producer.sh --bootstrap-server kafka.kafka:9092 --command-config /etc/kafka/admin/client.properties \
        --reader-property parse.key=true --reader-property key.separator=: --topic "$1"
"#;

fn ours(stop_after: Option<usize>) -> Operator {
    Operator::start(HOME, "moves-test", stop_after)
}

/// Has a move take a while.
fn ballast(topic: &str) {
    let (done, said) = exec("kafka", "kafka-0", &["bash", "-c", BALLAST, "bash", topic]);
    assert!(done && !said.contains("rror"), "{said}");
}

/// The numbers of the records of a producer that a consumer has told of.
fn ticks(log: &str, producer: &str) -> BTreeSet<u64> {
    let of = |line: &str| line.strip_prefix("tick ")?.strip_prefix(producer)?.strip_prefix(' ')?.trim().parse().ok();
    log.lines().filter_map(of).collect()
}

fn wait_moving(namespace: &str, claim: &str) {
    wait_for("replicas are on the move", || {
        let status = try_get(&["topicclaim", claim, "--namespace", namespace])?["status"].clone();
        if status["moving"].is_null() { Err(status.to_string()) } else { Ok(()) }
    });
}

#[test]
fn replicas_change_under_load_while_the_operator_is_killed_and_no_record_is_lost() {
    let _slowly = Spec::set(&json!({"topics": {"reassignmentThrottle": 65_536}}));
    let (space, topic) = (Namespace::opted_in("live-siege-moves"), unique("siege-moves"));
    let ns = space.0.as_str();
    apply(&topic_claim(ns, "moved", &topic, &json!({"partitions": 4, "replicas": 2})));
    wait_ready("topicclaim", ns, "moved");
    ballast(&topic);
    let clients = [(Family::FranzGo, "go"), (Family::Java, "java")];
    for (family, name) in clients {
        apply(&steady_pod(ns, name, "load", family, &topic));
    }
    let names = clients.map(|(_, name)| name);
    for name in names {
        wait_ready("pod", ns, name);
    }
    for name in names {
        goes_on(ns, &names, name);
    }

    without_operator(|| {
        let first = ours(None);
        claim_replicas(ns, "moved", 3);
        wait_moving(ns, "moved");
        assert!(!throttles_of(&topic).is_empty(), "copied at full speed");
        drop(first);
        for name in names {
            goes_on(ns, &names, name);
        }
        let second = ours(None);
        wait_moved(ns, "moved", &topic, 3);
        claim_replicas(ns, "moved", 2);
        drop(second);
        let _third = ours(None);
        wait_moved(ns, "moved", &topic, 2);

        // Who changes the mind halfway goes back.
        claim_replicas(ns, "moved", 3);
        wait_moving(ns, "moved");
        claim_replicas(ns, "moved", 2);
        wait_moved(ns, "moved", &topic, 2);
    });

    for name in names {
        goes_on(ns, &names, name);
        no_complaint(ns, name);
    }
    let logs: Vec<_> = names.iter().map(|name| log_of(ns, name)).collect();
    for name in names {
        let seen: BTreeSet<_> = logs.iter().flat_map(|log| ticks(log, name)).collect();
        let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
        // The last few may be on their way in another partition.
        let lost: Vec<_> = (first..last.saturating_sub(20)).filter(|tick| !seen.contains(tick)).collect();
        assert!(lost.is_empty() && last > first + 50, "of {name}, {first} to {last}, these are lost: {lost:?}");
    }
}

#[test]
fn stopped_after_any_write_a_move_ends_the_same() {
    without_operator(|| {
        let (space, topic) = (Namespace::plain("live-siege-stops"), unique("siege-stops"));
        apply(&topic_claim(&space.0, "moved", &topic, &json!({"partitions": 2, "replicas": 2})));
        let operator = ours(None);
        wait_ready("topicclaim", &space.0, "moved");
        drop(operator);
        let mut stops = 0;
        for writes in 1..=MOST_WRITES {
            let wanted = if writes % 2 == 1 { 3 } else { 2 };
            claim_replicas(&space.0, "moved", wanted);
            let mut first = ours(Some(writes));
            let stopped = wait_stopped_or_moved(&mut first, &space.0, &topic, wanted);
            drop(first);
            let again = ours(None);
            wait_moved(&space.0, "moved", &topic, wanted);
            drop(again);
            if !stopped && wanted == 3 {
                break;
            }
            stops += usize::from(stopped);
        }
        assert!((5..MOST_WRITES).contains(&stops), "{stops} stops");
    });
}

/// Whether the operator stopped before the move was over.
fn wait_stopped_or_moved(operator: &mut Operator, namespace: &str, topic: &str, wanted: usize) -> bool {
    let since = Instant::now();
    wait_for("the operator stops, or the move is over", || {
        if operator.has_stopped() {
            return Ok(true);
        }
        let status = try_get(&["topicclaim", "moved", "--namespace", namespace])?["status"].clone();
        let over = replicas_of(topic).iter().all(|counts| *counts == (wanted, wanted))
            && status["moving"].is_null()
            && status["replicas"] == wanted
            && throttles_of(topic).is_empty();
        if over && since.elapsed() > Duration::from_secs(10) { Ok(false) } else { Err(status.to_string()) }
    })
}
