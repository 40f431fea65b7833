//! The operator stopped right after each of its writes, in turn: the end is the same every time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, apply, get, idle_pod, kafka_tool, kubectl, rules_of, slots_of, unique, wait_for, wait_ready,
};
use crate::operator::{Lifetime, Operator, without_operator};

/// The name of the operators that are stopped.
const IDENTITY: &str = "crash-test";
/// One access's life has about ten writes; more than this many and something writes without end.
const MOST_WRITES: usize = 40;

/// What an access comes to, without what differs by nature: uids, times, passwords.
fn end_state(namespace: &str, round: &str) -> Value {
    let claim = wait_ready("accessclaim", namespace, "app");
    let user = claim["status"]["username"].as_str().unwrap().to_owned();
    let topics: BTreeMap<_, _> = get(&["topicclaims", "--namespace", namespace])["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| {
            (
                topic["spec"]["topicName"].as_str().unwrap().to_owned(),
                topic["status"]["conditions"][0]["reason"].clone(),
            )
        })
        .collect();
    let secret = get(&["secret", "app-kafka-credentials", "--namespace", namespace]);
    let acls = kafka_tool("kafka-acls.sh", &["--list", "--principal", &format!("User:{user}")]);
    let users = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "users", "--entity-name", &user]);
    let state = json!({
        "spec": claim["spec"],
        "reason": claim["status"]["conditions"][0]["reason"],
        "refused": claim["status"]["refused"],
        "topics": topics,
        "files": secret["data"].as_object().unwrap().keys().collect::<Vec<_>>(),
        "rules": acls.matches("permissionType=ALLOW").count(),
        "slots": users.matches("iterations=").count(),
    });
    serde_json::from_str(&state.to_string().replace(round, "ROUND").replace(namespace, "NAMESPACE")).unwrap()
}

#[test]
fn stopped_after_any_write_it_ends_the_same() {
    without_operator(every_write);
}

#[test]
fn stopped_after_any_write_of_a_change_a_rotation_and_the_end_nothing_is_left() {
    without_operator(|| {
        let _patience = Lifetime::set("idleAfter", "1s");
        let mut stops = 0;
        for writes in 1..=MOST_WRITES {
            if !later_life(writes) {
                break;
            }
            stops += 1;
        }
        assert!(
            (8..MOST_WRITES).contains(&stops),
            "{stops} writes: a change, a rotation and an end have about fourteen"
        );
    });
}

/// An operator that is started anew, undisturbed, once it has stopped.
struct Mortal {
    operator: Operator,
    stopped: bool,
}

impl Mortal {
    fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
        wait_for(what, || {
            if !self.stopped && self.operator.has_stopped() {
                self.stopped = true;
                self.operator = Operator::start(HOME, IDENTITY, None);
            }
            ask()
        })
    }
}

/// What comes after the creation of an access, with a stop; whether there was one.
fn later_life(stop_after: usize) -> bool {
    let name = format!("crash-later-{stop_after}");
    let (space, first, second) = (Namespace::opted_in(&name), unique(&name), unique(&format!("{name}-more")));
    let asks = |topic: &str| format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    let born = Operator::start(HOME, IDENTITY, None);
    apply(&idle_pod(&space.0, "one", &asks(&first)));
    let user = wait_ready("accessclaim", &space.0, "app")["status"]["username"].as_str().unwrap().to_owned();
    drop(born);

    let mut mortal = Mortal { operator: Operator::start(HOME, IDENTITY, Some(stop_after)), stopped: false };
    apply(&idle_pod(&space.0, "two", &asks(&second)));
    mortal.wait_for("the user has the rights of both Pods", || {
        let rules = rules_of(&user);
        if rules.contains(&first) && rules.contains(&second) { Ok(()) } else { Err(rules) }
    });
    mortal.wait_for("the Secret tells of both topics", || {
        let secret = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
        let produces = secret["data"]["produces"].as_str().unwrap().len();
        // Two names and a comma, in base64.
        if produces > 4 * (first.len() + second.len()) / 3 {
            Ok(())
        } else {
            Err(secret["data"]["produces"].to_string())
        }
    });
    let before = get(&["secret", "app-kafka-credentials", "--namespace", &space.0])["data"]["password"].clone();
    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", &space.0]);
    mortal.wait_for("there is one new password", || {
        let secret = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
        let rotations = &secret["metadata"]["annotations"]["kafka.admittance.dev/rotation"];
        let claim = get(&["accessclaim", "app", "--namespace", &space.0]);
        let done = secret["data"]["password"] != before
            && rotations == "1"
            && claim["status"]["rotations"] == 1
            && claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_none();
        if done { Ok(()) } else { Err(format!("{rotations} {}", claim["status"])) }
    });
    kubectl(&["delete", "pod", "one", "two", "--namespace", &space.0]);
    mortal.wait_for("nothing is left of the access", || {
        let (rules, slots) = (rules_of(&user), slots_of(&user));
        let objects = get(&["accessclaims,secrets", "--namespace", &space.0]);
        let gone = !rules.contains("ALLOW")
            && !slots.contains("iterations=")
            && objects["items"].as_array().unwrap().is_empty();
        if gone { Ok(()) } else { Err(format!("{rules}{slots}{}", objects["items"])) }
    });
    mortal.stopped
}

fn every_write() {
    let undisturbed = round(None).expect("without a stop there is an end");
    assert_eq!(undisturbed["reason"], "Ready");
    assert_eq!(undisturbed["rules"], 3);
    assert_eq!(undisturbed["slots"], 1);
    let mut stops = 0;
    for writes in 1..=MOST_WRITES {
        let Some(end) = round(Some(writes)) else { break };
        assert_eq!(end, undisturbed, "after a stop at write {writes}");
        stops += 1;
    }
    assert!((6..MOST_WRITES).contains(&stops), "{stops} writes: a life has about ten");
}

/// One life of an access; with a stop, nothing once the life has fewer writes than that.
fn round(stop_after: Option<usize>) -> Option<Value> {
    let name = format!("crash-{}", stop_after.unwrap_or(0));
    let space = Namespace::opted_in(&name);
    let mut first = Operator::start(HOME, IDENTITY, stop_after);
    apply(&idle_pod(
        &space.0,
        "app",
        &format!("kafka.admittance.dev/consumes: {name}-in, kafka.admittance.dev/produces: {name}-out"),
    ));
    if stop_after.is_some() {
        let done = wait_for("the operator stops, or the access is complete", || {
            if first.has_stopped() {
                return Ok(false);
            }
            let event = get(&["events", "--namespace", &space.0, "--field-selector=reason=Ready"]);
            let about = |event: &Value| event["involvedObject"]["kind"] == "AccessClaim";
            event["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(about)
                .then_some(true)
                .ok_or_else(|| "still at work".to_owned())
        });
        if done {
            return None;
        }
        drop(first);
        let _again = Operator::start(HOME, IDENTITY, None);
        return Some(end_state(&space.0, &name));
    }
    Some(end_state(&space.0, &name))
}
