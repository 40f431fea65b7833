//! The chart, rendered by Helm itself.

use std::process::Command;

use serde_json::Value;

/// The chart's objects, as `helm template` renders them with these values; or Helm's refusal.
fn template(values: &[&str]) -> Result<Vec<Value>, String> {
    release("admittance", values)
}

/// The same for a release of this name.
fn release(name: &str, values: &[&str]) -> Result<Vec<Value>, String> {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/admittance");
    let mut helm = Command::new("helm");
    helm.args(["template", name, chart, "--namespace=admittance"]);
    let done = helm.args(values.iter().map(|value| format!("--set={value}"))).output().unwrap();
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    Ok(documents(&String::from_utf8(done.stdout).unwrap()))
}

fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}

#[test]
fn the_readable_manifests_are_what_helm_renders() {
    let rendered = template(&[]).unwrap();
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/webhook-config")).unwrap();
    let texts = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let manifests: Vec<Value> = texts.flat_map(|text| documents(&text)).collect();
    assert_eq!(manifests.len(), 8, "two webhook configurations, three policies and their bindings");
    for manifest in manifests {
        assert!(rendered.contains(&manifest), "{} {}", manifest["kind"], manifest["metadata"]["name"]);
    }
}

#[test]
fn the_cluster_outlives_its_release() {
    let rendered = template(&["kafka.bootstrapServers=kafka:9092"]).unwrap();
    let cluster = rendered.iter().find(|object| object["kind"] == "BrokerCluster").unwrap();
    assert_eq!(cluster["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
}

#[test]
fn each_release_leads_by_a_lease_of_its_own() {
    for (name, lease) in [("admittance", "admittance-operator"), ("kafka", "kafka-admittance-operator")] {
        let rendered = release(name, &[]).unwrap();
        let of = |kind: &str| {
            let found = rendered.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == lease);
            found.unwrap_or_else(|| panic!("{name}: no {kind} {lease}"))
        };
        let arguments = of("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        assert!(arguments.contains(&format!("\"--lease={lease}\"")), "{arguments}");
        let rules = of("Role")["rules"].as_array().unwrap();
        for verb in ["get", "update", "create"] {
            let mut gives = rules.iter().filter(|rule| rule["verbs"].to_string().contains(verb));
            let rule = gives.next().unwrap_or_else(|| panic!("{name}: {verb}"));
            let named = if verb == "create" { Value::Null } else { serde_json::json!([lease]) };
            assert_eq!(
                (&rule["resources"], &rule["resourceNames"]),
                (&serde_json::json!(["leases"]), &named),
                "{verb}"
            );
        }
        // `admittance check` finds the Lease by it.
        let service = lease.replace("-operator", "-webhook");
        assert!(rendered.iter().any(|object| object["kind"] == "Service" && object["metadata"]["name"] == *service));
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (value, said) in [
        ("webhook.failurePolicy=Perhaps", "failurePolicy"),
        ("webhook.replicas=0", "replicas"),
        ("webhook.hostNetwork=true", "webhook"),
        ("kafka.bootstrapServers=kafka", "bootstrapServers"),
        ("kafka.boostrapServers=kafka:9092", "boostrapServers"),
        ("kafka.bootstrapServers=2001:db8::1:9093", "bootstrapServers"),
        ("kafka.spec.scope=eu1", "scope"),
        ("kafka.spec.topics=Any", "topics"),
        ("podLabels.helm\\.sh/chart=mine", "podLabels"),
        ("extraEnv[0].name=POD_NAMESPACE", "extraEnv"),
        ("extraEnv[0].name=MALLOC_ARENA_MAX", "extraEnv"),
    ] {
        let refusal = template(&[value]).unwrap_err();
        assert!(refusal.contains(said), "{value}: {refusal}");
    }
}

#[test]
fn replicas_on_the_ports_of_nodes_make_room_for_their_successors() {
    let deployment = |values: &[&str]| {
        let rendered = template(values).unwrap();
        let found = rendered
            .iter()
            .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "admittance-webhook");
        found.unwrap()["spec"].clone()
    };
    let on_nodes = deployment(&["webhook.hostNetwork=true", "webhook.port=8443", "webhook.healthPort=18080"]);
    assert_eq!(on_nodes["strategy"]["rollingUpdate"]["maxSurge"], 0);
    let container = &on_nodes["template"]["spec"]["containers"][0];
    assert!(container["args"].to_string().contains("\"--health-port=18080\""), "{container}");
    assert!(container["ports"].to_string().contains("18080"), "{container}");
    assert_eq!(deployment(&[])["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
}

#[test]
fn where_uninjected_pods_may_pass_the_policy_only_warns() {
    let action = |values: &[&str]| {
        let rendered = template(values).unwrap();
        let binding = |object: &&Value| {
            object["kind"] == "ValidatingAdmissionPolicyBinding" && object["metadata"]["name"] == "admittance-injected"
        };
        rendered.iter().find(binding).unwrap()["spec"]["validationActions"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(action(&[]), "Deny");
    assert_eq!(action(&["webhook.failurePolicy=Ignore"]), "Warn");
    assert_eq!(action(&["webhook.onInvalid=Admit"]), "Warn");
}

#[test]
fn with_a_certificate_of_somebody_elses_the_webhook_has_no_rights() {
    let rendered = template(&["webhook.certificate.secret=tls"]).unwrap();
    let theirs: Vec<_> = rendered
        .iter()
        .filter(|object| object["metadata"]["name"] == "admittance-webhook")
        .filter(|object| object["kind"].as_str().unwrap().contains("Role"))
        .collect();
    assert!(theirs.is_empty(), "{theirs:?}");
    assert!(
        !rendered.iter().any(|object| object["kind"] == "ValidatingWebhookConfiguration"),
        "it could read no limits"
    );
}

#[test]
fn an_operator_of_some_namespaces_has_its_rights_from_roles() {
    let rendered = template(&["operator.namespaces={shop,web}"]).unwrap();
    let of = |kind: &str, name: &str| -> Vec<&Value> {
        rendered.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name).collect()
    };
    let resources = |role: &Value| role["rules"].to_string();
    let cluster = resources(of("ClusterRole", "admittance-operator")[0]);
    assert!(
        !cluster.contains("secrets") && !cluster.contains("pods") && cluster.contains("subjectaccessreviews"),
        "{cluster}"
    );
    let roles = of("Role", "admittance-operator-work");
    let namespaces: Vec<_> = roles.iter().map(|role| role["metadata"]["namespace"].as_str().unwrap()).collect();
    assert_eq!(namespaces, ["shop", "web", "admittance"]);
    let everywhere = template(&[]).unwrap();
    let all = everywhere
        .iter()
        .find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "admittance-operator");
    let all = all.unwrap()["rules"].as_array().unwrap();
    let mut narrowed = of("ClusterRole", "admittance-operator")[0]["rules"].as_array().unwrap().clone();
    narrowed.extend(roles[0]["rules"].as_array().unwrap().clone());
    assert_eq!(*all, narrowed, "together they are what the operator has elsewhere");
    let webhook = &of("MutatingWebhookConfiguration", "admittance")[0]["webhooks"][0];
    assert!(webhook["namespaceSelector"].to_string().contains("[\"shop\",\"web\"]"), "Pods elsewhere are left alone");
    for (kind, name, path) in [
        ("ValidatingAdmissionPolicy", "admittance-claims", "/spec/matchConstraints/namespaceSelector"),
        ("ValidatingWebhookConfiguration", "admittance", "/webhooks/0/namespaceSelector"),
    ] {
        let selector = of(kind, name)[0].pointer(path).unwrap().to_string();
        assert!(
            selector.contains("[\"shop\",\"web\",\"admittance\"]"),
            "{kind}: claims elsewhere are another's: {selector}"
        );
    }
    let with_2017 = ["operator.namespaces={shop}", "contract2017.deployments=true", "contract2017.configMaps=true"];
    let rendered = template(&with_2017).unwrap();
    let roles: Vec<_> = rendered
        .iter()
        .filter(|object| object["kind"] == "Role" && object["metadata"]["name"] == "admittance-operator-work")
        .collect();
    assert_eq!(roles.len(), 2);
    for role in roles {
        for (resource, verbs) in [("deployments", &["list", "watch"][..]), ("configmaps", &["get", "list", "watch"])] {
            let rules = role["rules"].as_array().unwrap();
            let gives = |rule: &&Value| {
                rule["resources"].to_string().contains(&format!("\"{resource}\""))
                    && verbs.iter().all(|verb| rule["verbs"].to_string().contains(&format!("\"{verb}\"")))
            };
            assert!(rules.iter().any(|rule| gives(&rule)), "{resource} {verbs:?} in {role}");
        }
    }
    assert!(template(&["operator.namespaces={Shop}"]).unwrap_err().contains("namespaces"));
}

#[test]
fn the_operator_writes_workloads_that_it_restarts_and_no_others() {
    let written = |values: &[&str]| {
        let rendered = template(values).unwrap();
        let role = rendered
            .iter()
            .find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "admittance-operator");
        let rules = role.unwrap()["rules"].as_array().unwrap();
        let writes = |rule: &&Value| rule["apiGroups"][0] == "apps" && rule["verbs"].to_string().contains("patch");
        let resources = rules.iter().filter(writes).flat_map(|rule| rule["resources"].as_array().unwrap());
        resources.map(|resource| resource.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(written(&[]), [""; 0]);
    assert_eq!(written(&["operator.restartsWorkloads=true"]), ["deployments", "statefulsets", "daemonsets"]);
}

#[test]
fn the_operator_lists_what_the_contract_of_2017_needs_only_where_it_is_served() {
    let watched = |values: &[&str]| {
        let rendered = template(values).unwrap();
        let role = rendered
            .iter()
            .find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "admittance-operator")
            .unwrap();
        let rules = role["rules"].as_array().unwrap();
        let lists = |rule: &&Value| rule["verbs"].as_array().unwrap().iter().any(|verb| verb == "list");
        let resources = rules.iter().filter(lists).flat_map(|rule| rule["resources"].as_array().unwrap());
        let found: Vec<&str> = resources.filter_map(Value::as_str).collect();
        let arguments = rendered
            .iter()
            .find(|object| object["metadata"]["name"] == "admittance-operator" && object["kind"] == "Deployment");
        let arguments = arguments.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        [
            (found.contains(&"deployments"), arguments.contains("\"--deployments-2017\"")),
            (found.contains(&"configmaps"), arguments.contains("\"--topic-config-maps=config=kafka-topic\"")),
        ]
    };
    assert_eq!(watched(&[]), [(false, false), (false, false)]);
    // An upgrade with --reuse-values brings the values of a chart that knew nothing of it.
    assert_eq!(watched(&["contract2017=null"]), [(false, false), (false, false)]);
    assert_eq!(watched(&["contract2017.deployments=true"]), [(true, true), (false, false)]);
    assert_eq!(watched(&["contract2017.configMaps=true"]), [(false, false), (true, true)]);
}

#[test]
fn further_fields_of_the_cluster_are_values_too() {
    let values = [
        "kafka.bootstrapServers=[2001:db8::1]:9093\\,kafka:9093",
        "kafka.spec.topics.adopt=Any",
        "kafka.spec.topics.limits.maxPartitions=12",
        "kafka.spec.credentials.rotateEvery=90d",
        "kafka.namespaceSelector.matchLabels.team=shop",
    ];
    let rendered = template(&values).unwrap();
    let spec = &rendered.iter().find(|object| object["kind"] == "BrokerCluster").unwrap()["spec"];
    assert_eq!(spec["external"]["bootstrapServers"], "[2001:db8::1]:9093,kafka:9093");
    assert_eq!(spec["topics"], serde_json::json!({"adopt": "Any", "limits": {"maxPartitions": 12}}));
    assert_eq!(spec["credentials"], serde_json::json!({"rotateEvery": "90d"}));
    assert_eq!(spec["clients"]["namespaceSelector"]["matchLabels"]["team"], "shop");
}

/// What the operator's and the webhook's Deployment have in common.
fn deployments(rendered: &[Value]) -> Vec<&Value> {
    let found: Vec<&Value> = rendered.iter().filter(|object| object["kind"] == "Deployment").collect();
    assert_eq!(found.len(), 2);
    found
}

#[test]
fn metrics_are_read_from_all_pods_where_the_prometheus_operator_is_told_so() {
    let kinds = ["PodMonitor", "PrometheusRule"];
    let of = |rendered: &[Value], kind: &str| rendered.iter().find(|object| object["kind"] == kind).cloned();
    // Nor with the values of a chart that knew nothing of it.
    for values in [&[][..], &["metrics=null", "networkPolicy=null"]] {
        let rendered = template(values).unwrap();
        assert!(kinds.iter().all(|kind| of(&rendered, kind).is_none()), "{values:?}");
    }
    let values = [
        "metrics.podMonitor.enabled=true",
        "metrics.podMonitor.labels.release=prometheus",
        "metrics.prometheusRule.enabled=true",
        "metrics.prometheusRule.labels.release=prometheus",
    ];
    let rendered = template(&values).unwrap();
    let [monitor, rule] = kinds.map(|kind| of(&rendered, kind).unwrap());
    assert!([&monitor, &rule].iter().all(|one| one["metadata"]["labels"]["release"] == "prometheus"));
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    for deployment in deployments(&rendered) {
        let pod = &deployment["spec"]["template"];
        let selected = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
        assert!(selected.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value), "{selected:?}");
        let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
        assert!(ports.iter().any(|one| one["name"] == *port), "{ports:?}");
    }
    let alerts: Value = serde_saphyr::from_str(include_str!("../../charts/admittance/alerts.yaml")).unwrap();
    assert_eq!(rule["spec"], alerts, "nothing of it is taken for a template");
}

#[test]
fn the_policy_on_the_network_lets_in_what_must_come_in() {
    assert!(!template(&[]).unwrap().iter().any(|object| object["kind"] == "NetworkPolicy"));
    let rendered = template(&["networkPolicy.enabled=true"]).unwrap();
    let policies: Vec<&Value> = rendered.iter().filter(|object| object["kind"] == "NetworkPolicy").collect();
    assert_eq!(policies.len(), 2);
    for deployment in deployments(&rendered) {
        let pod = &deployment["spec"]["template"];
        let selects = |policy: &&&Value| {
            let selector = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
            selector.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
        };
        let policy = policies.iter().find(selects).unwrap();
        let names = |ports: &Value, key: &str| {
            let mut names: Vec<_> = ports.as_array().unwrap().iter().map(|port| port[key].to_string()).collect();
            names.sort();
            names
        };
        let opened = names(&policy["spec"]["ingress"][0]["ports"], "port");
        assert_eq!(opened, names(&pod["spec"]["containers"][0]["ports"], "name"));
        assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress"]));
    }
}

#[test]
fn what_others_need_on_the_pods_is_on_both() {
    let values = [
        "podLabels.cost-centre=kafka",
        "podAnnotations.sidecar\\.istio\\.io/inject=no",
        "affinity.nodeAffinity.x=y",
        "extraEnv[0].name=KUBERNETES_SERVICE_HOST",
        "extraEnv[0].value=api.example",
    ];
    let rendered = template(&values).unwrap();
    for deployment in deployments(&rendered) {
        let pod = &deployment["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"]["cost-centre"], "kafka");
        assert_eq!(pod["metadata"]["annotations"]["sidecar.istio.io/inject"], "no");
        assert_eq!(pod["spec"]["affinity"]["nodeAffinity"]["x"], "y");
        let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
        assert!(env.iter().any(|one| one["name"] == "KUBERNETES_SERVICE_HOST" && one["value"] == "api.example"));
        assert!(env.iter().any(|one| one["name"] == "POD_NAMESPACE"), "what is the chart's own stays: {env:?}");
        assert!(deployment["spec"]["selector"]["matchLabels"].get("cost-centre").is_none(), "it can be changed");
    }
}
