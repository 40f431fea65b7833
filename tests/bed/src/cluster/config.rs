//! The configuration files of a cluster, rendered from the templates beside the sources. Pure but for the last step.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::addresses::{API_PORT, API_SERVICE, DNS_SERVICE, NODE, NODE_NAME, POD_RANGE};
use super::cgroup;
use super::pki::Leaf;
use crate::bed::{Bed, write_file};
use crate::host::cni_folder;
use crate::images::pause;

/// File below `config/` and its template.
const FILES: [(&str, &str); 8] = [
    ("containerd.toml", include_str!("../../templates/containerd.toml")),
    ("cni/10-bed.conflist", include_str!("../../templates/cni.conflist")),
    ("kubelet.yaml", include_str!("../../templates/kubelet.yaml")),
    ("kube-proxy.yaml", include_str!("../../templates/kube-proxy.yaml")),
    ("kube-scheduler.yaml", include_str!("../../templates/kube-scheduler.yaml")),
    ("audit-policy.yaml", include_str!("../../templates/audit-policy.yaml")),
    ("Corefile", include_str!("../../templates/Corefile")),
    ("resolv.conf", include_str!("../../templates/resolv.conf")),
];

const BASE: &str = include_str!("../../templates/base.yaml");
const KUBECONFIG: &str = include_str!("../../templates/kubeconfig.yaml");

/// Who has a kubeconfig: the certificate's file, the user and the group in it.
const USERS: [(&str, &str, &str); 6] = [
    ("admin", "admin", "system:masters"),
    ("kube-controller-manager", "system:kube-controller-manager", "system:authenticated"),
    ("kube-scheduler", "system:kube-scheduler", "system:authenticated"),
    ("kube-proxy", "system:kube-proxy", "system:authenticated"),
    ("coredns", "system:coredns", "system:authenticated"),
    ("kubelet", "system:node:node-1", "system:nodes"),
];

/// Puts values into a template's `{{name}}` places.
///
/// # Errors
/// When the template has a place that no value is for: a mistake in the template.
pub fn render(template: &str, values: &[(&str, String)]) -> Result<String> {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    match text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((name, _)) => bail!("a template asks for `{name}`, which nothing gives"),
        None => Ok(text),
    }
}

/// What templates may ask for.
fn values(bed: &Bed) -> Vec<(&'static str, String)> {
    vec![
        ("state", bed.folder().display().to_string()),
        ("cgroup", cgroup::name(bed.name())),
        ("pause", pause::REFERENCE.to_owned()),
        ("cni_plugins", cni_folder().to_owned()),
        ("node", NODE.to_string()),
        ("node_name", NODE_NAME.to_owned()),
        ("api_port", API_PORT.to_string()),
        ("dns_service", DNS_SERVICE.to_owned()),
        ("pod_range", POD_RANGE.to_owned()),
    ]
}

/// Every configuration file of the cluster: where, and what.
///
/// # Errors
/// As [`render`].
pub fn files(bed: &Bed) -> Result<Vec<(PathBuf, String)>> {
    let values = values(bed);
    let mut files = Vec::new();
    for (name, template) in FILES {
        files.push((bed.path("config").join(name), render(template, &values)?));
    }
    for (user, _, _) in USERS {
        let mut values = values.clone();
        values.push(("user", user.to_owned()));
        files.push((bed.path("config").join(format!("{user}.kubeconfig")), render(KUBECONFIG, &values)?));
    }
    Ok(files)
}

/// Writes what differs.
///
/// # Errors
/// As [`render`], and when a file cannot be written.
pub fn write(bed: &Bed) -> Result<()> {
    files(bed)?.iter().try_for_each(|(path, text)| write_file(path, text, false))
}

/// The objects that every cluster has.
///
/// # Errors
/// As [`render`].
pub fn base_manifests(bed: &Bed) -> Result<String> {
    render(BASE, &values(bed))
}

/// The certificates of the control plane and the node.
pub fn certificates() -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = USERS
        .into_iter()
        .map(|(name, user, organization)| {
            let addresses = if name == "kubelet" { vec![NODE.to_string(), NODE_NAME.to_owned()] } else { Vec::new() };
            Leaf { name, common_name: user.to_owned(), organization, addresses }
        })
        .collect();
    let kubernetes =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
    let addresses =
        kubernetes.map(str::to_owned).into_iter().chain([NODE.to_string(), API_SERVICE.into(), "127.0.0.1".into()]);
    leaves.push(Leaf {
        name: "kube-apiserver",
        common_name: "kube-apiserver".into(),
        organization: "bed",
        addresses: addresses.collect(),
    });
    // Signs the tokens of service accounts.
    leaves.push(Leaf {
        name: "service-accounts",
        common_name: "service-accounts".into(),
        organization: "bed",
        addresses: Vec::new(),
    });
    leaves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_every_template_is_filled() {
        let bed = Bed::open("unit").unwrap();
        let files = files(&bed).unwrap();
        assert_eq!(files.len(), FILES.len() + USERS.len());
        let kubelet = files.iter().find(|(path, _)| path.ends_with("kubelet.yaml")).unwrap();
        assert!(kubelet.1.contains("cgroupRoot: \"/admittance-bed-unit\""), "{}", kubelet.1);
        assert!(base_manifests(&bed).unwrap().contains("addresses: [\"10.79.0.1\"]"));
    }

    #[test]
    fn a_place_without_a_value_is_an_error_that_names_it() {
        let error = render("a {{b}} c {{d}}", &[("b", "1".into())]).unwrap_err();
        assert!(error.to_string().contains("`d`"), "{error}");
    }

    #[test]
    fn names_in_a_pod_resolve_the_same_on_the_node() {
        let bed = Bed::open("unit").unwrap();
        let files = files(&bed).unwrap();
        let resolv = &files.iter().find(|(path, _)| path.ends_with("resolv.conf")).unwrap().1;
        assert_eq!(
            resolv,
            "nameserver 10.79.0.1\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5 timeout:2\n"
        );
    }
}
