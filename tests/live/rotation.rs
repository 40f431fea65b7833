//! New passwords, while clients go on working.

use crate::bed::{
    Namespace, apply, failed_logins, get, kubectl, no_login_failed_since, pod, secret_of, slots_of, unique, wait_for,
    wait_new_password, wait_ready,
};
use crate::steady::{Family, PYTHON, SLEEP, asks, goes_on, no_complaint, produce_once, steady_pod};

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
    let claim = wait_for("the claim says who has the old password", || {
        let claim = get(&["accessclaim", "app", "--namespace", ns]);
        let conditions = claim["status"]["conditions"].as_array().unwrap();
        let current = conditions.iter().find(|condition| condition["type"] == "CredentialCurrent");
        match current {
            Some(said) if said["message"].as_str().unwrap().contains("Pods old") => Ok(claim),
            _ => Err(claim["status"].to_string()),
        }
    });
    assert!(claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_none(), "the request is done");
    assert_eq!(slots_of(&user).matches("iterations=").count(), 2, "both passwords work: {}", slots_of(&user));

    // The rollout: a new Pod logs in with the new password while the old one goes on, and then the old one goes.
    apply(&pod(ns, "new", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "new");
    assert_eq!(produce_once(ns, "new", &topic), Ok(()));
    goes_on(ns, &["old"], "old");
    no_complaint(ns, "old");
    kubectl(&["delete", "pod", "old", "new", "--namespace", ns]);
    wait_for("the old password is gone", || {
        let slots = slots_of(&user);
        if slots.matches("iterations=").count() == 1 { Ok(()) } else { Err(slots) }
    });
    apply(&pod(ns, "last", &asks, PYTHON, SLEEP));
    wait_ready("pod", ns, "last");
    assert_eq!(produce_once(ns, "last", &topic), Ok(()));
    no_login_failed_since(&failed);
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
