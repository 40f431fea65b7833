//! How the probe's program comes into a Pod.

use super::kept::First;
use super::operation::Part;
use super::parts::{Installer, PROBE_NAME, PROBE_PATH, TOKEN_PATH, Volume};
use super::patch::Patch;
use super::pod::{Container, Presence};
use super::resources::{FoundResources, Resources};
use super::serving::{Slot, slot};
use crate::api::reasons::Reason;
use crate::intent::Problem;

/// How the probe's program comes into a Pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// An init container copies itself into an empty directory: everywhere.
    #[default]
    Copy,
    /// Its image is mounted: where every node can (Kubernetes 1.35; 1.33 with the feature `ImageVolume`, and a runtime that does it).
    Image,
}

impl<'s> Patch<'_, '_, 's> {
    /// Adds what is missing of volume and installer. `first` puts the installer before all other init containers: native sidecars
    /// with a startup probe would let none after them start.
    pub(super) fn deliver(&mut self, first: bool) {
        // The credentials volume is there, or was added by an operation before this one: the array exists.
        let volume = self.pod.spec.volumes.iter().flatten().find(|volume| volume.name == PROBE_NAME);
        let image = self.install.probe_image;
        match (volume, self.install.delivery) {
            // What is there decides, not what the install would do today: a Pod is sent again when a neighbour has changed it.
            (Some(volume), _) if volume.empty_dir == Presence::Present => self.probe_installer(image, first),
            (Some(volume), _) if volume.image == Presence::Present => {}
            (Some(_), _) => {
                let rule = "is taken: Admittance needs this name for the probe";
                self.problems.push(Problem::new(Reason::NameTaken, "spec.volumes", PROBE_NAME, rule));
            }
            (None, Delivery::Copy) => {
                self.append(&["spec", "volumes"], true, Part::Volume(Volume::probe()));
                self.probe_installer(image, first);
            }
            (None, Delivery::Image) => {
                self.append(&["spec", "volumes"], true, Part::Volume(Volume::probe_image(image)));
            }
        }
    }

    fn probe_installer(&mut self, image: &'s str, first: bool) {
        let spec = &self.pod.spec;
        let named = |containers: &'_ Option<First<Container<'_>>>| {
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
        installer = installer.with_resources(self.resources());
        // Elsewhere nothing would be mounted there, and some clusters refuse Pods that have that path for no reason.
        if self.has_token() {
            installer = installer.without_a_token();
        }
        let place = if first { "0" } else { "-" };
        self.insert(&["spec", "initContainers"], place, spec.init_containers.is_some(), Part::Container(installer));
    }

    fn container_name_taken(&mut self, place: &str) {
        let rule = "is taken: Admittance needs this name for the container that installs the probe";
        self.problems.push(Problem::new(Reason::NameTaken, place, PROBE_NAME, rule));
    }

    /// Whether Kubernetes has mounted the token of a service account, as it does before it asks us.
    fn has_token(&self) -> bool {
        let mounts = self.pod.spec.containers.iter().flatten().flat_map(|container| &container.volume_mounts).flatten();
        mounts.into_iter().any(|mount| mount.mount_path == TOKEN_PATH)
    }

    /// What the installer requests and may use: the same as the first of the Pod's containers that says anything. What a namespace asks of
    /// each container, by a LimitRange or a quota, that one has. A Guaranteed Pod stays one, and a BestEffort one too. And since what init
    /// containers request counts where it is more than all others together, nothing is added to what the Pod needs.
    fn resources(&self) -> Option<Resources> {
        let containers = self.pod.spec.containers.iter().flatten();
        containers.filter_map(|container| container.resources.as_ref()).find_map(FoundResources::copied)
    }
}
