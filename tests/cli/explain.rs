//! `admittance explain`, without a cluster and with one.

use serde_json::{Value, json};

use crate::api::{Api, Objects, access_claim, broker_cluster, list, sound};
use crate::program::{Ended, run, run_with};

const PRODUCER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/producer.yaml");
const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1/namespaces/shop";

fn stories(ended: &Ended) -> Vec<Value> {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// What a step says, with its sign.
fn step(story: &Value, name: &str) -> (String, String) {
    let steps = story["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("{name}: {story:#}"));
    (found["sign"].as_str().unwrap().to_owned(), found["says"].as_str().unwrap().to_owned())
}

fn offline(manifest: &str) -> (Value, Ended) {
    let ended = run(&["explain", "--offline", "--output", "json"], manifest);
    (stories(&ended)[0].clone(), ended)
}

fn with_cluster(objects: Objects, arguments: &[&str]) -> Ended {
    let api = Api::serve(objects);
    let ended = run_with(&[&["explain"], arguments].concat(), "", &[("KUBECONFIG", &api.kubeconfig())]);
    assert_eq!(api.writes.lock().unwrap().as_slice(), [""; 0], "an explanation writes nothing");
    ended
}

#[test]
fn a_manifest_is_explained_without_a_cluster() {
    let ended = run(&["explain", "-f", PRODUCER], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    for wanted in [
        "Deployment default/producer",
        "! Namespace     default; whether it is opted in was not looked at",
        "ReplicaSet \"producer-<hash>\" without the hash of its Pod template",
        "AccessClaim producer",
        "Secret producer-kafka-credentials",
        "Kafka user <scope>.default.producer",
        "container app: admittance-credentials mounted at /var/run/secrets/kafka",
    ] {
        assert!(ended.out.contains(wanted), "{wanted}: {}", ended.out);
    }
    assert!(!ended.out.contains('\u{1b}') && ended.err.is_empty(), "{ended:?}");
}

#[test]
fn faults_are_told_with_their_remedies() {
    let pod =
        "{kind: Pod, metadata: {name: a, annotations: {kafka.admittance.dev/consumes: a/b}}, spec: {containers: []}}";
    let (story, ended) = offline(pod);
    assert_eq!((ended.code, &story["outcome"]), (1, &json!("refused")));
    let details =
        story["steps"].as_array().unwrap().iter().find(|step| step["step"] == "Webhook").unwrap()["details"].clone();
    assert!(details[0].as_str().unwrap().starts_with("InvalidTopicName: "), "{details}");
    assert_eq!(details[1], "→ Correct the name.");
    assert_eq!(step(&story, "Annotation").0, "problem");
}

#[test]
fn annotations_that_count_for_nothing_are_noticed() {
    let template = "spec: {template: {spec: {containers: [{name: a}]}}}";
    let annotations = "annotations: {kafka.admittance.dev/consumes: orders}";
    let (story, ended) = offline(&format!("{{kind: Deployment, metadata: {{name: a, {annotations}}}, {template}}}"));
    assert_eq!((ended.code, &story["outcome"]), (1, &json!("notRequested")));
    assert!(step(&story, "Request").1.contains("not on its Pod template"), "{story:#}");
    let (_, ended) = offline(&format!("{{kind: Deployment, metadata: {{name: a}}, {template}}}"));
    assert_eq!(ended.code, 0, "who asks for nothing needs nothing");
}

#[test]
fn what_cannot_be_explained_ends_with_2() {
    for (arguments, input) in [
        (&["explain"][..], "kind: Service"),
        (&["explain"], "kind: ["),
        (&["explain", "a-pod"], ""),
        (&["explain", "a-pod", "--offline"], ""),
    ] {
        let ended = run(arguments, input);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}: {}", ended.err);
    }
    assert!(run(&["explain", "a-pod"], "").err.contains("\ntry: "));
}

#[test]
fn a_manifest_is_compared_with_the_cluster() {
    let ended = with_cluster(sound(), &["-f", PRODUCER, "--output", "json"]);
    let story = &stories(&ended)[0];
    assert_eq!(ended.code, 0, "{story:#}");
    assert_eq!(step(story, "Namespace"), ("fine".into(), "shop is opted in".into()));
    assert_eq!(step(story, "BrokerCluster").0, "fine");
    assert_eq!(step(story, "AccessClaim").0, "notice", "it is made with the first Pod");
    let user = story["access"]["user"].as_str().unwrap();
    assert!(user.starts_with('k') && user.ends_with(".shop.producer"), "{user}");
    let plain = with_cluster(sound(), &["-f", PRODUCER, "-n", "plain", "--output", "json"]);
    let story = &stories(&plain)[0];
    assert_eq!((plain.code, step(story, "Namespace").0), (1, "problem".into()));
    assert_eq!(story["next"][0], "kubectl label namespace plain kafka.admittance.dev/injection=enabled");
}

#[test]
fn the_user_is_the_one_that_the_cluster_has() {
    let mut objects = sound();
    let mut cluster = broker_cluster("Ready", "3 brokers");
    cluster["spec"]["scope"] = json!("prod");
    let path = "/apis/kafka.admittance.dev/v1alpha1/namespaces/admittance/brokerclusters/default";
    objects.insert(path.into(), cluster);
    let user = |objects: &Objects| {
        let ended = with_cluster(objects.clone(), &["-f", PRODUCER, "--output", "json"]);
        let story = &stories(&ended)[0];
        let steps = story["steps"].as_array().unwrap();
        let told = steps.iter().find(|step| step["step"] == "Names").unwrap()["details"].to_string();
        let user = story["access"]["user"].as_str().unwrap().to_owned();
        assert!(told.contains(&format!("Kafka user {user}")), "{told}");
        user
    };
    assert_eq!(user(&objects), "prod.shop.producer");
    let mut claim = access_claim("producer", "Ready", "proven");
    claim["status"]["username"] = json!("before.shop.producer");
    objects.insert(format!("{OURS}/accessclaims/producer"), claim);
    assert_eq!(user(&objects), "before.shop.producer");
    objects.remove(&format!("{OURS}/accessclaims/producer"));
    objects.insert(path.into(), json!(403));
    assert_eq!(user(&objects), "<scope>.shop.producer", "what may not be looked at may have a scope of its own");
}

fn living(labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "producer-1", "namespace": "shop", "uid": "u", "labels": labels,
            "annotations": {"kafka.admittance.dev/produces": "orders"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "producer", "uid": "o", "controller": true}],
        },
        "spec": {"containers": [{"name": "app", "image": "a"}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}],
        },
    })
}

#[test]
fn a_living_pod_that_waits_is_told_why() {
    let mut objects = sound();
    let label = json!({"kafka.admittance.dev/access": "producer"});
    objects.insert("/api/v1/namespaces/shop/pods/producer-1".into(), living(&label));
    let claim = access_claim("producer", "TopicOwnedElsewhere", "orders belongs to billing");
    objects.insert(format!("{OURS}/accessclaims/producer"), claim);
    let event = json!({
        "metadata": {"name": "e", "namespace": "shop"}, "involvedObject": {"kind": "Pod", "name": "producer-1"},
        "reason": "TopicOwnedElsewhere", "message": "orders belongs to billing", "lastTimestamp": "2026-01-01T00:00:00Z",
    });
    objects.insert("/api/v1/namespaces/shop/events".into(), list(&[event]));
    let unready = broker_cluster("KafkaUnreachable", "no broker answers");
    objects.insert("/apis/kafka.admittance.dev/v1alpha1/namespaces/admittance/brokerclusters/default".into(), unready);
    let ended = with_cluster(objects, &["pod/producer-1", "--output", "json"]);
    let story = &stories(&ended)[0];
    assert_eq!(ended.code, 1);
    for (name, said) in [
        ("BrokerCluster", "KafkaUnreachable: no broker answers"),
        ("AccessClaim", "producer is not ready: TopicOwnedElsewhere: orders belongs to billing"),
        ("Secret", "producer-kafka-credentials is not there yet"),
        ("Pod", "Pending, and not ready"),
    ] {
        let (sign, says) = step(story, name);
        assert!(sign == "problem" && says.contains(said), "{name}: {says}");
    }
    let next = story["next"].to_string();
    assert!(next.contains("kubectl -n shop describe accessclaim producer"), "{next}");
    assert!(story.to_string().contains("Pod producer-1: TopicOwnedElsewhere: orders belongs to billing"), "{story:#}");
}

#[test]
fn an_image_of_ours_that_cannot_be_pulled_is_told_with_what_helps() {
    let mut pod = living(&json!({"kafka.admittance.dev/access": "producer"}));
    let waiting =
        |name: &str| json!([{"name": name, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}]);
    let details = |pod: &Value| {
        let mut objects = sound();
        objects.insert("/api/v1/namespaces/shop/pods/producer-1".into(), pod.clone());
        let ended = with_cluster(objects, &["producer-1", "-n", "shop", "--output", "json"]);
        let story = stories(&ended).remove(0);
        let steps = story["steps"].as_array().unwrap();
        steps.iter().find(|step| step["step"] == "Pod").unwrap()["details"].to_string()
    };
    pod["status"]["initContainerStatuses"] = waiting("admittance-probe");
    let told = details(&pod);
    assert!(told.contains("admittance-probe waits: ImagePullBackOff denied"), "{told}");
    assert!(told.contains("imagePullSecrets"), "{told}");
    pod["status"]["initContainerStatuses"] = waiting("setup");
    assert!(!details(&pod).contains("imagePullSecrets"), "another's image is its author's to mend");
}

const GATED: &str = "
kind: Pod
metadata: {name: a, annotations: {kafka.admittance.dev/consumes: orders, kafka.admittance.dev/wait: gate}}
spec: {containers: [{name: app}]}
";

#[test]
fn a_gate_that_the_installation_may_not_offer_is_a_notice() {
    let (story, ended) = offline(GATED);
    assert_eq!((ended.code, &story["outcome"]), (0, &json!("injected")));
    let (sign, says) = step(&story, "Warning");
    assert!(sign == "notice" && says.contains("gates.enabled"), "{says}");
    let known = run(&["explain", "--offline", "--gates", "--output", "json"], GATED);
    assert!(known.code == 0 && !known.out.contains("gates.enabled"), "{known:?}");
    let placed = GATED.replace("containers:", "nodeName: node-1, containers:");
    assert_eq!(offline(&placed).1.code, 1, "the scheduler is needed whatever the installation offers");
}

#[test]
fn a_living_pod_has_passed_its_gate() {
    let mut pod = living(&json!({"kafka.admittance.dev/access": "producer"}));
    pod["metadata"]["annotations"]["kafka.admittance.dev/wait"] = json!("gate");
    pod["spec"]["nodeName"] = json!("node-1");
    pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    let mut objects = sound();
    objects.insert("/api/v1/namespaces/shop/pods/producer-1".into(), pod);
    objects.insert(format!("{OURS}/accessclaims/producer"), access_claim("producer", "Ready", "proven"));
    let secret = json!({"metadata": {"name": "producer-kafka-credentials", "namespace": "shop"}});
    objects.insert("/api/v1/namespaces/shop/secrets/producer-kafka-credentials".into(), secret);
    let ended = with_cluster(objects, &["producer-1", "-n", "shop", "--output", "json"]);
    let story = &stories(&ended)[0];
    assert_eq!((ended.code, step(story, "Pod").0), (0, "fine".into()), "{story:#}");
    assert!(!ended.out.contains("gates.enabled") && !ended.out.contains("schedulingGates"), "{}", ended.out);
}

#[test]
fn a_living_pod_that_was_not_injected_is_told_so() {
    let mut objects = sound();
    objects.insert("/api/v1/namespaces/shop/pods/producer-1".into(), living(&json!({})));
    let ended = with_cluster(objects, &["producer-1", "-n", "shop", "--output", "json"]);
    let story = &stories(&ended)[0];
    assert_eq!((ended.code, step(story, "Pod").0), (1, "problem".into()), "{story:#}");
    assert!(story["next"].to_string().contains("delete pod producer-1"), "{story:#}");
    let absent = with_cluster(sound(), &["nobody"]);
    assert_eq!(absent.code, 2);
    assert!(absent.err.contains("try: kubectl -n shop get pods"), "{}", absent.err);
}

#[test]
fn a_cluster_that_is_away_is_no_obstacle_to_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let away = [("KUBECONFIG", path.to_str().unwrap())];
    let ended = run_with(&["explain", "-f", PRODUCER, "-o", "json"], "", &away);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let (sign, says) = step(&stories(&ended)[0], "Live state");
    assert!(sign == "notice" && says.contains("the cluster was not asked"), "{says}");
    for arguments in [&["explain", "a-pod"][..], &["check"]] {
        let ended = run_with(arguments, "", &away);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
    }
}
