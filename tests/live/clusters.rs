//! Several BrokerClusters, and which of them a workload is on.

use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, apply, event_about, event_of, get, idle_pod, kubectl, nothing_is_left, try_get, try_kubectl,
    unique, user_of, wait_for, wait_ready,
};
use crate::tools::kafka_tool;

/// A second way to the Kafka of the first, for accesses that end soon, with a policy of its own for topics; gone with the guard.
struct Second(String);

impl Second {
    fn make(topics: &Value) -> Self {
        let name = unique("second");
        let external = get(&["brokercluster", "default", "--namespace", HOME])["spec"]["external"].clone();
        let second = json!({
            "apiVersion": "kafka.admittance.dev/v1alpha1",
            "kind": "BrokerCluster",
            "metadata": {"name": name, "namespace": HOME},
            "spec": {"external": external, "credentials": {"idleAfter": "1s"}, "topics": topics},
        });
        apply(&second.to_string());
        wait_ready("brokercluster", HOME, &name);
        Self(name)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = try_kubectl(&["delete", "brokercluster", &self.0, "--namespace", HOME]);
    }
}

fn wait_field(kind: &str, namespace: &str, name: &str, pointer: &str, value: &str) {
    wait_for(&format!("{kind} {name} has {pointer} {value}"), || {
        let object = try_get(&[kind, name, "--namespace", namespace])?;
        if object.pointer(pointer) == Some(&Value::from(value)) { Ok(()) } else { Err(object.to_string()) }
    });
}

#[test]
fn a_namespaces_default_is_for_who_is_new_and_moves_nobody() {
    let (second, topic) = (Second::make(&json!({"defaultPartitions": 12})), unique("home"));
    let space = Namespace::opted_in("live-home");
    let (ns, there) = (space.0.as_str(), format!("{HOME}/{}", second.0));
    let asks = format!("kafka.admittance.dev/produces: {topic}");
    // One file, on the one cluster and then on the other: what it does not say is each cluster's to say.
    let own = format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: own, namespace: {ns}}}, spec: {{topicName: {topic}}}}}"
    );
    let declared = |partitions: u32| {
        apply(&own);
        wait_ready("topicclaim", ns, "own");
        let said = kafka_tool("kafka-topics.sh", &["--describe", "--topic", &topic]);
        assert!(said.contains(&format!("PartitionCount: {partitions}\t")), "{said}");
    };
    declared(1);
    kubectl(&["delete", "topicclaim", "own", "--namespace", ns]);
    kafka_tool("kafka-topics.sh", &["--delete", "--topic", &topic]);
    kubectl(&["annotate", "namespace", ns, &format!("kafka.admittance.dev/cluster={}", second.0)]);
    declared(12);
    wait_field("topicclaim", ns, "own", "/status/cluster", &there);
    apply(&idle_pod(ns, "early", &asks));
    let user = user_of(ns, "early");
    wait_field("accessclaim", ns, "early", "/spec/cluster", &there);
    wait_ready("pod", ns, "early");

    // The installation's default, named: its access bears the name of one that names none.
    let named = format!("{asks}, kafka.admittance.dev/workload: early, kafka.admittance.dev/cluster: {HOME}/default");
    apply(&idle_pod(ns, "named", &named));
    let said = event_of(ns, "named", "AccessTaken");
    assert!(said.contains(&there) && said.contains(&format!("{HOME}/default")), "{said}");

    kubectl(&["annotate", "namespace", ns, "kafka.admittance.dev/cluster-"]);
    apply(&idle_pod(ns, "late", "kafka.admittance.dev/produces: live-home.late"));
    wait_field("accessclaim", ns, "late", "/spec/cluster", &format!("{HOME}/default"));
    apply(&idle_pod(ns, "early-again", &format!("{asks}, kafka.admittance.dev/workload: early")));
    wait_ready("pod", ns, "early-again");
    wait_field("topicclaim", ns, "own", "/status/cluster", &there);

    kubectl(&["delete", "pod", "early", "early-again", "named", "--namespace", ns, "--wait=false"]);
    nothing_is_left(ns, "early", &user);
}

#[test]
fn what_is_in_a_clusters_way_is_told_and_anew_when_it_is_something_else() {
    let second = Second::make(&json!({}));
    let name = second.0.as_str();
    let external = get(&["brokercluster", name, "--namespace", HOME])["spec"]["external"].clone();
    let point = |servers: &Value| {
        let patch = json!({"spec": {"external": {"bootstrapServers": servers}}}).to_string();
        kubectl(&["patch", "brokercluster", name, "--namespace", HOME, "--type=merge", "--patch", &patch]);
    };
    let says = |words: &str| {
        wait_for(&format!("BrokerCluster {name} says {words}"), || {
            let status = get(&["brokercluster", name, "--namespace", HOME])["status"].clone();
            let ready = status["conditions"].as_array().and_then(|all| all.iter().find(|said| said["type"] == "Ready"));
            let said = ready.and_then(|ready| ready["message"].as_str()).unwrap_or_default();
            if said.contains(words) { Ok(()) } else { Err(status.to_string()) }
        });
    };
    // Nobody listens there, and then nobody listens elsewhere: the first typing mistake is not told of the second.
    point(&json!("127.0.0.1:1"));
    event_about("BrokerCluster", HOME, name, "KafkaUnreachable", "127.0.0.1:1");
    says("127.0.0.1:1");
    point(&json!("127.0.0.1:2"));
    says("127.0.0.1:2");
    point(&external["bootstrapServers"]);
    event_about("BrokerCluster", HOME, name, "Ready", "brokers answer");
    wait_ready("brokercluster", HOME, name);
}
