//! Topics lent to other namespaces by plain RBAC.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{
    Namespace, apply, event_about, event_of, get, idle_pod, kubectl, ready, rules_of, try_kubectl, unique, wait_for,
    wait_ready, wait_reason,
};
use crate::life::deployment;

/// The commands that the message to a Pod that is refused has for the owner's people, as they would paste them.
fn commands(message: &str) -> &str {
    let (_, rest) = message.split_once("who administers it can grant it: ").unwrap_or_else(|| panic!("{message}"));
    rest.split(". ").next().unwrap()
}

/// Somebody who may do in a namespace what Kubernetes' own role `admin` allows there, and nothing else anywhere.
fn administrator(namespace: &str) -> String {
    let name = format!("{namespace}-administrator");
    let user = format!("--user={name}");
    kubectl(&["create", "rolebinding", &name, "--clusterrole=admin", &user, "--namespace", namespace]);
    name
}

/// Does what the message says, word by word, as somebody.
fn grant(user: &str, message: &str) {
    let commands = commands(message).replace("kubectl ", &format!("kubectl --as={user} "));
    assert_eq!(commands.matches("kubectl ").count(), 4, "{commands}");
    let done = Command::new("sh").args(["-c", &commands]).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{commands}: {}", String::from_utf8_lossy(&done.stderr));
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

    grant(&administrator(&owner.0), &message);
    assert_eq!(rights(), ["yes", "no"]);
    let claim = wait_ready("accessclaim", &borrower.0, "reader");
    let grant = &claim["status"]["grants"][0];
    assert_eq!((&grant["name"], &grant["right"]), (&Value::from(topic.as_str()), &Value::from("consume")));
    assert_eq!(grant["via"], format!("RoleBinding {}/consume-{topic}:{}:default", owner.0, borrower.0));
    wait_ready("pod", &borrower.0, "reader");
    let user = claim["status"]["username"].as_str().unwrap().to_owned();
    assert!(rules_of(&user).contains(&format!("name={topic}")), "{}", rules_of(&user));

    kubectl(&["delete", "rolebinding", &format!("consume-{topic}:{}:default", borrower.0), "--namespace", &owner.0]);
    let lost = Instant::now();
    wait_for("the right is gone from Kafka", || {
        let rules = rules_of(&user);
        if rules.contains(&format!("name={topic}")) { Err(rules) } else { Ok(()) }
    });
    assert!(lost.elapsed() < Duration::from_secs(60), "it took {:?}", lost.elapsed());
    wait_reason("accessclaim", &borrower.0, "reader", "TopicOwnedElsewhere");
}

#[test]
fn what_the_refusal_says_lends_to_one_after_the_other() {
    let topic = unique("lent-often");
    let (owner, first) = (Namespace::opted_in("live-lender-c"), Namespace::opted_in("live-borrower-c"));
    let second = Namespace::opted_in("live-borrower-d");
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    let administrator = administrator(&owner.0);
    kubectl(&["create", "serviceaccount", "other", "--namespace", &first.0]);
    let borrowers = [(&first.0, "one", "default"), (&first.0, "two", "other"), (&second.0, "three", "default")];
    let mut messages = Vec::new();
    for (namespace, name, account) in borrowers {
        let pod = idle_pod(namespace, name, &format!("kafka.admittance.dev/consumes: {topic}"));
        let pod = pod.replace("spec:\n", &format!("spec:\n  serviceAccountName: {account}\n"));
        apply(&pod);
        let message = event_of(namespace, name, "TopicOwnedElsewhere");
        assert!(message.contains(&format!("--serviceaccount={namespace}:{account} ")), "{message}");
        grant(&administrator, &message);
        let claim = wait_ready("accessclaim", namespace, name);
        let via = format!("RoleBinding {}/consume-{topic}:{namespace}:{account}", owner.0);
        assert_eq!(claim["status"]["grants"][0]["via"], via);
        messages.push(message);
    }
    // Whoever does it once more does no harm.
    grant(&administrator, &messages[0]);
    for (namespace, name, _) in borrowers {
        wait_ready("accessclaim", namespace, name);
    }
    let bindings = get(&["rolebindings", "--namespace", &owner.0]);
    let lent = bindings["items"].as_array().unwrap().iter().filter(|binding| binding["roleRef"]["kind"] == "Role");
    assert_eq!(lent.count(), 3, "{bindings}");
}

#[test]
fn what_made_the_pods_is_told_once_what_all_of_them_are_told() {
    let topic = unique("told");
    let (owner, other) = (Namespace::opted_in("live-told-owner"), Namespace::opted_in("live-told"));
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    let three = deployment(&other.0, "app", &format!("kafka.admittance.dev/consumes: {topic}"));
    apply(&three.replace("\"replicas\":1", "\"replicas\":3"));
    let pods = wait_for("there are three Pods", || {
        let pods = get(&["pods", "--namespace", &other.0])["items"].as_array().unwrap().clone();
        if pods.len() == 3 { Ok(pods) } else { Err(format!("{} Pods", pods.len())) }
    });
    for pod in &pods {
        event_of(&other.0, pod["metadata"]["name"].as_str().unwrap(), "TopicOwnedElsewhere");
    }
    let made_by = &pods[0]["metadata"]["ownerReferences"][0];
    let set = made_by["name"].as_str().unwrap();
    event_about("ReplicaSet", &other.0, set, "TopicOwnedElsewhere", &topic);
    // It is found by the uid, as people's own tool looks for it.
    let described = kubectl(&["describe", "replicaset", set, "--namespace", &other.0]);
    assert!(described.contains("TopicOwnedElsewhere"), "{described}");
    let about = format!(
        "--field-selector=involvedObject.kind=ReplicaSet,involvedObject.uid={}",
        made_by["uid"].as_str().unwrap()
    );
    let events = get(&["events", "--namespace", &other.0, &about]);
    let told = events["items"].as_array().unwrap().iter().filter(|event| event["reason"] == "TopicOwnedElsewhere");
    assert_eq!(told.count(), 1, "{events}");
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
