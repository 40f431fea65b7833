//! `admittance plan` of manifests against what a cluster holds.

use serde_json::{Value, json};

use crate::api::{Api, Objects, access_claim, list, sound, topic_claim};
use crate::program::{Ended, run_with};

const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1";
/// A topic's id, as Kafka writes it.
const ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

fn world(topics: &[Value], accesses: &[Value]) -> Objects {
    let mut objects = sound();
    objects.insert(format!("{OURS}/topicclaims"), list(topics));
    objects.insert(format!("{OURS}/accessclaims"), list(accesses));
    objects
}

/// A claim whose topic is there, as the operator tells it.
fn there(namespace: &str, name: &str, spec: &Value, partitions: i32) -> Value {
    let mut claim = topic_claim(namespace, name, spec);
    claim["metadata"]["uid"] = json!(format!("{namespace}/{name}"));
    claim["status"] = json!({
        "conditions": crate::api::ready("Ready", "the topic exists"), "topicId": ID, "partitions": partitions, "replicas": 1,
    });
    claim
}

fn plan(objects: Objects, manifests: &str, arguments: &[&str]) -> Ended {
    let api = Api::serve(objects);
    let ended = run_with(&[&["plan"], arguments].concat(), manifests, &[("KUBECONFIG", &api.kubeconfig())]);
    assert_eq!(api.writes.lock().unwrap().as_slice(), [""; 0], "a plan writes nothing");
    ended
}

fn claim(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: kafka.admittance.dev/v1alpha1\nkind: TopicClaim\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{topicName: {name}, cluster: admittance/default{more}}}\n---\n"
    )
}

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata:
      annotations: {kafka.admittance.dev/consumes: orders, kafka.admittance.dev/produces: audit}
    spec: {containers: [{name: app}]}
";

#[test]
fn what_is_as_it_should_be_needs_nothing() {
    let objects = world(&[there("shop", "orders", &json!({"partitions": 3}), 3)], &[]);
    let ended = plan(objects, &claim("shop", "orders", ", partitions: 3"), &[]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "nothing to do: 1 unchanged\n"), "{}", ended.err);
    assert!(ended.err.contains("Kafka admittance/default was not asked"), "{}", ended.err);
}

#[test]
fn what_comes_to_be_is_told_with_its_topics_and_rights() {
    let ended =
        plan(world(&[], &[]), &(claim("shop", "orders", ", partitions: 12, replicas: 3") + WEB), &["--without-kafka"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    for line in [
        "TopicClaim shop/orders  standard input:1 on admittance/default\n  + TopicClaim orders\n  + create topic orders: 12 partitions, 3 replicas\n",
        "AccessClaim shop/web of Deployment web  standard input:6 on admittance/default\n  + AccessClaim web\n  + TopicClaim audit\n  + create topic audit: 1 partition,",
        "+ Kafka user ",
        "  + right: Read on topic orders\n",
        "  + right: Read on group shop.…\n",
        "  + right: Write on topic audit\n",
    ] {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    assert!(ended.out.ends_with(" to add, 0 unchanged\n") && !ended.out.contains('\u{1b}'), "{}", ended.out);
}

#[test]
fn changes_and_refusals_have_codes_of_their_own() {
    let objects = || world(&[there("shop", "orders", &json!({"partitions": 3}), 3)], &[]);
    let ended = plan(objects(), &claim("shop", "orders", ", partitions: 3, deletion: Delete"), &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("  ~ deletion: Keep → Delete\n"), "{}", ended.out);
    let ended = plan(objects(), &claim("shop", "orders", ", partitions: 3, replicas: 3"), &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("  ~ replicas of topic orders: 1 → 3, moved in their own time\n"), "{}", ended.out);
    for (more, told) in [
        (", partitions: 2", "! partitions can only grow: 3 → 2"),
        ("", "! partitions can only grow: 3 → absent"),
        (", partitions: 0", "! partitions: 0 is less than 1"),
    ] {
        let ended = plan(objects(), &claim("shop", "orders", more), &[]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.out.contains(told), "{}", ended.out);
    }
    // Another namespace has the topic.
    let ended = plan(objects(), &claim("web", "orders", ""), &["--output", "json"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, report["outcome"].as_str()), (1, Some("refused")), "{ended:?}");
    let refused =
        report["items"][0]["changes"].as_array().unwrap().iter().find(|line| line["mark"] == "refused").unwrap();
    assert_eq!(refused["reason"], "TopicOwnedElsewhere");
    assert!(refused["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{refused}");
    assert_eq!(report["kafka"], json!([{"cluster": "admittance/default", "by": "status"}]));
}

#[test]
fn rights_that_go_and_rights_that_others_give_are_told() {
    let mut live = access_claim("web", "Ready", "proven");
    live["spec"]["consumes"] = json!(["orders", "returns"]);
    live["status"]["username"] = json!("k.shop.web");
    live["status"]["secretName"] = json!("web-kafka-credentials");
    let topics = [
        there("shop", "audit", &json!({}), 1),
        there("shop", "returns", &json!({}), 1),
        there("payments", "orders", &json!({}), 1),
    ];
    let ended = plan(world(&topics, &[live.clone()]), WEB, &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("- right: Read on topic returns, once no living Pod asks for it"), "{}", ended.out);
    assert!(ended.out.contains("+ right: Write on topic audit\n"), "{}", ended.out);
    let asked = "? consume orders: ";
    let command = "kubectl auth can-i consume topicclaims.kafka.admittance.dev/orders -n payments --as=system:serviceaccount:shop:default";
    assert!(ended.out.contains(asked) && ended.out.contains(command), "{}", ended.out);
    // What the operator has been told before is believed.
    live["status"]["grants"] =
        json!([{"right": "consume", "name": "orders", "namespace": "payments", "via": "RoleBinding x"}]);
    let ended = plan(world(&topics, &[live]), WEB, &[]);
    assert!(!ended.out.contains('?'), "{}", ended.out);
}

#[test]
fn a_pod_that_the_webhook_refuses_is_refused() {
    let wrong = WEB.replace("consumes: orders", "consumes: '*'");
    let ended = plan(world(&[], &[]), &wrong, &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("! InvalidTopicName: "), "{}", ended.out);
}

#[test]
fn readers_of_one_namespace_are_told_what_they_do_not_see() {
    let mut objects = world(&[], &[]);
    let own = there("shop", "orders", &json!({"partitions": 3}), 3);
    for kind in ["topicclaims", "accessclaims"] {
        objects.insert(format!("{OURS}/{kind}"), json!(403));
        objects.insert(format!("{OURS}/namespaces/shop/{kind}"), list(&[]));
    }
    objects.insert(format!("{OURS}/namespaces/shop/topicclaims"), list(&[own]));
    objects.insert(format!("{OURS}/namespaces/admittance/brokerclusters/default"), json!(403));
    objects.insert("/api/v1/namespaces".into(), json!(403));
    let ended = plan(objects, &claim("shop", "orders", ", partitions: 3"), &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for told in ["TopicClaims of other namespaces may not be listed", "its policies are taken to be the defaults"] {
        assert!(ended.err.contains(told), "{}", ended.err);
    }
}

#[test]
fn a_cluster_that_is_not_there_refuses_and_no_input_is_no_plan() {
    let mut objects = world(&[], &[]);
    objects.remove(&format!("{OURS}/namespaces/admittance/brokerclusters/default"));
    let ended = plan(objects, &claim("shop", "orders", ""), &[]);
    assert!(ended.code == 1 && ended.out.contains("! ClusterNotFound: "), "{ended:?}");
    let ended = plan(world(&[], &[]), "kind: Service\n", &[]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("none that concerns Kafka") && ended.err.contains("try: "), "{}", ended.err);
    let ended = run_with(&["plan", "--without-kafka", "--config", "x"], "", &[]);
    assert_eq!(ended.code, 2);
}

#[test]
fn a_kafka_that_does_not_answer_is_told_and_the_status_believed() {
    let objects = world(&[there("shop", "orders", &json!({"partitions": 3}), 3)], &[]);
    // Port 1 of this machine: nobody listens there.
    let ended = plan(objects, &claim("shop", "orders", ", partitions: 3"), &["--bootstrap-servers", "127.0.0.1:1"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("was not asked: "), "{}", ended.err);
}
