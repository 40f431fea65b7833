//! Groups, transactions, Kafka Streams, gates and namespaces that a cluster is not for: what is asked for beyond topics.

use serde_json::json;

use crate::bed::{
    Namespace, Spec, apply, event_of, exec, get, idle_pod, kubectl, pod, rules_of, try_get, unique, wait_for,
    wait_ready, wait_reason,
};
use crate::steady::{PYTHON, SLEEP};
use crate::tools::kafka_tool;

/// Produces one record in a transaction of the workload's own id.
const TRANSACT: &str = "
import sys
from confluent_kafka import Producer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
conf.pop('group.id', None)
producer = Producer(conf | {'transactional.id': sys.argv[1]})
producer.init_transactions(25)
producer.begin_transaction()
producer.produce(sys.argv[2], b'in a transaction')
producer.commit_transaction(25)
print('committed')
";

/// Joins a group and says whether the coordinator let it.
const JOIN: &str = "
import sys
from confluent_kafka import Consumer
conf = dict(line.strip().split('=', 1) for line in open('/var/run/secrets/kafka/librdkafka.conf') if '=' in line)
topic, group = sys.argv[1:]
consumer = Consumer(conf | {'group.id': group, 'auto.offset.reset': 'earliest'})
joined = []
consumer.subscribe([topic], on_assign=lambda consumer, partitions: joined.append(partitions))
for _ in range(40):
    message = consumer.poll(0.5)
    if joined or (message is not None and message.error()):
        break
print('joined' if joined else 'nothing' if message is None else message.error())
consumer.close()
";

#[test]
fn a_workload_transacts_under_its_own_ids() {
    let (space, topic) = (Namespace::opted_in("live-transactions"), unique("transactions"));
    let asks = format!("kafka.admittance.dev/produces: {topic}, kafka.admittance.dev/transactions: enabled");
    apply(&pod(&space.0, "app", &asks, PYTHON, SLEEP));
    wait_ready("pod", &space.0, "app");
    for id in [format!("{}.app", space.0), format!("{}.app_7", space.0)] {
        let said = exec(&space.0, "app", &["python3", "-c", TRANSACT, &id, &topic]).1;
        assert!(said.contains("committed"), "{id}: {said}");
    }
}

#[test]
fn a_group_of_any_name_belongs_to_who_asks_first_and_is_lent_like_a_topic() {
    let (topic, group) = (unique("grouped"), unique("com.acme.legacy"));
    let (first, second) = (Namespace::opted_in("live-group-a"), Namespace::opted_in("live-group-b"));
    let asks = |topic: &str| format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/groups: {group}");
    apply(&pod(&first.0, "app", &asks(&topic), PYTHON, SLEEP));
    wait_ready("pod", &first.0, "app");
    assert_eq!(exec(&first.0, "app", &["python3", "-c", JOIN, &topic, &group]).1.trim(), "joined");

    let other = unique("grouped-b");
    apply(&idle_pod(&second.0, "thief", &asks(&other)));
    let message = event_of(&second.0, "thief", "GroupOwnedElsewhere");
    assert!(message.contains("--verb=join") && message.contains(&first.0), "{message}");
    let user =
        get(&["accessclaim", "thief", "--namespace", &second.0])["status"]["username"].as_str().unwrap().to_owned();
    assert!(!rules_of(&user).contains(&group), "{}", rules_of(&user));

    let resource = "--resource=accessclaims.kafka.admittance.dev";
    kubectl(&["create", "role", "join", "--verb=join", resource, "--resource-name=app", "--namespace", &first.0]);
    let account = format!("--serviceaccount={}:default", second.0);
    kubectl(&["create", "rolebinding", "join", "--role=join", &account, "--namespace", &first.0]);
    let claim = wait_ready("accessclaim", &second.0, "thief");
    assert_eq!(claim["status"]["grants"][0]["right"], "join");
    assert!(rules_of(&user).contains(&group));
}

#[test]
fn a_group_that_only_holds_offsets_lives_and_is_not_had_by_asking() {
    let (space, topic, group) = (Namespace::opted_in("live-group-old"), unique("grouped-old"), unique("com.acme.old"));
    apply(&idle_pod(&space.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &space.0, "owner");
    let reset = ["--reset-offsets", "--to-earliest", "--execute", "--group", &group, "--topic", &topic];
    let said = kafka_tool("kafka-consumer-groups.sh", &reset);
    assert!(said.contains(&topic), "{said}");
    apply(&idle_pod(
        &space.0,
        "app",
        &format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/groups: {group}"),
    ));
    wait_reason("accessclaim", &space.0, "app", "GroupUnclaimed");
}

#[test]
fn a_streams_application_may_make_its_internal_topics_and_no_others() {
    let (space, topic) = (Namespace::opted_in("live-streams"), unique("streams-in"));
    let application = format!("{}.totals", space.0);
    let asks = format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/streams: {application}");
    apply(&pod(&space.0, "app", &asks, "localhost/kafka:4.3.1", SLEEP));
    wait_ready("pod", &space.0, "app");
    let create = |name: &str| {
        let script = format!(
            "kafka-topics.sh --bootstrap-server $(cat /var/run/secrets/kafka/bootstrap.servers) --command-config \
             /var/run/secrets/kafka/client.properties --create --topic {name} --partitions 1"
        );
        exec(&space.0, "app", &["sh", "-c", &script]).1
    };
    let internal = unique(&format!("{application}-store-changelog"));
    let said = create(&internal);
    assert!(said.contains(&format!("Created topic {internal}")), "{said}");
    let foreign = create(&unique(&format!("{application}x-store")));
    assert!(foreign.contains("Authorization failed") || foreign.contains("TopicAuthorization"), "{foreign}");
}

#[test]
fn a_pod_at_the_gate_has_no_node_until_its_access_works() {
    let (owner, space, topic) =
        (Namespace::opted_in("live-gate-owner"), Namespace::opted_in("live-gate"), unique("gated"));
    apply(&idle_pod(&owner.0, "owner", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_ready("accessclaim", &owner.0, "owner");
    apply(&idle_pod(
        &space.0,
        "app",
        &format!("kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/wait: gate"),
    ));
    event_of(&space.0, "app", "TopicOwnedElsewhere");
    let waiting = get(&["pod", "app", "--namespace", &space.0]);
    assert_eq!(waiting["spec"]["schedulingGates"][0]["name"], "kafka.admittance.dev/access");
    assert!(waiting["spec"].get("nodeName").is_none());

    let resource = "--resource=topicclaims.kafka.admittance.dev";
    kubectl(&["create", "role", "read", "--verb=consume", resource, "--namespace", &owner.0]);
    let account = format!("--serviceaccount={}:default", space.0);
    kubectl(&["create", "rolebinding", "read", "--role=read", &account, "--namespace", &owner.0]);
    let pod = wait_ready("pod", &space.0, "app");
    assert!(pod["spec"].get("schedulingGates").is_none());
}

#[test]
fn a_cluster_is_for_the_namespaces_that_it_selects() {
    let (space, topic) = (Namespace::opted_in("live-selected"), unique("selected"));
    let selector = json!({"matchLabels": {"may-use-kafka": "yes"}});
    let _selection = Spec::set(&json!({"clients": {"namespaceSelector": selector}}));
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    wait_reason("accessclaim", &space.0, "app", "ClusterNotAllowed");
    kubectl(&["label", "namespace", &space.0, "may-use-kafka=yes"]);
    wait_for("the access becomes ready by itself", || {
        let claim = try_get(&["accessclaim", "app", "--namespace", &space.0])?;
        crate::bed::ready(&claim)
    });
}
