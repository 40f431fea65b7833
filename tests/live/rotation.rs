//! New passwords, while clients go on working.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::bed::{
    HOME, Namespace, apply, event_about, failed_logins, get, idle_pod, kubectl, no_login_failed_since, pod, secret_of,
    slots_of, try_get, unique, user_of, wait_for, wait_new_password, wait_ready,
};
use crate::life::deployment;
use crate::operator::{LEASE, credentials};
use crate::steady::{Family, PYTHON, SLEEP, asks, goes_on, no_complaint, produce_once, steady_pod};

/// Waits until the claim says who has the old password, in words that end so.
fn wait_old_password(namespace: &str, who: &str) {
    wait_for(&format!("the claim says that {who} have the old password"), || {
        let claim = try_get(&["accessclaim", "app", "--namespace", namespace])?;
        let conditions = claim["status"]["conditions"].as_array().unwrap();
        let current = conditions.iter().find(|condition| condition["type"] == "CredentialCurrent");
        match current {
            Some(said) if said["status"] == "False" && said["message"].as_str().unwrap().ends_with(who) => Ok(()),
            _ => Err(claim["status"].to_string()),
        }
    });
}

fn wait_one_password(user: &str) {
    wait_for("the old password is gone", || {
        let slots = slots_of(user);
        if slots.matches("iterations=").count() == 1 { Ok(()) } else { Err(slots) }
    });
}

/// When a manager, or anybody, has last written an object, by what the API server has noted.
fn written(kind: &str, name: &str, namespace: &str, manager: Option<&str>) -> Option<Timestamp> {
    let args = ["get", kind, name, "--namespace", namespace, "--show-managed-fields", "--output=json"];
    let object: Value = serde_json::from_str(&kubectl(&args)).unwrap();
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let theirs = entries.iter().filter(|entry| manager.is_none_or(|manager| entry["manager"] == manager));
    theirs.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}

#[test]
fn a_publication_is_dated_by_the_clock_that_the_lease_tells() {
    let (space, topic) = (Namespace::opted_in("live-dated"), unique("dated"));
    let ns = space.0.as_str();
    apply(&idle_pod(ns, "old", &asks("app", &topic)));
    wait_ready("pod", ns, "old");
    let before = secret_of(ns, "app");
    let renewed = || written("lease", LEASE, HOME, Some("admittance-leader"));
    let first = renewed().expect("the API server notes when the leader wrote the Lease");
    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", ns]);
    let after = wait_new_password(ns, "app", &before);
    let name = after["metadata"]["name"].as_str().unwrap();
    let noted = written("secret", name, ns, None).unwrap();
    let published = after["metadata"]["annotations"]["kafka.admittance.dev/published"].as_str().unwrap();
    let early = noted.duration_since(published.parse::<Timestamp>().unwrap());
    // The API server cuts the second off.
    let near = SignedDuration::from_secs(-1)..SignedDuration::from_secs(10);
    assert!(near.contains(&early), "published at {published}, which the API server noted at {noted}");
    wait_for("each renewal of the Lease is noted", || match renewed() {
        Some(time) if time > first => Ok(()),
        time => Err(format!("{time:?}, as before")),
    });
}

#[test]
fn a_rotation_under_load_fails_no_login_and_the_old_password_goes_with_the_old_pods() {
    let (space, topic) = (Namespace::opted_in("live-rotation"), unique("rotation"));
    let ns = space.0.as_str();
    let asks = asks("app", &topic);
    apply(&steady_pod(ns, "old", "app", Family::Librdkafka, &topic));
    wait_ready("pod", ns, "old");
    goes_on(ns, &["old"], "old");
    let user = get(&["accessclaim", "app", "--namespace", ns])["status"]["username"].as_str().unwrap().to_owned();
    let (before, failed) = (secret_of(ns, "app"), failed_logins());

    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", ns]);
    let after = wait_new_password(ns, "app", &before);
    assert_ne!(after["data"]["sasl.mechanism"], before["data"]["sasl.mechanism"]);
    assert_eq!(after["metadata"]["annotations"]["kafka.admittance.dev/rotation"], "1");
    event_about("AccessClaim", ns, "app", "Rotated", "the old one works until no Pod from before is left");
    wait_old_password(ns, "Pods old");
    let claim = get(&["accessclaim", "app", "--namespace", ns]);
    assert!(claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_none(), "the request is done");
    assert_eq!(slots_of(&user).matches("iterations=").count(), 2, "both passwords work: {}", slots_of(&user));

    // The rollout: a new Pod logs in with the new password while the old one goes on, and then the old one goes.
    apply(&pod(ns, "new", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "new");
    assert_eq!(produce_once(ns, "new", &topic), Ok(()));
    goes_on(ns, &["old"], "old");
    no_complaint(ns, "old");
    kubectl(&["delete", "pod", "old", "new", "--namespace", ns]);
    wait_one_password(&user);
    apply(&pod(ns, "last", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "last");
    assert_eq!(produce_once(ns, "last", &topic), Ok(()));
    no_login_failed_since(&failed);
}

#[test]
fn what_has_the_old_password_is_rolled_out_anew_once() {
    let (space, topic) = (Namespace::opted_in("live-restarts"), unique("restarts"));
    let ns = space.0.as_str();
    let _policy = credentials("restart", "Rollout");
    let asks = format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    apply(&deployment(ns, "app", &asks));
    kubectl(&["rollout", "status", "deployment/app", "--namespace", ns, "--timeout=120s"]);
    // Nobody makes this one anew: while it lives, each look finds somebody with the old password.
    apply(&idle_pod(ns, "stays", &asks));
    wait_ready("pod", ns, "stays");
    let (user, before) = (user_of(ns, "app"), secret_of(ns, "app"));
    let sets = || {
        let sets = get(&["replicasets", "--namespace", ns]);
        let annotation = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
        let restarted = |set: &serde_json::Value| set.pointer(annotation).is_some();
        let sets = sets["items"].as_array().unwrap();
        (sets.len(), sets.iter().filter(|set| restarted(set)).count())
    };
    assert_eq!(sets(), (1, 0));

    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", ns]);
    wait_new_password(ns, "app", &before);
    assert_eq!(slots_of(&user).matches("iterations=").count(), 2, "both passwords work: {}", slots_of(&user));
    wait_for(
        "the Deployment is rolled out anew",
        || if sets() == (2, 1) { Ok(()) } else { Err(format!("{:?}", sets())) },
    );
    kubectl(&["rollout", "status", "deployment/app", "--namespace", ns, "--timeout=120s"]);
    // Said by a look that found the Deployment's first Pod gone and would restart what has the old password.
    wait_old_password(ns, "for Pods stays");
    assert_eq!(slots_of(&user).matches("iterations=").count(), 2, "it may log in: {}", slots_of(&user));
    kubectl(&["delete", "pod", "stays", "--namespace", ns]);
    wait_one_password(&user);
    assert_eq!(sets(), (2, 1), "once for a publication");
    let generation = get(&["deployment", "app", "--namespace", ns])["metadata"]["generation"].as_u64();
    assert_eq!(generation, Some(2), "its template was written once");
}

#[test]
fn what_is_lost_or_changed_by_hand_heals() {
    let (space, topic) = (Namespace::opted_in("live-heals"), unique("heals"));
    let ns = space.0.as_str();
    let asks = format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    apply(&pod(ns, "first", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "first");
    let before = secret_of(ns, "app");
    // A Secret that was edited is written as it should be, from the password that it holds; one that was deleted is made anew.
    kubectl(&[
        "patch",
        "secret",
        "app-kafka-credentials",
        "--namespace",
        ns,
        "--type=merge",
        "--patch",
        r#"{"data":{"bootstrap.servers":"ZXZpbDo5MDky","extra":"eA=="}}"#,
    ]);
    apply(&pod(ns, "second", &asks, PYTHON, SLEEP));
    wait_for("the Secret is as it was", || {
        let now = secret_of(ns, "app");
        if now["data"] == before["data"] { Ok(()) } else { Err("still edited".to_owned()) }
    });
    kubectl(&["delete", "secret", "app-kafka-credentials", "--namespace", ns]);
    apply(&pod(ns, "third", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "third");
    assert_eq!(produce_once(ns, "third", &topic), Ok(()));
    let new = secret_of(ns, "app");
    assert_ne!(new["data"]["sasl.mechanism"], before["data"]["sasl.mechanism"], "Pods that run keep their password");
}
