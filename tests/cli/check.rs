//! `admittance check` against installations that are sound, broken, hidden and away.

use serde_json::{Value, json};

use crate::api::{Api, Objects, access_claim, broker_cluster, list, ready, sound, topic_claim};
use crate::program::{Ended, run_with};

fn check(objects: Objects, arguments: &[&str]) -> Ended {
    let api = Api::serve(objects);
    let ended = run_with(&[&["check"], arguments].concat(), "", &[("KUBECONFIG", &api.kubeconfig())]);
    assert_eq!(api.writes.lock().unwrap().as_slice(), [""; 0], "a check writes nothing");
    ended
}

/// The problems and notices that a program reads, as `area subject: says`.
fn findings(objects: Objects, sign: &str) -> Vec<String> {
    let ended = check(objects, &["--output", "json"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let found = report["findings"].as_array().unwrap();
    assert_eq!(report["sound"], found.iter().all(|one| one["sign"] != "problem"));
    assert_eq!(ended.code, i32::from(report["sound"] == false), "{}", ended.err);
    for one in found.iter().filter(|one| one["sign"] == "problem") {
        assert!(
            one["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()),
            "every problem says what to do: {one}"
        );
    }
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let found = found.iter().filter(|one| one["sign"] == sign);
    found.map(|one| format!("{} {}: {}", text(one, "area"), text(one, "subject"), text(one, "says"))).collect()
}

#[test]
fn a_sound_installation_has_nothing_to_say() {
    assert_eq!(findings(sound(), "problem"), [""; 0]);
    assert_eq!(findings(sound(), "notice"), [""; 0]);
    let ended = check(sound(), &[]);
    assert_eq!(ended.code, 0);
    assert!(
        ended.out.contains("✓ Operator     admittance/admittance-operator") && ended.out.ends_with("\nsound\n"),
        "{}",
        ended.out
    );
    assert!(!ended.out.contains('\u{1b}'), "no colours where no terminal is");
}

#[test]
fn each_fault_is_found() {
    const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
    const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1";
    let configurations = format!("{ADMISSION}/mutatingwebhookconfigurations");
    let no_bundle = {
        let mut found = sound()[&configurations].clone();
        found["items"][0]["webhooks"][0]["clientConfig"].as_object_mut().unwrap().remove("caBundle");
        found
    };
    let validating = format!("{ADMISSION}/validatingwebhookconfigurations");
    let of_claims = |bundle: &str| {
        let mut found = sound()[&validating].clone();
        found["items"][0]["webhooks"][0]["clientConfig"]["caBundle"] = json!(bundle);
        found
    };
    let (untrusted, elsewhere) = (of_claims(""), of_claims("b3RoZXI="));
    let without_third = |kind: &str| {
        let all = sound()[&format!("{ADMISSION}/{kind}")]["items"].as_array().unwrap().clone();
        list(&all.iter().filter(|one| one["metadata"]["name"] != "admittance-claims").cloned().collect::<Vec<_>>())
    };
    let fewer_policies = without_third("validatingadmissionpolicies");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/admittance/leases/admittance-operator".to_owned();
    let old_lease = {
        let mut found = sound()[&lease].clone();
        found["spec"]["renewTime"] = json!("2020-01-01T00:00:00.000000Z");
        found
    };
    let nobodys_lease = {
        let mut found = sound()[&lease].clone();
        found["spec"]["holderIdentity"] = json!("");
        found
    };
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned();
    let fewer = list(&sound()[&definitions]["items"].as_array().unwrap()[1..]);
    let version = {
        let mut found = sound()["/version"].clone();
        found["gitVersion"] = json!("v1.32.4");
        found
    };
    let unreachable = broker_cluster("KafkaUnreachable", "no broker answers");
    let mut shared = topic_claim("shop", "orders", &json!({}));
    shared["status"] = json!({"conditions": ready("TopicConflict", "claimed twice")});
    for (path, object, wanted) in [
        ("/version".into(), version, "Kubernetes v1.32.4: is older than 1.33"),
        (definitions, fewer, "Definitions brokerclusters.kafka.admittance.dev: is not there"),
        (
            configurations.clone(),
            list(&[]),
            "Webhook : no MutatingWebhookConfiguration has the webhook pods.kafka.admittance.dev",
        ),
        (configurations, no_bundle, "Webhook admittance: has no caBundle"),
        (
            "/apis/discovery.k8s.io/v1/namespaces/admittance/endpointslices".into(),
            list(&[]),
            "Webhook admittance/admittance-webhook: the Service has no endpoint that is ready: Pods that ask are refused",
        ),
        (validating.clone(), untrusted, "Webhook admittance, of claims: has no caBundle"),
        (validating, elsewhere, "Webhook admittance, of claims: has another caBundle"),
        (
            format!("{ADMISSION}/validatingadmissionpolicies"),
            fewer_policies,
            "Policies admittance-claims: is not there",
        ),
        (format!("{ADMISSION}/validatingadmissionpolicies"), list(&[]), "Policies admittance-injected: is not there"),
        (
            format!("{ADMISSION}/validatingadmissionpolicybindings"),
            list(&[]),
            "Policies admittance-injected: is there, and bound by nothing",
        ),
        (lease.clone(), json!(404), "Operator admittance/admittance-operator: there is no Lease"),
        (lease.clone(), old_lease, "Operator admittance/admittance-operator: operator-1 renewed the Lease "),
        (lease, nobodys_lease, "Operator admittance/admittance-operator: nobody holds the Lease"),
        (format!("{OURS}/brokerclusters"), list(&[]), "Kafka : there is no BrokerCluster"),
        (
            format!("{OURS}/brokerclusters"),
            list(&[unreachable]),
            "Kafka admittance/default: is not ready: KafkaUnreachable: no broker answers",
        ),
        (
            format!("{OURS}/accessclaims"),
            list(&[access_claim("checkout", "TopicOwnedElsewhere", "orders belongs to billing")]),
            "Accesses shop/checkout: is not ready: TopicOwnedElsewhere: orders belongs to billing",
        ),
        (
            format!("{OURS}/topicclaims"),
            list(&[shared]),
            "Topics shop/orders: is not ready: TopicConflict: claimed twice",
        ),
    ] {
        let mut objects = sound();
        objects.insert(path, object);
        let found = findings(objects, "problem");
        assert!(found.iter().any(|found| found.starts_with(wanted)), "{wanted}: {found:?}");
    }
}

/// A sound installation, and beside it another release in this namespace, called `kafka`.
fn with_another_release(namespace: &str) -> Objects {
    const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
    let mut objects = sound();
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let all = objects.get_mut(&format!("{ADMISSION}/{kind}")).unwrap()["items"].as_array_mut().unwrap();
        let mut another = all[0].clone();
        another["metadata"]["name"] = json!("kafka-admittance");
        another["webhooks"][0]["clientConfig"]["service"] =
            json!({"name": "kafka-admittance-webhook", "namespace": namespace});
        all.push(another);
    }
    for kind in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"] {
        let all = objects.get_mut(&format!("{ADMISSION}/{kind}")).unwrap()["items"].as_array_mut().unwrap();
        let text = Value::from(all.clone()).to_string().replace("\"admittance-", "\"kafka-admittance-");
        all.extend(serde_json::from_str::<Vec<Value>>(&text).unwrap());
    }
    let slices = |namespace: &str| format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let mut slice = objects[&slices("admittance")]["items"][0].clone();
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("kafka-admittance-webhook");
    let all = objects.entry(slices(namespace)).or_insert_with(|| list(&[]));
    all["items"].as_array_mut().unwrap().push(slice);
    let lease =
        |namespace: &str, name: &str| format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}");
    let found = objects[&lease("admittance", "admittance-operator")].clone();
    objects.insert(lease(namespace, "kafka-admittance-operator"), found);
    objects
}

#[test]
fn every_release_has_an_operator_that_leads() {
    for namespace in ["admittance", "kafka"] {
        let mut objects = with_another_release(namespace);
        assert_eq!(findings(objects.clone(), "problem"), [""; 0]);
        let fine = findings(objects.clone(), "fine");
        for name in ["admittance/admittance-operator".to_owned(), format!("{namespace}/kafka-admittance-operator")] {
            assert!(fine.contains(&format!("Operator {name}: operator-1 leads")), "{name}: {fine:?}");
        }
        objects.retain(|path, _| !path.ends_with("/kafka-admittance-operator"));
        let wanted =
            format!("Operator {namespace}/kafka-admittance-operator: there is no Lease: no operator has ever led here");
        assert_eq!(findings(objects, "problem"), [wanted]);
    }
}

#[test]
fn what_is_worth_to_know_is_no_problem() {
    let mut objects = sound();
    objects.insert("/api/v1/namespaces".into(), list(&[]));
    objects.insert("/api/v1/nodes".into(), json!(403));
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let properties = &mut objects.get_mut(definitions).unwrap()["items"][0]["spec"]["versions"][0]["schema"];
    properties["openAPIV3Schema"]["description"] = json!("older");
    let mut deleting = broker_cluster("Ready", "3 brokers");
    let pending = json!({
        "topic": "orders", "topicId": "id", "namespace": "shop", "claim": "o", "definition": "u",
        "since": "2026-01-01T00:00:00Z", "due": "2026-01-02T00:00:00Z",
    });
    deleting["status"]["deletions"] = json!([pending]);
    objects.insert("/apis/kafka.admittance.dev/v1alpha1/brokerclusters".into(), list(&[deleting]));
    assert_eq!(findings(objects.clone(), "problem"), [""; 0]);
    let found = findings(objects, "notice");
    for wanted in [
        "Topics orders: its claim was deleted; it is deleted at 2026-01-02T00:00:00Z",
        "Definitions brokerclusters",
        "Namespaces : none is opted in",
        "Nodes : was not looked at: ",
    ] {
        assert!(found.iter().any(|found| found.starts_with(wanted)), "{wanted}: {found:?}");
    }
}

/// An object with one condition more.
fn saying(mut object: Value, kind: &str, status: &str, reason: &str, message: &str) -> Value {
    object["status"]["conditions"].as_array_mut().unwrap().push(json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z",
    }));
    object
}

#[test]
fn what_waits_for_a_person_is_found_though_all_is_ready() {
    const OURS: &str = "/apis/kafka.admittance.dev/v1alpha1";
    let told = |path: &str, object: Value, sign| {
        let mut objects = sound();
        objects.insert(format!("{OURS}/{path}"), list(&[object]));
        findings(objects, sign)
    };
    let cluster =
        |kind, status, reason, message| saying(broker_cluster("Ready", "3 brokers"), kind, status, reason, message);
    for kind in ["SweepHeld", "DeletionHeld"] {
        let held = |status, reason| cluster(kind, status, reason, "release: kubectl annotate brokercluster");
        let wanted = [format!("Kafka admittance/default: {kind}: release: kubectl annotate brokercluster")];
        assert_eq!(told("brokerclusters", held("True", kind), "problem"), wanted);
        assert_eq!(told("brokerclusters", held("False", "Ready"), "problem"), [""; 0]);
    }
    let insecure = cluster("Insecure", "True", "InsecureListener", "in the clear");
    assert_eq!(told("brokerclusters", insecure.clone(), "problem"), [""; 0], "it was chosen so");
    assert_eq!(told("brokerclusters", insecure, "notice"), ["Kafka admittance/default: Insecure: in the clear"]);
    let lacks = cluster("RightsMissing", "True", "KafkaAuthorizationFailed", "Delete on Topic");
    assert_eq!(told("brokerclusters", lacks.clone(), "problem"), [""; 0], "all else goes on");
    assert_eq!(told("brokerclusters", lacks, "notice"), ["Kafka admittance/default: RightsMissing: Delete on Topic"]);

    let access = |reason| {
        let ready = access_claim("producer", "Ready", "proven on 3 of 3 brokers");
        saying(ready, "CredentialCurrent", "False", reason, "the old password works, for Pod old-1")
    };
    let overdue = ["Accesses shop/producer: RotationOverdue: the old password works, for Pod old-1"];
    assert_eq!(told("accessclaims", access("RotationOverdue"), "notice"), overdue);
    assert_eq!(told("accessclaims", access("RotationOverdue"), "problem"), [""; 0]);
    assert_eq!(told("accessclaims", access("OldPasswordInUse"), "notice"), [""; 0], "it has its time");
}

#[test]
fn a_webhook_that_may_be_left_out_is_told_so() {
    const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
    let mut objects = sound();
    objects.insert(format!("{ADMISSION}/validatingwebhookconfigurations"), list(&[]));
    let configurations = objects.get_mut(&format!("{ADMISSION}/mutatingwebhookconfigurations")).unwrap();
    configurations["items"][0]["webhooks"][0]["failurePolicy"] = json!("Ignore");
    objects.insert("/apis/discovery.k8s.io/v1/namespaces/admittance/endpointslices".into(), list(&[]));
    let found = findings(objects.clone(), "notice");
    assert!(found.iter().any(|found| found.starts_with("Webhook admittance, of claims: no Validating")), "{found:?}");
    let found = findings(objects, "problem");
    assert!(found.iter().any(|found| found.ends_with("Pods that ask start without Kafka")), "{found:?}");
}

#[test]
fn without_access_there_is_no_answer() {
    let nowhere = run_with(&["check"], "", &[]);
    assert_eq!((nowhere.code, nowhere.out.as_str()), (2, ""));
    assert!(nowhere.err.contains("\ntry: kubectl config current-context"), "{}", nowhere.err);
    let denied = check(Objects::from([("/version".to_owned(), json!(403))]), &[]);
    assert_eq!((denied.code, denied.out.as_str()), (2, ""), "{}", denied.err);
}
