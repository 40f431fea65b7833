//! The probe by an image volume, instead of an init container that copies it.

use admittance::admission::decide::{Outcome, Settings};
use admittance::admission::delivery::Delivery;
use serde_json::{Value, json};

use crate::pods::{self, Case};
use crate::restricted::violations;
use crate::review::{send, send_with, settings};
use crate::subtract::subtract;

fn mounting() -> Settings {
    Settings { probe_delivery: Delivery::Image, ..settings() }
}

/// Every case that is patched, with the Pod as each way of delivery makes it: copied, mounted.
fn both_ways() -> Vec<(Case, Value, Value)> {
    let all = pods::all().into_iter().filter_map(|case| {
        let (copied, mounted) = (send(&case.pod), send_with(&case.pod, &mounting()));
        (mounted.outcome == Outcome::Injected && copied.outcome == Outcome::Injected).then(|| {
            let pods = (copied.apply(&case.pod), mounted.apply(&case.pod));
            (case, pods.0, pods.1)
        })
    });
    all.collect()
}

fn element<'p>(pod: &'p Value, list: &str) -> Option<&'p Value> {
    pod["spec"][list].as_array().into_iter().flatten().find(|element| element["name"] == "admittance-probe")
}

#[test]
fn the_image_takes_the_place_of_volume_and_installer() {
    let mut seen = 0;
    for (case, copied, mounted) in both_ways() {
        if element(&case.pod, "volumes").is_some() || element(&copied, "volumes").is_none() {
            assert_eq!(copied, mounted, "{}: what is there decides", case.name);
            continue;
        }
        seen += 1;
        let volume = json!({
            "name": "admittance-probe",
            "image": {"reference": "admittance-probe:test", "pullPolicy": "IfNotPresent"},
        });
        assert_eq!(element(&mounted, "volumes"), Some(&volume), "{}", case.name);
        assert_eq!(mounted["spec"].get("initContainers").is_some(), case.pod["spec"].get("initContainers").is_some());
        assert_eq!(element(&mounted, "initContainers"), element(&case.pod, "initContainers"), "{}", case.name);
        assert_eq!(mounted["spec"]["containers"], copied["spec"]["containers"], "{}: the same probes", case.name);
    }
    assert!(seen >= 30, "only {seen} Pods have a probe of ours");
}

#[test]
fn the_invariants_hold() {
    for (case, _, mounted) in both_ways() {
        let again = send_with(&mounted, &mounting());
        assert_eq!(again.outcome, Outcome::AlreadyInjected, "{}: {:?}", case.name, again.patch);
        assert_eq!(subtract(&mounted, &case.pod), case.pod, "{}", case.name);
        let before = violations(&case.pod);
        assert!(violations(&mounted).iter().all(|violation| before.contains(violation)), "{}", case.name);
    }
}

#[test]
fn an_install_that_changes_its_mind_leaves_patched_pods_alone() {
    for (case, copied, mounted) in both_ways() {
        for (pod, settings) in [(&copied, mounting()), (&mounted, settings())] {
            let again = send_with(pod, &settings);
            assert_eq!(again.outcome, Outcome::AlreadyInjected, "{}: {:?}", case.name, again.patch);
        }
    }
}

#[test]
fn a_container_of_the_installers_name_is_in_the_way_of_the_installer_alone() {
    let pod = json!({
        "metadata": {"name": "app", "annotations": {"kafka.admittance.dev/produces": "orders"}},
        "spec": {"containers": [{"name": "app"}, {"name": "admittance-probe"}]},
    });
    let (copied, mounted) = (send(&pod), send_with(&pod, &mounting()));
    assert!(!copied.allowed && copied.patch.is_empty(), "{:?}", copied.patch);
    assert_eq!(mounted.outcome, Outcome::Injected);
}
