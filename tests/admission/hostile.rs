//! Bodies that are no review of a Pod's creation, or try to hurt.

use std::time::{Duration, Instant};

use admittance::admission::decide::{Malformed, OnInvalid, Outcome, Settings, answer};
use admittance::admission::warnings::MAX_WARNINGS;
use serde_json::{Value, json};

use crate::review::{open, review, send, settings};
use crate::subtract::subtract;

fn pod() -> Value {
    json!({
        "metadata": {"name": "app", "annotations": {"kafka.admittance.dev/consumes": "orders"}},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn text(pod: &Value) -> String {
    serde_json::to_string(&review(pod)).unwrap()
}

fn refused(body: &[u8]) -> Malformed {
    answer(body, &settings()).expect_err(&String::from_utf8_lossy(body))
}

/// What the API server would read in an error page: it names the stable code, and is short.
fn assert_readable(error: &Malformed) {
    let message = error.to_string();
    assert!(message.starts_with("MalformedReview: "), "{message}");
    assert!(message.len() <= 512 && !message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn what_is_no_review_is_said_to_be_none() {
    for body in [
        "",
        " ",
        "null",
        "[]",
        "{",
        "\u{feff}{}",
        "true",
        "\"review\"",
        "{\"request\": 7}",
        "{\"request\": []}",
        "PK\u{3}\u{4}",
    ] {
        assert_readable(&refused(body.as_bytes()));
    }
    assert_readable(&refused(b"\xff\xfe{\x00}\x00"));
    assert!(matches!(refused(b"{}"), Malformed::NoRequest));
    assert!(matches!(refused(b"{\"request\": null}"), Malformed::NoRequest));
}

#[test]
fn a_review_cut_short_anywhere_is_malformed() {
    let whole = text(&pod());
    for end in 0..whole.len() {
        assert_readable(&refused(&whole.as_bytes()[..end]));
    }
    assert_readable(&refused(format!("{whole}}}").as_bytes()));
}

#[test]
fn other_reviews_are_not_ours() {
    let change = |path: &str, value: Value| {
        let mut review = review(&pod());
        *review.pointer_mut(path).unwrap() = value;
        refused(&serde_json::to_vec(&review).unwrap())
    };
    for error in [
        change("/request/operation", json!("UPDATE")),
        change("/request/operation", json!("DELETE")),
        change("/request/operation", json!("create")),
        change("/request/kind", json!({"group": "apps", "version": "v1", "kind": "Deployment"})),
        change("/request/kind/group", json!("metrics.k8s.io")),
        change("/request/kind/kind", json!("Binding")),
        change("/request/object", Value::Null),
        change("/request/operation", json!("\u{1b}[2J".repeat(1000))),
        change("/request/kind/kind", json!("K".repeat(1_000_000))),
    ] {
        assert!(matches!(error, Malformed::NotOurs { .. }), "{error}");
        assert_readable(&error);
    }
}

#[test]
fn wrong_types_are_malformed_and_name_the_place() {
    let change = |path: &str, value: Value| {
        let mut pod = json!({
            "metadata": {"name": "a", "labels": {"l": "v"}, "annotations": {"kafka.admittance.dev/consumes": "t"}, "ownerReferences": []},
            "spec": {"containers": [{"name": "a", "volumeMounts": [], "resources": {}}], "volumes": [], "securityContext": {}},
        });
        *pod.pointer_mut(path).unwrap() = value;
        refused(text(&pod).as_bytes())
    };
    for wrong in [json!(7), json!("x"), json!("x\u{1b}".repeat(10_000)), json!(true)] {
        for path in
            ["/metadata", "/spec", "/metadata/labels", "/metadata/annotations", "/spec/containers", "/spec/volumes"]
        {
            assert_readable(&change(path, wrong.clone()));
        }
    }
    for wrong in [json!(7), json!(null), json!(["x"]), json!({"a": "b"}), json!(1.5), json!(false)] {
        for path in
            ["/metadata/labels/l", "/metadata/annotations/kafka.admittance.dev~1consumes", "/spec/containers/0/name"]
        {
            let error = change(path, wrong.clone());
            assert_readable(&error);
            assert!(error.to_string().contains("string"), "{error}");
        }
    }
    assert_readable(&change("/spec/containers/0", Value::Null));
    assert_readable(&change("/spec/securityContext", json!({"runAsUser": "root"})));
}

#[test]
fn keys_written_twice_are_malformed_or_read_as_the_api_server_does() {
    let twice = |body: String| answer(body.as_bytes(), &settings());
    let body = text(&pod());
    let field = body.replacen("\"metadata\":", "\"metadata\":{},\"metadata\":", 1);
    assert_readable(&twice(field).unwrap_err());
    // The last of two annotations of one key counts, as in Go.
    let annotation = body.replacen("\"orders\"", "\"a/b\",\"kafka.admittance.dev/consumes\":\"orders\"", 1);
    assert_ne!(annotation, body);
    assert_eq!(twice(annotation).unwrap().outcome, Outcome::Injected);
}

#[test]
fn escaped_keys_and_values_are_the_same_keys_and_values() {
    let plain = text(&pod());
    let escaped = plain
        .replace("kafka.admittance.dev/consumes", "kafka\\u002eadmittance.dev\\u002fconsumes")
        .replace("\"orders\"", "\"\\u006frders\"");
    let names = escaped.replace("\"metadata\"", "\"\\u006detadata\"").replace("\"containers\"", "\"\\u0063ontainers\"");
    for body in [escaped, names] {
        assert_ne!(body, plain);
        assert_eq!(open(body.as_bytes(), &settings()).patch, send(&pod()).patch);
    }
    // A lone surrogate is no text: JSON allows the escape, no string can hold it.
    let broken = plain.replace("\"orders\"", "\"\\ud800\"");
    assert_readable(&refused(broken.as_bytes()));
}

#[test]
fn ten_thousand_brackets_neither_overflow_the_stack_nor_lose_the_request() {
    let plain = text(&pod());
    for (open_bracket, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open_bracket.repeat(10_000), close.repeat(10_000));
        // Where nobody looks, depth is nobody's business; where a value is read, it is of the wrong type.
        for place in ["\"image\":\"app:1\"", "\"dryRun\":false"] {
            let ignored = plain.replace(place, &format!("\"ignored\":{nested}"));
            assert_ne!(ignored, plain);
            assert_eq!(answer(ignored.as_bytes(), &settings()).unwrap().outcome, Outcome::Injected);
        }
        for value in ["\"orders\"", "\"CREATE\"", "{\"name\":\"app\",\"image\":\"app:1\"}"] {
            let read = plain.replace(value, &nested).replace("{\"image\":\"app:1\",\"name\":\"app\"}", &nested);
            assert_ne!(read, plain);
            assert_readable(&refused(read.as_bytes()));
        }
        assert_readable(&refused(nested.as_bytes()));
        assert_readable(&refused(open_bracket.repeat(10_000).as_bytes()));
    }
}

#[test]
fn a_megabyte_of_others_annotations_changes_nothing_and_costs_little() {
    let mut large = pod();
    for number in 0..1000 {
        large["metadata"]["annotations"][format!("example.com/{number}")] = json!("x\n".repeat(512));
    }
    let verdict = send(&large);
    assert_eq!(verdict.patch, send(&pod()).patch);
    assert_eq!(subtract(&verdict.apply(&large), &large), large);
    let body = text(&large);
    assert!(body.len() > 1_000_000);
    let start = Instant::now();
    answer(body.as_bytes(), &settings()).unwrap();
    // Far above what it takes unoptimised on a busy machine, far below what the API server waits.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn thousands_of_faults_make_one_short_refusal() {
    let mut pod = pod();
    for number in 0..5000 {
        pod["metadata"]["annotations"][format!("kafka.admittance.dev/{}{number}", "k\u{7}".repeat(200))] = json!("x");
    }
    pod["metadata"]["annotations"]["kafka.admittance.dev/containers"] = json!("none-such, ".repeat(2500));
    let status = send(&pod).status.unwrap();
    assert!(status.message.len() <= 2048, "{} bytes", status.message.len());
    assert!(!status.message.chars().any(char::is_control), "{:?}", status.message);
    let lenient = Settings { on_invalid: OnInvalid::Admit, ..settings() };
    let warnings = crate::review::send_with(&pod, &lenient).warnings;
    assert!((1..=MAX_WARNINGS).contains(&warnings.len()), "{}", warnings.len());
}

#[test]
fn thousands_of_missing_containers_make_one_short_refusal() {
    let mut pod = pod();
    let names: Vec<String> = (0..2500).map(|number| format!("none-{number}")).collect();
    pod["metadata"]["annotations"]["kafka.admittance.dev/containers"] = json!(names.join(","));
    let status = send(&pod).status.unwrap();
    assert!(status.message.starts_with("NoSuchContainer") && status.message.len() <= 2048, "{}", status.message);
}

#[test]
fn texts_of_the_author_in_warnings_are_escaped() {
    let mut pod = pod();
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "e\u{1b}/v1", "kind": "Job\u{1b}[31m\u{202e}", "name": "owner", "controller": true}]);
    pod["spec"]["containers"][0]["name"] = json!("app\r\nWarning: 299 all is well");
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "own", "mountPath": "/var/run/secrets/kafka"}]);
    let warnings = send(&pod).warnings;
    // Three of an owner that is not known, one of the mount.
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for warning in warnings {
        assert!(!warning.chars().any(|c| c.is_control() || c == '\u{202e}'), "{warning:?}");
        assert!(warning.chars().count() <= 120, "{warning}");
    }
}

#[test]
fn thousands_of_warnings_are_cut_to_a_few() {
    let mut pod = pod();
    let own = |number| json!({"name": format!("c{number}"), "volumeMounts": [{"name": "own", "mountPath": "/var/run/secrets/kafka"}]});
    pod["spec"]["containers"] = (0..250).map(own).collect();
    let warnings = send(&pod).warnings;
    assert!((1..=MAX_WARNINGS).contains(&warnings.len()), "{}", warnings.len());
}

#[test]
fn thousands_of_containers_make_one_short_refusal() {
    let mut pod = pod();
    pod["metadata"]["annotations"]["kafka.admittance.dev/env"] = json!("generic");
    let named = |count| -> Vec<Value> { (0..count).map(|number| json!({"name": format!("c{number}")})).collect() };
    for (containers, init_containers) in [(30_000, 0), (1, 30_000), (200, 51)] {
        pod["spec"] = json!({"containers": named(containers), "initContainers": named(init_containers)});
        let answered = answer(text(&pod).as_bytes(), &settings()).unwrap();
        assert!(answered.body.len() <= 2048, "{} bytes", answered.body.len());
        let verdict = send(&pod);
        let status = verdict.status.unwrap();
        assert_eq!(status.reason, "TooManyContainers");
        let said = format!("spec.containers: \"{}\" containers are too many", containers + init_containers);
        assert!(verdict.patch.is_empty() && status.message.contains(&said), "{}", status.message);
    }
    pod["spec"] = json!({"containers": named(200), "initContainers": named(50)});
    assert_eq!(send(&pod).outcome, Outcome::Injected, "as many as there may be");
    pod["spec"] = json!({"containers": named(30_000)});
    pod["metadata"]["annotations"] = json!({});
    assert_eq!(send(&pod).outcome, Outcome::NotRequested, "who asks for nothing is let alone");
}

#[test]
fn a_million_words_of_a_probe_are_passed_over() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"exec": {"command": vec![""; 1_000_000]}});
    let verdict = send(&pod);
    assert_eq!((verdict.outcome, &verdict.warnings), (Outcome::Injected, &Vec::new()));
    // It is the author's probe still, so nothing of ours comes in its place.
    assert_eq!(verdict.patch.len(), 4, "{:?}", verdict.patch);
    assert!(answer(text(&pod).as_bytes(), &settings()).unwrap().body.len() <= 2048);
}
