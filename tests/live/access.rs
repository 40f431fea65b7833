//! What a workload may do, tried with real clients against the brokers.

use serde_json::Value;

use crate::bed::{
    Namespace, apply, exec, get, has_exactly, idle_pod, kubectl, pod, try_get, user_of, wait_for, wait_ready,
};
use crate::steady::{PYTHON, SLEEP};
use crate::tools::kafka_tool;

const JAVA: &str = "localhost/kafka:4.3.1";
const CONFIG: &str = "/var/run/secrets/kafka/client.properties";

/// Produces or consumes one message with confluent-kafka and the mounted file alone; prints what the broker said.
const LIBRDKAFKA: &str = "
import sys
from confluent_kafka import Consumer, Producer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
verb, topic = sys.argv[1:]
if verb == 'produce':
    said = []
    group = conf.pop('group.id', None)
    producer = Producer(conf | {'message.timeout.ms': 20000})
    producer.produce(topic, b'from librdkafka', on_delivery=lambda error, _: said.append(error))
    producer.flush(25)
    print('delivered' if said and said[0] is None else said)
else:
    conf.setdefault('group.id', 'none.of.its.own')
    consumer = Consumer(conf | {'auto.offset.reset': 'earliest'})
    consumer.subscribe([topic])
    message = consumer.poll(25)
    print('nothing' if message is None else message.error() or message.value().decode())
";

fn produce_java(namespace: &str, pod: &str, topic: &str) -> String {
    let script = format!(
        "echo from-java | kafka-console-producer.sh --bootstrap-server $(cat /var/run/secrets/kafka/bootstrap.servers) --command-config {CONFIG} --topic {topic} && echo sent"
    );
    exec(namespace, pod, &["sh", "-c", &script]).1
}

fn consume_java(namespace: &str, pod: &str, topic: &str) -> String {
    let script = format!(
        "kafka-console-consumer.sh --bootstrap-server $(cat /var/run/secrets/kafka/bootstrap.servers) --command-config {CONFIG} --topic {topic} --from-beginning --max-messages 1 --timeout-ms 25000"
    );
    exec(namespace, pod, &["sh", "-c", &script]).1
}

fn librdkafka(namespace: &str, pod: &str, verb: &str, topic: &str) -> String {
    exec(namespace, pod, &["python3", "-c", LIBRDKAFKA, verb, topic]).1
}

#[test]
fn each_workload_may_do_what_it_said_and_nothing_else() {
    let space = Namespace::opted_in("live-rights");
    let ns = space.0.as_str();
    apply(&pod(ns, "writer", "kafka.admittance.dev/produces: rights-a", JAVA, SLEEP));
    apply(&pod(ns, "reader", "kafka.admittance.dev/consumes: rights-a", PYTHON, SLEEP));
    apply(&idle_pod(ns, "third", "kafka.admittance.dev/produces: rights-b"));
    for name in ["writer", "reader", "third"] {
        wait_ready("pod", ns, name);
    }

    // One access, one user, one Secret each, all different.
    let claims = get(&["accessclaims", "--namespace", ns]);
    let claims = claims["items"].as_array().unwrap();
    assert_eq!(claims.len(), 3);
    let users: std::collections::BTreeSet<_> =
        claims.iter().map(|claim| claim["status"]["username"].as_str().unwrap()).collect();
    assert_eq!(users.len(), 3);
    let password = |name: &str| {
        get(&["secret", &format!("{name}-kafka-credentials"), "--namespace", ns])["data"]["password"].clone()
    };
    assert_ne!(password("writer"), password("reader"));

    assert!(produce_java(ns, "writer", "rights-a").contains("sent"));
    assert_eq!(librdkafka(ns, "reader", "consume", "rights-a").trim(), "from-java");

    let refused = |said: &str, by: &str| {
        let named = [
            "TopicAuthorization",
            "TOPIC_AUTHORIZATION",
            "GroupAuthorization",
            "GROUP_AUTHORIZATION",
            "Not authorized",
            "Authorization failed",
            "authorization failed",
        ];
        assert!(named.iter().any(|name| said.contains(name)), "{by} was not refused by the broker: {said}");
    };
    refused(&consume_java(ns, "writer", "rights-a"), "consuming with the producer's credential");
    refused(&librdkafka(ns, "reader", "produce", "rights-a"), "producing with the consumer's credential");
    refused(&produce_java(ns, "writer", "rights-b"), "the producer on a third topic");
    refused(&librdkafka(ns, "reader", "consume", "rights-b"), "the consumer on a third topic");
}

#[test]
fn rights_in_kafka_are_exactly_those_declared() {
    let space = Namespace::opted_in("live-exact");
    apply(&idle_pod(
        &space.0,
        "both",
        "'kafka.admittance.dev/consumes': 'exact-in', 'kafka.admittance.dev/produces': 'exact-out'",
    ));
    let declared = ["TOPIC exact-in LITERAL READ", "TOPIC exact-out LITERAL WRITE", "GROUP live-exact. PREFIXED READ"];
    assert_eq!(has_exactly(&user_of(&space.0, "both"), &declared), Ok(()));
}

#[test]
fn rights_follow_the_pods_both_ways() {
    let space = Namespace::opted_in("live-follow");
    let workload = "kafka.admittance.dev/workload: shared";
    apply(&idle_pod(&space.0, "one", &format!("{workload}, kafka.admittance.dev/produces: follow-a")));
    wait_ready("accessclaim", &space.0, "shared");
    apply(&idle_pod(&space.0, "two", &format!("{workload}, kafka.admittance.dev/produces: follow-b")));
    let produces = |wanted: &[&str]| {
        wait_for(&format!("the access produces {wanted:?} and is ready for it"), || {
            let claim = try_get(&["accessclaim", "shared", "--namespace", &space.0])?;
            let generation = &claim["metadata"]["generation"];
            let seen = &claim["status"]["conditions"][0]["observedGeneration"];
            let stands = claim["spec"]["produces"] == serde_json::json!(wanted) && generation == seen;
            stands.then_some(()).ok_or_else(|| claim.to_string())
        });
    };
    produces(&["follow-a", "follow-b"]);
    kubectl(&["delete", "pod", "one", "--namespace", &space.0]);
    produces(&["follow-b"]);
    let claim = wait_ready("accessclaim", &space.0, "shared");
    let user = claim["status"]["username"].as_str().unwrap();
    wait_for("the right on follow-a is gone from Kafka", || {
        let listed = kafka_tool("kafka-acls.sh", &["--list", "--principal", &format!("User:{user}")]);
        if listed.contains("follow-b") && !listed.contains("follow-a") { Ok(()) } else { Err(listed) }
    });
}

#[test]
fn a_topic_of_another_namespace_is_refused_and_the_pod_says_so() {
    let (owner, other) = (Namespace::opted_in("live-owner"), Namespace::opted_in("live-other"));
    apply(&idle_pod(&owner.0, "owner", "kafka.admittance.dev/produces: owned"));
    wait_ready("accessclaim", &owner.0, "owner");
    apply(&idle_pod(&other.0, "thief", "kafka.admittance.dev/consumes: owned"));
    wait_for("the Pod has an Event that says why it waits", || {
        let events = get(&["events", "--namespace", &other.0, "--field-selector=involvedObject.name=thief"]);
        let told = |event: &Value| {
            event["reason"] == "TopicOwnedElsewhere"
                && event["message"].as_str().is_some_and(|text| text.contains("live-owner"))
        };
        events["items"].as_array().unwrap().iter().any(told).then_some(()).ok_or_else(|| events["items"].to_string())
    });
    let claim = get(&["accessclaim", "thief", "--namespace", &other.0]);
    assert_eq!(claim["status"]["refused"][0]["name"], "owned");
    assert!(get(&["secrets", "--namespace", &other.0])["items"].as_array().unwrap().is_empty());
}

#[test]
fn a_topic_that_was_there_before_is_refused_to_those_who_did_not_declare_it() {
    let space = Namespace::opted_in("live-brownfield");
    kafka_tool("kafka-topics.sh", &["--create", "--topic", "brownfield", "--partitions", "1", "--if-not-exists"]);
    apply(&idle_pod(&space.0, "newcomer", "kafka.admittance.dev/consumes: brownfield"));
    wait_for("the access says that the topic is unclaimed", || {
        let claims = get(&["accessclaims", "--namespace", &space.0]);
        let reason = &claims["items"][0]["status"]["conditions"][0]["reason"];
        if reason == "TopicUnclaimed" { Ok(()) } else { Err(claims.to_string()) }
    });
    let user =
        get(&["accessclaim", "newcomer", "--namespace", &space.0])["status"]["username"].as_str().unwrap().to_owned();
    let listed = kafka_tool("kafka-acls.sh", &["--list", "--principal", &format!("User:{user}")]);
    assert!(!listed.contains("name=brownfield"), "{listed}");
}
