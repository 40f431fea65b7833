//! From the review of a claim that somebody writes to its answer: what a cluster's limits and Kafka's rules refuse is refused here
//! already, where its author reads it. Pure.
//!
//! The operator judges every claim again, by the same functions: nothing depends on this answer being given.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Deserialize;

use super::decide::{Answer, Malformed};
use super::review::{Audit, Response, Review, Told};
use super::warnings;
use crate::api::annotations::GROUP;
use crate::api::names::ClusterRef;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaimSpec, AccessSource, BrokerCluster, TopicClaimSpec, TopicLimits};
use crate::intent::limits::MAX_PROBLEMS;
use crate::intent::problem::shown;
use crate::intent::{Problem, claim, manual};

/// The `BrokerCluster`s, whose limits count.
pub trait Clusters: Debug + Send + Sync {
    /// One of them.
    fn find(&self, cluster: &ClusterRef) -> Found;
}

/// What is known of a cluster.
#[derive(Debug, Clone)]
pub enum Found {
    /// Here it is.
    There(Arc<BrokerCluster>),
    /// There is none of this name.
    Missing,
    /// They have not been listed yet, or are out of reach: a claim passes that only their limits would refuse.
    Unread,
}

/// What claims are judged by.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The cluster of claims that name none.
    pub default_cluster: ClusterRef,
    /// All clusters.
    pub clusters: Arc<dyn Clusters>,
}

/// What was decided, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Nothing is wrong, as far as is known here.
    Accepted,
    /// The claim passes, and its author is told of something.
    Warned(Reason),
    /// The claim is refused.
    Denied(Reason),
}

impl Judged {
    /// What was decided and why, as metrics, logs and the audit log have it.
    #[must_use]
    pub const fn told(self) -> Told {
        match self {
            Self::Accepted => ("accepted", ""),
            Self::Warned(reason) => ("warned", reason.code()),
            Self::Denied(reason) => ("denied", reason.code()),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Option<String>,
}

/// One of the two kinds, read by its fields: each has what the other has not.
#[derive(Debug, Deserialize)]
struct Object<S> {
    #[serde(default = "Metadata::unnamed")]
    metadata: Metadata,
    spec: S,
}

impl Metadata {
    fn unnamed() -> Self {
        Self { name: None }
    }
}

/// As much of a review as tells which kind it is about.
#[derive(Debug, Deserialize)]
struct Anything {}

/// Answers one review of a claim.
///
/// # Errors
/// [`Malformed`] where there is nothing to answer.
pub fn answer(body: &[u8], terms: &Terms) -> Result<Answer<Judged>, Malformed> {
    let request = serde_json::from_slice::<Review<'_, Anything>>(body)?.request.ok_or(Malformed::NoRequest)?;
    match (&*request.operation, &*request.kind.kind, &*request.kind.group) {
        ("CREATE" | "UPDATE", "TopicClaim", GROUP) => judged(body, terms, topic),
        ("CREATE" | "UPDATE", "AccessClaim", GROUP) => judged(body, terms, access),
        _ => {
            let rules = "CREATE and UPDATE of topicclaims and accessclaims";
            Err(Malformed::NotOurs { operation: shown(&request.operation), kind: shown(&request.kind.kind), rules })
        }
    }
}

type Judge<S> = fn(&S, Option<&str>, &str, &Terms) -> Judgement;

/// What is to be said of a claim.
#[derive(Debug, Default)]
struct Judgement {
    problems: Vec<Problem>,
    /// The cluster whose limits were heeded.
    cluster: Option<ClusterRef>,
    /// Whether the claim itself names it: else its namespace may have a default of its own, which is not seen here.
    named: bool,
}

fn judged<S>(body: &[u8], terms: &Terms, judge: Judge<S>) -> Result<Answer<Judged>, Malformed>
where
    S: for<'de> Deserialize<'de>,
{
    let request = serde_json::from_slice::<Review<'_, Object<S>>>(body)?.request.ok_or(Malformed::NoRequest)?;
    let Some(object) = request.object else { return Err(Malformed::NoRequest) };
    let (uid, namespace, name) = (&*request.uid, &*request.namespace, object.metadata.name.as_deref());
    let now = judge(&object.spec, name, namespace, terms);
    // Limits may have been lowered since: what was wrong before, and is no worse now, keeps nobody from changing something else.
    let before =
        request.old_object.map(|old| judge(&old.spec, old.metadata.name.as_deref(), namespace, terms).problems);
    let refuses =
        |problem: &Problem| is_certain(problem, now.named) && !before.iter().flatten().any(|old| old == problem);
    let (refused, told): (Vec<&Problem>, Vec<&Problem>) = now.problems.iter().partition(|problem| refuses(problem));
    let warnings = told.iter().flat_map(|problem| warnings::of_problem("", problem));
    let (response, outcome) = match (refused.first(), told.first()) {
        (Some(first), _) => {
            let reason = first.reason;
            (Response::deny(uid, reason, denial(&refused, now.cluster.as_ref())), Judged::Denied(reason))
        }
        (None, Some(first)) => (Response::allow(uid), Judged::Warned(first.reason)),
        (None, None) => (Response::allow(uid), Judged::Accepted),
    };
    let response = response.with_warnings(warnings).with_audit(Audit::of(outcome.told()));
    let (namespace, name) = (namespace.to_owned(), object.metadata.name.clone().unwrap_or_default());
    Ok(Answer { body: response.into_body()?, outcome, uid: uid.to_owned(), namespace, name })
}

fn topic(spec: &TopicClaimSpec, _name: Option<&str>, namespace: &str, terms: &Terms) -> Judgement {
    let mut found = Judgement { named: !spec.cluster.is_empty(), ..Judgement::default() };
    let limits = match found.cluster(&spec.cluster, terms) {
        Some(Found::There(cluster)) => cluster.spec.topics.limits.clone(),
        _ => TopicLimits::default(),
    };
    found.problems.extend(claim::judge(spec, &limits, namespace));
    found
}

fn access(spec: &AccessClaimSpec, name: Option<&str>, namespace: &str, terms: &Terms) -> Judgement {
    let mut found = Judgement { named: !spec.cluster.is_empty(), ..Judgement::default() };
    // The operator writes the others, by the annotations of Pods that were judged.
    if spec.source == AccessSource::Manual {
        found.problems = manual::judge(spec, name, namespace, &terms.default_cluster);
        if found.problems.is_empty() {
            found.cluster(&spec.cluster, terms);
        }
    }
    found
}

impl Judgement {
    /// Looks for the cluster that a claim names, and notes what is wrong with the name.
    fn cluster(&mut self, text: &str, terms: &Terms) -> Option<Found> {
        match manual::cluster(text, &terms.default_cluster) {
            Err(rule) => {
                self.problems.push(Problem::new(Reason::InvalidValue, "spec.cluster", text, rule));
                None
            }
            Ok(cluster) => {
                let found = terms.clusters.find(&cluster);
                if self.named && matches!(found, Found::Missing) {
                    let rule = "is no BrokerCluster that is there: the claim waits for it";
                    let name = cluster.to_string();
                    self.problems.push(Problem::new(Reason::ClusterNotFound, "spec.cluster", &name, rule));
                }
                self.cluster = Some(cluster);
                Some(found)
            }
        }
    }
}

/// Whether a problem is there whatever comes: a cluster may be made after the claims on it, a newer Kafka may know the setting, and on
/// which cluster a claim is that names none is known to the operator alone.
fn is_certain(problem: &Problem, named: bool) -> bool {
    match problem.reason {
        Reason::ClusterNotFound => false,
        Reason::AccessTaken | Reason::TopicLimitExceeded | Reason::TopicNameNotAllowed => named,
        _ => claim::refuses(problem),
    }
}

/// What is wrong, in which rule, and who can change it.
fn denial(problems: &[&Problem], cluster: Option<&ClusterRef>) -> String {
    let lines: Vec<String> = problems.iter().take(MAX_PROBLEMS).map(ToString::to_string).collect();
    let remedy = problems.first().map_or("", |problem| problem.reason.remedy());
    let limits = [Reason::TopicLimitExceeded, Reason::TopicNameNotAllowed];
    let owner = cluster.filter(|_| problems.iter().any(|problem| limits.contains(&problem.reason)));
    let owner = owner.map_or_else(String::new, |cluster| {
        format!(" The limits are those of BrokerCluster {cluster}: your platform's operators can change them.")
    });
    format!("{}. {remedy}{owner}", lines.join("; "))
}
