//! Topics lent to other namespaces by plain RBAC.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{
    Namespace, apply, event_of, get, idle_pod, kubectl, ready, rules_of, try_kubectl, unique, wait_for, wait_ready,
    wait_reason,
};

/// What the message to a Pod that is refused tells its people to ask for.
fn commands(message: &str) -> Vec<Vec<String>> {
    let commands = message.split_once("kubectl create role ").map(|(_, rest)| format!("create role {rest}"));
    let commands = commands.unwrap_or_else(|| panic!("the message names no command: {message}"));
    let commands = commands.split(". ").next().unwrap().split(" && ").map(str::to_owned).collect::<Vec<_>>();
    commands
        .iter()
        .map(|command| command.trim_start_matches("kubectl ").split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// What Kubernetes itself says: whether the default account of a namespace may use an owner's topic.
fn can_i(right: &str, topic: &str, borrower: &str, owner: &str) -> String {
    let resource = format!("topicclaims.kafka.admittance.dev/{topic}");
    let account = format!("--as=system:serviceaccount:{borrower}:default");
    // A "no" is a failure of the command.
    let done = try_kubectl(&["auth", "can-i", right, &resource, &account, "--namespace", owner]);
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

#[test]
fn a_topic_is_lent_by_the_binding_that_the_refusal_names_and_taken_back_within_a_minute() {
    let topic = unique("lent");
    let (owner, borrower) = (Namespace::opted_in("live-lender"), Namespace::opted_in("live-borrower"));
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    apply(&idle_pod(&borrower.0, "reader", &format!("kafka.admittance.dev/consumes: {topic}")));
    let message = event_of(&borrower.0, "reader", "TopicOwnedElsewhere");
    let rights = || ["consume", "produce"].map(|right| can_i(right, &topic, &borrower.0, &owner.0));
    assert_eq!(rights(), ["no", "no"]);

    // The owner does what the message says, word by word.
    for command in commands(&message) {
        kubectl(&command.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(rights(), ["yes", "no"]);
    let claim = wait_ready("accessclaim", &borrower.0, "reader");
    let grant = &claim["status"]["grants"][0];
    assert_eq!((&grant["name"], &grant["right"]), (&Value::from(topic.as_str()), &Value::from("consume")));
    assert_eq!(grant["via"], format!("RoleBinding {}/consume-{topic}-{}", owner.0, borrower.0));
    wait_ready("pod", &borrower.0, "reader");
    let user = claim["status"]["username"].as_str().unwrap().to_owned();
    assert!(rules_of(&user).contains(&format!("name={topic}")), "{}", rules_of(&user));

    kubectl(&["delete", "rolebinding", &format!("consume-{topic}-{}", borrower.0), "--namespace", &owner.0]);
    let lost = Instant::now();
    wait_for("the right is gone from Kafka", || {
        let rules = rules_of(&user);
        if rules.contains(&format!("name={topic}")) { Err(rules) } else { Ok(()) }
    });
    assert!(lost.elapsed() < Duration::from_secs(60), "it took {:?}", lost.elapsed());
    wait_reason("accessclaim", &borrower.0, "reader", "TopicOwnedElsewhere");
}

#[test]
fn a_consumers_grant_does_not_let_it_produce() {
    let topic = unique("read-only");
    let (owner, borrower) = (Namespace::opted_in("live-lender-b"), Namespace::opted_in("live-borrower-b"));
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    let resource = "--resource=topicclaims.kafka.admittance.dev";
    kubectl(&["create", "role", "read", "--verb=consume", resource, "--namespace", &owner.0]);
    let account = format!("--serviceaccount={}:default", borrower.0);
    kubectl(&["create", "rolebinding", "read", "--role=read", &account, "--namespace", &owner.0]);
    apply(&idle_pod(
        &borrower.0,
        "both",
        &format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}"),
    ));
    wait_reason("accessclaim", &borrower.0, "both", "TopicOwnedElsewhere");
    let claim = get(&["accessclaim", "both", "--namespace", &borrower.0]);
    assert_eq!(claim["status"]["refused"].as_array().unwrap().len(), 1);
    assert_eq!(claim["status"]["refused"][0]["right"], "produce");
    assert!(get(&["secrets", "--namespace", &borrower.0])["items"].as_array().unwrap().is_empty());

    let may_produce = || can_i("produce", &topic, &borrower.0, &owner.0);
    assert_eq!(may_produce(), "no");
    kubectl(&["create", "role", "write", "--verb=produce", resource, "--namespace", &owner.0]);
    kubectl(&["create", "rolebinding", "write", "--role=write", &account, "--namespace", &owner.0]);
    assert_eq!(may_produce(), "yes");
    wait_ready("accessclaim", &borrower.0, "both");
}

#[test]
fn the_next_version_of_a_workload_is_not_ready_before_it_has_what_it_asks_for_more() {
    let (own, lent) = (unique("version"), unique("version-lent"));
    let (owner, space) = (Namespace::opted_in("live-version-owner"), Namespace::opted_in("live-version"));
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {lent}")));
    wait_ready("accessclaim", &owner.0, "owner");
    let version = |name: &str, more: &str| {
        let asks = format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/consumes: {own}{more}");
        apply(&idle_pod(&space.0, name, &asks));
    };
    version("v1", "");
    wait_ready("pod", &space.0, "v1");

    version("v2", &format!(", kafka.admittance.dev/produces: {lent}"));
    wait_reason("accessclaim", &space.0, "app", "TopicOwnedElsewhere");
    // The Secret of the first version starts it; its probe says what is missing.
    wait_for("the probe of v2 names the topic", || {
        let events = get(&["events", "--namespace", &space.0, "--field-selector=involvedObject.name=v2"]);
        let said = |event: &Value| event["message"].as_str().is_some_and(|said| said.contains(&format!("`{lent}`")));
        let unhealthy = |event: &Value| event["reason"] == "Unhealthy" && said(event);
        if events["items"].as_array().unwrap().iter().any(unhealthy) { Ok(()) } else { Err(events.to_string()) }
    });
    let is_ready = |name: &str| ready(&get(&["pod", name, "--namespace", &space.0])).is_ok();
    assert!(is_ready("v1") && !is_ready("v2"), "the version that works stays, and the other does not take its place");

    let resource = "--resource=topicclaims.kafka.admittance.dev";
    kubectl(&["create", "role", "write", "--verb=produce", resource, "--namespace", &owner.0]);
    let account = format!("--serviceaccount={}:default", space.0);
    kubectl(&["create", "rolebinding", "write", "--role=write", &account, "--namespace", &owner.0]);
    wait_ready("pod", &space.0, "v2");
}
