//! What one container is given: mounts, variables, probes.

use super::operation::{Addition, Part};
use super::parts::{CREDENTIALS_VOLUME, Mount, PROBE_NAME, PROBE_PATH};
use super::patch::Patch;
use super::pod::{Container, Presence, SecretVolume};
use super::probe::{Kind, Probe, is_outdated, names_groups, names_topics};
use super::profile::{JAVA_TOOL_OPTIONS, missing};
use crate::api::secret_layout::MOUNT_PATH;
use crate::intent::problem::shown;
use crate::intent::{EnvProfile, Probes};

impl Patch<'_, '_, '_> {
    /// The probes that this Pod can have of those that it asks for.
    pub(super) fn possible_probes(&mut self) -> Probes {
        let (mut probes, spec) = (self.intent.probes, &self.pod.spec);
        if !probes.is_empty() && spec.is_windows() {
            self.warnings.push("no probe is added to a Windows Pod: the probe is a Linux program".to_owned());
            return Probes::NONE;
        }
        if probes.liveness && spec.host_network == Some(true) {
            let warning =
                "no liveness probe: with hostNetwork, Kafka cannot tell the Pod's consumers from others of its node";
            self.warnings.push(warning.to_owned());
            probes.liveness = false;
        }
        if probes.readiness && !names_topics(self.intent, self.containers()) {
            self.warnings
                .push("so many topics in so many containers: readiness checks those of the Secret alone".to_owned());
        }
        if probes.liveness && !names_groups(self.intent, self.containers()) {
            self.warnings
                .push("so many groups in so many containers: liveness checks the workload's own alone".to_owned());
        }
        probes
    }

    /// Serves the init containers that are chosen. Returns whether any has our probe: native sidecars that are chosen by name.
    /// Kubernetes refuses probes of the others, and most sidecars do not speak to Kafka.
    pub(super) fn serve_init_containers(&mut self, probes: Probes) -> bool {
        let mut probed = false;
        for (index, container) in self.pod.spec.init_containers.iter().flatten().enumerate() {
            let named = container.is_sidecar() && self.intent.containers.names(&container.name);
            probed |= self.serve("initContainers", index, container, if named { probes } else { Probes::NONE });
        }
        probed
    }

    /// Serves the containers that are chosen. Returns whether any has our probe.
    pub(super) fn serve_containers(&mut self, probes: Probes) -> bool {
        let mut probed = false;
        for (index, container) in self.pod.spec.containers.iter().flatten().enumerate() {
            probed |= self.serve("containers", index, container, probes);
        }
        probed
    }

    /// Serves one container if it is chosen. Returns whether it has our probe.
    fn serve(&mut self, list: &str, index: usize, container: &Container<'_>, probes: Probes) -> bool {
        if container.name == PROBE_NAME || !self.intent.containers.includes(&container.name) {
            return false;
        }
        let index = &*index.to_string();
        let mounts = ["spec", list, index, "volumeMounts"];
        let mut has_mounts = container.volume_mounts.is_some();
        match slot(container, MOUNT_PATH, |volume| self.holds_credentials(volume)) {
            Slot::Free => {
                self.append(&mounts, has_mounts, Part::Mount(Mount::credentials()));
                has_mounts = true;
            }
            Slot::Ours => {}
            // Without our files a probe of ours could never succeed, and variables would name files that are not there.
            Slot::Taken(path) => return self.leave_alone(container, path),
        }
        if self.intent.env != EnvProfile::None {
            self.variables(&["spec", list, index, "env"], container);
        }
        if is_outdated(container.readiness_command(), self.intent, self.containers()) {
            let name = shown(&container.name);
            let warning =
                format!("container \"{name}\": its readiness probe asks for other topics: remove it, inject again");
            self.warnings.push(warning);
        }
        let place = slot(container, PROBE_PATH, |volume| volume == PROBE_NAME);
        let lacks = |kind: &Kind| kind.is_in(probes) && !container.has_probe(*kind);
        if !Kind::ALL.iter().any(lacks) {
            return !probes.is_empty() && matches!(place, Slot::Ours);
        }
        match place {
            Slot::Free => self.append(&mounts, has_mounts, Part::Mount(Mount::probe())),
            Slot::Ours => {}
            Slot::Taken(path) => return self.leave_alone(container, path),
        }
        for kind in Kind::ALL.into_iter().filter(lacks) {
            let probe = Probe::new(kind, self.intent, self.containers());
            self.add(["spec", list, index, kind.field()], Addition::Part(Part::Probe(probe)));
        }
        true
    }

    /// How many containers the Pod has.
    fn containers(&self) -> usize {
        self.pod.spec.count()
    }

    /// Whether a volume is ours, or one of the author's for the same Secret.
    fn holds_credentials(&self, volume: &str) -> bool {
        let wanted = self.intent.secret_name();
        let same = |secret: &SecretVolume<'_>| secret.secret_name.as_deref() == Some(&*wanted);
        let mut volumes = self.pod.spec.volumes.iter().flatten();
        volume == CREDENTIALS_VOLUME
            || volumes.any(|found| found.name == volume && found.secret.as_ref().is_some_and(same))
    }

    /// Adds the variables of the profile that the container does not have.
    fn variables(&mut self, path: &[&str], container: &Container<'_>) {
        let env = container.env.unwrap_or_default();
        let name = || shown(&container.name);
        if env.is_a_brokers() {
            let warning =
                format!("container \"{}\" is a broker by its KAFKA_ variables: no variable is added to it", name());
            self.warnings.push(warning);
            return;
        }
        if self.intent.env == EnvProfile::Jaas && env.has(JAVA_TOOL_OPTIONS) && !env.leads_to_jaas() {
            let warning = format!("container \"{}\" has its own {JAVA_TOOL_OPTIONS}: add the JAAS file to it", name());
            self.warnings.push(warning);
        }
        let missing = missing(self.intent.env, env, &self.intent.secret_name());
        if missing.is_empty() {
            return;
        }
        if container.env_from == Presence::Present {
            let warning = format!("container \"{}\" has envFrom: variables that are added win over it", name());
            self.warnings.push(warning);
        }
        if container.env.is_none() {
            self.add(path.iter().copied(), Addition::Variables(missing));
            return;
        }
        for variable in missing {
            self.append(path, true, Part::Variable(variable));
        }
    }

    /// Warns of a mount of the author's; the container gets no probe.
    fn leave_alone(&mut self, container: &Container<'_>, path: &str) -> bool {
        let (name, path) = (shown(&container.name), shown(path));
        self.warnings.push(format!("container \"{name}\" has its own mount at {path}: left alone"));
        false
    }
}

/// What a container has where we would mount something.
pub(super) enum Slot<'c> {
    /// Nothing.
    Free,
    /// What we would mount.
    Ours,
    /// Something else, there or below: a directory for a mount below cannot be made in ours, which is read-only.
    Taken(&'c str),
}

pub(super) fn slot<'c>(container: &'c Container<'_>, path: &str, ours: impl Fn(&str) -> bool) -> Slot<'c> {
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
