//! The topics that a readiness probe asks for, and the groups of a liveness probe: those of the Pod itself, as far as there is room.

use serde_json::{Value, json};

use crate::review::{Verdict, send};

fn pod(consumes: &str, containers: &[Value]) -> Value {
    json!({
        "metadata": {"name": "app", "annotations": {"kafka.admittance.dev/consumes": consumes}},
        "spec": {"containers": containers},
    })
}

/// The command of a container's readiness probe.
fn command(pod: &Value, container: usize) -> Vec<&str> {
    let words = pod["spec"]["containers"][container]["readinessProbe"]["exec"]["command"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

fn warned(verdict: &Verdict, words: &str) -> bool {
    verdict.warnings.iter().any(|warning| warning.contains(words))
}

#[test]
fn many_topics_in_many_containers_make_no_large_patch() {
    let topics: Vec<_> = (0..100).map(|number| format!("{number:0>249}")).collect();
    let containers: Vec<_> = (0..250).map(|number| json!({"name": format!("c{number}")})).collect();
    let asking = pod(&topics.join(","), &containers);
    let verdict = send(&asking);
    assert!(verdict.allowed && warned(&verdict, "those of the Secret alone"), "{:?}", verdict.warnings);
    let patched = verdict.apply(&asking);
    assert!(!command(&patched, 0).contains(&"--consumes"));
    assert!(serde_json::to_string(&verdict.patch).unwrap().len() < 400_000, "a few hundred bytes a container");
    let two = pod(&topics.join(","), &[json!({"name": "a"}), json!({"name": "b"})]);
    assert_eq!(command(&send(&two).apply(&two), 1)[5], "--consumes", "there is room for what people write");
}

#[test]
fn many_groups_in_many_containers_make_no_large_patch() {
    let groups: Vec<_> = (0..20).map(|number| format!("shop.{number:0>240}")).collect();
    let asking = |containers: usize| {
        let containers: Vec<_> = (0..containers).map(|number| json!({"name": format!("c{number}")})).collect();
        let mut pod = pod("orders", &containers);
        pod["metadata"]["annotations"]["kafka.admittance.dev/groups"] = json!(groups.join(","));
        pod["metadata"]["annotations"]["kafka.admittance.dev/probe"] = json!("liveness");
        pod
    };
    let (few, many) = (asking(2), asking(250));
    let verdict = send(&many);
    assert!(verdict.allowed && warned(&verdict, "the workload's own alone"), "{:?}", verdict.warnings);
    assert!(serde_json::to_string(&verdict.patch).unwrap().len() < 400_000, "a few hundred bytes a container");
    let verdict = send(&few);
    assert!(!warned(&verdict, "the workload's own alone"));
    let words = verdict.apply(&few).to_string();
    assert_eq!(words.matches("\"--group\"").count(), 40, "there is room for what people write");
}

#[test]
fn a_probe_from_before_the_annotations_were_edited_is_told_of() {
    let before = pod("orders", &[json!({"name": "app"})]);
    let mut edited = send(&before).apply(&before);
    assert!(send(&edited).warnings.is_empty(), "it is as it would be written");
    edited["metadata"]["annotations"]["kafka.admittance.dev/consumes"] = json!("payments");
    let verdict = send(&edited);
    assert!(warned(&verdict, "asks for other topics"), "{:?}", verdict.warnings);
    let mut authors = before;
    authors["spec"]["containers"][0]["readinessProbe"] = json!({"exec": {"command": ["test", "-e", "/ready"]}});
    assert!(send(&authors).warnings.is_empty(), "the author's own is nobody's business");
}
