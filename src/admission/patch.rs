//! The additions to a Pod, as narrow `add` operations (RFC 6902). Nothing that the author wrote is changed, and nothing is added
//! twice: each addition looks for what is there by name.

use std::collections::{BTreeMap, BTreeSet};

use json_patch::jsonptr::PointerBuf;

use super::decide::Gates;
use super::delivery::Delivery;
use super::operation::{Add, Addition, Part};
use super::parts::{CREDENTIALS_VOLUME, Gate, Volume};
use super::pod::Pod;
use crate::api::annotations::{ACCESS, CONTAINERS, GATE, INJECTED, WAIT};
use crate::api::reasons::Reason;
use crate::intent::limits::MAX_PROBLEMS;
use crate::intent::problem::shown;
use crate::intent::{Containers, Intent, Problem, Wait};

/// What a patch takes from the install.
#[derive(Debug, Clone, Copy)]
pub struct Install<'a> {
    /// The image that holds the probe.
    pub probe_image: &'a str,
    /// How the probe comes out of it.
    pub delivery: Delivery,
    /// Whether Pods may wait at a scheduling gate.
    pub gates: Gates,
    /// The version that is written into the annotation.
    pub version: &'a str,
}

/// The additions that a Pod needs; none where it has them all.
///
/// Warnings are for the author: what was left alone, and why.
///
/// # Errors
/// Names that the patch needs and that the Pod uses for something else, or containers that it does not have.
pub fn additions<'s>(
    pod: &Pod<'_>,
    intent: &Intent,
    install: Install<'s>,
) -> Result<(Vec<Add<'s>>, Vec<String>), Vec<Problem>> {
    let mut patch = Patch { pod, intent, install, operations: Vec::new(), warnings: Vec::new(), problems: Vec::new() };
    patch.containers_exist();
    patch.credentials_volume();
    let probes = patch.possible_probes();
    let sidecar = patch.serve_init_containers(probes);
    if patch.serve_containers(probes) || sidecar {
        patch.deliver(sidecar);
    }
    if intent.wait == Wait::Gate {
        patch.gate();
    }
    patch.mark(install.version);
    if patch.problems.is_empty() { Ok((patch.operations, patch.warnings)) } else { Err(patch.problems) }
}

/// A patch in the making. What it gives to single containers is in `serving`, how the probe comes into the Pod in `delivery`.
pub(super) struct Patch<'p, 'a, 's> {
    pub(super) pod: &'p Pod<'a>,
    pub(super) intent: &'p Intent,
    pub(super) install: Install<'s>,
    operations: Vec<Add<'s>>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl<'s> Patch<'_, '_, 's> {
    pub(super) fn add<'t>(&mut self, path: impl IntoIterator<Item = &'t str>, value: Addition<'s>) {
        self.operations.push(Add { path: PointerBuf::from_tokens(path), value });
    }

    /// Appends to a list, or makes it with its first element.
    pub(super) fn append(&mut self, path: &[&str], exists: bool, part: Part<'s>) {
        self.insert(path, "-", exists, part);
    }

    /// Puts a part at a place of a list, or makes the list with it.
    pub(super) fn insert(&mut self, path: &[&str], place: &str, exists: bool, part: Part<'s>) {
        if exists {
            self.add(path.iter().copied().chain([place]), Addition::Part(part));
        } else {
            self.add(path.iter().copied(), Addition::List([part]));
        }
    }

    fn containers_exist(&mut self) {
        let Containers::Named(names) = &self.intent.containers else { return };
        let spec = &self.pod.spec;
        let all = || spec.containers.iter().chain(&spec.init_containers).flatten();
        let there: BTreeSet<&str> = all().map(|container| &*container.name).collect();
        let some = names.iter().any(|name| there.contains(name.as_str()));
        for name in names.iter().filter(|name| !there.contains(name.as_str())).take(MAX_PROBLEMS) {
            if some {
                // Another webhook may add it, and then we are asked again. Of the Pod that comes of all of them the policy
                // `policy-injected` judges: this warning goes to a controller, which shows it to nobody.
                self.warnings.push(format!("containers names \"{}\", which this Pod does not have (yet)", shown(name)));
                continue;
            }
            let rule = "is not a container of this Pod";
            self.problems.push(Problem::new(Reason::NoSuchContainer, CONTAINERS, name, rule));
        }
    }

    fn credentials_volume(&mut self) {
        let wanted = self.intent.secret_name();
        let volumes = self.pod.spec.volumes.as_deref();
        match volumes.unwrap_or_default().iter().find(|volume| volume.name == CREDENTIALS_VOLUME) {
            None => self.append(&["spec", "volumes"], volumes.is_some(), Part::Volume(Volume::credentials(wanted))),
            Some(volume) => {
                let held = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_deref());
                if held != Some(&wanted) {
                    let rule = format!("is taken: Admittance needs this name for Secret \"{wanted}\"");
                    self.problems.push(Problem::new(Reason::NameTaken, "spec.volumes", CREDENTIALS_VOLUME, rule));
                }
            }
        }
    }

    /// Keeps the Pod from being given a node. A Pod that has one cannot have gates: the API server would refuse it in its own words.
    fn gate(&mut self) {
        let spec = &self.pod.spec;
        match self.install.gates {
            Gates::Offered => {}
            Gates::Unknown => {
                let warning = "wait: gate needs an installation that offers gates (the chart's gates.enabled): another would refuse the Pod";
                self.warnings.push(warning.to_owned());
            }
            Gates::NotOffered => {
                let rule = "is not offered by this installation (the chart's gates.enabled): use \"secret\"";
                self.problems.push(Problem::new(Reason::InvalidValue, WAIT, "gate", rule));
                return;
            }
            Gates::Passed => return,
        }
        if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty()) {
            let rule = format!("needs the scheduler, and spec.nodeName is \"{}\" already: use \"secret\"", shown(node));
            self.problems.push(Problem::new(Reason::InvalidValue, WAIT, "gate", rule));
            return;
        }
        let gates = spec.scheduling_gates.as_deref();
        if gates.unwrap_or_default().iter().all(|gate| gate.name != GATE) {
            self.append(&["spec", "schedulingGates"], gates.is_some(), Part::Gate(Gate::access()));
        }
    }

    fn mark(&mut self, version: &str) {
        let metadata = &self.pod.metadata;
        let label = self.intent.access_name();
        match metadata.labels.as_ref().map(|labels| labels.get(ACCESS)) {
            None => self.add(["metadata", "labels"], Addition::Labels(BTreeMap::from([(ACCESS, label)]))),
            Some(None) => self.add(["metadata", "labels", ACCESS], Addition::Part(Part::Text(label))),
            Some(Some(found)) if **found == label => {}
            Some(Some(found)) => {
                let rule = format!("is not this Pod's access, \"{label}\": remove the label, Admittance sets it");
                self.problems.push(Problem::new(Reason::NameTaken, ACCESS, found, rule));
            }
        }
        // An intent is read from annotations, so the map is there.
        if metadata.annotations.iter().flatten().all(|(key, _)| key != INJECTED) {
            self.add(["metadata", "annotations", INJECTED], Addition::Part(Part::Text(version.to_owned())));
        }
    }
}
