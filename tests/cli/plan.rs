//! `admittance plan` of manifests against what a cluster holds.

use serde_json::{Value, json};

use crate::api::{Api, Objects, access_claim, broker_cluster, list, sound, topic_claim};
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
fn a_gate_that_the_installation_may_not_offer_is_told_and_refuses_nothing() {
    let gated = WEB.replace("consumes: orders,", "consumes: orders, kafka.admittance.dev/wait: gate,");
    let ended = plan(world(&[], &[]), &gated, &["--without-kafka"]);
    assert!(ended.code == 3 && ended.err.contains("gates.enabled"), "{ended:?}");
    let known = plan(world(&[], &[]), &gated, &["--without-kafka", "--gates"]);
    assert!(known.code == 3 && !known.err.contains("gates.enabled"), "{known:?}");
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

/// A world whose namespace `shop` has a default cluster of its own, beside the installation's.
fn with_own_default(topics: &[Value], accesses: &[Value]) -> Objects {
    let mut objects = world(topics, accesses);
    let mut eu = broker_cluster("Ready", "3 brokers");
    eu["metadata"]["name"] = json!("eu");
    objects.insert(format!("{OURS}/namespaces/admittance/brokerclusters/eu"), eu);
    let mut shop = objects["/api/v1/namespaces/shop"].clone();
    shop["metadata"]["annotations"] = json!({"kafka.admittance.dev/cluster": "eu"});
    objects.insert("/api/v1/namespaces".into(), list(std::slice::from_ref(&shop)));
    objects.insert("/api/v1/namespaces/shop".into(), shop);
    objects
}

const MANUAL: &str = "\
apiVersion: kafka.admittance.dev/v1alpha1
kind: AccessClaim
metadata: {name: batch, namespace: shop}
spec: {source: Manual, workload: batch, serviceAccount: batch, consumes: [orders]}
---
";

#[test]
fn what_names_no_cluster_stays_where_it_is_on_record() {
    let mut orders = there("shop", "orders", &json!({"partitions": 3}), 3);
    orders["spec"].as_object_mut().unwrap().remove("cluster");
    orders["status"]["cluster"] = json!("admittance/eu");
    let mut batch = access_claim("batch", "Ready", "proven");
    batch["spec"] =
        json!({"source": "Manual", "workload": "batch", "serviceAccount": "batch", "consumes": ["orders", "returns"]});
    batch["status"]["cluster"] = json!("admittance/eu");
    batch["status"]["username"] = json!("k.shop.batch");
    batch["status"]["secretName"] = json!("batch-kafka-credentials");
    // The namespace's default has changed since, and moves nothing.
    let objects = || {
        let mut objects = with_own_default(&[orders.clone()], &[batch.clone()]);
        objects.insert("/api/v1/namespaces".into(), sound()["/api/v1/namespaces"].clone());
        objects
    };
    let unnamed = claim("shop", "orders", ", partitions: 3").replace(", cluster: admittance/default", "");
    let ended = plan(objects(), &unnamed, &[]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "nothing to do: 1 unchanged\n"), "{}", ended.err);
    assert!(ended.err.contains("Kafka admittance/eu was not asked"), "{}", ended.err);
    let ended = plan(objects(), MANUAL, &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    for told in ["on admittance/eu\n", "- right: Read on topic returns\n"] {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
}

#[test]
fn what_is_new_and_names_no_cluster_goes_to_the_default_of_its_namespace() {
    let unnamed = claim("shop", "orders", ", partitions: 3").replace(", cluster: admittance/default", "");
    let manifests = unnamed + MANUAL + WEB;
    let told = [
        "TopicClaim shop/orders  standard input:1 on admittance/eu\n  + TopicClaim orders\n  + create topic orders: 3 partitions",
        "AccessClaim shop/batch  standard input:6 on admittance/eu\n  + AccessClaim batch\n",
        "and Secret batch-kafka-credentials\n",
        "AccessClaim shop/web of Deployment web  standard input:11 on admittance/eu\n  + AccessClaim web\n",
        "and Secret web-kafka-credentials\n",
        "  + right: Write on topic audit\n",
    ];
    let mut hidden = with_own_default(&[], &[]);
    hidden.insert("/api/v1/namespaces".into(), json!(403));
    for objects in [with_own_default(&[], &[]), hidden] {
        let ended = plan(objects, &manifests, &[]);
        assert_eq!(ended.code, 3, "{ended:?}");
        for line in told {
            assert!(ended.out.contains(line), "{line}: {}", ended.out);
        }
        assert!(!ended.out.contains("admittance/default"), "{}", ended.out);
    }
    // A Pod that names the installation's default bears the same name as one that names none.
    let named = WEB.replace("consumes: orders", "consumes: orders, kafka.admittance.dev/cluster: default");
    let ended = plan(with_own_default(&[], &[]), &format!("{WEB}---\n{named}"), &[]);
    let taken = "! AccessTaken: access \"web\" belongs to workload \"web\" on admittance/eu, not to \"web\" on admittance/default\n";
    assert!(ended.code == 1 && ended.out.contains(taken), "{ended:?}");
}

#[test]
fn a_claims_cluster_has_no_short_form() {
    for manifest in [
        claim("shop", "orders", "").replace("admittance/default", "default"),
        MANUAL.replace("source: Manual", "cluster: default, source: Manual"),
    ] {
        let ended = plan(world(&[], &[]), &manifest, &[]);
        let told = "! InvalidValue: spec.cluster: \"default\" must be namespace/name, such as \"admittance/default\"\n";
        assert!(ended.code == 1 && ended.out.contains(told), "{ended:?}");
    }
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/2017");

#[test]
fn a_deployment_of_2017_asks_for_itself() {
    let deployment = std::fs::read_to_string(format!("{EXAMPLES}/deployment.yaml")).unwrap();
    let deployment = deployment
        .replace("    spec:\n      containers", "    spec:\n      serviceAccountName: relay\n      containers");
    let theirs = there("payments", "my-kafka-topic", &json!({}), 1);
    let ended = plan(world(&[theirs], &[]), &deployment, &["-n", "shop"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    for told in [
        "AccessClaim shop/relay of Deployment relay  ",
        "  + AccessClaim relay\n",
        "  ? consume my-kafka-topic: ",
        "--as=system:serviceaccount:shop:relay",
    ] {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
    assert!(ended.err.contains("contract2017.deployments"), "{}", ended.err);
    let ended = plan(world(&[], &[]), &deployment, &["-n", "shop"]);
    let given = [
        "and Secret relay-kafka-credentials\n",
        "  + Secret relay-kafka, which holds the same as relay-kafka-credentials\n",
        "  + right: Write on topic Underscore_Kafka_Topic\n",
    ];
    assert!(given.iter().all(|told| ended.out.contains(told)), "{}", ended.out);
    let wrong = deployment.replace("consumes-topics: my-kafka-topic", "consumes-topics: '*'");
    let ended = plan(world(&[], &[]), &wrong, &["-n", "shop"]);
    let told = "! InvalidTopicName: topic.kafka.nb/consumes-topics: \"*\" ";
    assert!(ended.code == 1 && ended.out.contains(told), "{ended:?}");
}

#[test]
fn config_maps_are_topics_where_their_namespace_says_so() {
    let topics = std::fs::read_to_string(format!("{EXAMPLES}/topics.yaml")).unwrap();
    let ended = plan(world(&[], &[]), &topics, &["-n", "shop"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.out.contains("ConfigMap shop/my-kafka-topic") && ended.out.contains("= it makes no topic: "),
        "{}",
        ended.out
    );
    let mut objects = world(&[], &[]);
    let shop = &mut objects.get_mut("/api/v1/namespaces").unwrap()["items"][0];
    shop["metadata"]["labels"]["kafka.admittance.dev/topics"] = json!("configmaps");
    let ended = plan(objects, &topics, &["-n", "shop"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("+ create topic Underscore_Kafka_Topic: 20 partitions, 3 replicas\n"), "{}", ended.out);
    assert!(ended.err.contains("contract2017.configMaps"), "{}", ended.err);
}

#[test]
fn a_share_of_the_disks_that_does_not_fit_is_refused() {
    let share = |fraction: &str| json!({"retention": {"diskFraction": fraction}});
    let mut objects =
        world(&[there("payments", "ledger", &share("0.3"), 1), there("web", "clicks", &share("0.4"), 1)], &[]);
    let path = format!("{OURS}/namespaces/admittance/brokerclusters/default");
    objects.get_mut(&path).unwrap()["spec"]["topics"] = json!({"limits": {"maxDiskUse": "0.8"}});
    let asked = |fraction: &str| claim("shop", "orders", &format!(", retention: {{diskFraction: '{fraction}'}}"));
    let ended = plan(objects.clone(), &asked("0.2"), &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("! DiskSharesExceeded: retention.diskFraction 0.2 does not fit"), "{}", ended.out);
    let ended = plan(objects.clone(), &asked("0.1"), &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    // Who yields the topic to another promises nothing, and is told whose it is.
    let yielding = claim("shop", "clicks", ", retention: {diskFraction: '0.2'}");
    let ended = plan(objects, &yielding, &[]);
    assert!(ended.out.contains("! TopicOwnedElsewhere: ") && !ended.out.contains("DiskShares"), "{}", ended.out);
}

#[test]
fn an_access_without_topics_is_planned_too() {
    let streams = MANUAL.replace("consumes: [orders]", "streams: [shop.totals]");
    let ended = plan(world(&[], &[]), &streams, &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("+ right: ") && ended.out.contains("shop.totals"), "{}", ended.out);
}

#[test]
fn a_default_that_is_no_name_is_nobodys_cluster() {
    let mut objects = with_own_default(&[], &[]);
    let shop = &mut objects.get_mut("/api/v1/namespaces").unwrap()["items"][0];
    shop["metadata"]["annotations"] = json!({"kafka.admittance.dev/cluster": "Not A Name"});
    let unnamed = claim("shop", "orders", "").replace(", cluster: admittance/default", "");
    let ended = plan(objects, &(unnamed + WEB), &[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for told in ["! InvalidValue: the Namespace's annotation ", "! ClusterNotFound: BrokerCluster Not A Name "] {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
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
