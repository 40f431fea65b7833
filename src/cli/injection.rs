//! One Pod, sent through the webhook's own decision as the API server would send it. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::manifest::node::Node;
use crate::admission::decide::{Malformed, Outcome, Settings, answer};

/// What the webhook answered.
#[derive(Debug)]
pub struct Verdict {
    /// What it decided.
    pub outcome: Outcome,
    /// Why a Pod is refused: every fault, and what to do.
    pub message: String,
    /// What the author should know.
    pub warnings: Vec<String>,
    /// What it adds.
    pub additions: Vec<Addition>,
}

/// One `add` of a patch.
#[derive(Debug, Clone, Deserialize)]
pub struct Addition {
    /// Where, as a JSON pointer (RFC 6901).
    path: String,
    /// What.
    pub value: Value,
}

impl Addition {
    /// The operation as JSON Patch has it (RFC 6902).
    #[must_use]
    pub fn operation(&self) -> Value {
        json!({"op": "add", "path": self.path, "value": self.value})
    }

    /// The keys and indexes that lead to the place.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
    }
}

/// The webhook gave no answer, or one that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The Pod has not the shape of one.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Answer(#[from] serde_json::Error),
    /// The patch cannot be read.
    #[error("the patch cannot be read: {0}")]
    Patch(#[from] base64::DecodeError),
    /// The patch does not fit.
    #[error("the patch cannot be applied: {0}")]
    Apply(String),
}

#[derive(Deserialize)]
struct Reply {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    patch: Option<String>,
    status: Option<Status>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Status {
    message: String,
}

/// Asks the webhook's decision about a Pod that is to be created in a namespace.
///
/// # Errors
/// [`Unanswered`].
pub fn ask(pod: &Node, namespace: &str, settings: &Settings) -> Result<Verdict, Unanswered> {
    let request = json!({
        "uid": "00000000-0000-0000-0000-000000000000",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": namespace,
        "operation": "CREATE",
    });
    let mut request = Node::from(&request);
    // As text, never as a tree of serde_json's: that would change numbers.
    request.set("object", pod.clone());
    let review = Node::map([("request", request)]).to_json();
    let answer = answer(review.as_bytes(), settings)?;
    let Reply { response } = serde_json::from_slice(&answer.body)?;
    let additions = match response.patch {
        Some(patch) => serde_json::from_slice(&STANDARD.decode(patch)?)?,
        None => Vec::new(),
    };
    let message = response.status.map_or_else(String::new, |status| status.message);
    Ok(Verdict { outcome: answer.outcome, message, warnings: response.warnings, additions })
}

impl Verdict {
    /// Whether Pods pull an image for what is added: the installer's, or that of a volume.
    #[must_use]
    pub fn pulls(&self) -> bool {
        let parts = self.additions.iter().map(|addition| &addition.value);
        let mut parts = parts.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
        parts.any(|part| part.get("image").is_some())
    }

    /// Writes the additions into the document that holds the Pod, or the template, at `path`.
    ///
    /// # Errors
    /// [`Unanswered::Apply`], for a document that changed since the webhook was asked.
    pub fn apply(&self, document: &mut Node, path: &[String]) -> Result<(), Unanswered> {
        for addition in &self.additions {
            let place: Vec<String> = path.iter().cloned().chain(addition.path()).collect();
            document.add(&place, Node::from(&addition.value)).map_err(Unanswered::Apply)?;
        }
        Ok(())
    }
}
