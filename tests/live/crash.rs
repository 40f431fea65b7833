//! The operator stopped right after each of its writes, in turn: the end is the same every time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::{HOME, Namespace, apply, get, idle_pod, unique, wait_for, wait_ready};
use crate::operator::{Operator, without_operator};
use crate::tools::kafka_tool;

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

/// An operator that leads in the installation's place.
pub(crate) fn ours(stop_after: Option<usize>) -> Operator {
    Operator::start(HOME, "crash-test", stop_after)
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
    let (space, topic) = (Namespace::opted_in(&name), unique(&name));
    let mut first = ours(stop_after);
    apply(&idle_pod(
        &space.0,
        "app",
        &format!("kafka.admittance.dev/consumes: {topic}-in, kafka.admittance.dev/produces: {topic}-out"),
    ));
    if stop_after.is_some() {
        let done = wait_for("the operator stops, or the access is complete", || {
            if first.has_stopped() {
                return Ok(false);
            }
            let claims = get(&["accessclaims", "--namespace", &space.0]);
            let ready = |said: &Value| said["type"] == "Ready" && said["status"] == "True";
            let mut said = claims["items"][0]["status"]["conditions"].as_array().into_iter().flatten();
            // The write that made it ready may be the one to stop after.
            said.any(ready).then(|| !first.has_stopped()).ok_or_else(|| "still at work".to_owned())
        });
        if done {
            return None;
        }
        drop(first);
        let _again = ours(None);
        return Some(end_state(&space.0, &topic));
    }
    Some(end_state(&space.0, &topic))
}
