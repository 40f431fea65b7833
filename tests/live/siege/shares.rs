//! A broker that joins, and leaves for good: shares of the disks are computed anew.

use std::time::Duration;

use serde_json::json;

use crate::bed::{Namespace, apply, exec, kubectl, unique, wait_for, wait_ready};
use crate::moves::{retention_bytes_of, topic_claim};
use crate::tools::kafka_tool;

/// For how long what brokers told of their disks is believed, and a little.
const BELIEVED: Duration = Duration::from_secs(65);

/// A fourth broker, in the container of the third and on its disk; gone for good with the guard.
struct Fourth;

impl Fourth {
    const NUMBER: &'static str = "3";
    const FOLDER: &'static str = "/var/lib/kafka/fourth";

    fn join() -> Self {
        // The later line counts. It shows the certificate of its neighbour, so its name is its neighbour's.
        let script = "
set -eu
own=kafka-2.kafka.kafka.svc.cluster.local
sed -e 's/^process.roles=.*/process.roles=broker/' -e '/CONTROLLER:\\/\\//s/^listeners=.*/listeners=CLIENTS:\\/\\/:9192,REPLICATION:\\/\\/:9194/' \\
    -e \"s/^advertised.listeners=.*/advertised.listeners=CLIENTS:\\/\\/$own:9192,REPLICATION:\\/\\/$own:9194/\" \\
    -e \"s/^node.id=.*/node.id=$1/\" -e \"s|^log.dirs=.*|log.dirs=$2|\" /tmp/server.properties >/tmp/fourth.properties
/opt/kafka/bin/kafka-storage.sh format --config /tmp/fourth.properties --cluster-id=\"$(cat /etc/kafka/broker/cluster-id)\" >/dev/null
LOG_DIR=/tmp/fourth-logs setsid /opt/kafka/bin/kafka-server-start.sh /tmp/fourth.properties >/tmp/fourth.log 2>&1 </dev/null &
echo $! >/tmp/fourth.pid
";
        let (done, said) = exec("kafka", "kafka-2", &["sh", "-c", script, "sh", Self::NUMBER, Self::FOLDER]);
        let fourth = Self;
        assert!(done, "{said}");
        wait_for("four brokers take part", || {
            let said = kafka_tool("kafka-broker-api-versions.sh", &[]);
            let brokers = said.lines().filter(|line| line.contains(" rack: ")).count();
            if brokers == 4 { Ok(()) } else { Err(format!("{brokers} brokers: {}", Self::log())) }
        });
        fourth
    }

    fn log() -> String {
        exec("kafka", "kafka-2", &["tail", "-n", "5", "/tmp/fourth.log"]).1
    }

    fn stop() {
        // Nobody there waits for it: it is a zombie in the end, without a command line.
        let script = "
[ -e /tmp/fourth.pid ] || exit 0
pid=$(cat /tmp/fourth.pid)
kill \"$pid\"
for _ in $(seq 300); do [ -n \"$(cat /proc/$pid/cmdline 2>/dev/null | tr -d '\\0')\" ] || break; sleep 0.2; done
rm -rf /tmp/fourth* \"$1\"
";
        let _ = exec("kafka", "kafka-2", &["sh", "-c", script, "sh", Self::FOLDER]);
    }

    /// Takes it off the cluster's books, as one does who scales down.
    fn unregister() -> (bool, String) {
        let admin =
            ["--bootstrap-server", "kafka.kafka:9092", "--command-config", "/etc/kafka/admin/client.properties"];
        let tool = ["kafka-run-class.sh", "org.apache.kafka.tools.ClusterTool", "unregister", "--id", Self::NUMBER];
        exec("kafka", "kafka-0", &[&tool[..], &admin[..]].concat())
    }
}

impl Drop for Fourth {
    fn drop(&mut self) {
        Self::stop();
        let (done, said) = Self::unregister();
        if !std::thread::panicking() {
            assert!(done, "{said}");
        }
    }
}

/// Has a topic looked at, once what brokers told of their disks before is not believed any more.
fn look(namespace: &str, topic: &str, number: u32) {
    std::thread::sleep(BELIEVED);
    let setting = format!("{}", 1_000_000 + number);
    let other = json!({"spec": {"config": {"max.message.bytes": setting}}}).to_string();
    kubectl(&["patch", "topicclaim", "shared", "--namespace", namespace, "--type=merge", "--patch", &other]);
    wait_for("the topic is looked at", || {
        let said = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "topics", "--entity-name", topic]);
        if said.contains(&format!("max.message.bytes={setting} ")) { Ok(()) } else { Err(said) }
    });
}

/// Waits until a topic may keep another number of bytes; how many.
fn wait_divided(topic: &str, near: u64) -> u64 {
    wait_for(&format!("{near} bytes of each partition are the share of {topic}"), || match retention_bytes_of(topic) {
        Ok(kept) if kept.abs_diff(near) <= near / 50 => Ok(kept),
        other => Err(format!("{other:?}")),
    })
}

#[test]
fn a_broker_that_joins_or_leaves_for_good_changes_what_a_share_of_the_disks_is() {
    let (space, topic) = (Namespace::plain("live-siege-shares"), unique("siege-shares"));
    let config = json!({"segment.bytes": (1 << 20).to_string()});
    let more = json!({"partitions": 2, "replicas": 2, "config": config, "retention": {"diskFraction": "0.01"}});
    apply(&topic_claim(&space.0, "shared", &topic, &more));
    wait_ready("topicclaim", &space.0, "shared");
    let of_three = wait_for("the share is a limit", || retention_bytes_of(&topic));
    let fourth = Fourth::join();
    look(&space.0, &topic, 1);
    let of_four = wait_divided(&topic, of_three / 3 * 4);
    assert!(of_four > of_three, "{of_three} {of_four}");
    Fourth::stop();
    // A broker that is merely down may come back with its disks: whoever looks then gives nothing up.
    look(&space.0, &topic, 2);
    assert_eq!(retention_bytes_of(&topic), Ok(of_four));
    drop(fourth);
    look(&space.0, &topic, 3);
    assert_eq!(wait_divided(&topic, of_three), of_three);
    wait_ready("topicclaim", &space.0, "shared");
}
