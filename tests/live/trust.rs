//! How the API server comes to trust the webhook, and what the webhook's account may do.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bed::{HOME, Namespace, apply, get, idle_pod, kubectl, try_kubectl, wait_for, with_input};

const SECRET: &str = "admittance-webhook-ca";
const CONFIGURATION: &str = "mutatingwebhookconfiguration/admittance";
const ASKS: &str = "kafka.admittance.dev/produces: orders-of-trust";
const ACCESS: &str = "kafka.admittance.dev/access";

/// Asks for a Pod that would be injected; what the API server says where it refuses.
fn try_pod(space: &Namespace) -> Result<(), String> {
    let manifest = idle_pod(&space.0, "asks", ASKS);
    let done = with_input(&["create", "--dry-run=server", "--filename=-"], &manifest);
    done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

fn bundle() -> String {
    get(&[CONFIGURATION])["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_ca_that_is_thrown_away_is_replaced_by_itself() {
    let space = Namespace::opted_in("live-ca");
    try_pod(&space).unwrap();
    let before = bundle();
    kubectl(&["delete", "secret", SECRET, "--namespace", HOME]);
    let after = wait_for("another CA is published", || match bundle() {
        same if same == before => Err("the old one is".to_owned()),
        other => Ok(other),
    });
    let secret = get(&["secret", SECRET, "--namespace", HOME]);
    assert_eq!(secret["data"]["ca.crt"], after, "what is published is what signs");
    // Each replica is asked by chance: several in a row mean that all have followed.
    wait_for("every replica is trusted", || (0..8).try_for_each(|_| try_pod(&space)));
}

#[test]
fn a_bundle_that_somebody_overwrites_is_written_again() {
    let before = bundle();
    let patch = r#"[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]"#;
    kubectl(&["patch", CONFIGURATION, "--type=json", "--patch", patch]);
    wait_for("the bundle is back", || (bundle() == before).then_some(()).ok_or_else(bundle));
}

#[test]
fn no_pod_is_refused_while_the_webhook_is_rolled() {
    let space = Namespace::opted_in("live-roll");
    let rolled = AtomicBool::new(false);
    let (count, refusals) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut count, mut refusals) = (0, Vec::new());
            while !rolled.load(Ordering::Relaxed) {
                count += 1;
                refusals.extend(try_pod(&space).err());
            }
            (count, refusals)
        });
        let roll = || {
            kubectl(&["rollout", "restart", "deployment/admittance-webhook", "--namespace", HOME]);
            kubectl(&["rollout", "status", "deployment/admittance-webhook", "--namespace", HOME, "--timeout=120s"]);
            wait_for("the old replicas are gone", || {
                let selector = "app.kubernetes.io/component=webhook";
                let pods = get(&["pods", "--namespace", HOME, "--selector", selector]);
                let count = pods["items"].as_array().unwrap().len();
                (count == 2).then_some(()).ok_or_else(|| format!("{count} Pods"))
            });
        };
        let outcome = std::panic::catch_unwind(roll);
        rolled.store(true, Ordering::Relaxed);
        outcome.unwrap();
        load.join().unwrap()
    });
    assert!(count > 5 && refusals.is_empty(), "{} of {count} refused: {refusals:?}", refusals.len());
}

#[test]
fn without_a_configuration_a_pod_that_asks_is_refused_by_the_policy() {
    let space = Namespace::opted_in("live-unconfigured");
    let mut configuration = get(&[CONFIGURATION]);
    kubectl(&["delete", CONFIGURATION]);
    let outcome = std::panic::catch_unwind(|| {
        wait_for("the API server has noticed", || match try_pod(&space) {
            Err(refusal) if refusal.contains("has not added its credentials") => Ok(()),
            other => Err(format!("{other:?}")),
        });
    });
    // As a user would: applied anew, without a bundle, and the webhook writes it.
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        configuration["metadata"].as_object_mut().unwrap().remove(field);
    }
    configuration["webhooks"][0]["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    with_input(&["create", "--filename=-"], &configuration.to_string());
    outcome.unwrap();
    wait_for("a Pod that asks is injected again", || try_pod(&space));
}

#[test]
fn what_a_living_pod_asked_for_cannot_be_edited() {
    let space = Namespace::opted_in("live-frozen");
    apply(&idle_pod(&space.0, "asks", ASKS));
    for edit in [
        &["annotate", "pod/asks", "kafka.admittance.dev/consumes=more"][..],
        &["annotate", "pod/asks", "--overwrite", "kafka.admittance.dev/produces=other"],
        &["annotate", "pod/asks", "kafka.admittance.dev/produces-"],
        &["label", "pod/asks", "--overwrite", "kafka.admittance.dev/access=other"],
        &["label", "pod/asks", "kafka.admittance.dev/access-"],
    ] {
        let done = try_kubectl(&[edit, &["--namespace", &space.0]].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains("cannot change on a living Pod"), "{edit:?}: {said}");
    }
    kubectl(&["label", "pod/asks", "mine=free", "--namespace", &space.0]);
    // Who may write a Pod's status may write its labels and annotations with it.
    let status = |metadata: &str| {
        let patch = format!(r#"{{"metadata": {metadata}}}"#);
        let words = ["patch", "pod/asks", "--subresource=status", "--type=merge", "--patch", &patch];
        try_kubectl(&[&words[..], &["--namespace", &space.0]].concat())
    };
    for metadata in [
        r#"{"annotations": {"kafka.admittance.dev/produces": "other"}}"#,
        r#"{"annotations": {"kafka.admittance.dev/groups": "more"}}"#,
        r#"{"labels": {"kafka.admittance.dev/access": null}}"#,
    ] {
        let done = status(metadata);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains("cannot change on a living Pod"), "{metadata}: {said}");
    }
    assert!(status(r#"{"annotations": {"mine": "written with the status"}}"#).status.success());
    let annotations = get(&["pod/asks", "--namespace", &space.0])["metadata"]["annotations"].clone();
    assert_eq!(annotations["mine"], "written with the status", "and so could ours be, but for the policy");
    assert_eq!(annotations["kafka.admittance.dev/produces"], "orders-of-trust");
    // A Pod with none of its own is no less asked about: there is nothing to compare with, and what comes is new.
    // Its node would bring the labels of its zone.
    let plain = idle_pod(&space.0, "plain", "").replacen("spec:\n", "spec:\n  schedulerName: nobody\n", 1);
    with_input(&["create", "--filename=-"], &plain);
    let bare = get(&["pod/plain", "--namespace", &space.0])["metadata"].clone();
    assert!(bare["labels"].is_null() && bare["annotations"].is_null(), "{bare}");
    for metadata in [
        r#"{"annotations": {"kafka.admittance.dev/produces": "other"}}"#,
        r#"{"labels": {"kafka.admittance.dev/access": "other"}}"#,
    ] {
        let patch = format!(r#"{{"metadata": {metadata}}}"#);
        let words = ["patch", "pod/plain", "--type=merge", "--patch", &patch, "--namespace", &space.0];
        for of in [&[][..], &["--subresource=status"]] {
            let done = try_kubectl(&[&words[..], of].concat());
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let refused = !done.status.success() && said.contains("cannot change on a living Pod");
            assert!(refused, "{metadata} {of:?}: {said}");
        }
    }
}

/// A Pod with these labels and annotations.
fn labelled(space: &Namespace, name: &str, labels: &str, annotations: &str) -> String {
    idle_pod(&space.0, name, annotations).replace("annotations: {", &format!("labels: {{{labels}}}, annotations: {{"))
}

#[test]
fn what_a_living_pod_asked_for_by_the_contract_of_2017_cannot_be_edited() {
    let space = Namespace::opted_in("live-frozen-2017");
    let old = "consumes: orders-of-trust";
    apply(&labelled(&space, "asks", "kafka-operator: inject-creds", old));
    apply(&labelled(&space, "theirs", "kafka-operator: none-of-ours", old));
    let access = |pod: &str| get(&["pod", pod, "--namespace", &space.0])["metadata"]["labels"][ACCESS].clone();
    assert_eq!((access("asks"), access("theirs")), ("asks".into(), serde_json::Value::Null));
    for edit in [
        &["annotate", "--overwrite", "consumes=more"][..],
        &["annotate", "consumes-"],
        &["annotate", "topic.kafka.nb/produces=more"],
        &["label", "--overwrite", "kafka-operator=inject-credentials"],
        &["label", "kafka-operator-"],
    ] {
        let of = |pod: &str| try_kubectl(&[&[edit[0], "pod", pod, "--namespace", &space.0], &edit[1..]].concat());
        let done = of("asks");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let refused = "the annotations of the contract of 2017 cannot change on a living Pod";
        assert!(!done.status.success() && said.contains(refused), "{edit:?}: {said}");
        assert!(of("theirs").status.success(), "{edit:?}: the keys are others' too, and this Pod was not injected");
    }
}

#[test]
fn a_mark_that_a_pod_brings_along_is_refused_by_the_policy() {
    let space = Namespace::opted_in("live-marked");
    let mark = format!("{ACCESS}: victim");
    for (labels, annotations) in [
        // The webhook has nothing to add to any of these.
        (mark.clone(), ""),
        (mark.clone(), "kafka.admittance.dev/injected: forged"),
        (format!("{mark}, kafka.admittance.dev/injection: disabled"), ASKS),
        (format!("{mark}, kafka-operator: none-of-ours"), "consumes: orders-of-trust"),
    ] {
        let done = with_input(&["apply", "--filename=-"], &labelled(&space, "marked", &labels, annotations));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let refused = "The label kafka.admittance.dev/access is set by Admittance alone";
        assert!(!done.status.success() && said.contains(refused), "{labels}: {said}");
        // It is the mark that is in the way, and nothing else.
        let rest = labels.replace(&mark, "mine: free");
        apply(&labelled(&space, "free", &rest, annotations));
        kubectl(&["delete", "pod/free", "--namespace", &space.0]);
    }
}

#[test]
fn a_container_that_no_webhook_adds_is_refused_by_the_policy() {
    let space = Namespace::opted_in("live-mistyped");
    let sidecar = "  initContainers:
    - {name: sidecar, image: 'localhost/pause:1', restartPolicy: Always,
       securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
  containers:
";
    let try_names = |names: &str| {
        let annotations = format!("{ASKS}, kafka.admittance.dev/containers: \"{names}\"");
        let manifest = idle_pod(&space.0, "two", &annotations).replacen("  containers:\n", sidecar, 1);
        let done = with_input(&["create", "--dry-run=server", "--filename=-"], &manifest);
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    for names in ["main, sidcar", "sidcar main", " main,,sidcar,"] {
        let (made, said) = try_names(names);
        let refused = "NoSuchContainer: kafka.admittance.dev/containers: \"sidcar\" is not a container of this Pod";
        assert!(!made && said.contains(refused), "{names:?}: {said}");
    }
    for names in ["main, sidecar", "sidecar main", " main,,sidecar,\\n", " , "] {
        let (made, said) = try_names(names);
        assert!(made, "{names:?}: {said}");
    }
}

#[test]
fn the_webhooks_account_may_do_its_work_and_nothing_else() {
    let account = format!("system:serviceaccount:{HOME}:admittance-webhook");
    for (verb, object, namespace, may) in [
        ("get", "secrets/admittance-webhook-ca", HOME, "yes"),
        ("update", "secrets/admittance-webhook-ca", HOME, "yes"),
        ("delete", "secrets/admittance-webhook-ca", HOME, "no"),
        ("get", "secrets/kafka-admin", HOME, "no"),
        ("list", "secrets", HOME, "no"),
        ("create", "secrets", "default", "no"),
        ("patch", "mutatingwebhookconfigurations/admittance", HOME, "yes"),
        ("patch", "mutatingwebhookconfigurations/another", HOME, "no"),
        ("update", "validatingadmissionpolicies", HOME, "no"),
        ("list", "pods", "default", "no"),
    ] {
        let asked = ["auth", "can-i", verb, object, "--namespace", namespace, "--as", &account];
        let answer = String::from_utf8(try_kubectl(&asked).stdout).unwrap();
        assert_eq!(answer.trim(), may, "{verb} {object} in {namespace}");
    }
    let operator = format!("system:serviceaccount:{HOME}:admittance-operator");
    for verb in ["list", "watch"] {
        let asked = ["auth", "can-i", verb, "secrets", "--all-namespaces", "--as", &operator];
        assert_eq!(String::from_utf8(try_kubectl(&asked).stdout).unwrap().trim(), "no", "the operator may {verb}");
    }
}
