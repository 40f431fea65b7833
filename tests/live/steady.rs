//! Pods that produce and consume without end, with the mounted files alone: what a rotation or a disaster must not disturb.

use serde_json::Value;

use crate::bed::{exec, kubectl, pod, wait_for};

/// The image of both Python clients.
pub(crate) const PYTHON: &str = "localhost/clients-python:2.12.2";
/// A container that waits to be told what to do.
pub(crate) const SLEEP: &str = "[sleep, infinity]";

/// Logs in anew with the mounted files and produces one record.
const ONCE: &str = include_str!("clients/once.py");

/// Each client writes `tick <Pod> <number>` records, and a line for each that it consumes.
const TICK: &str = "tick ";
/// What the Java clients say whenever they start: no complaint.
const HINT: &str = "The consumer rebalance protocol (KIP-848) is production-ready!";

/// The families of clients: two that much else is built on, and two that share no code with those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Java,
    Librdkafka,
    KafkaPython,
    FranzGo,
}

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Java, Self::Librdkafka, Self::KafkaPython, Self::FranzGo];

    /// The name of its workload.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
            Self::KafkaPython => "kafka-python",
            Self::FranzGo => "franz-go",
        }
    }

    fn image(self) -> &'static str {
        match self {
            Self::Java => "localhost/kafka:4.3.1",
            Self::Librdkafka | Self::KafkaPython => PYTHON,
            Self::FranzGo => "localhost/clients-go:1.22.2",
        }
    }

    fn command(self, topic: &str) -> Value {
        match self {
            Self::Java => serde_json::json!(["bash", "-c", include_str!("clients/java.sh"), "java.sh", topic]),
            Self::Librdkafka => serde_json::json!(["python3", "-c", include_str!("clients/librdkafka.py"), topic]),
            Self::KafkaPython => serde_json::json!(["python3", "-c", include_str!("clients/kafka_python.py"), topic]),
            Self::FranzGo => serde_json::json!(["/clients-go", topic]),
        }
    }
}

/// What a Pod says that belongs to a workload, and writes and reads a topic.
pub(crate) fn asks(workload: &str, topic: &str) -> String {
    format!(
        "kafka.admittance.dev/workload: {workload}, kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}"
    )
}

/// A Pod of a workload that writes a topic and reads it.
pub(crate) fn steady_pod(namespace: &str, name: &str, workload: &str, family: Family, topic: &str) -> String {
    pod(namespace, name, &asks(workload, topic), family.image(), &family.command(topic).to_string())
}

/// All that a Pod has written.
pub(crate) fn log_of(namespace: &str, pod: &str) -> String {
    kubectl(&["logs", pod, "--container=main", "--namespace", namespace, "--tail=-1"])
}

/// The last record of a producing Pod that these Pods have consumed; 0 for none.
fn last_tick(namespace: &str, consumers: &[&str], producer: &str) -> u64 {
    consumers.iter().map(|consumer| last_in(&log_of(namespace, consumer), producer)).max().unwrap_or(0)
}

fn last_in(log: &str, producer: &str) -> u64 {
    let of_producer = |line: &str| line.strip_prefix(TICK)?.strip_prefix(producer)?.strip_prefix(' ')?.parse().ok();
    log.lines().filter_map(of_producer).max().unwrap_or(0)
}

/// Waits until these Pods have consumed some records more from a producing Pod: so it produces, and the group consumes.
pub(crate) fn goes_on(namespace: &str, consumers: &[&str], producer: &str) {
    let before = last_tick(namespace, consumers, producer);
    wait_for(&format!("what {producer} produces in {namespace} reaches {consumers:?}"), || {
        let now = last_tick(namespace, consumers, producer);
        if now >= before + 5 { Ok(()) } else { Err(format!("record {now}, after {before}")) }
    });
}

/// Every line of a client's log that its user would worry about.
pub(crate) fn complaints(log: &str) -> Vec<&str> {
    let warns = |line: &str| ["WARNING ", "[WARN] ", "%4|", "%5|", "%6|"].iter().any(|level| line.starts_with(level));
    // Java's console tools begin with the time.
    let harmless = |line: &str| (warns(line) || line.contains("] WARN ")) && !line.to_lowercase().contains("auth");
    let said = log.lines().filter(|line| !line.trim().is_empty());
    said.filter(|line| !line.starts_with(TICK) && !line.starts_with(HINT) && !harmless(line)).collect()
}

/// Fails with what a Pod's client complains of.
pub(crate) fn no_complaint(namespace: &str, pod: &str) {
    let log = log_of(namespace, pod);
    assert!(complaints(&log).is_empty(), "{namespace}/{pod}: {:?}", complaints(&log));
}

/// Whether a new login with the mounted files can produce a record: what the client says, unless it was delivered.
pub(crate) fn produce_once(namespace: &str, pod: &str, topic: &str) -> Result<(), String> {
    let said = exec(namespace, pod, &["python3", "-c", ONCE, topic]).1;
    if said.trim() == "delivered" { Ok(()) } else { Err(said) }
}

#[test]
fn complaints_are_told_from_records_and_warnings() {
    let log = "tick one 1\n\
        The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer\n\
        [2026-01-01 00:00:00,000] WARN [Consumer clientId=a] Bootstrap broker disconnected (org.apache.kafka.clients)\n\
        WARNING kafka.coordinator heartbeat failed\n\
        tick one 12\ntick one-more 99\n";
    assert_eq!(complaints(log), Vec::<&str>::new());
    assert_eq!((last_in(log, "one"), last_in(log, "two")), (12, 0));
    for line in [
        "error KafkaError{code=_AUTHENTICATION}",
        "[2026-01-01 00:00:00,000] ERROR Error when sending message (org.apache.kafka.tools)",
        "[2026-01-01 00:00:00,000] WARN Connection to node 1 failed authentication (org.apache.kafka.clients)",
        "Traceback (most recent call last):",
        "%3|1|FAIL|rdkafka#producer-1| connection refused",
    ] {
        assert_eq!(complaints(&format!("{log}{line}\n")), [line]);
    }
}
