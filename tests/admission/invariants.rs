//! What holds for every Pod, whatever its golden file says.

use admittance::admission::decide::{OnInvalid, Outcome, Settings};
use serde_json::Value;

use crate::neighbour;
use crate::pods::{self, Case};
use crate::restricted::violations;
use crate::review::{Verdict, send, send_with, settings};
use crate::subtract::subtract;

/// Every case that is patched: its Pod, the answer, and the patched Pod.
fn injected() -> Vec<(Case, Verdict, Value)> {
    let cases: Vec<_> = pods::all()
        .into_iter()
        .map(|case| (send(&case.pod), case))
        .filter(|(verdict, _)| verdict.outcome == Outcome::Injected)
        .map(|(verdict, case)| {
            let patched = verdict.apply(&case.pod);
            (case, verdict, patched)
        })
        .collect();
    assert!(cases.len() >= 30, "too few Pods are injected for these tests to mean anything");
    cases
}

#[test]
fn a_second_pass_adds_nothing() {
    for (case, _, patched) in injected() {
        let again = send(&patched);
        assert_eq!(again.outcome, Outcome::AlreadyInjected, "{}", case.name);
        assert!(again.patch.is_empty(), "{}: {:?}", case.name, again.patch);
    }
}

#[test]
fn after_a_neighbour_only_what_the_neighbour_added_is_served() {
    for (case, _, mut patched) in injected() {
        let wanted = neighbour::add_sidecar(&mut patched);
        let annotations = &case.pod["metadata"]["annotations"];
        let says = |key: &str| annotations.get(format!("kafka.admittance.dev/{key}")).is_some();
        let again = send(&patched);
        let paths: Vec<&str> = again.patch.iter().map(|operation| operation["path"].as_str().unwrap()).collect();
        let wanted: Vec<&str> = wanted.iter().filter(|_| !says("containers")).map(|path| &**path).collect();
        assert!(wanted.iter().all(|path| paths.contains(path)), "{}: {paths:?}", case.name);
        assert!(paths.iter().all(|path| neighbour::is_its(path)), "{}: {paths:?}", case.name);
        if !says("env") && !says("probe") {
            assert_eq!(paths, wanted, "{}", case.name);
        }
        for operation in again.patch.iter().filter(|operation| wanted.contains(&operation["path"].as_str().unwrap())) {
            let mount = operation["value"].get(0).unwrap_or(&operation["value"]);
            let ours = ["/var/run/secrets/kafka", "/var/run/admittance"];
            assert!(ours.iter().any(|path| mount["mountPath"] == *path), "{}: {mount}", case.name);
        }
        let third = send(&again.apply(&patched));
        assert!(third.allowed && third.patch.is_empty(), "{}: {:?}", case.name, third.patch);
    }
}

#[test]
fn without_our_additions_it_is_the_authors_pod() {
    for (case, _, patched) in injected() {
        assert_ne!(patched, case.pod, "{}", case.name);
        assert_eq!(subtract(&patched, &case.pod), case.pod, "{}", case.name);
    }
}

#[test]
fn nothing_that_is_added_breaks_pod_security_restricted() {
    let mut strict = 0;
    for (case, _, patched) in injected() {
        let before = violations(&case.pod);
        strict += usize::from(before.is_empty());
        let new: Vec<_> = violations(&patched).into_iter().filter(|violation| !before.contains(violation)).collect();
        assert!(new.is_empty(), "{}: {new:?}", case.name);
    }
    assert!(strict > 0, "no Pod passes restricted beforehand: nothing was tested");
}

#[test]
fn no_pod_needs_a_name_that_kubernetes_would_refuse() {
    let legal = |text: &str, limit: usize| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.len() <= limit
            && text.starts_with(edge)
            && text.ends_with(edge)
            && text.chars().all(|c| edge(c) || matches!(c, '-' | '.'))
    };
    for (case, _, patched) in injected() {
        let label = patched["metadata"]["labels"]["kafka.admittance.dev/access"].as_str().unwrap();
        assert!(legal(label, 63), "{}: {label}", case.name);
        let volumes = patched["spec"]["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == "admittance-credentials").unwrap();
        assert!(legal(volume["secret"]["secretName"].as_str().unwrap(), 253), "{}: {volume}", case.name);
    }
}

#[test]
fn warnings_and_refusals_are_short_and_can_be_shown() {
    let mut refused = 0;
    for case in pods::all() {
        let verdict = send(&case.pod);
        for text in verdict.warnings.iter().chain(verdict.status.as_ref().map(|status| &status.message)) {
            assert!(
                !text.chars().any(|c| c.is_control() || "\u{202e}\u{202d}\u{2066}".contains(c)),
                "{}: {text:?}",
                case.name
            );
        }
        for warning in &verdict.warnings {
            assert!(warning.chars().count() <= 120 && !warning.ends_with('…'), "{}: {warning}", case.name);
        }
        if let Some(status) = verdict.status {
            refused += 1;
            assert_eq!(status.code, 403, "{}", case.name);
            assert!(status.message.starts_with(&status.reason), "{}: {}", case.name, status.message);
            assert!(status.message.len() <= 2048, "{}: {} bytes", case.name, status.message.len());
        }
    }
    assert!(refused >= 12, "too few Pods are refused for this test to mean anything");
}

/// The faults that warnings tell of, each put together again from the lines that it was broken into.
fn faults(warnings: &[String]) -> Vec<String> {
    let mut faults: Vec<(String, usize)> = Vec::new();
    for warning in warnings {
        match (warning.strip_prefix("not injected: "), faults.last_mut()) {
            (Some(begun), _) => faults.push((begun.to_owned(), 1)),
            (None, Some((fault, lines))) => {
                fault.push_str(if *lines == 1 { ": " } else { " " });
                fault.push_str(warning);
                *lines += 1;
            }
            (None, None) => panic!("{warnings:?}"),
        }
    }
    faults.into_iter().map(|(fault, _)| fault).collect()
}

#[test]
fn where_the_install_admits_invalid_requests_they_pass_unpatched_with_warnings() {
    let lenient = Settings { on_invalid: OnInvalid::Admit, ..settings() };
    for case in pods::all() {
        let (strict, verdict) = (send(&case.pod), send_with(&case.pod, &lenient));
        assert!(verdict.allowed, "{}", case.name);
        if let Outcome::Denied(reason) = strict.outcome {
            assert_eq!(verdict.outcome, Outcome::Admitted(reason), "{}", case.name);
            assert!(verdict.patch.is_empty(), "{}", case.name);
            for warning in &verdict.warnings {
                assert!(warning.chars().count() <= 120, "{}: {warning}", case.name);
            }
            // All that a refusal would have said, value and rule included.
            let said = format!("{}. {}", faults(&verdict.warnings).join("; "), reason.remedy());
            assert_eq!(said, strict.status.unwrap().message, "{}", case.name);
        } else {
            assert_eq!(verdict.patch, strict.patch, "{}", case.name);
        }
    }
}

#[test]
fn a_dry_run_gets_the_same_answer() {
    for case in pods::all() {
        let mut review = crate::review::review(&case.pod);
        review["request"]["dryRun"] = Value::Bool(true);
        let dry = crate::review::open(&serde_json::to_vec(&review).unwrap(), &settings());
        assert_eq!(dry.patch, send(&case.pod).patch, "{}", case.name);
    }
}
