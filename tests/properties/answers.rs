//! Invariant 2, and what every answer owes to its reader.

use admittance::admission::decide::{OnInvalid, Outcome, Settings, answer};
use admittance::admission::delivery::Delivery;
use admittance::admission::warnings::MAX_WARNINGS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::neighbour::{add_sidecar, is_its};
use crate::pods::pod;
use crate::review::{review, send, send_with, settings};
use crate::subtract::subtract;

fn can_be_shown(text: &str) -> bool {
    let reorders = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c.is_control() || reorders(c))
}

/// An install that delivers the probe in one way or the other.
fn delivery() -> impl Strategy<Value = Settings> {
    let ways = proptest::sample::select(vec![Delivery::Copy, Delivery::Image]);
    ways.prop_map(|probe_delivery| Settings { probe_delivery, ..settings() })
}

proptest! {
    #[test]
    fn patching_a_patched_pod_changes_nothing(author in pod(), first in delivery(), then in delivery()) {
        let verdict = send_with(&author, &first);
        // A Pod that is refused is not patched, and may be another installation's to take.
        let then = if verdict.allowed { then } else { first };
        let patched = verdict.apply(&author);
        let again = send_with(&patched, &then);
        prop_assert!(again.patch.is_empty(), "{:?}", again.patch);
        prop_assert_eq!(again.apply(&patched), patched);
        prop_assert_eq!(again.allowed, verdict.allowed);
        if verdict.outcome == Outcome::Injected {
            prop_assert_eq!(again.outcome, Outcome::AlreadyInjected);
        }
    }

    #[test]
    fn a_patched_pod_minus_our_additions_is_the_authors(author in pod(), install in delivery()) {
        let patched = send_with(&author, &install).apply(&author);
        prop_assert_eq!(subtract(&patched, &author), author);
    }

    #[test]
    fn a_neighbour_in_between_never_breaks_a_pod(author in pod()) {
        let verdict = send(&author);
        prop_assume!(verdict.outcome == Outcome::Injected);
        let mut patched = verdict.apply(&author);
        add_sidecar(&mut patched);
        let again = send(&patched);
        // A name of ours that the author has taken is no fault until a neighbour's container is the first that needs it.
        let lists = ["volumes", "initContainers", "containers"].map(|list| author["spec"][list].as_array());
        let taken = lists.into_iter().flatten().flatten().any(|element| element["name"] == "admittance-probe");
        prop_assert!(again.allowed || taken, "{:?}", again.status);
        if !again.allowed {
            return Ok(());
        }
        // The first container that has our probe brings the program with it.
        let of_the_probe = |operation: &Value| operation["value"]["name"] == "admittance-probe";
        let rest = again.patch.iter().filter(|operation| !is_its(operation["path"].as_str().unwrap()));
        prop_assert!(rest.clone().all(of_the_probe), "{:?}", rest.collect::<Vec<_>>());
        let twice = again.apply(&patched);
        prop_assert!(send(&twice).patch.is_empty());
        prop_assert_eq!(subtract(&twice, &patched), patched);
    }

    #[test]
    fn what_authors_read_is_short_and_can_be_shown(author in pod(), lenient in any::<bool>()) {
        let on_invalid = if lenient { OnInvalid::Admit } else { OnInvalid::Deny };
        let verdict = send_with(&author, &Settings { on_invalid, ..settings() });
        prop_assert!(verdict.allowed || !lenient);
        prop_assert!(verdict.warnings.len() <= MAX_WARNINGS);
        for warning in &verdict.warnings {
            prop_assert!(warning.chars().count() <= 120 && can_be_shown(warning), "{:?}", warning);
        }
        if let Some(status) = verdict.status {
            prop_assert!(status.message.len() <= 2048 && can_be_shown(&status.message), "{:?}", status.message);
            prop_assert!(status.message.starts_with(&status.reason));
            prop_assert_eq!(status.code, 403);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..512)) {
        prop_assert!(answer(&bytes, &settings()).is_err());
    }

    #[test]
    fn no_damage_to_a_review_makes_it_panic(author in pod(), damage in vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut body = serde_json::to_vec(&review(&author)).unwrap();
        for (place, byte) in damage {
            let place = place.index(body.len());
            body[place] = byte;
        }
        match answer(&body, &settings()) {
            Ok(answer) => prop_assert!(serde_json::from_slice::<Value>(&answer.body).is_ok()),
            Err(error) => prop_assert!(error.to_string().len() <= 2048 && can_be_shown(&error.to_string()), "{error:?}"),
        }
    }
}

/// The properties above say nothing if hardly any Pod is injected, or hardly any refused.
#[test]
fn the_pods_are_of_every_outcome() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let outcomes: Vec<Outcome> =
        (0..300).map(|_| send(&pod().new_tree(&mut runner).unwrap().current()).outcome).collect();
    let share = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let (injected, denied) = (share(|o| *o == Outcome::Injected), share(|o| matches!(o, Outcome::Denied(_))));
    assert!(injected >= 60, "{injected} of 300 injected");
    assert!(denied >= 60, "{denied} of 300 denied");
}
