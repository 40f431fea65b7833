//! Scheduling gates, by what is known of the installation and of the Pod.

use admittance::admission::decide::{Gates, Outcome, Settings};
use serde_json::{Value, json};

use crate::review::{Verdict, send_with, settings};

fn asks(gates: Gates, more: &Value) -> Verdict {
    let mut pod = json!({
        "metadata": {
            "name": "app", "annotations": {"kafka.admittance.dev/consumes": "orders", "kafka.admittance.dev/wait": "gate"},
        },
        "spec": {"containers": [{"name": "app"}]},
    });
    pod["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    send_with(&pod, &Settings { gates, ..settings() })
}

fn adds_a_gate(verdict: &Verdict) -> bool {
    verdict.patch.iter().any(|operation| operation["path"] == "/spec/schedulingGates")
}

#[test]
fn a_gate_that_nobody_would_open_is_refused() {
    let refused = asks(Gates::NotOffered, &json!({}));
    assert!(!refused.allowed && refused.status.unwrap().message.contains("gates.enabled"));
    let given = asks(Gates::Offered, &json!({}));
    assert!(adds_a_gate(&given) && given.warnings.is_empty(), "{given:?}");
}

#[test]
fn who_does_not_know_the_installation_adds_the_gate_and_says_so_in_full() {
    let given = asks(Gates::Unknown, &json!({}));
    assert!(adds_a_gate(&given), "{given:?}");
    assert!(given.warnings[0].contains("gates.enabled") && !given.warnings[0].ends_with('…'), "{given:?}");
}

#[test]
fn a_pod_that_lives_is_not_sent_back_to_its_gate() {
    let node = json!({"nodeName": "node-1"});
    assert!(!asks(Gates::Offered, &node).allowed, "one that is new needs the scheduler");
    let living = asks(Gates::Passed, &node);
    assert_eq!(living.outcome, Outcome::Injected, "what else it lacks is told");
    assert!(!adds_a_gate(&living) && living.warnings.is_empty(), "{living:?}");
}
