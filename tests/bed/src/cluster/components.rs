//! The processes of a cluster: what each is started with, and where it answers. Pure: nothing is started here.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::addresses::{API_PORT, NODE, NODE_NAME, POD_RANGE, SERVICE_RANGE};
use crate::bed::Bed;

/// One process of the control plane or of the node.
#[derive(Debug)]
pub struct Component {
    /// Its name, which is also that of its program.
    pub name: &'static str,
    /// What it is started with.
    pub arguments: Vec<String>,
    /// Files it reads at its start: another content restarts it.
    pub configuration: Vec<PathBuf>,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Port(Ipv4Addr, u16),
    Socket(PathBuf),
    /// The API server listens before it can answer: it has to be asked.
    ReadyEndpoint,
}

impl Component {
    /// Whether it answers where it should.
    pub fn answers(&self, bed: &Bed) -> bool {
        match &self.answer {
            Answer::Port(address, port) => bed.listens(*address, *port),
            Answer::ReadyEndpoint => {
                bed.listens(NODE, API_PORT) && bed.kubectl(["get", "--raw=/readyz", "--request-timeout=5s"]).is_ok()
            }
            Answer::Socket(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
        }
    }
}

/// Joins `--name=value` pairs.
fn flags<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs.into_iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// All components, in the order of their start.
pub fn all(bed: &Bed) -> [Component; 8] {
    [
        etcd(bed),
        containerd(bed),
        api_server(bed),
        controller_manager(bed),
        scheduler(bed),
        kubelet(bed),
        kube_proxy(bed),
        coredns(bed),
    ]
}

fn etcd(bed: &Bed) -> Component {
    let client = "http://127.0.0.1:2379".to_owned();
    Component {
        name: "etcd",
        arguments: flags([
            ("name", NODE_NAME.to_owned()),
            ("data-dir", text(&bed.path("etcd"))),
            ("listen-client-urls", client.clone()),
            ("advertise-client-urls", client),
            ("listen-peer-urls", "http://127.0.0.1:2380".to_owned()),
            ("log-level", "warn".to_owned()),
        ]),
        configuration: Vec::new(),
        answer: Answer::Port(Ipv4Addr::LOCALHOST, 2379),
    }
}

fn containerd(bed: &Bed) -> Component {
    let file = bed.path("config/containerd.toml");
    Component {
        name: "containerd",
        arguments: flags([("config", text(&file))]),
        configuration: vec![file, bed.path("config/cni/10-bed.conflist")],
        // Its socket under the name that it has outside of the cluster's mounts.
        answer: Answer::Socket(bed.path("run/containerd/containerd.sock")),
    }
}

fn api_server(bed: &Bed) -> Component {
    let pki = |file: &str| text(&bed.path("pki").join(file));
    let policy = bed.path("config/audit-policy.yaml");
    Component {
        name: "kube-apiserver",
        arguments: flags([
            ("etcd-servers", "http://127.0.0.1:2379".to_owned()),
            ("advertise-address", NODE.to_string()),
            ("secure-port", API_PORT.to_string()),
            ("service-cluster-ip-range", SERVICE_RANGE.to_owned()),
            ("tls-cert-file", pki("kube-apiserver.crt")),
            ("tls-private-key-file", pki("kube-apiserver.key")),
            ("client-ca-file", pki("ca.crt")),
            ("kubelet-certificate-authority", pki("ca.crt")),
            ("kubelet-client-certificate", pki("admin.crt")),
            ("kubelet-client-key", pki("admin.key")),
            // The node's name does not resolve; without this, logs and exec fail.
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
            ("service-account-key-file", pki("service-accounts.crt")),
            ("service-account-signing-key-file", pki("service-accounts.key")),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("enable-admission-plugins", "NodeRestriction".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("audit-policy-file", text(&policy)),
            ("audit-log-path", text(&bed.audit_log())),
            ("audit-log-maxsize", "200".to_owned()),
            ("audit-log-maxbackup", "2".to_owned()),
        ]),
        configuration: vec![policy],
        answer: Answer::ReadyEndpoint,
    }
}

fn controller_manager(bed: &Bed) -> Component {
    let pki = |file: &str| text(&bed.path("pki").join(file));
    Component {
        name: "kube-controller-manager",
        arguments: flags([
            ("kubeconfig", text(&bed.path("config/kube-controller-manager.kubeconfig"))),
            ("leader-elect", "false".to_owned()),
            ("use-service-account-credentials", "true".to_owned()),
            ("service-account-private-key-file", pki("service-accounts.key")),
            ("root-ca-file", pki("ca.crt")),
            ("cluster-signing-cert-file", pki("ca.crt")),
            ("cluster-signing-key-file", pki("ca.key")),
            // A test makes a thousand Pods at once; the default of 20 requests a second would be what it measures.
            ("kube-api-qps", "300".to_owned()),
            ("kube-api-burst", "600".to_owned()),
        ]),
        configuration: Vec::new(),
        answer: Answer::Port(Ipv4Addr::LOCALHOST, 10257),
    }
}

fn scheduler(bed: &Bed) -> Component {
    let file = bed.path("config/kube-scheduler.yaml");
    Component {
        name: "kube-scheduler",
        arguments: flags([("config", text(&file))]),
        configuration: vec![file],
        answer: Answer::Port(Ipv4Addr::LOCALHOST, 10259),
    }
}

fn kubelet(bed: &Bed) -> Component {
    let file = bed.path("config/kubelet.yaml");
    Component {
        name: "kubelet",
        arguments: flags([
            ("config", text(&file)),
            ("kubeconfig", text(&bed.path("config/kubelet.kubeconfig"))),
            ("hostname-override", NODE_NAME.to_owned()),
            ("node-ip", NODE.to_string()),
            ("node-labels", "topology.kubernetes.io/zone=zone-1".to_owned()),
        ]),
        configuration: vec![file],
        answer: Answer::Port(Ipv4Addr::LOCALHOST, 10248),
    }
}

fn kube_proxy(bed: &Bed) -> Component {
    let file = bed.path("config/kube-proxy.yaml");
    Component {
        name: "kube-proxy",
        arguments: flags([
            ("config", text(&file)),
            ("hostname-override", NODE_NAME.to_owned()),
            ("cluster-cidr", POD_RANGE.to_owned()),
        ]),
        configuration: vec![file],
        answer: Answer::Port(NODE, 10256),
    }
}

fn coredns(bed: &Bed) -> Component {
    let file = bed.path("config/Corefile");
    Component {
        name: "coredns",
        arguments: vec!["-conf".to_owned(), text(&file)],
        configuration: vec![file],
        answer: Answer::Port(NODE, 53),
    }
}
