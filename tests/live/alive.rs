//! The liveness probe on a real group: who stands still fails it, and who works beside them does not.

use crate::bed::{Namespace, apply, exec, pod, unique, wait_for, wait_ready};
use crate::steady::{PYTHON, log_of};

const CLIENT: &str = include_str!("clients/stuck.py");
/// How long an offset may stand still here. Looks count, not the clock alone: each is a login and some questions.
const STUCK_AFTER: [&str; 2] = ["--stuck-after", "2s"];

/// Which partition a member holds, once it is one.
fn holds(namespace: &str, pod: &str) -> Result<String, String> {
    let log = log_of(namespace, pod);
    let held = log.lines().rev().find_map(|line| line.strip_prefix("holds")).unwrap_or_default().trim();
    if ["0", "1"].contains(&held) { Ok(held.to_owned()) } else { Err(format!("{pod}: {log}")) }
}

/// Two members of one group that share a topic's two partitions; both go on polling, and one commits no more.
fn stuck_and_working(name: &str, protocol: &str) {
    let (space, topic) = (Namespace::opted_in(name), unique(name));
    let ns = space.0.as_str();
    apply(&format!(
        "{{apiVersion: kafka.admittance.dev/v1alpha1, kind: TopicClaim, metadata: {{name: shared, namespace: {ns}}}, \
         spec: {{topicName: {topic}, cluster: admittance/default, partitions: 2}}}}"
    ));
    wait_ready("topicclaim", ns, "shared");
    let asks = format!(
        "kafka.admittance.dev/workload: pair, kafka.admittance.dev/consumes: {topic}, kafka.admittance.dev/produces: {topic}, \
         kafka.admittance.dev/probe: \"readiness, liveness\""
    );
    for member in ["works", "stands"] {
        let command = serde_json::json!(["python3", "-c", CLIENT, topic, protocol, member]).to_string();
        apply(&pod(ns, member, &asks, PYTHON, &command));
    }
    // As the kubelet runs it, but for the five minutes.
    let [works, stands] = ["works", "stands"].map(|member| {
        let pod = wait_ready("pod", ns, member);
        let words = pod["spec"]["containers"][0]["livenessProbe"]["exec"]["command"].as_array().unwrap().clone();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    });
    assert_eq!((works[1].as_str(), &works), ("alive", &stands));
    let look = |member: &str| {
        let words: Vec<&str> = works.iter().map(String::as_str).chain(STUCK_AFTER).collect();
        exec(ns, member, &words)
    };
    let [of_working, of_standing] = wait_for("each member holds a partition", || {
        let [one, other] = [holds(ns, "works")?, holds(ns, "stands")?];
        if one == other { Err(format!("both {one}")) } else { Ok([one, other]) }
    });
    let said = wait_for("the member that commits no more is called stuck", || {
        let (alive, said) = look("works");
        assert!(alive, "a member that works is called stuck: {said}");
        let (alive, said) = look("stands");
        if alive { Err(said) } else { Ok(said) }
    });
    let named = format!("of `{topic}` {of_standing} for ");
    assert!(said.starts_with("stuck: group `") && said.contains(&named), "{said}");
    assert!(!said.contains(&format!("`{topic}` {of_working} ")), "{said}");
    let (alive, said) = look("works");
    assert!(alive && said.contains("alive: 1 partitions"), "{said}");
}

#[test]
fn a_member_that_commits_no_more_is_stuck_in_a_classic_group() {
    stuck_and_working("live-stuck-classic", "classic");
}

#[test]
fn a_member_that_commits_no_more_is_stuck_in_a_group_of_the_new_protocol() {
    stuck_and_working("live-stuck-consumer", "consumer");
}
