//! What an installation lacks. Pure: what was read in, findings out.

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::nodes::{Ability, ability, minor};
use super::observe::{Read, Seen};
use crate::api::annotations::INJECTION;
use crate::api::reasons::Reason;
use crate::api::resources::{INSECURE, READY, RIGHTS_MISSING, condition, definitions};
use crate::cli::print::Sign;
use crate::sweep::report as sweep;
use crate::topics::deletion::report as deletion;

/// The oldest Kubernetes whose policies and match conditions are as the chart uses them.
const OLDEST: (u32, u32) = (1, 33);
/// Accesses and topics that are named one by one.
pub(super) const NAMED: usize = 20;
/// What clocks may differ by, in seconds.
const SKEW: i64 = 10;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What part of the installation it is about.
    pub area: &'static str,
    /// Which object.
    pub subject: String,
    /// How it stands.
    pub sign: Sign,
    /// What was found.
    pub says: String,
    /// What to do: a command, or a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Judges an installation.
#[must_use]
pub fn findings(seen: &Seen, now: Timestamp) -> Vec<Finding> {
    let mut judge = Judge::default();
    judge.server(seen);
    judge.definitions(seen);
    judge.webhook(seen);
    judge.policies(seen);
    judge.operators(seen, now);
    judge.clusters(seen);
    judge.namespaces(seen);
    judge.accesses(seen);
    judge.topics(seen);
    judge.nodes(seen);
    judge.found
}

/// What has been found so far.
#[derive(Default)]
pub(super) struct Judge {
    found: Vec<Finding>,
}

impl Judge {
    fn say(&mut self, area: &'static str, subject: &str, sign: Sign, says: impl Into<String>, remedy: Option<String>) {
        self.found.push(Finding { area, subject: subject.to_owned(), sign, says: says.into(), remedy });
    }

    pub(super) fn fine(&mut self, area: &'static str, subject: &str, says: impl Into<String>) {
        self.say(area, subject, Sign::Fine, says, None);
    }

    pub(super) fn problem(
        &mut self,
        area: &'static str,
        subject: &str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.say(area, subject, Sign::Problem, says, Some(remedy.into()));
    }

    pub(super) fn notice(
        &mut self,
        area: &'static str,
        subject: &str,
        says: impl Into<String>,
        remedy: Option<String>,
    ) {
        self.say(area, subject, Sign::Notice, says, remedy);
    }

    /// What was read; what could not be is said instead.
    pub(super) fn read<'r, T>(&mut self, area: &'static str, read: &'r Read<T>) -> Option<&'r T> {
        match read {
            Ok(found) => Some(found),
            Err(why) => {
                self.notice(area, "", format!("was not looked at: {why}"), None);
                None
            }
        }
    }

    fn server(&mut self, seen: &Seen) {
        const AREA: &str = "Kubernetes";
        match minor(&seen.server) {
            Some(version) if version < OLDEST => {
                let says = format!("is older than {}.{}", OLDEST.0, OLDEST.1);
                self.problem(AREA, &seen.server, says, "upgrade the control plane");
            }
            Some(_) => self.fine(AREA, &seen.server, "is new enough"),
            None => self.notice(AREA, &seen.server, "says no version that can be understood", None),
        }
    }

    fn definitions(&mut self, seen: &Seen) {
        const AREA: &str = "Definitions";
        let Some(found) = self.read(AREA, &seen.definitions) else { return };
        for wanted in definitions() {
            let name = wanted.name_any();
            let Some(found) = found.iter().find(|found| found.name_any() == name) else {
                self.problem(AREA, &name, "is not there", "admittance crds | kubectl apply --server-side -f -");
                continue;
            };
            if !established(found) {
                self.problem(AREA, &name, "is not accepted by the API server", format!("kubectl describe crd {name}"));
            } else if schemas(found) == schemas(&wanted) {
                self.fine(AREA, &name, "is there, and of this version");
            } else {
                let remedy = "admittance crds | kubectl apply --server-side --force-conflicts -f -".to_owned();
                let says = format!("is there, and not as version {} of this program has it", env!("CARGO_PKG_VERSION"));
                self.notice(AREA, &name, says, Some(remedy));
            }
        }
    }

    fn operators(&mut self, seen: &Seen, now: Timestamp) {
        const AREA: &str = "Operator";
        for ((home, name), lease) in &seen.leases {
            let Some(lease) = self.read(AREA, lease) else { continue };
            let remedy = logs(home, "operator");
            let subject = format!("{home}/{name}");
            let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
            let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).filter(|holder| !holder.is_empty());
            match (spec, holder) {
                (None, _) => self.problem(AREA, &subject, "there is no Lease: no operator has ever led here", remedy),
                (Some(_), None) => self.problem(AREA, &subject, "nobody holds the Lease: no operator runs", remedy),
                (Some(spec), Some(holder)) => match overdue(spec, now) {
                    Some(age) => {
                        self.problem(
                            AREA,
                            &subject,
                            format!("{holder} renewed the Lease {age} s ago: it is gone"),
                            remedy,
                        );
                    }
                    None => self.fine(AREA, &subject, format!("{holder} leads")),
                },
            }
        }
    }

    fn clusters(&mut self, seen: &Seen) {
        const AREA: &str = "Kafka";
        let Some(clusters) = self.read(AREA, &seen.clusters) else { return };
        if clusters.is_empty() {
            self.problem(
                AREA,
                "",
                "there is no BrokerCluster: Pods that ask wait",
                "Make one of examples/broker-cluster.yaml, or set the chart's kafka.bootstrapServers.",
            );
        }
        for cluster in clusters {
            let name = full_name(cluster);
            let status = cluster.status.as_ref();
            let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
            match unready(conditions) {
                None => {
                    let brokers = status.and_then(|status| status.brokers).unwrap_or_default();
                    self.fine(AREA, &name, format!("is ready: {brokers} brokers"));
                }
                Some((says, remedy)) => self.problem(AREA, &name, says, remedy),
            }
            self.held(AREA, &name, conditions);
        }
    }

    /// What waits for a person, though the cluster is ready, and what is risked.
    fn held(&mut self, area: &'static str, name: &str, conditions: &[Condition]) {
        let of = |kind| condition(conditions, kind).filter(|said| said.status == "True");
        for said in [sweep::HELD, deletion::HELD].into_iter().filter_map(of) {
            self.problem(area, name, format!("{}: {}", said.type_, said.message), remedy_of(said));
        }
        for said in [INSECURE, RIGHTS_MISSING].into_iter().filter_map(of) {
            self.notice(area, name, format!("{}: {}", said.type_, said.message), Some(remedy_of(said)));
        }
    }

    fn namespaces(&mut self, seen: &Seen) {
        const AREA: &str = "Namespaces";
        match self.read(AREA, &seen.namespaces) {
            Some(names) if names.is_empty() => {
                let remedy = format!("kubectl label namespace NAME {INJECTION}=enabled");
                self.notice(AREA, "", "none is opted in: nothing is injected", Some(remedy));
            }
            Some(names) => self.fine(AREA, "", format!("{} opted in: {}", names.len(), names.join(", "))),
            None => {}
        }
    }

    fn nodes(&mut self, seen: &Seen) {
        const AREA: &str = "Nodes";
        let Some(nodes) = self.read(AREA, &seen.nodes) else { return };
        let of = |wanted: Ability| -> Vec<String> {
            nodes.iter().filter(|node| ability(node) == wanted).map(ResourceExt::name_any).collect()
        };
        let subject = "image volumes";
        if !nodes.is_empty() && of(Ability::Can).len() == nodes.len() {
            self.fine(AREA, subject, "every node can mount them: the probe may be delivered by an image volume");
            return;
        }
        let keep = || Some("let the init container deliver the probe, as is the default".to_owned());
        for (ability, says) in [
            (Ability::Cannot, "cannot be mounted by"),
            (Ability::Gated, "can be mounted where the feature gate ImageVolume is on, which no status shows, by"),
            (Ability::Unknown, "may or may not be mounted: the versions do not tell, of"),
        ] {
            let names = of(ability);
            if !names.is_empty() {
                let more = if names.len() > NAMED { ", …" } else { "" };
                let named: Vec<_> = names.iter().take(NAMED).map(String::as_str).collect();
                self.notice(AREA, subject, format!("{says} {}{more}", named.join(", ")), keep());
            }
        }
    }
}

/// The command that shows what a part of the installation says; the chart's labels find it whatever the release is called.
pub(super) fn logs(namespace: &str, component: &str) -> String {
    let labels = format!("app.kubernetes.io/name=admittance,app.kubernetes.io/component={component}");
    format!("kubectl -n {namespace} get pods -l {labels}; kubectl -n {namespace} logs -l {labels}")
}

pub(super) fn full_name(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Why something is not ready, and what to do about it; nothing where it is.
pub(super) fn unready(conditions: &[Condition]) -> Option<(String, String)> {
    match condition(conditions, READY) {
        Some(said) if said.status == "True" => None,
        Some(said) => Some((format!("is not ready: {}: {}", said.reason, said.message), remedy_of(said))),
        None => Some((
            "is not ready: the operator has not looked at it".to_owned(),
            "See whether an operator leads.".to_owned(),
        )),
    }
}

/// What to do about what a condition says.
pub(super) fn remedy_of(said: &Condition) -> String {
    Reason::of_code(&said.reason).map_or("Read the message.", Reason::remedy).to_owned()
}

/// How many seconds ago a Lease was renewed that does not hold any more.
fn overdue(spec: &LeaseSpec, now: Timestamp) -> Option<i64> {
    let renewed = spec.renew_time.as_ref().map_or(Timestamp::MIN, |time| time.0);
    let age = now.as_second() - renewed.as_second();
    (age > i64::from(spec.lease_duration_seconds.unwrap_or_default()) + SKEW).then_some(age)
}

fn established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|one| one.type_ == "Established" && one.status == "True")
}

/// The schemas of the versions that are served.
fn schemas(definition: &CustomResourceDefinition) -> Vec<(String, Option<serde_json::Value>)> {
    let served = definition.spec.versions.iter().filter(|version| version.served);
    served.map(|version| (version.name.clone(), serde_json::to_value(&version.schema).ok())).collect()
}
