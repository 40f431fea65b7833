//! Both sides of one review: the API server's, played by the test, and ours.

use std::collections::BTreeMap;

use admittance::admission::decide::{Gates, OnInvalid, Outcome, Settings, answer};
use admittance::admission::delivery::Delivery;
use admittance::api::names::{ClusterRef, MAX_LABEL};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

/// The uid of every request.
pub const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";
/// The namespace of every request.
pub const NAMESPACE: &str = "shop";

/// What an install decides, for all tests.
pub fn settings() -> Settings {
    Settings {
        default_cluster: ClusterRef { namespace: "admittance".into(), name: "default".into() },
        on_invalid: OnInvalid::Deny,
        probe_image: "admittance-probe:test".into(),
        probe_delivery: Delivery::Copy,
        gates: Gates::Offered,
        version: "0.0.0-test",
    }
}

/// The review that the API server sends for a Pod that is being created.
pub fn review(pod: &Value) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": UID,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

/// The whole of what the API server reads; anything else in an answer fails the test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reply {
    api_version: String,
    kind: String,
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    uid: String,
    allowed: bool,
    patch_type: Option<String>,
    patch: Option<String>,
    status: Option<Status>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    audit_annotations: BTreeMap<String, String>,
}

/// Why a Pod is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The HTTP status.
    pub code: u16,
    /// The stable code.
    pub reason: String,
    /// What the author reads.
    pub message: String,
}

/// An answer, opened.
#[derive(Debug)]
pub struct Verdict {
    /// What was decided, as the webhook's log has it.
    pub outcome: Outcome,
    /// Whether the Pod may be created.
    pub allowed: bool,
    /// Why not.
    pub status: Option<Status>,
    /// What the author is told.
    pub warnings: Vec<String>,
    /// The operations of the patch; none where the answer holds no patch.
    pub patch: Vec<Value>,
}

impl Verdict {
    /// Applies the patch to the whole document, as the API server does.
    pub fn apply(&self, pod: &Value) -> Value {
        let operations: json_patch::Patch = serde_json::from_value(Value::Array(self.patch.clone())).unwrap();
        let mut patched = pod.clone();
        json_patch::patch(&mut patched, &operations).expect("the API server refuses a Pod whose patch does not apply");
        patched
    }
}

/// Sends a Pod with the usual settings.
pub fn send(pod: &Value) -> Verdict {
    send_with(pod, &settings())
}

/// Sends a Pod.
pub fn send_with(pod: &Value, settings: &Settings) -> Verdict {
    open(&serde_json::to_vec(&review(pod)).unwrap(), settings)
}

/// Sends a body that must be answered, and checks the form of the answer.
pub fn open(body: &[u8], settings: &Settings) -> Verdict {
    let answer = answer(body, settings).expect("a review of a Pod's creation is answered");
    let Reply { api_version, kind, response } = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&*api_version, &*kind), ("admission.k8s.io/v1", "AdmissionReview"));
    assert_eq!((&*response.uid, &*answer.uid), (UID, UID));
    assert_eq!(response.patch.is_some(), response.patch_type.is_some());
    assert!(response.patch_type.is_none_or(|kind| kind == "JSONPatch"));
    assert_eq!(response.allowed, response.status.is_none(), "a refusal says why, and nothing else does");
    check_audit(&response.audit_annotations, answer.outcome);
    let patch =
        response.patch.map_or_else(Vec::new, |text| serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap());
    Verdict {
        outcome: answer.outcome,
        allowed: response.allowed,
        status: response.status,
        warnings: response.warnings,
        patch,
    }
}

/// The audit log is told of every Pod that asked, by code, and of nothing that its author made up.
fn check_audit(annotations: &BTreeMap<String, String>, outcome: Outcome) {
    let of = |key: &str| annotations.get(key).map_or("", String::as_str);
    let told = if outcome == Outcome::NotRequested { ("", "") } else { outcome.told() };
    assert_eq!((of("outcome"), of("reason")), told);
    let given = matches!(outcome, Outcome::Injected | Outcome::AlreadyInjected);
    assert_eq!(annotations.contains_key("access"), given, "{annotations:?}");
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
    assert!(of("access").len() <= MAX_LABEL && of("access").chars().all(plain), "{annotations:?}");
    assert!(annotations.keys().all(|key| ["outcome", "reason", "access"].contains(&key.as_str())), "{annotations:?}");
}
