//! The operator stopped right after each write of what comes after the creation of an access: nothing is left, every time.

use serde_json::json;

use crate::bed::{
    Namespace, Spec, apply, get, idle_pod, kubectl, left_of, rules_of, try_get, unique, wait_for, wait_ready,
};
use crate::crash::ours;
use crate::operator::{Operator, without_operator};

/// A change, a rotation and the end have about thirty writes; more than this many and something writes without end.
const MOST_WRITES: usize = 60;

#[test]
fn stopped_after_any_write_of_a_change_a_rotation_and_the_end_nothing_is_left() {
    without_operator(|| {
        let _patience = Spec::unseen(&json!({"credentials": {"idleAfter": "1s"}}));
        let mut stops = 0;
        for writes in 1..=MOST_WRITES {
            if !later_life(writes) {
                break;
            }
            stops += 1;
        }
        assert!(
            (8..MOST_WRITES).contains(&stops),
            "{stops} writes: a change, a rotation and an end have about fourteen"
        );
    });
}

/// An operator that is started anew, undisturbed, once it has stopped.
pub(super) struct Mortal {
    operator: Operator,
    stopped: bool,
}

impl Mortal {
    /// One that stops after so many writes.
    pub(super) fn until(stop_after: usize) -> Self {
        Self { operator: ours(Some(stop_after)), stopped: false }
    }

    /// Whether it has not stopped yet, as far as anybody waited for something.
    pub(super) fn is_whole(&self) -> bool {
        !self.stopped
    }

    pub(super) fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
        self.wait_for_knowing(what, |_| ask())
    }

    /// Waits; who is asked knows whether the operator has stopped.
    pub(super) fn wait_for_knowing<T>(&mut self, what: &str, mut ask: impl FnMut(bool) -> Result<T, String>) -> T {
        wait_for(what, || {
            if !self.stopped && self.operator.has_stopped() {
                self.stopped = true;
                self.operator = ours(None);
            }
            ask(self.stopped)
        })
    }
}

/// What comes after the creation of an access, with a stop; whether there was one.
fn later_life(stop_after: usize) -> bool {
    let name = format!("crash-later-{stop_after}");
    let (space, first, second) = (Namespace::opted_in(&name), unique(&name), unique(&format!("{name}-more")));
    let asks = |topic: &str| format!("kafka.admittance.dev/workload: app, kafka.admittance.dev/produces: {topic}");
    let born = ours(None);
    apply(&idle_pod(&space.0, "one", &asks(&first)));
    let user = wait_ready("accessclaim", &space.0, "app")["status"]["username"].as_str().unwrap().to_owned();
    drop(born);

    let mut mortal = Mortal::until(stop_after);
    apply(&idle_pod(&space.0, "two", &asks(&second)));
    mortal.wait_for("the user has the rights of both Pods", || {
        let rules = rules_of(&user);
        if rules.contains(&first) && rules.contains(&second) { Ok(()) } else { Err(rules) }
    });
    mortal.wait_for("the Secret tells of both topics", || {
        let secret = try_get(&["secret", "app-kafka-credentials", "--namespace", &space.0])?;
        let produces = secret["data"]["produces"].as_str().unwrap().len();
        // Two names and a comma, in base64.
        if produces > 4 * (first.len() + second.len()) / 3 {
            Ok(())
        } else {
            Err(secret["data"]["produces"].to_string())
        }
    });
    let before = get(&["secret", "app-kafka-credentials", "--namespace", &space.0])["data"]["password"].clone();
    kubectl(&["annotate", "accessclaim", "app", "kafka.admittance.dev/rotate=now", "--namespace", &space.0]);
    mortal.wait_for("there is one new password", || {
        let secret = try_get(&["secret", "app-kafka-credentials", "--namespace", &space.0])?;
        let rotations = &secret["metadata"]["annotations"]["kafka.admittance.dev/rotation"];
        let claim = try_get(&["accessclaim", "app", "--namespace", &space.0])?;
        let done = secret["data"]["password"] != before
            && rotations == "1"
            && claim["status"]["rotations"] == 1
            && claim["metadata"]["annotations"].get("kafka.admittance.dev/rotate").is_none();
        if done { Ok(()) } else { Err(format!("{rotations} {}", claim["status"])) }
    });
    kubectl(&["delete", "pod", "one", "two", "--namespace", &space.0]);
    mortal.wait_for("nothing is left of the access", || left_of(&space.0, "app", &user));
    !mortal.is_whole()
}
