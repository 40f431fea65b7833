//! `admission.k8s.io/v1 AdmissionReview`: the request as far as we read it, and the response as the API server wants it.
//!
//! The response is a type of our own because kube's writes the patch as an array of numbers, nearly three times the size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::operation::Add;
use super::text::Text;
use super::warnings::{MAX_WARNING, MAX_WARNINGS, cut};
use crate::api::reasons::Reason;

/// The review that the API server sends of an object, read as far as `T` knows it.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Review<'a, T> {
    /// What is asked.
    #[serde(borrow)]
    pub request: Option<Request<'a, T>>,
}

/// The question.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
pub struct Request<'a, T> {
    /// Echoed in the answer.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// What is being created.
    #[serde(borrow)]
    pub kind: Kind<'a>,
    /// The namespace; an object's own may be empty at this point.
    #[serde(borrow, default)]
    pub namespace: Text<'a>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(borrow)]
    pub operation: Text<'a>,
    /// The object.
    pub object: Option<T>,
    /// What it was before; absent where it is created.
    #[serde(default = "Option::default")]
    pub old_object: Option<T>,
}

/// A kind with its group.
#[derive(Debug, Deserialize)]
pub struct Kind<'a> {
    /// The group; empty for core.
    #[serde(borrow, default)]
    pub group: Text<'a>,
    /// The kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

/// The answer to one review.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The request's uid.
    pub uid: &'a str,
    /// Whether the object may be written.
    pub allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<Audit>,
}

/// What the API server writes into its audit log, under the webhook's name: codes, and the name of the access. Nothing else of what an
/// author wrote comes there by us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What was decided, as the metrics have it.
    pub outcome: &'static str,
    /// Why, where something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The access that the Pod was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// What was decided and why, by code; the reason is empty where nothing is wrong.
pub type Told = (&'static str, &'static str);

impl Audit {
    /// What was decided, and why.
    #[must_use]
    pub fn of((outcome, reason): Told) -> Self {
        Self { outcome, reason: Some(reason).filter(|reason| !reason.is_empty()), access: None }
    }
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

impl<'a> Response<'a> {
    /// Lets the object pass as it is.
    #[must_use]
    pub fn allow(uid: &'a str) -> Self {
        Self { uid, allowed: true, ..Self::default() }
    }

    /// Refuses the object; the author reads the message.
    #[must_use]
    pub fn deny(uid: &'a str, reason: Reason, message: String) -> Self {
        let status = Status { code: 403, reason: reason.code(), message };
        Self { uid, allowed: false, status: Some(status), ..Self::default() }
    }

    /// Adds a patch; an empty one is left out.
    ///
    /// # Errors
    /// Never for operations that hold plain JSON.
    pub fn with_patch(mut self, operations: &[Add<'_>]) -> Result<Self, serde_json::Error> {
        if !operations.is_empty() {
            self.patch_type = Some("JSONPatch");
            self.patch = Some(STANDARD.encode(serde_json::to_vec(operations)?));
        }
        Ok(self)
    }

    /// Adds the first [`MAX_WARNINGS`] of these warnings, each cut to what clients show.
    #[must_use]
    pub fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings.into_iter().take(MAX_WARNINGS).map(|warning| cut(warning, MAX_WARNING)));
        self
    }

    /// Adds what the audit log is told.
    #[must_use]
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.audit_annotations = Some(audit);
        self
    }

    /// The `AdmissionReview` to send.
    ///
    /// # Errors
    /// Never for a response made by this type's own functions.
    pub fn into_body(self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Reply { api_version: "admission.k8s.io/v1", kind: "AdmissionReview", response: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_cut_to_what_clients_show() {
        let response = Response::allow("u").with_warnings(["é".repeat(200), "short".into()]);
        assert_eq!(response.warnings[0].chars().count(), MAX_WARNING);
        assert_eq!(response.warnings[1], "short");
        let many = Response::allow("u").with_warnings(vec!["one of many".into(); 100]);
        assert_eq!(many.warnings.len(), MAX_WARNINGS);
    }

    #[test]
    fn an_empty_patch_is_left_out() {
        let body = Response::allow("u").with_patch(&[]).unwrap().into_body().unwrap();
        assert!(!String::from_utf8(body).unwrap().contains("patch"));
    }
}
