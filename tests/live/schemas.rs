//! The rules that the resource definitions carry, asked of the API server. No operator and no webhook has a part in these.

use serde_json::{Value, json};

use crate::bed::{HOME, Namespace, apply, kubectl, try_kubectl, unique, with_input};

/// What the API server says to an object that it does not keep.
fn made(manifest: &Value) -> Result<(), String> {
    let done = with_input(&["create", "--dry-run=server", "--filename=-"], &manifest.to_string());
    done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

/// What it says to a change of one that is there, and stays as it is.
fn changed(kind: &str, namespace: &str, name: &str, spec: &Value) -> Result<(), String> {
    let patch = json!({"spec": spec}).to_string();
    let done = try_kubectl(&[
        "patch",
        kind,
        name,
        "--namespace",
        namespace,
        "--type=merge",
        "--dry-run=server",
        "--patch",
        &patch,
    ]);
    done.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

/// It was refused, with these words.
fn refused(outcome: Result<(), String>, what: &Value, says: &str) {
    let said = outcome.err().unwrap_or_else(|| panic!("accepted: {what}"));
    assert!(said.contains(says), "{what}: {said}");
}

fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// A spec with fields set, or taken out where they are null.
fn with(spec: &Value, more: &Value) -> Value {
    let mut spec = spec.clone();
    for (field, value) in more.as_object().unwrap() {
        match value {
            Value::Null => spec.as_object_mut().unwrap().remove(field),
            value => spec.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    spec
}

#[test]
fn an_access_claim_is_what_its_source_allows_and_stays_whose_it_is() {
    let (space, topic) = (Namespace::opted_in("live-schema-access"), unique("schema"));
    let ns = space.0.as_str();
    let good = json!({
        "source": "Manual", "workload": "batch", "cluster": "admittance/default", "serviceAccount": "default",
        "produces": [topic], "quotas": {"produceBytesPerSecond": 5000},
    });
    made(&object("AccessClaim", ns, "batch", &good)).unwrap();
    let account = "a claim with source Manual must name a serviceAccount, and no other may";
    let placed = "cluster can be neither changed, added nor removed";
    for (more, says) in [
        (json!({"serviceAccount": null}), account),
        (json!({"source": "Pods", "quotas": null}), account),
        (json!({"source": "Pods", "serviceAccount": null}), "quotas belong to a manual claim"),
        (json!({"secrets": ["other"]}), "secrets follow from Deployments"),
        (json!({"cluster": "default"}), "must be namespace/name"),
        (json!({"source": "Hand"}), "Unsupported value: \"Hand\""),
        (json!({"produces": ["a/b"]}), "spec.produces[0]"),
        (json!({"quotas": {"produceBytesPerSecond": 0}}), "spec.quotas.produceBytesPerSecond"),
    ] {
        refused(made(&object("AccessClaim", ns, "batch", &with(&good, &more))), &more, says);
    }

    apply(&object("AccessClaim", ns, "batch", &good).to_string());
    kubectl(&["create", "serviceaccount", "other", "--namespace", ns]);
    let change = |spec: &Value| changed("accessclaim", ns, "batch", spec);
    change(&json!({"consumes": [topic], "quotas": null})).unwrap();
    for (spec, says) in [
        (json!({"source": "Pods", "serviceAccount": null, "quotas": null}), "source is immutable"),
        (json!({"workload": "another"}), "workload is immutable"),
        (json!({"cluster": "admittance/another"}), placed),
        (json!({"cluster": null}), placed),
        (json!({"serviceAccount": "other"}), "serviceAccount is immutable"),
        (json!({"serviceAccount": null}), account),
    ] {
        refused(change(&spec), &spec, says);
    }
    // One that names no cluster cannot name one afterwards.
    apply(&object("AccessClaim", ns, "nowhere", &with(&good, &json!({"cluster": null}))).to_string());
    let spec = json!({"cluster": "admittance/default"});
    refused(changed("accessclaim", ns, "nowhere", &spec), &spec, placed);
}

#[test]
fn a_broker_cluster_is_trusted_in_one_way_and_keeps_its_scope() {
    let space = Namespace::plain("live-schema-cluster");
    let ns = space.0.as_str();
    // No name ends so anywhere, and there is no such Secret: nobody comes to speak to it.
    let external = json!({"bootstrapServers": "kafka.invalid:9092", "adminSecret": {"name": "none"}});
    let (tls, insecure) = (json!({"tls": {"caSecret": {"name": "none"}}}), json!({"insecure": true}));
    let cluster = |more: &Value| object("BrokerCluster", ns, "mine", &json!({"external": with(&external, more)}));
    made(&cluster(&tls)).unwrap();
    made(&cluster(&insecure)).unwrap();
    let one = "exactly one of tls and insecure: true is needed";
    for (more, says) in [
        (json!({}), one),
        (json!({"insecure": false}), one),
        (with(&tls, &insecure), one),
        (with(&tls, &json!({"bootstrapServers": "kafka"})), "spec.external.bootstrapServers"),
    ] {
        refused(made(&cluster(&more)), &more, says);
    }
    made(&cluster(&with(&tls, &json!({"bootstrapServers": "[2001:db8::1]:9093,kafka:9093"})))).unwrap();
    let rotating = |every: &str| {
        let spec = json!({"external": with(&external, &tls), "credentials": {"rotateEvery": every, "idleAfter": "2d"}});
        made(&object("BrokerCluster", ns, "rotating", &spec))
    };
    rotating("90d").unwrap();
    rotating("1d12h").unwrap();
    refused(rotating("3w"), &json!("3w"), "spec.credentials.rotateEvery");

    let scoped = |scope: &str| {
        object("BrokerCluster", ns, "scoped", &json!({"external": with(&external, &tls), "scope": scope}))
    };
    let spec = json!({"scope": "Upper"});
    refused(made(&scoped("Upper")), &spec, "spec.scope");
    apply(&scoped("mine").to_string());
    let change = |spec: &Value| changed("brokercluster", ns, "scoped", spec);
    change(&json!({"acknowledgeOpenCluster": true})).unwrap();
    for spec in [json!({"scope": "yours"}), json!({"scope": null})] {
        refused(change(&spec), &spec, "scope is immutable");
    }
    let spec = json!({"external": {"insecure": true}});
    refused(change(&spec), &spec, one);
    kubectl(&["delete", "brokercluster", "scoped", "--namespace", ns]);
    // One whose scope follows from the cluster cannot be given another.
    let spec = json!({"scope": "late"});
    refused(changed("brokercluster", HOME, "default", &spec), &spec, "scope is immutable");
}

#[test]
fn the_example_of_a_cluster_is_one() {
    const EXAMPLE: &str = include_str!("../../examples/broker-cluster.yaml");
    let space = Namespace::plain("live-schema-example");
    let done = with_input(&["create", "--namespace", &space.0, "--dry-run=server", "--filename=-"], EXAMPLE);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
