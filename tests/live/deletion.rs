//! What becomes of topics whose claims are deleted. Kafka's own tools are the witness.

use std::process::Stdio;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::bed::{
    HOME, Namespace, Spec, apply, event_about, event_of, exec, get, idle_pod, kubectl, rules_of, try_kubectl, unique,
    user_of, wait_for, wait_ready,
};
use crate::tools::kafka_tool;

const RELEASE: &str = "kafka.admittance.dev/release-deletion";
const ADMIN: &str = "--bootstrap-server kafka.kafka:9092 --command-config /etc/kafka/admin/client.properties";

/// How the BrokerCluster deletes topics; as before with the guard, and no word stands that releases what was held.
pub(crate) struct Terms {
    _spec: Spec,
}

impl Terms {
    pub(crate) fn set(undo: &str, min_record_age: &str, max_an_hour: u32) -> Self {
        Self::of(&Self::terms(undo, min_record_age, max_an_hour))
    }

    pub(crate) fn of(terms: &Value) -> Self {
        Self { _spec: Spec::set(&json!({"topics": {"deletion": terms}})) }
    }

    /// The same where no operator runs.
    pub(crate) fn unseen(undo: &str, min_record_age: &str, max_an_hour: u32) -> Self {
        let terms = Self::terms(undo, min_record_age, max_an_hour);
        Self { _spec: Spec::unseen(&json!({"topics": {"deletion": terms}})) }
    }

    fn terms(undo: &str, min_record_age: &str, max_an_hour: u32) -> Value {
        json!({"undo": undo, "minRecordAge": min_record_age, "maxAnHour": max_an_hour})
    }
}

impl Drop for Terms {
    fn drop(&mut self) {
        let _ = try_kubectl(&["annotate", "brokercluster", "default", "--namespace", HOME, &format!("{RELEASE}-")]);
    }
}

/// A topic of a test that ends before the product has deleted it.
pub(crate) struct Topic(pub(crate) String);

impl Topic {
    pub(crate) fn id(&self) -> Option<String> {
        let said = kafka_tool("kafka-topics.sh", &["--describe", "--topic", &self.0]);
        let id = said.split("TopicId: ").nth(1)?.split_whitespace().next()?;
        Some(id.to_owned())
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        kafka_tool("kafka-topics.sh", &["--delete", "--if-exists", "--topic", &self.0]);
    }
}

pub(crate) fn declare(namespace: &str, name: &str, topic: &str, deletion: &str) {
    apply(&declaration(namespace, name, topic, deletion));
}

pub(crate) fn declaration(namespace: &str, name: &str, topic: &str, deletion: &str) -> String {
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1",
        "kind": "TopicClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"topicName": topic, "cluster": format!("{HOME}/default"), "deletion": deletion},
    })
    .to_string()
}

/// Declares a topic, and waits until it is there.
pub(crate) fn declared(namespace: &str, topic: &str, deletion: &str) -> (Topic, String) {
    declare(namespace, "it", topic, deletion);
    let claim = wait_ready("topicclaim", namespace, "it");
    let id = claim["status"]["topicId"].as_str().unwrap().to_owned();
    let topic = Topic(topic.to_owned());
    assert_eq!(topic.id().as_ref(), Some(&id));
    (topic, id)
}

pub(crate) fn delete(namespace: &str) {
    kubectl(&["delete", "topicclaim", "it", "--namespace", namespace]);
}

pub(crate) fn cluster() -> Value {
    get(&["brokercluster", "default", "--namespace", HOME])
}

/// What is on record of a topic, in one of the lists of the BrokerCluster's status.
pub(crate) fn record(list: &str, topic: &str) -> Option<Value> {
    let records = cluster()["status"][list].as_array().cloned().unwrap_or_default();
    records.into_iter().find(|record| record["topic"] == topic)
}

pub(crate) fn wait_record(list: &str, topic: &str) -> Value {
    wait_for(&format!("{topic} is in status.{list}"), || {
        record(list, topic).ok_or_else(|| cluster()["status"].to_string())
    })
}

fn wait_no_record(list: &str, topic: &str) {
    wait_for(&format!("{topic} is not in status.{list}"), || {
        record(list, topic).map_or(Ok(()), |left| Err(left.to_string()))
    });
}

fn wait_deleted(topic: &str) {
    wait_for(&format!("{topic} is deleted"), || {
        let record = record("deletions", topic).ok_or("it is not on record")?;
        if record["deleted"].is_string() { Ok(()) } else { Err(record.to_string()) }
    });
}

fn wait_held(topic: &str, reason: &str) -> String {
    wait_for(&format!("{topic} is held: {reason}"), || {
        let record = record("deletions", topic).ok_or("it is not on record")?;
        let held = record["held"].as_str().unwrap_or_default();
        if held.starts_with(&format!("{reason}: ")) { Ok(held.to_owned()) } else { Err(record.to_string()) }
    })
}

#[test]
fn a_topic_that_is_kept_stays_and_its_namespace_has_it_again() {
    let (space, name) = (Namespace::plain("live-del-keep"), unique("kept"));
    let (topic, id) = declared(&space.0, &name, "Keep");
    delete(&space.0);
    assert_eq!(wait_record("released", &name)["topicId"], id.as_str());
    assert!(event_of(&space.0, "it", "TopicReleased").contains(&name));
    assert_eq!(topic.id(), Some(id.clone()));
    assert!(record("deletions", &name).is_none());
    // Its name is nobody's own: that it was this namespace's is what is on record.
    declare(&space.0, "again", &name, "Keep");
    assert_eq!(wait_ready("topicclaim", &space.0, "again")["status"]["topicId"], id.as_str());
    wait_no_record("released", &name);
}

#[test]
fn a_topic_is_deleted_when_the_time_to_undo_it_has_passed() {
    let (space, name) = (Namespace::plain("live-del-delete"), unique("deleted"));
    let _terms = Terms::set("4s", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    delete(&space.0);
    assert_eq!(wait_record("deletions", &name)["topicId"], id.as_str());
    let told = event_of(&space.0, "it", "DeletionAnnounced");
    assert!(
        told.contains(&name) && told.contains("declare TopicClaim it in namespace live-del-delete again"),
        "{told}"
    );
    wait_deleted(&name);
    assert_eq!(topic.id(), None);
    event_of(&space.0, "it", "TopicDeleted");
    // Whoever comes now gets a new one.
    assert_ne!(declared(&space.0, &name, "Keep").1, id);
}

#[test]
fn a_claim_that_is_declared_again_undoes_it() {
    let (space, name) = (Namespace::plain("live-del-undo"), unique("undone"));
    let _terms = Terms::set("10m", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    delete(&space.0);
    wait_record("deletions", &name);
    declare(&space.0, "again", &name, "Keep");
    assert_eq!(wait_ready("topicclaim", &space.0, "again")["status"]["topicId"], id.as_str());
    wait_no_record("deletions", &name);
    event_of(&space.0, "again", "DeletionUndone");
    assert_eq!(topic.id(), Some(id));
}

#[test]
fn a_group_that_reads_a_topic_holds_it() {
    let (space, name) = (Namespace::plain("live-del-read"), unique("read"));
    let _terms = Terms::set("2s", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    let consume = format!("kafka-console-consumer.sh {ADMIN} --topic {name} --group {name}-group");
    // It ends with its input, and so with this test at the latest.
    let consume = format!("timeout 150 {consume} & read end; kill $!; wait");
    let consumer = ["exec", "--stdin", "--namespace=kafka", "kafka-0", "--", "sh", "-c", &consume];
    let mut consumer = std::process::Command::new("kubectl")
        .args(consumer)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let group = format!("{name}-group");
    wait_for("the group has a member", || {
        let said = kafka_tool("kafka-consumer-groups.sh", &["--describe", "--state", "--group", &group]);
        if said.contains("Stable") { Ok(()) } else { Err(said) }
    });
    delete(&space.0);
    let held = wait_held(&name, "GroupActive");
    assert!(held.contains(&group), "{held}");
    event_of(&space.0, "it", "GroupActive");
    assert_eq!(topic.id(), Some(id));
    drop(consumer.stdin.take());
    consumer.wait().unwrap();
    wait_deleted(&name);
    assert_eq!(topic.id(), None);
}

#[test]
fn young_records_hold_a_topic() {
    let (space, name) = (Namespace::plain("live-del-young"), unique("young"));
    let _terms = Terms::set("2s", "30m", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    let produce = format!("echo precious | kafka-console-producer.sh {ADMIN} --topic {name}");
    let (done, said) = exec("kafka", "kafka-0", &["sh", "-c", &produce]);
    assert!(done, "{said}");
    delete(&space.0);
    let held = wait_held(&name, "RecordsTooYoung");
    assert!(held.contains("1800 s"), "{held}");
    event_about("TopicClaim", &space.0, "it", "RecordsTooYoung", "1800 s");
    assert_eq!(topic.id(), Some(id));
    let _terms = Terms::set("2s", "1s", 10_000);
    wait_deleted(&name);
    assert_eq!(topic.id(), None);
}

#[test]
fn a_workload_that_still_asks_for_a_topic_claims_it_again() {
    let (space, name) = (Namespace::opted_in("live-del-asked"), unique("asked"));
    let _terms = Terms::set("10m", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/consumes: {name}")));
    let user = user_of(&space.0, "app");
    delete(&space.0);
    event_of(&space.0, &name, "DeletionUndone");
    wait_no_record("deletions", &name);
    wait_ready("accessclaim", &space.0, "app");
    assert!(rules_of(&user).contains(&format!("name={name}")));
    assert_eq!(topic.id(), Some(id));
}

#[test]
fn whoever_has_rights_on_a_topic_in_kafka_holds_it() {
    let (space, name) = (Namespace::plain("live-del-used"), unique("used"));
    let _terms = Terms::set("2s", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    let rule = ["--force", "--allow-principal", "User:hand-made", "--operation", "Read", "--topic", &name];
    kafka_tool("kafka-acls.sh", &[&["--add"], &rule[..]].concat());
    delete(&space.0);
    let held = wait_held(&name, "TopicInUse");
    assert!(held.contains("hand-made"), "{held}");
    event_about("TopicClaim", &space.0, "it", "TopicInUse", "hand-made");
    assert_eq!(topic.id(), Some(id));
    kafka_tool("kafka-acls.sh", &[&["--remove"], &rule[..]].concat());
    wait_deleted(&name);
    assert_eq!(topic.id(), None);
}

#[test]
fn a_topic_that_was_made_anew_is_left_alone() {
    let (space, name) = (Namespace::plain("live-del-anew"), unique("anew"));
    let _terms = Terms::set("15s", "0s", 10_000);
    let (topic, id) = declared(&space.0, &name, "Delete");
    delete(&space.0);
    wait_record("deletions", &name);
    kafka_tool("kafka-topics.sh", &["--delete", "--topic", &name]);
    kafka_tool("kafka-topics.sh", &["--create", "--topic", &name, "--partitions", "1"]);
    let anew = topic.id();
    assert!(anew.is_some() && anew != Some(id));
    wait_no_record("deletions", &name);
    event_of(&space.0, "it", "TopicReplaced");
    assert_eq!(topic.id(), anew);
}

/// Deletes many claims at once, on terms by which these are too many: nothing is deleted until the word is said.
pub(crate) fn many_are_held(namespace: &str, count: usize, terms: &Value) {
    let (space, name) = (Namespace::plain(namespace), unique(namespace));
    let _terms = Terms::of(terms);
    let names: Vec<String> = (0..count).map(|n| format!("{name}-{n}")).collect();
    let claims: Vec<String> = names.iter().map(|name| declaration(&space.0, name, name, "Delete")).collect();
    apply(&claims.join("\n---\n"));
    wait_for("all topics are there", || {
        let claims = get(&["topicclaims", "--namespace", &space.0]);
        let claims = claims["items"].as_array().unwrap();
        let ready = claims.iter().filter(|claim| crate::bed::ready(claim).is_ok()).count();
        if ready == count { Ok(()) } else { Err(format!("{ready} of {count}")) }
    });
    kubectl(&["delete", "topicclaims", "--all", "--namespace", &space.0]);
    let all_there = || {
        let listed = kafka_tool("kafka-topics.sh", &["--list"]);
        let there = listed.lines().filter(|line| line.starts_with(&format!("{name}-"))).count();
        if there == count { Ok(()) } else { Err(there) }
    };
    let message = wait_for("the deletions are held", || {
        let conditions = cluster()["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let held = conditions.iter().find(|said| said["type"] == "DeletionHeld" && said["status"] == "True");
        let message = held.ok_or("nothing is held")?["message"].as_str().unwrap().to_owned();
        if message.contains(&format!("deletion of {count} topics")) { Ok(message) } else { Err(message) }
    });
    let of_all = format!("the deletion of {count} topics is held");
    let told = event_about("BrokerCluster", HOME, "default", "DeletionHeld", &of_all);
    assert!(told.contains(&format!("{RELEASE}=")), "{told}");
    wait_for("the time to undo it has passed", || {
        let record = record("deletions", &names[0]).unwrap();
        let due: Timestamp = record["due"].as_str().unwrap().parse().unwrap();
        assert!(record["held"].as_str().unwrap().starts_with("DeletionHeld: "), "{record}");
        let past = Timestamp::now().duration_since(due).as_secs();
        if past >= 3 { Ok(()) } else { Err(format!("{past} s")) }
    });
    assert_eq!(all_there(), Ok(()));

    let word = message.split_once(&format!("{RELEASE}=")).unwrap().1.split_whitespace().next().unwrap();
    let annotation = format!("{RELEASE}={word}");
    kubectl(&["annotate", "brokercluster", "default", "--namespace", HOME, "--overwrite", &annotation]);
    wait_for("they are released and deleted", || {
        if all_there() == Err(0) { Ok(()) } else { Err(cluster()["status"]["deletions"].to_string()) }
    });
    wait_for("nothing is held any more", || {
        let conditions = cluster()["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let held = conditions.iter().any(|said| said["type"] == "DeletionHeld" && said["status"] == "True");
        if held { Err("held") } else { Ok(()) }.map_err(str::to_owned)
    });
}

#[test]
fn many_at_once_wait_for_the_word_that_releases_exactly_them() {
    many_are_held("live-del-many", 15, &json!({"undo": "8s", "minRecordAge": "0s", "maxAnHour": 10}));
}

#[test]
fn a_share_of_all_topics_waits_for_the_word_as_well() {
    // Whatever else there is, two are more than these.
    let terms = json!({"undo": "8s", "minRecordAge": "0s", "maxAnHour": 10_000, "maxShareAnHour": "0.001"});
    many_are_held("live-del-share", 2, &terms);
}
