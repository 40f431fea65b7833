//! Whether anything asks for Kafka, and what keeps it from being heard. Pure.

use super::story::{Step, Story};
use crate::api::annotations::{CONSUMES, INJECTED, INJECTION, MIRROR, PRODUCES, short};
use crate::cli::manifest::pods::Site;
use crate::cli::print::Sign;
use crate::intent::problem::shown;
use crate::intent::{PodMeta, Problem, request};

const STEP: &str = "Request";

impl Story {
    /// Tells what the Pods of a site ask for that the webhook takes in.
    pub(super) fn requested(&mut self) {
        self.steps.push(Step::new(STEP, Sign::Fine, "it asks for Kafka"));
    }

    /// Tells of a Deployment whose Pods ask for nothing, and that asks itself.
    pub(super) fn requested_by_deployment(&mut self) {
        let says = "its own annotations ask, by the contract of 2017: the operator serves it where contract2017.deployments is on, which is \
                    not to be seen from here; it makes the Secret, and nothing is mounted";
        self.steps.push(Step::new(STEP, Sign::Notice, says));
    }

    /// Tells what is wrong with the request of a Deployment itself.
    pub(super) fn deployment_at_fault(&mut self, problems: &[Problem]) {
        let faults = problems.iter().flat_map(|fault| [fault.to_string(), format!("→ {}", fault.reason.remedy())]);
        let says = "its own annotations ask, by the contract of 2017, and cannot be understood";
        self.steps.push(Step::new(STEP, Sign::Problem, says).with(faults.collect()));
        self.advise("correct the Deployment's own annotations, then: admittance explain -f FILE");
    }

    /// Tells why Pods are left alone.
    pub(super) fn idle(&mut self, site: &Site, meta: &PodMeta<'_>) {
        let misplaced: Vec<&str> = site.own_keys().filter_map(short).collect();
        let (sign, says) = if meta.annotations.contains_key(MIRROR) {
            (
                Sign::Notice,
                "it is the mirror of a static Pod, which may not refer to Secrets: it is left alone".to_owned(),
            )
        } else if request::asks(meta) {
            (Sign::Notice, format!("it asks for Kafka, but its label {INJECTION}=disabled opts it out"))
        } else if !misplaced.is_empty() {
            let way = site.path.iter().filter(|key| key.parse::<usize>().is_err() && *key != "items");
            let way: Vec<&str> = way.map(String::as_str).collect();
            self.advise(format!(
                "move the annotations to {}.metadata.annotations, then: admittance explain -f FILE",
                way.join(".")
            ));
            let keys = misplaced.join(", ");
            (
                Sign::Problem,
                format!("its Pods ask for nothing: {keys} stand on the {} itself, not on its Pod template", site.kind),
            )
        } else if let Some(faults) = faults(meta) {
            self.advise("correct the annotations of the Pod or its template, then: admittance explain -f FILE");
            let says = "it asks for nothing, and has annotations of ours all the same";
            self.steps.push(Step::new(STEP, Sign::Problem, says).with(faults));
            return;
        } else {
            (Sign::Notice, format!("it asks for nothing: it has neither {CONSUMES} nor {PRODUCES}"))
        };
        self.steps.push(Step::new(STEP, sign, says));
    }
}

/// What is wrong with a Pod that asks for nothing and says how; nothing where it says nothing, or has opted out.
fn faults(meta: &PodMeta<'_>) -> Option<Vec<String>> {
    let mut ours = meta.annotations.keys().filter(|key| **key != INJECTED).filter_map(|key| short(key));
    let first = shown(ours.next()?);
    let opted_out = meta.labels.get(INJECTION) == Some(&"disabled");
    (!opted_out).then(|| vec![format!("{first} says nothing without consumes, produces or streams")])
}
