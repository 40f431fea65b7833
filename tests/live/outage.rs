//! Kafka away, and back.

use std::time::{Duration, Instant};

use crate::bed::{Namespace, apply, get, idle_pod, scale, wait_ready};

#[test]
fn with_all_brokers_down_a_pod_is_created_at_once_and_starts_when_they_return() {
    let space = Namespace::opted_in("live-outage");
    apply(&idle_pod(&space.0, "before", "kafka.admittance.dev/produces: outage-before"));
    wait_ready("pod", &space.0, "before");
    scale("kafka", "statefulset/kafka", 0);
    let outcome = std::panic::catch_unwind(|| {
        let began = Instant::now();
        apply(&idle_pod(&space.0, "during", "kafka.admittance.dev/produces: outage-during"));
        let took = began.elapsed();
        // kubectl itself takes most of it; a call that waited for Kafka would take seconds.
        assert!(took < Duration::from_secs(3), "creation took {took:?}");
        let pod = get(&["pod", "during", "--namespace", &space.0]);
        assert_eq!(pod["metadata"]["labels"]["kafka.admittance.dev/access"], "during");
    });
    scale("kafka", "statefulset/kafka", 3);
    outcome.unwrap();
    wait_ready("pod", &space.0, "during");
    // A Pod that was ready stays so: an outage of Kafka empties no Service.
    let before = get(&["pod", "before", "--namespace", &space.0]);
    assert_eq!(before["status"]["containerStatuses"][0]["restartCount"], 0);
    crate::bed::ready(&before).unwrap();
}
