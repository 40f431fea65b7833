//! A probe that comes from an image volume instead of an init container.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::bed::{HOME, Namespace, apply, exec, get, idle_pod, unique, wait_ready};

/// What `admittance inject` makes of a manifest on its standard input.
fn injected(arguments: &[&str], manifest: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_admittance"));
    program.arg("inject").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), manifest.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The image that the webhook runs of, and so that of the probe.
fn image() -> String {
    let webhook = get(&["deployment", "admittance-webhook", "--namespace", HOME]);
    webhook["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn a_pod_becomes_ready_by_a_probe_from_a_mounted_image() {
    let (space, topic, image) = (Namespace::opted_in("live-delivery"), unique("delivery"), image());
    let manifest = idle_pod(&space.0, "mounts", &format!("kafka.admittance.dev/produces: {topic}"));
    let done = injected(&["--probe-delivery", "image", "--probe-image", &image], &manifest);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // The installation copies the probe; what is there already decides, and the webhook adds nothing to it.
    apply(&String::from_utf8(done.stdout).unwrap());
    let pod = wait_ready("pod", &space.0, "mounts");
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let probe = volumes.iter().find(|volume| volume["name"] == "admittance-probe").unwrap();
    assert_eq!(probe["image"]["reference"], image.as_str());
    let command = pod["spec"]["containers"][0]["readinessProbe"]["exec"]["command"].as_array().unwrap().clone();
    let mut words: Vec<_> = command.iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[1], "ready");
    // Its words mean something: without the memory of having been ready they still succeed, and for a topic of nobody they fail.
    words.retain(|word| *word != "--latch");
    let (ready, said) = exec(&space.0, "mounts", &words);
    assert!(ready, "{said}");
    let asked = words.iter().position(|word| *word == "--produces").unwrap();
    let other = unique("delivery-of-nobody");
    words[asked + 1] = &other;
    let (ready, said) = exec(&space.0, "mounts", &words);
    assert!(!ready && said.contains(&other), "{said}");
}

#[test]
fn the_installer_has_what_a_limit_range_asks_of_every_container() {
    let (space, topic) = (Namespace::opted_in("live-limits"), unique("limits"));
    apply(&format!(
        "{{apiVersion: v1, kind: LimitRange, metadata: {{name: range, namespace: {}}}, spec: {{limits: [{{type: Container, \
         min: {{memory: 64Mi}}, max: {{memory: 128Mi}}, maxLimitRequestRatio: {{memory: '1'}}}}]}}}}",
        space.0
    ));
    let resources = "resources: {requests: {cpu: 20m, memory: 96Mi}, limits: {memory: 96Mi}}";
    let pod = idle_pod(&space.0, "within", &format!("kafka.admittance.dev/produces: {topic}"));
    apply(&pod.replace("imagePullPolicy: Never", &format!("imagePullPolicy: Never\n      {resources}")));
    let pod = wait_ready("pod", &space.0, "within");
    let installer = &pod["spec"]["initContainers"][0];
    assert_eq!(installer["name"], "admittance-probe");
    assert_eq!(installer["resources"], pod["spec"]["containers"][0]["resources"]);
    // Where the Pod says nothing, the range does, before the webhook is asked.
    apply(&idle_pod(&space.0, "silent", &format!("kafka.admittance.dev/produces: {topic}")));
    let pod = wait_ready("pod", &space.0, "silent");
    assert_eq!(pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"], "128Mi");
}
