//! Clients of four families, with the mounted files alone, from their first Pod through a rotation to the next generation's.

use crate::bed::{
    Namespace, apply, failed_logins, kubectl, no_login_failed_since, secret_of, unique, wait_new_password, wait_ready,
};
use crate::steady::{Family, goes_on, no_complaint, steady_pod};

/// One family's workload.
struct Workload {
    family: Family,
    topic: String,
    first: String,
    second: String,
}

impl Workload {
    fn new(family: Family) -> Self {
        let name = family.name();
        Self {
            family,
            topic: unique(&format!("clients-{name}")),
            first: format!("first-{name}"),
            second: format!("second-{name}"),
        }
    }

    fn access(&self) -> &'static str {
        self.family.name()
    }

    fn start(&self, namespace: &str, pod: &str) {
        apply(&steady_pod(namespace, pod, self.access(), self.family, &self.topic));
    }
}

#[test]
fn clients_of_every_family_work_from_the_mounted_files_through_a_rotation() {
    let space = Namespace::opted_in("live-clients");
    let ns = space.0.as_str();
    let workloads = Family::ALL.map(Workload::new);
    let failed = failed_logins();
    for workload in &workloads {
        workload.start(ns, &workload.first);
    }
    for workload in &workloads {
        wait_ready("pod", ns, &workload.first);
        goes_on(ns, &[&workload.first], &workload.first);
    }

    let before = workloads.iter().map(|workload| secret_of(ns, workload.access())).collect::<Vec<_>>();
    kubectl(&["annotate", "accessclaims", "--all", "kafka.admittance.dev/rotate=now", "--namespace", ns]);
    for (workload, before) in workloads.iter().zip(&before) {
        wait_new_password(ns, workload.access(), before);
    }

    // The next generation logs in with the new password, while the first goes on with the old one.
    for workload in &workloads {
        workload.start(ns, &workload.second);
    }
    for workload in &workloads {
        let pods = [workload.first.as_str(), workload.second.as_str()];
        wait_ready("pod", ns, &workload.second);
        goes_on(ns, &pods, &workload.second);
        goes_on(ns, &pods, &workload.first);
        no_complaint(ns, &workload.first);
        kubectl(&["delete", "pod", &workload.first, "--namespace", ns]);
    }

    // The second generation takes over what the first consumed.
    for workload in &workloads {
        goes_on(ns, &[&workload.second], &workload.second);
        no_complaint(ns, &workload.second);
    }
    no_login_failed_since(&failed);
}
