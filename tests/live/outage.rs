//! Kafka away, and back.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::Value;

use crate::bed::{Namespace, apply, exec, get, idle_pod, ready, scale, unique, wait_ready};

/// How often a creation is timed.
const CALLS: usize = 21;

/// What the API server takes to take a Pod that asks: the median of dry runs on one connection, without a start of kubectl, which takes
/// ten times as long. The webhook is asked as for a Pod that is made.
fn creation(namespace: &str) -> Duration {
    let manifest = idle_pod(namespace, "timed", "kafka.admittance.dev/produces: outage-timed");
    let pod: Value = serde_saphyr::from_str(&manifest).unwrap();
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut times = runtime.block_on(async {
        let client = kube::Client::try_default().await.unwrap();
        let pods = Api::<Pod>::namespaced(client, namespace);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let began = Instant::now();
            let made = pods.create(&dry, &pod).await.unwrap();
            times.push(began.elapsed());
            let labels = made.metadata.labels.unwrap_or_default();
            assert_eq!(labels.get("kafka.admittance.dev/access").map(String::as_str), Some("timed"), "not injected");
            // So that they are not all of one busy moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        times
    });
    times.sort_unstable();
    times[CALLS / 2]
}

/// The condition Ready of a Pod.
fn readiness(pod: &Value) -> Value {
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == "Ready").unwrap().clone()
}

#[test]
fn with_all_brokers_down_a_pod_is_created_at_once_and_starts_when_they_return() {
    let space = Namespace::opted_in("live-outage");
    // Of a name that no other run has used: what is there already waits for no Kafka.
    let topic = unique("outage");
    apply(&idle_pod(&space.0, "before", &format!("kafka.admittance.dev/produces: {topic}-before")));
    let before = wait_ready("pod", &space.0, "before");
    let command = before["spec"]["containers"][0]["readinessProbe"]["exec"]["command"].as_array().unwrap();
    let probe: Vec<_> = command.iter().map(|word| word.as_str().unwrap()).collect();
    let usual = creation(&space.0);
    scale("kafka", "statefulset/kafka", 0);
    let outcome = std::panic::catch_unwind(|| {
        // A webhook that asked Kafka would wait for a connection, and that takes seconds; the slack is for a machine that is busy.
        let (took, limit) = (creation(&space.0), usual * 5 + Duration::from_millis(50));
        assert!(took < limit, "creation takes {took:?} while Kafka is away, and {usual:?} else");
        apply(&idle_pod(&space.0, "during", &format!("kafka.admittance.dev/produces: {topic}-during")));
        let pod = get(&["pod", "during", "--namespace", &space.0]);
        assert_eq!(pod["metadata"]["labels"]["kafka.admittance.dev/access"], "during");
        // What the kubelet asks is answered by what the container remembers: asked of Kafka, the same question fails.
        assert!(probe.contains(&"--latch"), "{probe:?}");
        let (is_ready, said) = exec(&space.0, "before", &probe);
        assert!(is_ready && said.contains("was ready before"), "{said}");
        let asking: Vec<_> = probe.iter().copied().filter(|word| *word != "--latch").collect();
        let (is_ready, said) = exec(&space.0, "before", &asking);
        assert!(!is_ready && said.contains("not ready"), "{said}");
        ready(&get(&["pod", "before", "--namespace", &space.0])).unwrap();
    });
    scale("kafka", "statefulset/kafka", 3);
    outcome.unwrap();
    wait_ready("pod", &space.0, "during");
    // A Pod that was ready stayed so throughout: an outage of Kafka empties no Service.
    let after = get(&["pod", "before", "--namespace", &space.0]);
    assert_eq!(after["status"]["containerStatuses"][0]["restartCount"], 0);
    ready(&after).unwrap();
    assert_eq!(readiness(&after)["lastTransitionTime"], readiness(&before)["lastTransitionTime"]);
}
