//! What somebody changes of a user in Kafka, by hand.

use serde_json::Value;

use crate::bed::{
    Namespace, apply, event_about, idle_pod, kubectl, rules_of, slots_of, try_get, unique, user_of, wait_for,
    wait_ready,
};
use crate::operator::credentials;
use crate::tools::kafka_tool;

/// Takes a user's right on a topic away, and gives it another. Two commands: an operator that puts such things right may look between them.
fn change(user: &str, operation: &str, taken: &str, given: &str) {
    let principal = format!("User:{user}");
    let rule = |topic| ["--allow-principal", &principal, "--operation", operation, "--topic", topic].map(str::to_owned);
    for (verb, topic) in [("--remove", taken), ("--add", given)] {
        let rule = rule(topic);
        let rule: Vec<&str> = rule.iter().map(String::as_str).collect();
        kafka_tool("kafka-acls.sh", &[&["--force", verb][..], &rule].concat());
    }
}

fn right(user: &str, there: &str, gone: &str) -> Result<(), String> {
    let rules = rules_of(user);
    let right = rules.contains(&format!("name={there}")) && !rules.contains(&format!("name={gone}"));
    if right { Ok(()) } else { Err(rules) }
}

#[test]
fn a_user_that_was_changed_by_hand_is_put_right_within_a_minute() {
    let (space, topic) = (Namespace::opted_in("live-drift"), unique("drift"));
    let (ns, other) = (space.0.as_str(), format!("other-{topic}"));
    apply(&idle_pod(ns, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(ns, "app");
    let slots = slots_of(&user);
    let began = std::time::Instant::now();
    change(&user, "Write", &topic, &other);
    wait_for("the rules are what they were", || right(&user, &topic, &other));
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    for change in [format!("Write on Topic {topic} is missing"), format!("Write on Topic {other} was added")] {
        event_about("AccessClaim", ns, "app", "AccessDrifted", &change);
    }

    // The sweep has seen the password by now, and sees that it goes.
    let gone = ["--alter", "--entity-type", "users", "--entity-name", &user, "--delete-config", "SCRAM-SHA-512"];
    kafka_tool("kafka-configs.sh", &gone);
    assert_ne!(slots_of(&user), slots);
    wait_for("the password is what it was", || {
        let now = slots_of(&user);
        if now == slots { Ok(()) } else { Err(now) }
    });
}

#[test]
fn what_is_only_to_be_told_is_left_until_something_else_is_wanted() {
    let (space, topic) = (Namespace::opted_in("live-drift-told"), unique("told"));
    let (ns, other) = (space.0.as_str(), format!("other-{topic}"));
    let asks =
        |more: &str| format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: '{topic}{more}'");
    apply(&idle_pod(ns, "first", &asks("")));
    let user = user_of(ns, "app");
    let _policy = credentials("drift", "Report");
    change(&user, "Write", &topic, &other);
    let drifted = |claim: &Value| {
        let conditions = claim["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "Drifted")
    };
    // Two commands change it, and the operator may look between them.
    let said = wait_for("the claim says what was changed", || {
        let claim = try_get(&["accessclaim", "app", "--namespace", ns])?;
        let said = drifted(&claim).filter(|said| {
            let message = said["message"].as_str().unwrap();
            message.contains(&format!("Write on Topic {other} was added"))
        });
        said.ok_or_else(|| claim["status"].to_string())
    });
    assert_eq!((&said["status"], &said["reason"]), (&Value::from("True"), &Value::from("AccessDrifted")), "{said}");
    right(&user, &other, &topic).unwrap();

    // What is wanted now is another thing, and is written whole.
    apply(&idle_pod(ns, "second", &asks(&format!(", {topic}-new"))));
    wait_for("the rules are those of both Pods", || right(&user, &topic, &other));
    wait_for("nothing is told any more", || {
        let claim = wait_ready("accessclaim", ns, "app");
        let said = drifted(&claim).map(|said| said["status"].clone());
        if said == Some("False".into()) { Ok(()) } else { Err(claim["status"].to_string()) }
    });
    kubectl(&["delete", "pod", "first", "second", "--namespace", ns]);
}
