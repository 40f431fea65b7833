//! The Pod Security Standards, level *restricted* (which includes *baseline*), as the Kubernetes documentation lists them.

use serde_json::Value;

/// Every control that a Pod breaks, with the place.
pub fn violations(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let mut found = Vec::new();
    let windows = spec["os"]["name"] == "windows";
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            found.push(field.to_owned());
        }
    }
    for sysctl in list(&spec["securityContext"]["sysctls"]) {
        found.push(format!("sysctl {sysctl}"));
    }
    for volume in list(&spec["volumes"]) {
        if !volume_allowed(volume) {
            found.push(format!("volume {}", volume["name"]));
        }
    }
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for container in list(&spec[field]) {
            let mut broken = container_baseline(container);
            if !windows {
                broken.extend(container_restricted(container, &spec["securityContext"]));
            }
            found.extend(broken.into_iter().map(|control| format!("{field} {}: {control}", container["name"])));
        }
    }
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A source that restricted allows; a volume without any source is none.
fn volume_allowed(volume: &Value) -> bool {
    const ALLOWED: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    volume.as_object().is_some_and(|fields| fields.keys().all(|key| key == "name" || ALLOWED.contains(&&**key)))
}

fn container_baseline(container: &Value) -> Vec<&'static str> {
    let security = &container["securityContext"];
    let mut broken = Vec::new();
    let mut check = |bad: bool, control| {
        if bad {
            broken.push(control);
        }
    };
    check(security["privileged"] == true, "privileged");
    check(list(&container["ports"]).any(|port| port["hostPort"].as_u64().unwrap_or(0) != 0), "hostPort");
    check(!security["seLinuxOptions"]["user"].is_null() || !security["seLinuxOptions"]["role"].is_null(), "SELinux");
    check(!matches!(security["procMount"].as_str(), None | Some("Default")), "procMount");
    check(security["appArmorProfile"]["type"] == "Unconfined", "AppArmor");
    check(security["windowsOptions"]["hostProcess"] == true, "hostProcess");
    let actions = ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];
    let names_host = |action: &Value| ["httpGet", "tcpSocket"].iter().any(|kind| !action[kind]["host"].is_null());
    check(actions.iter().filter_map(|path| container.pointer(path)).any(names_host), "host of a probe");
    broken
}

fn container_restricted(container: &Value, of_pod: &Value) -> Vec<&'static str> {
    let own = &container["securityContext"];
    let effective = |field: &str| if own[field].is_null() { &of_pod[field] } else { &own[field] };
    let mut broken = Vec::new();
    let mut check = |good: bool, control| {
        if !good {
            broken.push(control);
        }
    };
    check(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
    check(*effective("runAsNonRoot") == true, "runAsNonRoot");
    check(effective("runAsUser").as_i64() != Some(0), "runAsUser");
    let seccomp = effective("seccompProfile")["type"].as_str();
    check(matches!(seccomp, Some("RuntimeDefault" | "Localhost")), "seccompProfile");
    check(list(&own["capabilities"]["drop"]).any(|name| name == "ALL"), "capabilities.drop");
    check(list(&own["capabilities"]["add"]).all(|name| name == "NET_BIND_SERVICE"), "capabilities.add");
    broken
}

#[test]
fn the_checker_finds_what_restricted_forbids() {
    let pod = serde_json::json!({"spec": {
        "hostNetwork": true,
        "volumes": [{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "secret": {}}],
        "containers": [{"name": "c", "securityContext": {"privileged": true, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}}}],
    }});
    assert_eq!(
        violations(&pod),
        [
            "hostNetwork",
            "volume \"a\"",
            "containers \"c\": privileged",
            "containers \"c\": allowPrivilegeEscalation",
            "containers \"c\": seccompProfile",
        ]
    );
}
