//! What somebody would try who wants to keep what was lent to them: to make the operator unable to look at it.

use serde_json::json;

use crate::bed::{
    HOME, Namespace, apply, get, idle_pod, kubectl, rules_of, try_kubectl, unique, user_of, wait_for, wait_ready,
};

/// A namespace that lends a topic to another by a RoleBinding `lend`.
fn lend(lender: &Namespace, borrower: &Namespace) -> String {
    let topic = unique("lent");
    apply(&format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: it, namespace: {}}}, spec: {{topicName: {topic}}}}}",
        lender.0
    ));
    wait_ready("topicclaim", &lender.0, "it");
    let (verb, resource) = ("--verb=consume", "--resource=topicclaims.kafka.admittance.dev");
    kubectl(&["create", "role", "lend", verb, resource, "--resource-name=it", "--namespace", &lender.0]);
    let account = format!("--serviceaccount={}:default", borrower.0);
    kubectl(&["create", "rolebinding", "lend", "--role=lend", &account, "--namespace", &lender.0]);
    topic
}

fn take_back(lender: &Namespace, topic: &str, user: &str) {
    kubectl(&["delete", "rolebinding", "lend", "--namespace", &lender.0]);
    wait_for("what was lent is taken back", || {
        let rules = rules_of(user);
        if rules.contains(topic) { Err(rules) } else { Ok(()) }
    });
}

/// Gives a living Pod an owner that leads it.
fn own(namespace: &str, pod: &str, owner: &serde_json::Value) {
    let patch = json!({"metadata": {"ownerReferences": [owner]}}).to_string();
    kubectl(&["patch", "pod", pod, "--type=merge", "--patch", &patch, "--namespace", namespace]);
}

#[test]
fn an_owner_of_a_name_that_nothing_can_have_keeps_nothing() {
    let (lender, borrower) = (Namespace::opted_in("live-b-lender"), Namespace::opted_in("live-b-owner"));
    let topic = lend(&lender, &borrower);
    let asks = format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/workload: web");
    apply(&idle_pod(&borrower.0, "first", &asks));
    let user = user_of(&borrower.0, "web");
    assert!(rules_of(&user).contains(&topic), "{}", rules_of(&user));
    // Kubernetes itself collects the Pod, for there is no such owner.
    let uid = get(&["pod", "first", "--namespace", &borrower.0])["metadata"]["uid"].clone();
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a b", "uid": uid, "controller": true});
    own(&borrower.0, "first", &owner);
    kubectl(&["delete", "pod", "first", "--ignore-not-found", "--namespace", &borrower.0]);
    let owners = get(&["accessclaim", "web", "--namespace", &borrower.0])["status"]["owners"].clone();
    assert!(!owners.to_string().contains("a b"), "{owners}");
    take_back(&lender, &topic, &user);
}

#[test]
fn a_pod_that_is_made_unreadable_keeps_nothing_without_its_claim() {
    let (lender, borrower) = (Namespace::opted_in("live-b-lends"), Namespace::opted_in("live-b-pod"));
    let topic = lend(&lender, &borrower);
    apply(&idle_pod(&borrower.0, "web", &format!("kafka.admittance.dev/consumes: {topic}")));
    let user = user_of(&borrower.0, "web");
    assert!(rules_of(&user).contains(&topic), "{}", rules_of(&user));
    kubectl(&["create", "role", "a:b", "--verb=get", "--resource=pods", "--namespace", &borrower.0]);
    let uid = get(&["role", "a:b", "--namespace", &borrower.0])["metadata"]["uid"].clone();
    let version = "rbac.authorization.k8s.io/v1";
    let owner = json!({"apiVersion": version, "kind": "Role", "name": "a:b", "uid": uid, "controller": true});
    own(&borrower.0, "web", &owner);
    kubectl(&["delete", "accessclaim", "web", "--namespace", &borrower.0]);
    // What covers nobody is on record, and ends with its time; on a cluster that lost many the brake would hold it here.
    wait_for("nobody is seen to stand for the user", || {
        let cluster = get(&["brokercluster", "default", "--namespace", HOME]);
        let absent = cluster["status"]["absent"].as_array().cloned().unwrap_or_default();
        if absent.iter().any(|absent| absent["user"] == user) { Ok(()) } else { Err(format!("{absent:?}")) }
    });
    let living = get(&["pod", "web", "--namespace", &borrower.0]);
    assert_eq!(living["metadata"]["deletionTimestamp"], serde_json::Value::Null, "the Pod lives, and covers nobody");
    let claim = try_kubectl(&["get", "accessclaim", "web", "--namespace", &borrower.0]);
    assert!(!claim.status.success(), "its request cannot be read");
}
