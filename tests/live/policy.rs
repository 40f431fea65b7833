//! What is judged when it is written, what is counted, and an operator that is kept to some namespaces.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, Spec, apply, event_about, get, idle_pod, kubectl, slots_of, try_get, try_kubectl, unique, user_of,
    wait_for, wait_ready, wait_reason, with_input,
};
use crate::operator::{Operator, without_operator};
use crate::tools::kafka_tool;

fn topic_claim(namespace: &str, topic: &str, more: &str) -> String {
    format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: {topic}, namespace: {namespace}}}, \
         spec: {{topicName: {topic}, cluster: {HOME}/default{more}}}}}"
    )
}

/// What somebody who applies a manifest is told.
fn told(manifest: &str) -> (bool, String) {
    let done = with_input(&["apply", "--filename=-"], manifest);
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn a_claim_above_the_limits_is_refused_when_it_is_written() {
    let space = Namespace::opted_in("live-limits");
    let topic = unique("limited");
    let _limits = Spec::set(&json!({"topics": {"limits": {"maxPartitions": 3, "maxRetention": "7d"}}}));
    // The webhook hears of limits a moment after they are set.
    let refusal = wait_for("a claim of 64 partitions is refused", || {
        let manifest = topic_claim(&space.0, &topic, ", partitions: 64");
        let done = with_input(&["apply", "--dry-run=server", "--filename=-"], &manifest);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() { Err("it was accepted".to_owned()) } else { Ok(said) }
    });
    for part in [
        "claims.kafka.admittance.dev",
        "TopicLimitExceeded: spec.partitions: \"64\"",
        "the 3 partitions",
        "admittance/default",
    ] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let (accepted, said) = told(&topic_claim(&space.0, &topic, ", retention: {time: 30d}"));
    assert!(!accepted && said.contains("spec.retention.time: \"30d\" is longer than the 7d"), "{said}");
    let (accepted, said) = told(&topic_claim(&space.0, &topic, ", partitions: 3, config: {retention.mss: \"1\"}"));
    assert!(accepted && said.contains("UnknownTopicConfig"), "a warning: {said}");
    let manual = format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: AccessClaim, metadata: {{name: batch, namespace: {}}}, \
         spec: {{source: Manual, workload: batch, serviceAccount: default, consumes: [__consumer_offsets]}}}}",
        space.0
    );
    let (accepted, said) = told(&manual);
    assert!(!accepted && said.contains("InternalTopic: spec.consumes"), "{said}");
}

/// Waits until Kafka has kept or taken a topic's retention.
fn has_retention(topic: &str, millis: &str) {
    wait_for(&format!("{topic} keeps records for {millis} ms"), || {
        let of = ["--describe", "--entity-type", "topics", "--entity-name", topic];
        let said = kafka_tool("kafka-configs.sh", &of);
        if said.contains(&format!("retention.ms={millis} ")) { Ok(()) } else { Err(said) }
    });
}

#[test]
fn a_policy_that_comes_later_holds_claims_as_they_were_and_makes_nothing_new() {
    let space = Namespace::opted_in("live-limits-later");
    let (large, strange) = (unique("live-limits-later.large"), unique("strange"));
    apply(&topic_claim(&space.0, &large, ", partitions: 3, config: {retention.ms: '100000'}"));
    apply(&topic_claim(&space.0, &strange, ""));
    wait_ready("topicclaim", &space.0, &large);
    wait_ready("topicclaim", &space.0, &strange);

    let limits = json!({"maxPartitions": 2, "names": ["{namespace}.*"]});
    let policy = Spec::set(&json!({"topics": {"limits": limits, "undeclared": "Refuse"}}));
    for (claim, reason, says) in [
        (&large, "TopicLimitExceeded", "spec.partitions"),
        (&strange, "TopicNameNotAllowed", "those are: live-limits-later.*"),
    ] {
        wait_reason("topicclaim", &space.0, claim, reason);
        event_about("TopicClaim", &space.0, claim, reason, says);
    }
    // The operator goes by the new policy from here on.
    let asked = unique("live-limits-later.undeclared");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {asked}")));
    // An edit that makes nothing worse is not refused when it is written, and waits.
    let edit = json!({"spec": {"config": {"retention.ms": "200000"}}}).to_string();
    kubectl(&["patch", "topicclaim", &large, "--namespace", &space.0, "--type=merge", "--patch", &edit]);
    wait_for("the edit was looked at", || {
        let claim = try_get(&["topicclaim", &large, "--namespace", &space.0])?;
        let conditions = claim["status"]["conditions"].as_array().unwrap();
        let said = conditions.iter().find(|said| said["type"] == "Ready").unwrap();
        let seen = said["observedGeneration"] == claim["metadata"]["generation"];
        if seen && said["reason"] == "TopicLimitExceeded" { Ok(()) } else { Err(claim["status"].to_string()) }
    });
    has_retention(&large, "100000");
    wait_reason("accessclaim", &space.0, "app", "TopicNotDeclared");
    let topics = kafka_tool("kafka-topics.sh", &["--list"]);
    assert!(topics.contains(&large) && topics.contains(&strange) && !topics.contains(&asked), "{topics}");

    drop(policy);
    has_retention(&large, "200000");
    wait_ready("topicclaim", &space.0, &large);
    wait_ready("topicclaim", &space.0, &strange);
}

/// The metrics of all Pods of a program.
pub(crate) fn metrics(component: &str) -> String {
    let selector = format!("app.kubernetes.io/component={component}");
    let pods = get(&["pods", "--namespace", HOME, "--selector", &selector]);
    let names =
        pods["items"].as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
    let page = |name: String| format!("/api/v1/namespaces/{HOME}/pods/{name}:8080/proxy/metrics");
    names.map(|name| kubectl(&["get", "--raw", &page(name)])).collect()
}

#[test]
fn what_is_refused_and_what_waits_is_counted_by_reason() {
    let (owner, other) = (Namespace::opted_in("live-counted"), Namespace::opted_in("live-counted-b"));
    let topic = unique("counted");
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    apply(&idle_pod(&other.0, "reader", &format!("kafka.admittance.dev/consumes: {topic}")));
    let (refused, _) = told(&idle_pod(&owner.0, "bad", "kafka.admittance.dev/consumes: a/b"));
    assert!(!refused);
    wait_for("the operator counts a refused access", || {
        let page = metrics("operator");
        let lines: Vec<&str> =
            page.lines().filter(|line| line.starts_with("admittance_conditions{kind=\"AccessClaim\"")).collect();
        let counted = lines.iter().any(|line| line.contains("status=\"False\",reason=\"TopicOwnedElsewhere\"} "));
        let ready = lines.iter().any(|line| line.contains("status=\"True\",reason=\"Ready\"} "));
        assert!(!page.contains(&topic) && !page.contains(&owner.0), "no name of anybody's is in it: {page}");
        if counted && ready { Ok(()) } else { Err(lines.join("\n")) }
    });
    let page = metrics("webhook");
    for label in ["outcome=\"injected\",reason=\"\"", "outcome=\"denied\",reason=\"InvalidTopicName\""] {
        assert!(page.contains(&format!("admittance_reviews_total{{webhook=\"pods\",{label}}} ")), "{label}: {page}");
    }
}

#[test]
fn the_audit_log_says_what_was_decided_and_why() {
    let space = Namespace::opted_in("live-audited");
    apply(&idle_pod(&space.0, "told", "kafka.admittance.dev/produces: audited"));
    assert!(!told(&idle_pod(&space.0, "bad", "kafka.admittance.dev/consumes: a/b")).0);
    let log = std::env::var("BED_AUDIT_LOG").expect("the testbed says where the audit log is");
    let key = |name: &str| format!("pods.kafka.admittance.dev/{name}");
    wait_for("both are in the audit log", || {
        let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours: Vec<Value> = events
            .filter(|event| event["objectRef"]["namespace"] == space.0.as_str())
            .map(|event| event["annotations"].clone())
            .filter(|annotations| annotations[key("outcome")].is_string())
            .collect();
        let injected = ours.iter().any(|one| one[key("outcome")] == "injected" && one[key("access")] == "told");
        let denied = ours.iter().any(|one| one[key("outcome")] == "denied" && one[key("reason")] == "InvalidTopicName");
        if injected && denied { Ok(()) } else { Err(format!("{ours:?}")) }
    });
}

/// The rights of an operator that is kept to some namespaces, as the chart gives them; those of the installation again with the guard.
struct Narrowed {
    before: Value,
    namespaces: Vec<String>,
}

const RIGHTS: &str = "admittance-operator";

impl Narrowed {
    fn to(namespaces: &[&str]) -> Self {
        let before = get(&["clusterrole", RIGHTS])["rules"].clone();
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/admittance");
        let mut helm = Command::new("helm");
        helm.args(["template", "admittance", chart, "--namespace", HOME, "--show-only=templates/operator-access.yaml"]);
        let done = helm.arg(format!("--set=operator.namespaces={{{}}}", namespaces.join(","))).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let narrowed =
            Self { before, namespaces: namespaces.iter().chain(&[HOME]).map(|name| (*name).to_owned()).collect() };
        let done = with_input(
            &["apply", "--server-side", "--force-conflicts", "--filename=-"],
            &String::from_utf8(done.stdout).unwrap(),
        );
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        narrowed
    }
}

impl Drop for Narrowed {
    fn drop(&mut self) {
        let patch = json!({"rules": self.before}).to_string();
        let _ = try_kubectl(&["patch", "clusterrole", RIGHTS, "--type=merge", "--patch", &patch]);
        for namespace in &self.namespaces {
            let name = format!("{RIGHTS}-work");
            let _ = try_kubectl(&["delete", "role,rolebinding", &name, "--namespace", namespace]);
        }
    }
}

#[test]
fn an_operator_of_some_namespaces_works_there_and_touches_nobody_elsewhere() {
    let (near, far) = (Namespace::opted_in("live-near"), Namespace::opted_in("live-far"));
    let start = |space: &Namespace, pod: &str| {
        let topic = unique(&format!("{}.{pod}", space.0));
        apply(&idle_pod(&space.0, pod, &format!("kafka.admittance.dev/produces: {topic}")));
    };
    for (space, pod) in [(&near, "ghost"), (&far, "settled"), (&far, "ghost")] {
        start(space, pod);
    }
    let ghosts = [user_of(&near.0, "ghost"), user_of(&far.0, "ghost")];
    let settled = user_of(&far.0, "settled");
    without_operator(|| {
        for space in [&near, &far] {
            kubectl(&["delete", "pod", "ghost", "--namespace", &space.0]);
            kubectl(&["delete", "accessclaim", "ghost", "--namespace", &space.0]);
        }
        let _narrowed = Narrowed::to(&[&near.0]);
        let _absent = Spec::unseen(&json!({"credentials": {"absentAfter": "1s"}}));
        let _operator = Operator::within(&[&near.0], "narrowed");
        for (space, pod) in [(&near, "new"), (&far, "new")] {
            start(space, pod);
        }
        wait_ready("accessclaim", &near.0, "new");
        wait_ready("pod", &near.0, "new");
        wait_for("the user that nobody stands for is removed where the operator looks", || {
            let slots = slots_of(&ghosts[0]);
            if slots.contains("iterations=") { Err(slots) } else { Ok(()) }
        });
        for user in [&ghosts[1], &settled] {
            assert!(slots_of(user).contains("iterations="), "{user} is of a namespace that nobody looks after");
        }
        let far_claims = get(&["accessclaims", "--namespace", &far.0]);
        let names: Vec<_> =
            far_claims["items"].as_array().unwrap().iter().map(|one| &one["metadata"]["name"]).collect();
        assert_eq!(names, ["settled"], "what is elsewhere waits for its own operator");
        let secret = ["auth", "can-i", "get", "secrets", "--namespace", &far.0];
        let account = format!("--as=system:serviceaccount:{HOME}:{RIGHTS}");
        let done = try_kubectl(&[&secret[..], &[&account]].concat());
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "no", "its account cannot");
    });
    // The installation's own operator looks after both.
    wait_ready("accessclaim", &far.0, "new");
}
