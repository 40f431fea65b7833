//! etcd restored from before: what was made since is unknown, what was changed since is as it was, and the API server's
//! revisions begin again in the past.

use super::control_plane::Copy;
use super::disaster::{cluster, held, in_kafka, topic_claim};
use crate::bed::{
    Namespace, apply, kubectl, pod, secret_of, slots_of, try_kubectl, unique, user_of, wait_for, wait_new_password,
    wait_ready,
};
use crate::deletion::{Terms, declared};
use crate::steady::{Family, PYTHON, SLEEP, asks, goes_on, no_complaint, produce_once, steady_pod};
use crate::tools::kafka_tool;

fn force_rotation(namespace: &str, access: &str) {
    let before = secret_of(namespace, access);
    let force = "kafka.admittance.dev/rotate=force";
    kubectl(&["annotate", "accessclaim", access, force, "--overwrite", "--namespace", namespace]);
    wait_new_password(namespace, access, &before);
    wait_ready("accessclaim", namespace, access);
}

/// Whether the BrokerCluster names a user as missing.
fn is_missing(user: &str) -> bool {
    cluster()["status"]["absent"].as_array().is_some_and(|all| all.iter().any(|absent| absent["user"] == user))
}

#[test]
fn etcd_restored_from_before_takes_nothing_from_anybody() {
    let known = Namespace::opted_in("live-r-known");
    let (ns, topic) = (known.0.as_str(), unique("r-known"));
    apply(&steady_pod(ns, "app", "app", Family::Librdkafka, &topic));
    apply(&pod(ns, "rotated", &asks("rotated", &topic), PYTHON, SLEEP));
    let (app, rotated) = (user_of(ns, "app"), user_of(ns, "rotated"));
    for name in ["app", "rotated"] {
        wait_ready("pod", ns, name);
    }
    goes_on(ns, &["app"], "app");
    // Topics that go with their claims, and at once: one of a claim that the copy knows, and below one of a claim that it does not.
    let _terms = Terms::set("1s", "0s", 10_000);
    let (known_topic, known_id) = declared(ns, &unique("r-known-delete"), "Delete");
    let topic_before = topic_claim(ns, &topic);
    let before = in_kafka(&app);
    let published = secret_of(ns, "rotated")["data"]["password"].clone();
    let held_before = held();
    let copy = Copy::take();
    wait_ready("accessclaim", ns, "app");

    // A workload that the copy does not know, and both passwords of another changed, so that the copy's is dead in Kafka.
    let lost = Namespace::opted_in("live-r-lost");
    let lost_topic = unique("r-lost");
    let lost_pod = steady_pod(&lost.0, "app", "app", Family::Librdkafka, &lost_topic);
    apply(&lost_pod);
    let lost_user = user_of(&lost.0, "app");
    wait_ready("pod", &lost.0, "app");
    goes_on(&lost.0, &["app"], "app");
    let (lost_declared, lost_id) = declared(&lost.0, &unique("r-lost-delete"), "Delete");
    let password_before = slots_of(&rotated);
    force_rotation(ns, "rotated");
    force_rotation(ns, "rotated");
    let first = password_before.split("iterations=").nth(1).unwrap().split(',').next().unwrap().trim().to_owned();
    assert!(!slots_of(&rotated).contains(&first), "the first password still works");
    let lost_before = in_kafka(&lost_user);
    copy.restore();

    // Who is not known is missing, on record or held, and keeps everything.
    wait_for("the BrokerCluster tells of the user that nobody knows", || {
        let done = try_kubectl(&["get", "--raw=/readyz"]);
        let told = done.status.success() && (is_missing(&lost_user) || held() != held_before);
        if told { Ok(()) } else { Err(cluster()["status"].to_string()) }
    });
    assert_eq!(in_kafka(&lost_user), lost_before, "{lost_user}");
    // Who is known goes on, and the published password is the one that works.
    goes_on(ns, &["app"], "app");
    no_complaint(ns, "app");
    assert_eq!(in_kafka(&app), before, "{app}");
    assert!(secret_of(ns, "rotated")["data"]["password"] == published, "the Secret is another than the copy's");
    wait_for("the published password works", || produce_once(ns, "rotated", &topic));
    assert_eq!(topic_claim(ns, &topic)["status"]["topicId"], topic_before["status"]["topicId"]);
    apply(&steady_pod(ns, "later", "app", Family::Librdkafka, &topic));
    wait_ready("pod", ns, "later");
    goes_on(ns, &["app", "later"], "later");
    no_complaint(ns, "app");
    let topics = kafka_tool("kafka-topics.sh", &["--list"]);
    for name in [&topic, &lost_topic] {
        assert!(topics.lines().any(|line| line.trim() == name), "topic {name} is gone: {topics}");
    }

    // The manifests are applied again: everything is found.
    let again = Namespace::opted_in("live-r-lost");
    apply(&lost_pod);
    assert_eq!(user_of(&again.0, "app"), lost_user);
    wait_ready("pod", &again.0, "app");
    goes_on(&again.0, &["app"], "app");
    assert_eq!(in_kafka(&lost_user)[0], lost_before[0], "{lost_user}");
    wait_for("nobody misses it any more", || {
        if is_missing(&lost_user) { Err(cluster()["status"]["absent"].to_string()) } else { Ok(()) }
    });
    assert_eq!(wait_ready("topicclaim", ns, "it")["status"]["topicId"], known_id.as_str());
    assert_eq!((known_topic.id(), lost_declared.id()), (Some(known_id), Some(lost_id)), "nobody deleted their claims");
}
