//! Another webhook, which adds a sidecar as a service mesh does.

use serde_json::{Value, json};

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
