//! The contract of 2017 as its users have it: ConfigMaps and Deployments, applied unchanged.

use serde_json::{Value, json};

use crate::bed::{
    Namespace, apply, event_about, event_of, get, kubectl, nothing_is_left, rules_of, try_get, unique, user_of,
    wait_for, wait_new_password, wait_ready, wait_reason, with_input,
};
use crate::operator::{Operator, credentials, without_operator};
use crate::tools::kafka_tool;

/// The topics of `examples/2017`, gone from Kafka before and after: their names are not a test's own.
struct Topics;

impl Topics {
    const NAMES: [&'static str; 2] = ["my-kafka-topic", "Underscore_Kafka_Topic"];

    fn gone() -> Self {
        Self::delete();
        Self
    }

    fn delete() {
        for name in Self::NAMES {
            kafka_tool("kafka-topics.sh", &["--delete", "--if-exists", "--topic", name]);
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        Self::delete();
    }
}

fn namespace(name: &str) -> Namespace {
    let space = Namespace::opted_in(name);
    kubectl(&["label", "namespace", name, "kafka.admittance.dev/topics=configmaps"]);
    space
}

fn apply_example(namespace: &str, file: &str) {
    let path = format!("{}/examples/2017/{file}", env!("CARGO_MANIFEST_DIR"));
    kubectl(&["apply", "--namespace", namespace, "--filename", &path]);
}

fn described(topic: &str) -> String {
    kafka_tool("kafka-topics.sh", &["--describe", "--topic", topic])
}

/// Waits until Kafka says these settings of a topic, each as `key=value`.
fn wait_settings(topic: &str, settings: &[&str]) {
    wait_for(&format!("topic {topic} has {settings:?}"), || {
        let said = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "topics", "--entity-name", topic]);
        if settings.iter().all(|setting| said.contains(&format!("{setting} "))) { Ok(()) } else { Err(said) }
    });
}

/// A ConfigMap that describes a topic.
fn config_map(namespace: &str, name: &str, data: &Value) -> String {
    labelled(namespace, name, &json!({"config": "kafka-topic"}), data)
}

/// A ConfigMap with labels.
fn labelled(namespace: &str, name: &str, labels: &Value, data: &Value) -> String {
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).to_string()
}

/// Waits until the author of a ConfigMap is told something, at the ConfigMap and not at the claim of its name.
fn told(namespace: &str, name: &str, reason: &str, says: &str) -> String {
    event_about("ConfigMap", namespace, name, reason, says)
}

/// Puts an object in the place of what is there: one of 900 KB is too large for what `apply` remembers.
fn replace(manifest: &str) {
    let done = with_input(&["replace", "--filename=-"], manifest);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A Deployment without Pods that asks for itself.
fn deployment(namespace: &str, name: &str, annotations: &Value) -> String {
    let labels = json!({"kafka-operator": "inject-creds"});
    let template = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "localhost/pause:1"}]},
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template},
    })
    .to_string()
}

fn exists(kind: &str, namespace: &str, name: &str) -> bool {
    try_get(&[kind, name, "--namespace", namespace]).is_ok()
}

fn wait_gone(kind: &str, namespace: &str, name: &str) {
    wait_for(&format!("{kind} {namespace}/{name} is gone"), || {
        if exists(kind, namespace, name) { Err("there".to_owned()) } else { Ok(()) }
    });
}

fn claim(namespace: &str, name: &str) -> Value {
    get(&["topicclaim", name, "--namespace", namespace])
}

#[test]
fn the_examples_run_unchanged() {
    let (_topics, space) = (Topics::gone(), namespace("live-2017"));
    let _patience = credentials("idleAfter", "3s");
    apply_example(&space.0, "topics.yaml");
    wait_ready("topicclaim", &space.0, "my-kafka-topic");
    wait_ready("topicclaim", &space.0, "underscore-kafka-topic");
    for topic in Topics::NAMES {
        let said = described(topic);
        assert!(said.contains("PartitionCount: 20") && said.contains("ReplicationFactor: 3"), "{said}");
    }
    assert_eq!(claim(&space.0, "my-kafka-topic")["spec"]["config"], json!({"retention.ms": "1000000"}));
    wait_settings("my-kafka-topic", &["retention.ms=1000000"]);
    apply_example(&space.0, "topic-changed.yaml");
    wait_for("the claim follows its ConfigMap", || {
        let config = &claim(&space.0, "my-kafka-topic")["spec"]["config"];
        let wanted = json!({"retention.ms": "1000000", "compression.type": "producer"});
        if *config == wanted { Ok(()) } else { Err(config.to_string()) }
    });
    wait_settings("my-kafka-topic", &["retention.ms=1000000", "compression.type=producer"]);

    apply_example(&space.0, "deployment.yaml");
    let user = user_of(&space.0, "relay");
    let secret = get(&["secret", "relay-kafka", "--namespace", &space.0]);
    for key in ["username", "password", "bootstrap.server", "kafka-client-jaas.conf"] {
        assert!(secret["data"][key].is_string(), "{key}");
    }
    let own = get(&["secret", "relay-kafka-credentials", "--namespace", &space.0]);
    assert_eq!(secret["data"], own["data"]);
    let rules = rules_of(&user);
    for rule in Topics::NAMES.map(|topic| format!("name={topic}, patternType=LITERAL")) {
        assert!(rules.contains(&rule), "{rules}");
    }
    // Nothing is put into its Pods: they start from what their author wrote.
    kubectl(&["rollout", "status", "deployment/relay", "--namespace", &space.0, "--timeout=100s"]);
    let pods = get(&["pods", "--namespace", &space.0, "--selector=app=relay"]).to_string();
    assert!(!pods.contains("admittance"), "{pods}");

    kubectl(&["delete", "deployment", "relay", "--namespace", &space.0]);
    nothing_is_left(&space.0, "relay", &user);
    kubectl(&["delete", "configmap", "my-kafka-topic", "--namespace", &space.0]);
    wait_gone("topicclaim", &space.0, "my-kafka-topic");
    assert!(described("my-kafka-topic").contains("PartitionCount: 20"), "the topic stays");
}

#[test]
fn what_is_wrong_is_told_at_the_config_map_and_the_last_good_claim_stays() {
    let (space, topic) = (namespace("live-2017-bad"), unique("bad"));
    let good = json!({"name": topic, "partitions": "2", "properties": "retention.ms=1000000"});
    apply(&config_map(&space.0, "good", &good));
    let made = wait_ready("topicclaim", &space.0, "good")["spec"].clone();
    assert_eq!((&made["topicName"], &made["partitions"]), (&json!(topic), &json!(2)));
    let counts_and_settings =
        || described(&topic).lines().find(|line| line.contains("PartitionCount")).map(str::to_owned);
    let before = counts_and_settings().unwrap();
    assert!(before.contains("PartitionCount: 2") && before.contains("retention.ms=1000000"), "{before}");
    for (data, reason, says) in [
        (json!({"name": topic, "partitions": "1"}), "InvalidValue", "1 is less than 2"),
        (json!({"name": topic, "partitions": "-3"}), "InvalidValue", "\"-3\" is no number"),
        (json!({"name": topic, "properties": "a=1\na=2"}), "InvalidProperties", "repeats the key"),
        (
            json!({"name": topic, "properties": "retention.ms=\\u00zz"}),
            "InvalidProperties",
            "escape that is no character",
        ),
        (json!({"name": "__consumer_offsets"}), "InternalTopic", "__consumer_offsets"),
        (json!({"name": topic, "properties": "#".repeat(900_000)}), "ConfigMapTooLarge", "bytes"),
    ] {
        replace(&config_map(&space.0, "good", &data));
        told(&space.0, "good", reason, says);
        assert_eq!(claim(&space.0, "good")["spec"], made, "{reason}: {says}");
        assert_eq!(counts_and_settings().as_ref(), Some(&before), "{reason}: {says}");
    }
    wait_settings(&topic, &["retention.ms=1000000"]);
    let large = config_map(&space.0, "large", &json!({"properties": "#".repeat(900_000)}));
    assert!(with_input(&["create", "--filename=-"], &large).status.success());
    told(&space.0, "large", "ConfigMapTooLarge", "900010 bytes");
    assert!(!exists("topicclaim", &space.0, "large"));

    let by_hand = json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1",
        "kind": "TopicClaim",
        "metadata": {"name": "hand", "namespace": space.0},
        "spec": {"topicName": unique("hand"), "cluster": "admittance/default"},
    });
    apply(&by_hand.to_string());
    apply(&config_map(&space.0, "hand", &json!({"partitions": "3"})));
    told(&space.0, "hand", "TopicClaimNotOurs", "");
    assert_eq!(claim(&space.0, "hand")["spec"]["partitions"], Value::Null);
}

#[test]
fn other_spellings_and_escapes_are_read_and_what_kafka_refuses_is_told_at_the_config_map() {
    let (space, topic) = (namespace("live-2017-read"), unique("read-2017"));
    let named = |more: &str| format!("{topic}-{more}");
    for (name, data) in [
        ("strange", json!({"name": named("strange"), "properties": "colour=red"})),
        ("many", json!({"name": named("many"), "repl.factor": "50"})),
        (
            "good",
            json!({
                "name": named("good"),
                "num.partitions": "3",
                "repl.factor": "2",
                "partition": "7",
                "properties": "retention.ms=\\u0033600000\nsegment\\u002ems : 72\\\n  00000",
            }),
        ),
    ] {
        apply(&config_map(&space.0, name, &data));
    }
    wait_ready("topicclaim", &space.0, "good");
    let said = described(&named("good"));
    assert!(said.contains("PartitionCount: 3") && said.contains("ReplicationFactor: 2"), "{said}");
    wait_settings(&named("good"), &["retention.ms=3600000", "segment.ms=7200000"]);
    told(&space.0, "good", "UnknownConfigMapKey", "partition");
    for (name, reason, says) in
        [("strange", "UnknownTopicConfig", "colour"), ("many", "TooManyReplicas", "cannot have the replicas")]
    {
        wait_reason("topicclaim", &space.0, name, reason);
        told(&space.0, name, reason, says);
    }
    let topics = kafka_tool("kafka-topics.sh", &["--list"]);
    assert!(topics.contains(&named("good")), "{topics}");
    assert!(!topics.contains(&named("strange")) && !topics.contains(&named("many")), "{topics}");
}

#[test]
fn a_claim_that_is_edited_or_deleted_by_hand_is_as_its_config_map_says() {
    let (space, topic) = (namespace("live-2017-edit"), unique("edit-2017"));
    apply(&config_map(&space.0, "edited", &json!({"name": topic})));
    let made = wait_ready("topicclaim", &space.0, "edited");
    let patch = json!({"spec": {"deletion": "Delete", "config": {"retention.ms": "1"}}}).to_string();
    kubectl(&["patch", "topicclaim", "edited", "--namespace", &space.0, "--type=merge", "--patch", &patch]);
    wait_for("the edit is reverted", || {
        let spec = claim(&space.0, "edited")["spec"].clone();
        if spec == made["spec"] { Ok(()) } else { Err(spec.to_string()) }
    });
    kubectl(&["delete", "topicclaim", "edited", "--namespace", &space.0]);
    wait_for("the claim is made again", || {
        let again = try_get(&["topicclaim", "edited", "--namespace", &space.0])?;
        if again["metadata"]["uid"] == made["metadata"]["uid"] { Err("the old one".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn without_the_labels_nothing_counts() {
    let (off, on, topic) = (Namespace::plain("live-2017-off"), namespace("live-2017-on"), unique("labelled"));
    let asks = json!({"topic.kafka.nb/produces": topic});
    apply(&config_map(&off.0, "first", &json!({"name": topic})));
    apply(&deployment(&off.0, "app", &asks));
    // What is served after them shows that their turn has passed.
    let served = unique("labelled-too");
    apply(&config_map(&on.0, "second", &json!({"name": served})));
    wait_ready("topicclaim", &on.0, "second");
    apply(&deployment(&on.0, "later", &json!({"consumes": served})));
    user_of(&on.0, "later");
    assert!(!exists("topicclaim", &off.0, "first") && !exists("accessclaim", &off.0, "app"));
    kubectl(&["label", "namespace", &off.0, "kafka.admittance.dev/injection=enabled"]);
    user_of(&off.0, "app");
    assert!(!exists("topicclaim", &off.0, "first"), "ConfigMaps need a label of their own");
    kubectl(&["label", "namespace", &off.0, "kafka.admittance.dev/topics=configmaps"]);
    told(&off.0, "first", "TopicDeclared", "");
}

#[test]
fn a_selector_of_the_installations_own_picks_the_config_maps() {
    let (space, topic) = (namespace("live-2017-select"), unique("selected"));
    let data = |name: &str| json!({"name": format!("{topic}-{name}"), "partitions": "3"});
    without_operator(|| {
        let _operator = Operator::of_config_maps("team in (shop, web),config!=kafka-topic", "selecting");
        let (both, own) = (json!({"team": "shop", "config": "kafka-topic"}), json!({"team": "web"}));
        apply(&config_map(&space.0, "usual", &data("usual")));
        apply(&labelled(&space.0, "both", &both, &data("both")));
        // The last that is applied: the others have had their turn when it is served.
        apply(&labelled(&space.0, "own", &own, &data("own")));
        wait_ready("topicclaim", &space.0, "own");
        assert!(!exists("topicclaim", &space.0, "usual") && !exists("topicclaim", &space.0, "both"));
        let listed = kafka_tool("kafka-topics.sh", &["--list"]);
        let ours: Vec<_> = listed.lines().filter(|line| line.starts_with(&topic)).collect();
        assert_eq!(ours, [format!("{topic}-own")]);
        assert!(described(ours[0]).contains("PartitionCount: 3"));
    });
    // The installation's own operator goes by the usual label.
    wait_ready("topicclaim", &space.0, "usual");
    wait_ready("topicclaim", &space.0, "both");
}

#[test]
fn a_deployment_s_own_secret_is_kept_in_step_and_goes_with_its_name() {
    let (space, topic) = (Namespace::opted_in("live-2017-secret"), unique("secret"));
    let asks = |secret: &str| {
        let annotations = json!({"topic.kafka.nb/produces": topic, "topic.kafka.nb/topic-secret": secret});
        apply(&deployment(&space.0, "app", &annotations));
    };
    let data = |name: &str| get(&["secret", name, "--namespace", &space.0])["data"].clone();
    asks("mine");
    user_of(&space.0, "app");
    let before = get(&["secret", "app-kafka-credentials", "--namespace", &space.0]);
    assert_eq!(data("mine"), before["data"]);
    let rotate = "kafka.admittance.dev/rotate=now";
    kubectl(&["annotate", "accessclaim", "app", "--namespace", &space.0, rotate]);
    let after = wait_new_password(&space.0, "app", &before);
    wait_for("the copy has the new password", || {
        if data("mine") == after["data"] { Ok(()) } else { Err("the old one".to_owned()) }
    });

    asks("other");
    wait_gone("secret", &space.0, "mine");
    assert_eq!(data("other"), after["data"]);
    wait_for("the claim forgets it", || {
        let secrets = try_get(&["accessclaim", "app", "--namespace", &space.0])?["spec"]["secrets"].clone();
        if secrets == json!(["other"]) { Ok(()) } else { Err(secrets.to_string()) }
    });

    // A name that somebody else has is left alone, and what was given stays.
    apply(&format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: theirs, namespace: {}}}, stringData: {{a: b}}}}",
        space.0
    ));
    asks("theirs");
    event_of(&space.0, "app", "SecretNotOurs");
    wait_reason("accessclaim", &space.0, "app", "SecretNotOurs");
    assert_eq!(data("theirs"), json!({"a": "Yg=="}));
    assert_eq!(data("app-kafka-credentials"), after["data"]);
}

#[test]
fn what_is_wrong_with_a_deployment_is_told_there() {
    let (space, topic) = (Namespace::opted_in("live-2017-wrong"), unique("wrong"));
    apply(&deployment(&space.0, "app", &json!({"topic.kafka.nb/produces": "a/b"})));
    event_of(&space.0, "app", "InvalidTopicName");
    assert!(!exists("accessclaim", &space.0, "app"));
    apply(&deployment(&space.0, "app", &json!({"topic.kafka.nb/produces": topic})));
    let user = user_of(&space.0, "app");
    // What it asked for last stays while it cannot be read.
    apply(&deployment(&space.0, "app", &json!({"topic.kafka.nb/produces": "a/b c/d"})));
    wait_for("it is told anew", || {
        let events = get(&["events", "--namespace", &space.0, "--field-selector=involvedObject.name=app"]).to_string();
        if events.contains("c/d") { Ok(()) } else { Err(events) }
    });
    assert!(rules_of(&user).contains(&topic));
}
