//! The command line against a cluster and a Kafka that run: environments, topics that were there before, plans.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::bed::{Namespace, apply, get, kubectl, rules_of, unique, user_of, wait_for, wait_ready, with_input};
use crate::tools::kafka_tool;

/// Runs the program with manifests on its standard input.
fn admittance(arguments: &[&str], input: &str, kubeconfig: Option<&str>) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_admittance"));
    program.args(arguments).envs(kubeconfig.map(|path| ("KUBECONFIG", path)));
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let done = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    done
}

/// What it printed; a panic with what it said where it did not end as expected.
fn printed(arguments: &[&str], input: &str, code: i32) -> String {
    let done = admittance(arguments, input, None);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let out = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {out}{said}");
    out
}

fn claim(namespace: &str, topic: &str, more: &str) -> String {
    format!(
        "apiVersion: kafka.admittance.dev/v1alpha1\nkind: TopicClaim\nmetadata: {{name: {topic}, namespace: {namespace}}}\n\
         spec: {{topicName: {topic}, cluster: admittance/default{more}}}\n---\n"
    )
}

#[test]
fn what_is_exported_is_applied_elsewhere_unchanged() {
    let (dev, prod) = (Namespace::opted_in("live-cli-dev"), Namespace::opted_in("live-cli-prod"));
    let topic = unique("cli-env");
    apply(&claim(&dev.0, &topic, ", partitions: 2, deletion: Keep"));
    apply(&format!(
        "apiVersion: kafka.admittance.dev/v1alpha1\nkind: AccessClaim\nmetadata: {{name: batch, namespace: {}}}\n\
         spec: {{source: Manual, workload: batch, cluster: admittance/default, serviceAccount: default, produces: [{topic}]}}\n",
        dev.0
    ));
    wait_ready("topicclaim", &dev.0, &topic);
    let exported = printed(&["export", "-n", &dev.0, "--without-namespace"], "", 0);
    for unwanted in
        ["status", "uid", "resourceVersion", "managedFields", "last-applied", "deletion", "drift", "namespace:"]
    {
        assert!(!exported.contains(unwanted), "{unwanted}: {exported}");
    }
    let applied = with_input(&["apply", "--namespace", &prod.0, "--filename=-"], &exported);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert_eq!(printed(&["export", "-n", &prod.0, "--without-namespace"], "", 0), exported);
}

#[test]
fn a_topic_that_was_there_is_imported_and_not_touched() {
    let space = Namespace::opted_in("live-cli-import");
    let topic = format!("{}.{}", space.0, unique("old"));
    let made = kafka_tool(
        "kafka-topics.sh",
        &[
            "--create",
            "--topic",
            &topic,
            "--partitions",
            "2",
            "--replication-factor",
            "1",
            "--config",
            "retention.ms=3600000",
        ],
    );
    assert!(made.contains("Created topic"), "{made}");
    let described = || kafka_tool("kafka-topics.sh", &["--describe", "--topic", &topic]);
    let before = described();
    let imported = printed(&["import", "topics", &topic], "", 0);
    for line in [&format!("namespace: {}", space.0), "partitions: 2", "replicas: 1", "retention.ms: \"3600000\""] {
        assert!(imported.contains(line), "{line}: {imported}");
    }
    assert!(!imported.contains("__"), "{imported}");
    let plan = printed(&["plan", "-o", "json"], &imported, 3);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["kafka"][0]["by"], "live");
    assert_eq!(plan["summary"]["add"], 1, "the claim alone is new: {plan}");
    apply(&imported);
    let name =
        get(&["topicclaims", "--namespace", &space.0])["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    wait_ready("topicclaim", &space.0, &name);
    assert_eq!(described(), before);
    assert_eq!(printed(&["plan"], &imported, 0), "nothing to do: 1 unchanged\n");
    // What has a claim is not imported a second time.
    assert_eq!(printed(&["import", "topics", &topic], "", 0), "");
    kafka_tool("kafka-topics.sh", &["--delete", "--topic", &topic]);
}

#[test]
fn what_strimzi_declared_is_applied_as_it_is_imported() {
    let space = Namespace::opted_in("live-cli-strimzi");
    let (topic, group) = (unique("Orders_v1"), unique("billing"));
    let theirs = format!(
        "apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaTopic
metadata: {{name: orders, namespace: kafka, labels: {{strimzi.io/cluster: main}}}}
spec:
  topicName: {topic}
  partitions: 3
  replicas: 2
  config: {{retention.ms: 7200000, cleanup.policy: [compact, delete]}}
---
apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaUser
metadata: {{name: billing, namespace: kafka}}
spec:
  authentication: {{type: scram-sha-512}}
  authorization:
    type: simple
    acls:
    - {{resource: {{type: topic, name: {topic}}}, operations: [Read, Describe]}}
    - {{resource: {{type: group, name: {group}}}, operations: [Read]}}
  quotas: {{consumerByteRate: 1048576}}
"
    );
    let from = ["import", "topics", "--from", "strimzi", "-n", &space.0, "--service-account", "default"];
    let imported = printed(&from, &theirs, 0);
    apply(&imported);
    let claims = get(&["topicclaims", "--namespace", &space.0]);
    wait_ready("topicclaim", &space.0, claims["items"][0]["metadata"]["name"].as_str().unwrap());
    let described = kafka_tool("kafka-topics.sh", &["--describe", "--topic", &topic]);
    assert!(described.contains("PartitionCount: 3\tReplicationFactor: 2"), "{described}");
    let settings = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "topics", "--entity-name", &topic]);
    assert!(settings.contains("retention.ms=7200000 "), "{settings}");
    assert!(settings.contains("cleanup.policy=compact,delete "), "{settings}");
    let user = user_of(&space.0, "billing");
    let rules = rules_of(&user);
    for resource in [format!("TOPIC, name={topic}, "), format!("GROUP, name={group}, ")] {
        let (_, of_it) = rules.split_once(&resource).unwrap_or_else(|| panic!("{resource}: {rules}"));
        let of_it = of_it.split("Current ACLs").next().unwrap_or_default();
        assert!(of_it.contains("operation=READ, permissionType=ALLOW") && !of_it.contains("WRITE"), "{of_it}");
    }
    let limits = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "users", "--entity-name", &user]);
    assert!(limits.contains("consumer_byte_rate=1048576"), "{limits}");
    assert_eq!(printed(&["plan"], &imported, 0), "nothing to do: 2 unchanged\n");
}

#[test]
fn a_plan_comes_true_and_changes_nothing_itself() {
    let space = Namespace::opted_in("live-cli-plan");
    let topic = unique("cli-plan");
    let wanted = claim(&space.0, &topic, ", partitions: 2");
    let told = printed(&["plan"], &wanted, 3);
    assert!(told.contains(&format!("+ create topic {topic}: 2 partitions")), "{told}");
    assert!(get(&["topicclaims", "--namespace", &space.0])["items"].as_array().unwrap().is_empty());
    assert!(!kafka_tool("kafka-topics.sh", &["--list"]).lines().any(|line| line == topic), "a plan makes no topic");
    apply(&wanted);
    wait_ready("topicclaim", &space.0, &topic);
    assert_eq!(printed(&["plan"], &wanted, 0), "nothing to do: 1 unchanged\n");
    let fewer = printed(&["plan"], &claim(&space.0, &topic, ", partitions: 1"), 1);
    assert!(fewer.contains("! partitions can only grow: 2 → 1"), "{fewer}");
    let other = Namespace::opted_in("live-cli-other");
    let taken = printed(&["plan"], &claim(&other.0, &topic, ""), 1);
    assert!(
        taken.contains(&format!("! TopicOwnedElsewhere: topic {topic} belongs to namespace {}", space.0)),
        "{taken}"
    );

    // Somebody who may list the claims of the namespace, and nothing else.
    let kubeconfig = reader(&space.0);
    let done = admittance(&["plan"], &wanted, Some(&kubeconfig));
    let (out, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!((done.status.code(), &*out), (Some(0), "nothing to do: 1 unchanged\n"), "{said}");
    assert!(said.contains("was not asked") && said.contains("may not be listed"), "{said}");
    std::fs::remove_file(kubeconfig).unwrap();
}

/// A kubeconfig of an account that may list claims in its namespace.
fn reader(namespace: &str) -> String {
    kubectl(&["create", "serviceaccount", "reader", "--namespace", namespace]);
    let resources = "--resource=topicclaims.kafka.admittance.dev,accessclaims.kafka.admittance.dev";
    kubectl(&["create", "role", "reader", "--verb=get,list", resources, "--namespace", namespace]);
    let account = format!("--serviceaccount={namespace}:reader");
    kubectl(&["create", "rolebinding", "reader", "--role=reader", &account, "--namespace", namespace]);
    let token = kubectl(&["create", "token", "reader", "--namespace", namespace]);
    let mut config: Value =
        serde_json::from_str(&kubectl(&["config", "view", "--raw", "--minify", "--output=json"])).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = std::env::temp_dir().join(format!("{namespace}.kubeconfig"));
    std::fs::write(&path, config.to_string()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    // The API server learns of a binding a moment after it is made.
    wait_for("the reader may list", || {
        let listed = crate::bed::try_kubectl(&["get", "topicclaims", "--kubeconfig", &path, "--namespace", namespace]);
        if listed.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&listed.stderr).into_owned()) }
    });
    path
}
