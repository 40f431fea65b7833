//! One review in, one answer out.

use super::delivery::Delivery;
use super::operation::{self, Add};
use super::patch::{Install, additions};
use super::pod::Pod;
use super::review::{Audit, Response, Review, Told};
use super::warnings::{self, cut};
use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::intent::limits::MAX_CONTAINERS;
use crate::intent::problem::shown;
use crate::intent::{self, Problem};

/// What the install decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster of Pods that name none.
    pub default_cluster: ClusterRef,
    /// What becomes of a Pod whose request cannot be understood.
    pub on_invalid: OnInvalid,
    /// The image that holds the probe.
    pub probe_image: String,
    /// How the probe comes out of it.
    pub probe_delivery: Delivery,
    /// Whether Pods may wait at a scheduling gate.
    pub gates: Gates,
    /// The version that is written into patched Pods.
    pub version: &'static str,
}

/// What becomes of a Pod whose request cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInvalid {
    /// It is refused, with every fault named.
    Deny,
    /// It is created as it is, with the faults as warnings.
    Admit,
}

/// Whether Pods may wait at a scheduling gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    /// The operator opens them.
    Offered,
    /// It may not: a Pod that asks for one would wait for ever, and is refused.
    NotOffered,
    /// Who decides does not know the installation, and says so.
    Unknown,
    /// The Pod lives already: it has the gate still, or has passed it.
    Passed,
}

/// What was decided, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The Pod was patched.
    Injected,
    /// The Pod has all that it needs already.
    AlreadyInjected,
    /// The Pod asks for nothing, or opted out.
    NotRequested,
    /// The Pod is refused.
    Denied(Reason),
    /// The Pod passes unpatched although its request is invalid.
    Admitted(Reason),
}

impl Outcome {
    /// What was decided and why, as metrics, logs and the audit log have it; the reason is empty where nothing is wrong.
    #[must_use]
    pub const fn told(self) -> Told {
        match self {
            Self::Injected => ("injected", ""),
            Self::AlreadyInjected => ("already_injected", ""),
            Self::NotRequested => ("not_requested", ""),
            Self::Denied(reason) => ("denied", reason.code()),
            Self::Admitted(reason) => ("admitted", reason.code()),
        }
    }

    fn audit(self, access: Option<String>) -> Audit {
        Audit { access, ..Audit::of(self.told()) }
    }
}

/// An answer to send.
#[derive(Debug, Clone)]
pub struct Answer<O = Outcome> {
    /// The serialised `AdmissionReview`.
    pub body: Vec<u8>,
    /// What was decided.
    pub outcome: O,
    /// The request's uid.
    pub uid: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name, or the prefix of its generated one.
    pub name: String,
}

/// Characters of a parser's error that are repeated: it may quote the whole value that it did not expect.
const MAX_FAULT: usize = 300;

/// The body is no review that we are registered for; the API server's `failurePolicy` decides.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or not of the shape of a review.
    #[error("MalformedReview: the body is not an AdmissionReview of what this webhook is for: {}", cut(.0.to_string(), MAX_FAULT))]
    Json(#[from] serde_json::Error),
    /// A review without a request.
    #[error("MalformedReview: the AdmissionReview holds no request")]
    NoRequest,
    /// Something else than what the webhook is for.
    #[error("MalformedReview: {operation} of {kind} is not for this webhook: its rules must be {rules}")]
    NotOurs {
        /// The operation.
        operation: String,
        /// The kind.
        kind: String,
        /// What its configuration must say.
        rules: &'static str,
    },
}

/// Answers one review.
///
/// # Errors
/// [`Malformed`] where there is nothing to answer.
pub fn answer(body: &[u8], settings: &Settings) -> Result<Answer, Malformed> {
    let request = serde_json::from_slice::<Review<'_, Pod<'_>>>(body)?.request.ok_or(Malformed::NoRequest)?;
    let (Some(pod), "CREATE", "Pod", "") =
        (&request.object, &*request.operation, &*request.kind.kind, &*request.kind.group)
    else {
        let rules = "CREATE of core/v1 pods";
        return Err(Malformed::NotOurs {
            operation: shown(&request.operation),
            kind: shown(&request.kind.kind),
            rules,
        });
    };
    let uid = &*request.uid;
    let (response, outcome) = match decide(pod, &request.namespace, settings) {
        Ok(None) => (Response::allow(uid), Outcome::NotRequested),
        Ok(Some(Injection { access, operations, warnings })) => {
            let outcome = if operations.is_empty() { Outcome::AlreadyInjected } else { Outcome::Injected };
            let response = Response::allow(uid).with_patch(&operations)?.with_warnings(warnings);
            (response.with_audit(outcome.audit(Some(access))), outcome)
        }
        Err(problems) => refuse(uid, &problems, settings.on_invalid),
    };
    let name = [&pod.metadata.name, &pod.metadata.generate_name].into_iter().flatten().find(|name| !name.is_empty());
    Ok(Answer {
        body: response.into_body()?,
        outcome,
        uid: uid.to_owned(),
        namespace: str::to_owned(&request.namespace),
        name: name.map_or_else(String::new, |name| str::to_owned(name)),
    })
}

/// What is to be added to a Pod.
#[derive(Debug, Clone)]
pub struct Injection<'s> {
    /// The access that the Pod is given, by the name of its AccessClaim.
    pub access: String,
    /// The patch; empty where nothing is missing.
    pub operations: Vec<Add<'s>>,
    /// What the author should know.
    pub warnings: Vec<String>,
}

/// Decides about one Pod of a namespace: nothing, additions, or everything that is wrong.
///
/// # Errors
/// The faults of the request.
pub fn decide<'s>(
    pod: &Pod<'_>,
    namespace: &str,
    settings: &'s Settings,
) -> Result<Option<Injection<'s>>, Vec<Problem>> {
    let Some(intent) = intent::request::read(&pod.meta(namespace), &settings.default_cluster)? else {
        return Ok(None);
    };
    let containers = pod.spec.count();
    if containers > MAX_CONTAINERS {
        let rule = format!("containers are too many for a Pod that is given an access: {MAX_CONTAINERS} at most");
        let problem = Problem::new(Reason::TooManyContainers, "spec.containers", &containers.to_string(), rule);
        return Err(vec![problem]);
    }
    let Settings { probe_image, probe_delivery, gates, version, .. } = settings;
    let install = Install { probe_image, delivery: *probe_delivery, gates: *gates, version };
    let (operations, warnings) = additions(pod, &intent, install)?;
    // A patch that the API server cannot apply refuses the Pod whatever the `failurePolicy`, with a text that helps nobody.
    operation::check(pod, &operations).map_err(|error| {
        vec![Problem::new(Reason::NameTaken, "the patch", &error.to_string(), "keeps it from being applied")]
    })?;
    let access = intent.access_name();
    Ok(Some(Injection { access, operations, warnings: intent.warnings.into_iter().chain(warnings).collect() }))
}

fn refuse<'a>(uid: &'a str, problems: &[Problem], on_invalid: OnInvalid) -> (Response<'a>, Outcome) {
    let reason = problems.first().map_or(Reason::MalformedValue, |problem| problem.reason);
    match on_invalid {
        OnInvalid::Deny => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let message = format!("{}. {}", lines.join("; "), reason.remedy());
            let outcome = Outcome::Denied(reason);
            (Response::deny(uid, reason, message).with_audit(outcome.audit(None)), outcome)
        }
        OnInvalid::Admit => {
            let warnings = problems.iter().flat_map(|problem| warnings::of_problem("not injected: ", problem));
            let outcome = Outcome::Admitted(reason);
            (Response::allow(uid).with_warnings(warnings).with_audit(outcome.audit(None)), outcome)
        }
    }
}
