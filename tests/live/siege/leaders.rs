//! Two operators that both lead. A Lease does not fence: a leader that was paused may wake beside its successor.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::bed::{
    HOME, Namespace, apply, get, has_exactly, idle_pod, kubectl, pod, slots_of, unique, user_of, wait_for, wait_ready,
};
use crate::operator::{ACCOUNT, LEASE, Operator};
use crate::steady::{PYTHON, SLEEP, asks, produce_once};

const WORKLOADS: usize = 10;
const CHURN: Duration = Duration::from_secs(300);
const SECOND: &str = "second-leader";

fn workload(n: usize) -> String {
    format!("app-{n}")
}

/// An operator that leads by a Lease of its own, elsewhere.
fn second_leader(namespace: &str) -> Operator {
    let lease = ["--verb=get,create,update", "--resource=leases.coordination.k8s.io"];
    kubectl(&[&["create", "role", SECOND, "--namespace", namespace], &lease[..]].concat());
    let account = format!("--serviceaccount={HOME}:{ACCOUNT}");
    kubectl(&["create", "rolebinding", SECOND, "--role", SECOND, &account, "--namespace", namespace]);
    let operator = Operator::start(namespace, SECOND, None);
    wait_for("two operators lead", || {
        let holder = |namespace: &str| {
            let found =
                kubectl(&["get", "lease", LEASE, "--namespace", namespace, "--ignore-not-found", "--output=json"]);
            let lease: serde_json::Value = serde_json::from_str(&found).unwrap_or_default();
            lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
        };
        let holders = [holder(HOME), holder(namespace)];
        if !holders[0].is_empty() && holders[1] == SECOND { Ok(()) } else { Err(format!("{holders:?}")) }
    });
    operator
}

/// Minutes of Pods that come and go, what they ask for changing with them, and of rotations, some of them by force.
fn churn(namespace: &str, topic: &str) -> usize {
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < CHURN {
        let pods = (0..WORKLOADS).map(|n| {
            let asks = match (rounds + n) % 2 {
                0 => asks(&workload(n), topic),
                _ => format!(
                    "kafka.admittance.dev/workload: {}, kafka.admittance.dev/consumes: {topic}-more",
                    workload(n)
                ),
            };
            idle_pod(namespace, &format!("{}-{rounds}", workload(n)), &asks)
        });
        apply(&pods.collect::<Vec<_>>().join("---\n"));
        let how = if rounds % 3 == 2 { "force" } else { "now" };
        let rotate = format!("kafka.admittance.dev/rotate={how}");
        kubectl(&["annotate", "accessclaims", "--all", "--overwrite", &rotate, "--namespace", namespace]);
        if rounds > 0 {
            let old: Vec<String> = (0..WORKLOADS).map(|n| format!("{}-{}", workload(n), rounds - 1)).collect();
            let old: Vec<&str> = old.iter().map(String::as_str).collect();
            kubectl(&[&["delete", "pods", "--namespace", namespace], &old[..]].concat());
        }
        rounds += 1;
    }
    rounds
}

/// Who has told of the accesses of a namespace.
fn speakers(namespace: &str) -> BTreeSet<String> {
    let events = get(&["events", "--namespace", namespace]);
    let ours =
        events["items"].as_array().unwrap().iter().filter(|event| event["involvedObject"]["kind"] == "AccessClaim");
    ours.filter_map(|event| event["reportingInstance"].as_str().map(str::to_owned)).collect()
}

/// Whether a user may read and write a topic and read its namespace's groups, nothing else, with one password.
fn is_exact(user: &str, namespace: &str, topic: &str) -> Result<(), String> {
    has_exactly(
        user,
        &[
            format!("TOPIC {topic} LITERAL READ"),
            format!("TOPIC {topic} LITERAL WRITE"),
            format!("GROUP {namespace}. PREFIXED READ"),
        ],
    )?;
    let slots = slots_of(user);
    if slots.matches("iterations=").count() == 1 { Ok(()) } else { Err(slots) }
}

#[test]
fn minutes_of_two_leaders_ends_with_one_password_and_the_declared_rules_each() {
    let (space, elsewhere, topic) =
        (Namespace::opted_in("live-leaders"), Namespace::plain("live-second-leader"), unique("leaders"));
    let ns = space.0.as_str();
    // The topics are there, and nobody rotates an access that is not.
    for n in 0..WORKLOADS {
        apply(&idle_pod(ns, &workload(n), &asks(&workload(n), &topic)));
    }
    let users: Vec<String> = (0..WORKLOADS).map(|n| user_of(ns, &workload(n))).collect();

    let second = second_leader(&elsewhere.0);
    let rounds = churn(ns, &topic);
    let speakers = speakers(ns);
    drop(second);
    assert!(rounds > 2, "{rounds} rounds are no churn");
    assert!(speakers.contains(SECOND) && speakers.len() > 1, "only these have worked: {speakers:?}");

    // The last generation is all that is left, and asks for the same again.
    kubectl(&["delete", "pods", "--all", "--namespace", ns]);
    let last = (0..WORKLOADS).map(|n| pod(ns, &format!("last-{n}"), &asks(&workload(n), &topic), PYTHON, SLEEP));
    wait_for("no rotation is asked for any more", || {
        let claims = get(&["accessclaims", "--namespace", ns]);
        let asks =
            |claim: &&serde_json::Value| claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_some();
        let asking = claims["items"].as_array().unwrap().iter().filter(asks).count();
        if asking == 0 { Ok(()) } else { Err(format!("{asking} still wait")) }
    });
    for user in &users {
        wait_for(&format!("{user} has one password"), || {
            let slots = slots_of(user);
            if slots.matches("iterations=").count() == 1 { Ok(()) } else { Err(slots) }
        });
    }
    apply(&last.collect::<Vec<_>>().join("---\n"));
    for (n, user) in users.iter().enumerate() {
        wait_for(&format!("{user} has the declared rules and one password"), || is_exact(user, ns, &topic));
        wait_ready("accessclaim", ns, &workload(n));
        wait_ready("pod", ns, &format!("last-{n}"));
        assert_eq!(produce_once(ns, &format!("last-{n}"), &topic), Ok(()), "{user}");
    }
    // And so it stays, once all have logged in.
    for user in &users {
        assert_eq!(is_exact(user, ns, &topic), Ok(()), "{user}");
    }
}
