//! The additions to a Pod, as narrow `add` operations (RFC 6902). Nothing that the author wrote is changed, and nothing is added
//! twice: each addition looks for what is there by name.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;

use super::operation::{Add, Addition, Part};
use super::parts::{CREDENTIALS_VOLUME, Installer, Mount, PROBE_NAME, PROBE_PATH, Probe, Volume};
use super::pod::{Container, Pod, Presence, SecretVolume};
use crate::api::annotations::{ACCESS, CONTAINERS, INJECTED};
use crate::api::reasons::Reason;
use crate::api::secret_layout::MOUNT_PATH;
use crate::intent::limits::MAX_PROBLEMS;
use crate::intent::problem::shown;
use crate::intent::{Containers, Intent, Problem};

/// What a patch takes from the install.
#[derive(Debug, Clone, Copy)]
pub struct Install<'a> {
    /// The image that the probe copies itself from.
    pub probe_image: &'a str,
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
    let mut patch = Patch { pod, intent, operations: Vec::new(), warnings: Vec::new(), problems: Vec::new() };
    patch.containers_exist();
    patch.credentials_volume();
    patch.serve_all("initContainers", pod.spec.init_containers.as_deref().unwrap_or_default(), false);
    let readiness = patch.wants_readiness();
    let probed = patch.serve_all("containers", pod.spec.containers.as_deref().unwrap_or_default(), readiness);
    if probed {
        patch.probe_volume();
        patch.probe_installer(install.probe_image);
    }
    patch.mark(install.version);
    if patch.problems.is_empty() { Ok((patch.operations, patch.warnings)) } else { Err(patch.problems) }
}

struct Patch<'p, 'a, 's> {
    pod: &'p Pod<'a>,
    intent: &'p Intent,
    operations: Vec<Add<'s>>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

impl<'s> Patch<'_, '_, 's> {
    fn add<'t>(&mut self, path: impl IntoIterator<Item = &'t str>, value: Addition<'s>) {
        self.operations.push(Add { path: PointerBuf::from_tokens(path), value });
    }

    /// Appends to a list, or makes it with its first element.
    fn append(&mut self, path: &[&str], exists: bool, part: Part<'s>) {
        if exists {
            self.add(path.iter().copied().chain(["-"]), Addition::Part(part));
        } else {
            self.add(path.iter().copied(), Addition::List([part]));
        }
    }

    fn containers_exist(&mut self) {
        let Containers::Named(names) = &self.intent.containers else { return };
        let spec = &self.pod.spec;
        let all = || spec.containers.iter().chain(&spec.init_containers).flatten();
        let missing = names.iter().filter(|name| !all().any(|container| container.name == name.as_str()));
        for name in missing.take(MAX_PROBLEMS) {
            self.problems.push(Problem::new(
                Reason::NoSuchContainer,
                CONTAINERS,
                name,
                "is not a container of this Pod",
            ));
        }
    }

    fn wants_readiness(&mut self) -> bool {
        let windows = self.intent.readiness && self.pod.spec.is_windows();
        if windows {
            self.warnings.push("no readiness probe is added to a Windows Pod: the probe is a Linux program".to_owned());
        }
        self.intent.readiness && !windows
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

    /// Serves the containers of a list that are chosen. Returns whether any has our probe.
    fn serve_all(&mut self, list: &str, containers: &[Container<'_>], readiness: bool) -> bool {
        let mut probed = false;
        for (index, container) in containers.iter().enumerate() {
            if container.name != PROBE_NAME && self.intent.containers.includes(&container.name) {
                probed |= self.serve(list, &index.to_string(), container, readiness);
            }
        }
        probed
    }

    /// Mounts the credentials into one container, and adds the probe where asked. Returns whether it has our probe.
    fn serve(&mut self, list: &str, index: &str, container: &Container<'_>, readiness: bool) -> bool {
        let mounts = ["spec", list, index, "volumeMounts"];
        let mut has_mounts = container.volume_mounts.is_some();
        match slot(container, MOUNT_PATH, |volume| self.holds_credentials(volume)) {
            Slot::Free => {
                self.append(&mounts, has_mounts, Part::Mount(Mount::credentials()));
                has_mounts = true;
            }
            Slot::Ours => {}
            // Without our files a probe of ours could never succeed.
            Slot::Taken(path) => return self.leave_alone(container, path),
        }
        let place = slot(container, PROBE_PATH, |volume| volume == PROBE_NAME);
        if !readiness || container.readiness_probe == Presence::Present {
            return readiness && matches!(place, Slot::Ours);
        }
        match place {
            Slot::Free => self.append(&mounts, has_mounts, Part::Mount(Mount::probe())),
            Slot::Ours => {}
            Slot::Taken(path) => return self.leave_alone(container, path),
        }
        self.add(["spec", list, index, "readinessProbe"], Addition::Part(Part::Probe(Probe::readiness())));
        true
    }

    /// Whether a volume is ours, or one of the author's for the same Secret.
    fn holds_credentials(&self, volume: &str) -> bool {
        let wanted = self.intent.secret_name();
        let same = |secret: &SecretVolume<'_>| secret.secret_name.as_deref() == Some(&*wanted);
        let mut volumes = self.pod.spec.volumes.iter().flatten();
        volume == CREDENTIALS_VOLUME
            || volumes.any(|found| found.name == volume && found.secret.as_ref().is_some_and(same))
    }

    /// Warns of a mount of the author's; the container gets no probe.
    fn leave_alone(&mut self, container: &Container<'_>, path: &str) -> bool {
        let (name, path) = (shown(&container.name), shown(path));
        self.warnings.push(format!("container \"{name}\" has its own mount at {path}: left alone"));
        false
    }

    fn probe_volume(&mut self) {
        // The credentials volume is there, or was added by an operation before this one: the array exists.
        match self.pod.spec.volumes.iter().flatten().find(|volume| volume.name == PROBE_NAME) {
            None => {
                self.append(&["spec", "volumes"], true, Part::Volume(Volume::probe()));
            }
            Some(volume) if volume.empty_dir == Presence::Present => {}
            Some(_) => {
                let rule = "is taken: Admittance needs this name for the probe";
                self.problems.push(Problem::new(Reason::NameTaken, "spec.volumes", PROBE_NAME, rule));
            }
        }
    }

    fn probe_installer(&mut self, image: &'s str) {
        let spec = &self.pod.spec;
        let named = |containers: &'_ Option<Vec<Container<'_>>>| {
            containers.iter().flatten().position(|container| container.name == PROBE_NAME)
        };
        if let Some(at) = named(&spec.init_containers) {
            let installs = |container| matches!(slot(container, PROBE_PATH, |volume| volume == PROBE_NAME), Slot::Ours);
            if !spec.init_containers.iter().flatten().nth(at).is_some_and(installs) {
                self.container_name_taken("spec.initContainers");
            }
            return;
        }
        if named(&spec.containers).is_some() {
            self.container_name_taken("spec.containers");
            return;
        }
        let mut installer = Installer::new(image);
        if spec.security_context.as_ref().and_then(|context| context.run_as_user) == Some(0) {
            installer = installer.as_user_of_the_image();
        }
        // A Pod without any resources is BestEffort, and stays so.
        if self.has_resources() {
            installer = installer.with_resources();
        }
        self.append(&["spec", "initContainers"], spec.init_containers.is_some(), Part::Container(installer));
    }

    fn container_name_taken(&mut self, place: &str) {
        let rule = "is taken: Admittance needs this name for the container that installs the probe";
        self.problems.push(Problem::new(Reason::NameTaken, place, PROBE_NAME, rule));
    }

    fn has_resources(&self) -> bool {
        let spec = &self.pod.spec;
        spec.containers
            .iter()
            .chain(&spec.init_containers)
            .flatten()
            .filter_map(|container| container.resources.as_ref())
            .any(|resources| resources.requests == Presence::Present || resources.limits == Presence::Present)
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

/// What a container has where we would mount something.
enum Slot<'c> {
    /// Nothing.
    Free,
    /// What we would mount.
    Ours,
    /// Something else, there or below: a directory for a mount below cannot be made in ours, which is read-only.
    Taken(&'c str),
}

fn slot<'c>(container: &'c Container<'_>, path: &str, ours: impl Fn(&str) -> bool) -> Slot<'c> {
    let mut slot = Slot::Free;
    for mount in container.volume_mounts.iter().flatten() {
        match mount.mount_path.trim_end_matches('/').strip_prefix(path) {
            Some("") if ours(&mount.name) => return Slot::Ours,
            Some("") => return Slot::Taken(&mount.mount_path),
            Some(below) if below.starts_with('/') => slot = Slot::Taken(&mount.mount_path),
            _ => {}
        }
    }
    slot
}
