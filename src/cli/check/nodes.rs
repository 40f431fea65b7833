//! Whether nodes can mount an image as a volume: what their status tells of it. Pure.
//!
//! Image volumes (KEP-4639) are behind the feature gate `ImageVolume`: there since Kubernetes 1.31, beta since 1.33, and on by
//! default since 1.35. containerd serves them since 2.1, CRI-O since 1.31. Whether a gate was set by hand is in no status.

use k8s_openapi::api::core::v1::Node;

/// What can be known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Kubelet and runtime can, unless somebody turned it off.
    Can,
    /// The runtime can; the kubelet does where its feature gate `ImageVolume` is on.
    Gated,
    /// Kubelet or runtime are too old.
    Cannot,
    /// The versions say nothing.
    Unknown,
}

/// What a node's status tells.
#[must_use]
pub fn ability(node: &Node) -> Ability {
    let Some(info) = node.status.as_ref().and_then(|status| status.node_info.as_ref()) else { return Ability::Unknown };
    of_versions(&info.kubelet_version, &info.container_runtime_version)
}

fn of_versions(kubelet: &str, runtime: &str) -> Ability {
    let runtime_can = match runtime.split_once("://") {
        Some(("containerd", version)) => minor(version).map(|found| found >= (2, 1)),
        Some(("cri-o", version)) => minor(version).map(|found| found >= (1, 31)),
        _ => None,
    };
    match (minor(kubelet), runtime_can) {
        (Some(version), _) if version < (1, 33) => Ability::Cannot,
        (_, Some(false)) => Ability::Cannot,
        (Some(version), Some(true)) if version >= (1, 35) => Ability::Can,
        (Some(_), Some(true)) => Ability::Gated,
        _ => Ability::Unknown,
    }
}

/// The first two numbers of a version.
#[must_use]
pub fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    let number = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_say_what_a_node_can() {
        for (kubelet, runtime, wanted) in [
            ("v1.35.0", "containerd://2.1.4", Ability::Can),
            ("v1.36.1-gke.12", "cri-o://1.35.0", Ability::Can),
            ("v1.34.1+k3s1", "containerd://2.1.0-k3s1", Ability::Gated),
            ("v1.33.0", "cri-o://1.33.0", Ability::Gated),
            ("v1.35.0", "containerd://1.7.27", Ability::Cannot),
            ("v1.35.0", "containerd://2.0.5", Ability::Cannot),
            ("v1.32.9", "containerd://2.1.0", Ability::Cannot),
            ("v1.35.0", "docker://27.0.0", Ability::Unknown),
            ("", "containerd://2.1.0", Ability::Unknown),
        ] {
            assert_eq!(of_versions(kubelet, runtime), wanted, "{kubelet} {runtime}");
        }
    }
}
