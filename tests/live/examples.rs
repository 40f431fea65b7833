//! The examples of the documentation, as anybody would apply them.

use crate::bed::{Namespace, get, kubectl, wait_for, wait_ready, with_input};
use crate::tools::kafka_tool;

const PRODUCER: &str = include_str!("../../examples/producer.yaml");
const CONSUMER: &str = include_str!("../../examples/consumer.yaml");
/// What both name.
const TOPIC: &str = "orders";
/// Lines of the consumer that are waited for.
const LINES: usize = 5;

#[test]
fn the_examples_run_unchanged_in_a_restricted_namespace() {
    let space = Namespace::opted_in("live-examples");
    let ns = space.0.as_str();
    let labels = get(&["namespace", ns])["metadata"]["labels"].clone();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    for example in [PRODUCER, CONSUMER] {
        let done = with_input(&["apply", "--namespace", ns, "--filename=-"], example);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    for app in ["producer", "consumer"] {
        let pod = wait_for(&format!("{app} has a Pod"), || {
            let pods = get(&["pods", "--selector", &format!("app={app}"), "--namespace", ns]);
            pods["items"][0]["metadata"]["name"].as_str().map(str::to_owned).ok_or_else(|| pods["items"].to_string())
        });
        wait_ready("pod", ns, &pod);
    }
    wait_for("the consumer has printed messages of the producer", || {
        let said = kubectl(&["logs", "deployment/consumer", "--namespace", ns, "--tail=-1"]);
        let orders = said.lines().filter(|line| line.starts_with("order ") && line.contains(" of producer-")).count();
        if orders >= LINES { Ok(()) } else { Err(said) }
    });
    // Their topic's name is no test's own: nothing is left of it for others to find, and nobody makes it again.
    kubectl(&["delete", "namespace", ns, "--timeout=100s"]);
    let said = kafka_tool("kafka-topics.sh", &["--delete", "--topic", TOPIC]);
    assert!(!said.contains("Error"), "{said}");
}
