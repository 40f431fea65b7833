//! `admittance inject` against the webhook itself: over every golden Pod, and as a program.

use std::fs;
use std::path::{Path, PathBuf};

use admittance::admission::decide::{Gates, OnInvalid, Settings, answer};
use admittance::api::names::ClusterRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::program::{Ended, run, run_with};

const IMAGE: &str = "admittance-probe:test";

/// Every Pod of the golden files, by name.
fn pods() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/admission/pods");
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    found.sort();
    assert!(found.len() >= 45, "most of the Pods are gone");
    found.into_iter().map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// What becomes of a Pod at the webhook: the patched Pod, or the refusal.
fn webhook(pod: &Value) -> Result<Value, String> {
    let settings = Settings {
        default_cluster: ClusterRef { namespace: "admittance".into(), name: "default".into() },
        on_invalid: OnInvalid::Deny,
        probe_delivery: admittance::admission::delivery::Delivery::Copy,
        gates: Gates::Offered,
        probe_image: IMAGE.into(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("shop");
    let review = json!({"request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace, "operation": "CREATE",
        "object": pod,
    }});
    let answer = answer(&serde_json::to_vec(&review).unwrap(), &settings).unwrap();
    let reply: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = &reply["response"];
    if response["allowed"] == false {
        return Err(response["status"]["message"].as_str().unwrap().to_owned());
    }
    let mut patched = pod.clone();
    if let Some(patch) = response["patch"].as_str() {
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
    }
    Ok(patched)
}

fn inject(arguments: &[&str], input: &str) -> Ended {
    run(&[&["inject", "--namespace", "shop", "--gates", "--probe-image", IMAGE], arguments].concat(), input)
}

#[test]
fn every_golden_pod_becomes_what_the_webhook_makes_of_it() {
    let (mut patched, mut refused) = (0, 0);
    for (name, path) in pods() {
        let text = fs::read_to_string(&path).unwrap();
        let pod: Value = serde_saphyr::from_str(&text).unwrap();
        match webhook(&pod) {
            Ok(wanted) => {
                for output in ["yaml", "json"] {
                    let ended = inject(&["-f", path.to_str().unwrap(), "--output", output], "");
                    assert_eq!(ended.code, 0, "{name}: {}", ended.err);
                    let found: Value = serde_saphyr::from_str(&ended.out).unwrap();
                    assert_eq!(found, wanted, "{name} as {output}");
                    patched += usize::from(wanted != pod);
                }
                let ended = inject(&[], &text);
                let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
                assert_eq!(comments(&ended.out), comments(&text), "{name}: a comment is lost");
            }
            Err(message) => {
                let ended = inject(&[], &text);
                assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{name}");
                assert!(ended.err.contains(&message), "{name}: {message}: {}", ended.err);
                refused += 1;
            }
        }
    }
    assert!(patched >= 60 && refused >= 12, "too few for this test to mean anything: {patched}, {refused}");
}

#[test]
fn all_golden_pods_at_once_stay_in_order() {
    let pods: Vec<_> = pods().into_iter().filter_map(|(_, path)| fs::read_to_string(path).ok()).collect();
    let stream = pods.join("---\n");
    let ended = inject(&["--on-invalid", "admit"], &stream);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let read = |text: &str| -> Vec<Value> { serde_saphyr::from_multiple(text).unwrap() };
    let (before, after) = (read(&stream), read(&ended.out));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after, &webhook(before).unwrap_or_else(|_| before.clone()));
    }
    let again = inject(&["--on-invalid", "admit"], &ended.out);
    assert_eq!(again.out, ended.out, "a second time adds nothing");
}

#[test]
fn an_image_whose_name_is_a_guess_is_told_with_the_way_to_the_right_one() {
    let pod = |more: &str| {
        format!(
            "{{kind: Pod, metadata: {{name: a, annotations: {{kafka.admittance.dev/consumes: b{more}}}}}, spec: {{containers: [{{name: c}}]}}}}"
        )
    };
    for way in ["copy", "image"] {
        let ended = run(&["inject", "--probe-delivery", way], &pod(""));
        assert!(ended.code == 0 && ended.err.contains("--probe-image"), "{way}: {ended:?}");
        let command = ended.err.lines().find(|line| line.starts_with("try: ")).unwrap();
        assert!(
            command.contains("kubectl -n admittance get deployments -l app.kubernetes.io/name=admittance"),
            "{command}"
        );
    }
    // A command that found nothing leaves the variable empty.
    let unset = run_with(&["inject"], &pod(""), &[("ADMITTANCE_PROBE_IMAGE", "")]);
    let guessed = run(&["inject"], &pod(""));
    assert_eq!((unset.code, unset.out, unset.err), (guessed.code, guessed.out, guessed.err));
    let named = run(&["inject", "--probe-image", IMAGE], &pod(""));
    let by_environment = run_with(&["inject"], &pod(""), &[("ADMITTANCE_PROBE_IMAGE", IMAGE)]);
    let without = run(&["inject"], &pod(", kafka.admittance.dev/probe: none"));
    for ended in [named, by_environment, without] {
        assert!(ended.code == 0 && ended.err.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_gate_that_the_installation_may_not_offer_is_warned_of() {
    let gated = "{kind: Pod, metadata: {name: a, annotations: {kafka.admittance.dev/consumes: b, kafka.admittance.dev/wait: gate}}, spec: {containers: [{name: c}]}}";
    let ended = run(&["inject", "--probe-image", IMAGE], gated);
    assert!(
        ended.code == 0 && ended.out.contains("schedulingGates") && ended.err.contains("gates.enabled"),
        "{ended:?}"
    );
    assert_eq!(inject(&[], gated).err, "", "who says that they are offered is not told so");
}

#[test]
fn files_that_cannot_be_read_end_with_2() {
    let missing = inject(&["-f", "/nonexistent/x.yaml"], "");
    assert_eq!((missing.code, missing.out.as_str()), (2, ""));
    assert!(missing.err.contains("cannot read /nonexistent/x.yaml"), "{}", missing.err);
    let broken = inject(&[], "a: 1\n---\nkind: [\n");
    assert_eq!((broken.code, broken.out.as_str()), (2, ""));
    assert!(broken.err.contains("standard input: the document that begins on line 3"), "{}", broken.err);
    let cluster = inject(&["--default-cluster", "A B"], "");
    assert_eq!(cluster.code, 2, "{}", cluster.err);
}

#[test]
fn a_folder_is_its_manifests_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("b.yml", "b: 2\n"), ("a.yaml", "a: 1\n"), ("c.json", "{\"c\": 3}\n"), ("notes.txt", "[")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let ended = inject(&["-f", folder.path().to_str().unwrap()], "");
    assert_eq!((ended.code, ended.out.as_str()), (0, "a: 1\n---\nb: 2\n---\n{\"c\": 3}\n"), "{}", ended.err);
    let piped = inject(&["-f", "-", "-f", folder.path().join("a.yaml").to_str().unwrap()], "x: y\n");
    assert_eq!(piped.out, "x: y\n---\na: 1\n");
}

#[test]
fn logs_never_reach_standard_output() {
    let pod = fs::read_to_string(&pods()[1].1).unwrap();
    let quiet = inject(&[], &pod);
    let loud = inject(&["--log", "trace"], &pod);
    assert_eq!((loud.code, loud.out), (0, quiet.out));
}
