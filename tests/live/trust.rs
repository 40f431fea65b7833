//! How the API server comes to trust the webhook, and what the webhook's account may do.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bed::{HOME, Namespace, apply, get, idle_pod, kubectl, try_kubectl, wait_for, with_input};

const SECRET: &str = "admittance-webhook-ca";
const CONFIGURATION: &str = "mutatingwebhookconfiguration/admittance";
const ASKS: &str = "kafka.admittance.dev/produces: orders-of-trust";

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
