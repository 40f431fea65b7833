//! An explanation: its steps, and how they stand. Pure.

use serde::Serialize;
use serde_json::Value;

use crate::cli::print::Sign;

/// What is known of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Nobody was asked.
    Unknown,
    /// It is opted in.
    OptedIn,
    /// It is not.
    NotOptedIn,
    /// There is none of this name.
    Missing,
}

/// One step of the way.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What is looked at.
    pub step: &'static str,
    /// How it stands.
    pub sign: Sign,
    /// What was found, and why.
    pub says: String,
    /// What belongs to it, one a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Step {
    /// A step without details.
    #[must_use]
    pub fn new(step: &'static str, sign: Sign, says: impl Into<String>) -> Self {
        Self { step, sign, says: says.into(), details: Vec::new() }
    }

    /// The step with details.
    #[must_use]
    pub fn with(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// The names of an access.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// The workload.
    pub workload: String,
    /// The `BrokerCluster`, as namespace/name.
    pub cluster: String,
    /// The `AccessClaim`, which is also the Pod's label.
    pub access_claim: String,
    /// The Secret.
    pub secret: String,
    /// A further Secret that holds the same, where a Deployment of the contract of 2017 names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub further_secret: Option<String>,
    /// The Kafka user.
    pub user: String,
    /// The topics that it reads.
    pub consumes: Vec<String>,
    /// The topics that it writes.
    pub produces: Vec<String>,
}

/// An explanation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Where the object was read.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What becomes of its Pods at the webhook: `injected`, `complete`, `notRequested`, `refused` or `admitted`.
    pub outcome: &'static str,
    /// The steps.
    pub steps: Vec<Step>,
    /// The names of the access, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Names>,
    /// The patch, as JSON Patch has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patch: Vec<Value>,
    /// Commands to try next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

impl Story {
    /// Whether anything is in the way.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.steps.iter().any(|step| step.sign == Sign::Problem)
    }

    /// Adds a command to try, once.
    pub fn advise(&mut self, command: impl Into<String>) {
        let command = command.into();
        if !self.next.contains(&command) {
            self.next.push(command);
        }
    }
}
