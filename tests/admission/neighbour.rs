//! Another webhook, which adds a sidecar as a service mesh does.

use serde_json::{Value, json};

use crate::review::send;

/// Adds a container with a readiness probe of its own, an init container, volumes and a label; the new containers go first, so
/// that every index moves. Returns the paths at which credentials must then be mounted.
pub fn add_sidecar(pod: &mut Value) -> [String; 2] {
    let mount = json!({"name": "istio-envoy", "mountPath": "/etc/istio/proxy"});
    let sidecar = json!({
        "name": "istio-proxy",
        "image": "proxyv2:1",
        "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
        "volumeMounts": [mount],
    });
    let init = json!({"name": "istio-init", "image": "proxyv2:1"});
    pod["metadata"]["labels"]["security.istio.io/tlsMode"] = json!("istio");
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{\"containers\":[\"istio-proxy\"]}");
    for (list, element) in
        [("containers", sidecar), ("initContainers", init), ("volumes", json!({"name": "istio-envoy", "emptyDir": {}}))]
    {
        match pod["spec"].get_mut(list).and_then(Value::as_array_mut) {
            Some(elements) => elements.insert(0, element),
            None => pod["spec"][list] = json!([element]),
        }
    }
    ["/spec/initContainers/0/volumeMounts".into(), "/spec/containers/0/volumeMounts/-".into()]
}

/// Whether a path leads into one of the containers that were added.
pub fn is_its(path: &str) -> bool {
    ["/spec/initContainers/0/", "/spec/containers/0/"].iter().any(|container| path.starts_with(container))
}

/// A container that is named and comes by a later webhook: the first pass says that it is not there, and the second serves it.
#[test]
fn a_container_that_a_later_webhook_adds_can_be_named() {
    let mut pod = json!({
        "metadata": {
            "name": "app",
            "labels": {"app": "app"},
            "annotations": {
                "kafka.admittance.dev/consumes": "orders",
                "kafka.admittance.dev/probe": "none",
                "kafka.admittance.dev/containers": "app, istio-proxy",
            },
        },
        "spec": {"containers": [{"name": "app"}, {"name": "other"}]},
    });
    let first = send(&pod);
    assert!(first.allowed, "{:?}", first.status);
    assert_eq!(first.warnings, ["containers names \"istio-proxy\", which this Pod does not have (yet)"]);
    pod = first.apply(&pod);
    let [_, wanted] = add_sidecar(&mut pod);
    let second = send(&pod);
    assert_eq!(second.warnings, [""; 0]);
    let paths: Vec<_> = second.patch.iter().map(|operation| operation["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [&*wanted]);
    pod["metadata"]["annotations"]["kafka.admittance.dev/containers"] = json!("ap, istio");
    let refused = send(&pod);
    assert_eq!(refused.status.unwrap().reason, "NoSuchContainer", "none of them is there");
}
