//! What somebody would try who wants more than their namespace was given. Each ends with a reason that can be read.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, Spec, apply, event_of, exec, get, idle_pod, kubectl, pod, rules_of, try_kubectl, unique, user_of,
    wait_for, wait_ready, wait_reason, with_input,
};
use crate::life::deployment;
use crate::steady::{PYTHON, SLEEP};
use crate::tools::kafka_tool;

/// Consumes with the mounted files, in a group of its own choice.
const JOIN: &str = "
import sys
from confluent_kafka import Consumer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
topic, group = sys.argv[1:]
consumer = Consumer(conf | {'group.id': group, 'auto.offset.reset': 'earliest'})
consumer.subscribe([topic])
message = consumer.poll(25)
print('nothing' if message is None else message.error() or message.value().decode())
";

/// Starts a transaction with the mounted files, under an id of its own choice.
const TRANSACT: &str = "
import sys
from confluent_kafka import Producer, KafkaException
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
conf.pop('group.id', None)
producer = Producer(conf | {'transactional.id': sys.argv[1]})
try:
    producer.init_transactions(20)
    print('began')
except KafkaException as error:
    print(error)
";

fn denied(manifest: &str, extra: &[&str]) -> String {
    let done = with_input(&[&["apply", "--filename=-"], extra].concat(), manifest);
    assert!(!done.status.success(), "it was accepted: {manifest}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Somebody who may edit a namespace, and nothing else.
fn editor(namespace: &str) -> String {
    let name = format!("editor-of-{namespace}");
    kubectl(&[
        "create",
        "rolebinding",
        &name,
        "--clusterrole=edit",
        &format!("--user={name}"),
        "--namespace",
        namespace,
    ]);
    name
}

#[test]
fn a_forged_label_in_a_namespace_that_is_not_opted_in() {
    let (space, plain) = (Namespace::opted_in("live-a-label"), Namespace::plain("live-a-plain"));
    let topic = unique("label");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &space.0, "app");
    let forged = idle_pod(&plain.0, "app", &format!("kafka.admittance.dev/produces: {topic}"))
        .replace("annotations:", "labels: {kafka.admittance.dev/access: app}, annotations:");
    apply(&forged);
    // A Pod that is really made after it has passed every queue of the operator by the time that it is ready.
    apply(&idle_pod(&space.0, "later", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &space.0, "later");
    let made = get(&["accessclaims,secrets", "--namespace", &plain.0]);
    assert!(made["items"].as_array().unwrap().is_empty(), "{made}");
}

#[test]
fn a_claim_written_by_hand() {
    let space = Namespace::opted_in("live-a-claim");
    let editor = format!("--as={}", editor(&space.0));
    let claim = |source: &str, account: &str| {
        format!(
            "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: AccessClaim, metadata: {{name: mine, namespace: {}}}, spec: {{source: {source}, \
             workload: mine, cluster: admittance/default, produces: [jewels]{account}}}}}",
            space.0
        )
    };
    let said = denied(&claim("Pods", ""), &[&editor]);
    assert!(said.contains("the operator alone writes it"), "{said}");
    // Kubernetes' own role edit may act as every account of its namespace; who may write claims alone may not.
    kubectl(&["create", "serviceaccount", "vault", "--namespace", &space.0]);
    let stranger = editor_without_impersonation(&space.0);
    let said = denied(&claim("Manual", ", serviceAccount: vault"), &[&format!("--as={stranger}")]);
    assert!(said.contains("may impersonate it"), "{said}");
}

#[test]
fn claims_that_would_fill_the_operators_memory() {
    let space = Namespace::opted_in("live-a-large");
    let claim = |name: &str, settings: &[usize], annotation: usize| {
        let config: serde_json::Map<String, Value> = settings
            .iter()
            .enumerate()
            .map(|(n, length)| (format!("shiny.new{n}"), "x".repeat(*length).into()))
            .collect();
        serde_json::json!({
            "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "TopicClaim",
            "metadata": {
                "name": name, "namespace": space.0,
                "annotations": {"example.com/mine": "x".repeat(annotation)}, "labels": {"example.com/mine": "too"},
            },
            "spec": {"topicName": format!("{}.{name}", space.0), "cluster": "admittance/default", "config": config},
        })
        .to_string()
    };
    // Without kubectl's own copy of it in an annotation.
    let plain = &["--server-side"];
    let said = denied(&claim("one", &[5000], 0), plain);
    assert!(said.contains("4096"), "{said}");
    let said = denied(&claim("long", &[4000; 5], 0), plain);
    assert!(said.contains("no more than 4 settings may have values of more than 256 characters"), "{said}");
    let said = denied(&claim("many", &[4000, 4000, 4000, 4000, 250, 250], 0), plain);
    assert!(said.contains("all settings of a claim have 16384 together at most"), "{said}");
    // What others put into a claim stays there, though nobody holds it.
    let done = with_input(&["apply", "--filename=-", "--server-side"], &claim("laden", &[], 200_000));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found = wait_ready("topicclaim", &space.0, "laden");
    assert_eq!(found["metadata"]["annotations"]["example.com/mine"].as_str().map(str::len), Some(200_000));
    assert_eq!(found["metadata"]["labels"]["example.com/mine"], "too");
}

/// Somebody who may write AccessClaims, and not act as any service account (Kubernetes' own `edit` may).
fn editor_without_impersonation(namespace: &str) -> String {
    let name = format!("writer-of-{namespace}");
    kubectl(&[
        "create",
        "role",
        "claims",
        "--verb=create,get,patch,update",
        "--resource=accessclaims.kafka.admittance.dev",
        "--namespace",
        namespace,
    ]);
    kubectl(&["create", "rolebinding", &name, "--role=claims", &format!("--user={name}"), "--namespace", namespace]);
    name
}

#[test]
fn groups_and_transactions_of_a_namespace_whose_name_begins_the_same() {
    let topic = unique("prefix");
    let (short, long) = (Namespace::opted_in("live-a-team"), Namespace::opted_in("live-a-teamwork"));
    apply(&pod(
        &short.0,
        "app",
        &format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}"),
        PYTHON,
        SLEEP,
    ));
    wait_ready("pod", &short.0, "app");
    for group in [format!("{}.app", long.0), "of-nobody".to_owned()] {
        let said = exec(&short.0, "app", &["python3", "-c", JOIN, &topic, &group]).1;
        assert!(said.contains("GROUP_AUTHORIZATION"), "{group}: {said}");
    }
    for id in [format!("{}.app", long.0), format!("{}.app", short.0)] {
        let said = exec(&short.0, "app", &["python3", "-c", TRANSACT, &id]).1;
        assert!(said.contains("TRANSACTIONAL_ID_AUTHORIZATION"), "{id}: {said}");
    }
}

#[test]
fn a_topic_squatted_before_its_owner_comes() {
    let (owner, squatter) = (Namespace::opted_in("live-a-shop"), Namespace::opted_in("live-a-squatter"));
    let topic = unique("live-a-shop.orders");
    apply(&idle_pod(&squatter.0, "squatter", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_reason("accessclaim", &squatter.0, "squatter", "TopicOwnedElsewhere");
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    let claims = get(&["topicclaims", "--all-namespaces"]);
    let of_topic = |claim: &&Value| claim["spec"]["topicName"] == topic.as_str();
    let owners: Vec<_> = claims["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of_topic)
        .map(|claim| &claim["metadata"]["namespace"])
        .collect();
    assert_eq!(owners, [owner.0.as_str()]);
}

#[test]
fn an_existing_topic_taken_by_declaration() {
    let (space, topic) = (Namespace::opted_in("live-a-adopt"), unique("adopted"));
    kafka_tool("kafka-topics.sh", &["--create", "--topic", &topic, "--partitions", "1"]);
    let declaration = |name: &str, topic: &str| {
        format!(
            "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: {name}, namespace: {}}}, spec: {{topicName: {topic}, \
             cluster: admittance/default}}}}",
            space.0
        )
    };
    apply(&declaration("greedy", &topic));
    wait_reason("topicclaim", &space.0, "greedy", "TopicUnclaimed");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/consumes: {topic}")));
    wait_reason("accessclaim", &space.0, "app", "TopicUnclaimed");
    let user = get(&["accessclaim", "app", "--namespace", &space.0])["status"]["username"].as_str().unwrap().to_owned();
    assert!(!rules_of(&user).contains(&topic), "{}", rules_of(&user));
    let internal = denied(&declaration("internal", "__consumer_offsets"), &[]);
    assert!(internal.contains("belong to Kafka"), "{internal}");
}

/// A declaration `it` of a topic that names no cluster: the webhook lets it pass, whatever the limits of the one that it is on.
fn declared(namespace: &str, topic: &str) -> String {
    format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: it, namespace: {namespace}}}, \
         spec: {{topicName: {topic}}}}}"
    )
}

#[test]
fn an_existing_topic_lent_by_who_was_refused_it() {
    let (lender, borrower) = (Namespace::opted_in("live-a-lender"), Namespace::opted_in("live-a-borrower"));
    let topic = unique("ledger");
    kafka_tool("kafka-topics.sh", &["--create", "--topic", &topic, "--partitions", "1"]);
    apply(&declared(&lender.0, &topic));
    wait_reason("topicclaim", &lender.0, "it", "TopicUnclaimed");
    let (verbs, resource) = ("--verb=consume,produce", "--resource=topicclaims.kafka.admittance.dev");
    kubectl(&["create", "role", "lend", verbs, resource, "--resource-name=it", "--namespace", &lender.0]);
    let account = format!("--serviceaccount={}:default", borrower.0);
    kubectl(&["create", "rolebinding", "lend", "--role=lend", &account, "--namespace", &lender.0]);
    let asks = format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}");
    apply(&idle_pod(&borrower.0, "app", &asks));
    wait_reason("accessclaim", &borrower.0, "app", "TopicUnclaimed");
    let message = event_of(&borrower.0, "app", "TopicUnclaimed");
    assert!(message.contains(&lender.0) && message.contains("has not got it"), "{message}");
    let nothing_is_given = || {
        let claim = get(&["accessclaim", "app", "--namespace", &borrower.0]);
        let rules = rules_of(claim["status"]["username"].as_str().unwrap());
        assert!(!rules.contains(&topic), "{rules}");
        assert!(get(&["secrets", "--namespace", &borrower.0])["items"].as_array().unwrap().is_empty());
    };
    nothing_is_given();

    // Nor does the topic become the borrower's when the lender makes room.
    kubectl(&["delete", "topicclaim", "it", "--namespace", &lender.0]);
    apply(&declared(&borrower.0, &topic));
    wait_reason("topicclaim", &borrower.0, "it", "TopicUnclaimed");
    wait_reason("accessclaim", &borrower.0, "app", "TopicUnclaimed");
    nothing_is_given();
    assert_eq!(get(&["topicclaim", "it", "--namespace", &borrower.0])["status"]["topicId"], Value::Null);
}

#[test]
fn a_topic_declared_by_whom_policy_refuses_the_name() {
    let (reader, taker) = (Namespace::opted_in("live-a-reads"), Namespace::opted_in("live-a-takes"));
    let (topic, later) = (unique("live-a-reads-orders"), unique("live-a-reads-later"));
    let _policy = Spec::set(&json!({"topics": {"limits": {"names": ["{namespace}-*"]}}}));
    apply(&idle_pod(&reader.0, "app", &format!("kafka.admittance.dev/consumes: {topic}")));
    let user = user_of(&reader.0, "app");
    let of_topic = || {
        let claims = get(&["topicclaims", "--namespace", &reader.0]);
        let all = claims["items"].as_array().unwrap();
        all.iter().find(|claim| claim["spec"]["topicName"] == topic.as_str()).unwrap().clone()
    };
    let id = of_topic()["status"]["topicId"].clone();
    assert!(id.is_string() && rules_of(&user).contains(&topic), "{id} {}", rules_of(&user));

    // It declares what a Pod of the other only reads, and a name that is not there yet.
    apply(&declared(&taker.0, &topic));
    apply(&declared(&taker.0, &later).replace("name: it", "name: later"));
    for name in ["it", "later"] {
        wait_reason("topicclaim", &taker.0, name, "TopicNameNotAllowed");
    }
    // Everything that hears of these claims has been looked at by the time that another access is ready.
    apply(&idle_pod(&reader.0, "other", &format!("kafka.admittance.dev/consumes: {topic}")));
    apply(&idle_pod(&reader.0, "maker", &format!("kafka.admittance.dev/produces: {later}")));
    wait_ready("accessclaim", &reader.0, "other");
    wait_ready("accessclaim", &reader.0, "maker");
    assert_eq!(of_topic()["status"]["topicId"], id);
    wait_ready("accessclaim", &reader.0, "app");
    assert!(rules_of(&user).contains(&topic), "{}", rules_of(&user));
    for name in ["it", "later"] {
        let status = get(&["topicclaim", name, "--namespace", &taker.0])["status"].clone();
        assert_eq!(status["topicId"], Value::Null, "{status}");
    }
}

#[test]
fn an_identity_shared_across_kinds_is_one_user_and_no_other_namespace_reaches_it() {
    let topic = unique("kinds");
    let (space, other) = (Namespace::opted_in("live-a-kinds"), Namespace::opted_in("live-a-kinds-b"));
    // A Pod and a Deployment of one name are one identity, whatever their kinds.
    let asks = format!("kafka.admittance.dev/produces: {topic}");
    apply(&idle_pod(&space.0, "same", &asks));
    apply(&deployment(&space.0, "same", &asks));
    wait_ready("pod", &space.0, "same");
    kubectl(&["rollout", "status", "deployment/same", "--timeout=120s", "--namespace", &space.0]);
    assert_eq!(get(&["accessclaims", "--namespace", &space.0])["items"].as_array().unwrap().len(), 1);
    apply(&idle_pod(&other.0, "same", &asks));
    wait_reason("accessclaim", &other.0, "same", "TopicOwnedElsewhere");
    let user = |namespace: &str| get(&["accessclaim", "same", "--namespace", namespace])["status"]["username"].clone();
    assert_ne!(user(&space.0), user(&other.0));
}

#[test]
fn a_secret_that_was_there_before_is_neither_used_nor_touched() {
    let (space, topic) = (Namespace::opted_in("live-a-secret"), unique("planted"));
    apply(&format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: app-kafka-credentials, namespace: {}}}, stringData: {{username: admin, password: known}}}}",
        space.0
    ));
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let message = event_of(&space.0, "app", "SecretNotOurs");
    assert!(message.contains("app-kafka-credentials"), "{message}");
    let planted = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
    assert_eq!(planted["data"], json!({"username": "YWRtaW4=", "password": "a25vd24="}));
}

#[test]
fn topics_of_kafka_itself() {
    let space = Namespace::opted_in("live-a-internal");
    for topic in ["__consumer_offsets", "__transaction_state", "__cluster_metadata"] {
        let said = denied(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/consumes: {topic}")), &[]);
        assert!(said.contains("InternalTopic") && said.contains(topic), "{said}");
    }
}

#[test]
fn a_manual_claim_of_who_may_write_it_works() {
    let (space, topic) = (Namespace::opted_in("live-a-manual"), unique("manual"));
    kubectl(&["create", "serviceaccount", "batch", "--namespace", &space.0]);
    apply(&format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: AccessClaim, metadata: {{name: batch, namespace: {}}}, spec: {{source: Manual, \
         workload: batch, cluster: admittance/default, serviceAccount: batch, produces: [{topic}], consumes: [{topic}]}}}}",
        space.0
    ));
    let claim = wait_ready("accessclaim", &space.0, "batch");
    let user = claim["status"]["username"].as_str().unwrap();
    assert!(rules_of(user).contains(&topic));
    wait_for("its Secret is published", || {
        let done = try_kubectl(&["get", "secret", "batch-kafka-credentials", "--namespace", &space.0]);
        done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
    });
}
