//! What would become of an access: the operator's own decision about it, told. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::held::Sight;
use super::item::{Line, Mark};
use super::observe::Seen;
use crate::access::plan::{Plan, plan};
use crate::access::seen::{Observation, Subject};
use crate::access::step::Step;
use crate::api::names::{ClusterRef, Scope, TopicName, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, AccessSource, TopicClaim, TopicClaimSpec, TopicSource};
use crate::clusters::Unusable;
use crate::intent::request;
use crate::kafka::acl::{AclBinding, PatternType, ResourceType};
use crate::watch::AccessKey;

/// An access that is asked for.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// Namespace and name.
    pub key: &'w AccessKey,
    /// Everything that it is to have.
    pub spec: AccessClaimSpec,
    /// The service account that stands for it.
    pub account: &'w str,
    /// The cluster of Pods that name none.
    pub default_cluster: &'w ClusterRef,
    /// When it is asked for.
    pub now: Timestamp,
}

/// What would be done, and the topics that would be claimed for it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What would be done.
    pub lines: Vec<Line>,
    /// Topics that nobody has declared, and that it would claim.
    pub claims: Vec<(String, TopicSource)>,
}

/// The decision about one access among all claims.
#[must_use]
pub fn decide(wanted: &Wanted<'_>, live: Option<&AccessClaim>, world: &[Arc<TopicClaim>], seen: &Seen) -> Outcome {
    let view = match seen.clusters.get(&wanted.spec.cluster) {
        Some(Ok(view)) => view,
        Some(Err(Unusable { reason, message })) => return Outcome::refused(*reason, message.clone()),
        None => {
            let message = format!("BrokerCluster {} was not looked at", wanted.spec.cluster);
            return Outcome::refused(Reason::ClusterNotFound, message);
        }
    };
    let subject = match subject(wanted, &view.ground.scope) {
        Ok(subject) => subject,
        Err(Unusable { reason, message }) => return Outcome::refused(reason, message),
    };
    let held = Sight { wanted, live, subject: &subject, view, world, seen }.held();
    // What all Pods ask for together is as good as a claim that somebody wrote: the same rights, and no life of Pods to look at.
    let mut claim = live.cloned().unwrap_or_else(|| AccessClaim::new(&wanted.key.1, wanted.spec.clone()));
    claim.spec = AccessClaimSpec { source: AccessSource::Manual, ..wanted.spec.clone() };
    let labels = seen.spaces.get(&wanted.key.0).map(|facts| facts.labels.clone()).unwrap_or_default();
    let opted_in = seen.opted_in.as_ref().is_none_or(|names| names.contains(&wanted.key.0));
    let observation = Observation {
        key: wanted.key.clone(),
        claim: Some(Arc::new(claim)),
        asks: Vec::new(),
        subject: Some(subject.clone()),
        accounts: BTreeSet::new(),
        held: Ok((view.ground.clone(), held)),
        credential_doubted: false,
        owners: Vec::new(),
        labelled: Vec::new(),
        unplaced: false,
        opted_in,
        admitted: !opted_in || seen.opted_in.is_none() || view.ground.terms.admit(&labels),
        let_through: BTreeSet::new(),
        rotate: None,
        now: wanted.now,
    };
    let mut outcome = Outcome::default();
    if let Some(plan) = plan(&observation) {
        let status = live.and_then(|claim| claim.status.as_ref());
        outcome.tell(&plan, wanted, &subject, status.is_none_or(|status| status.username.is_none()));
        let had = live.map(|claim| claim.spec.secrets.as_slice()).unwrap_or_default();
        let further = wanted.spec.secrets.iter().filter(|name| plan.obstacle.is_none() && !had.contains(name));
        let copies = further.map(|name| format!("Secret {name}, which holds the same as {}", subject.secret_name));
        outcome.lines.extend(copies.map(|says| Line::new(Mark::Add, says)));
    }
    outcome
}

/// Who it would be.
fn subject(wanted: &Wanted<'_>, scope: &Scope) -> Result<Subject, Unusable> {
    let AccessClaimSpec { workload: text, cluster: on, .. } = &wanted.spec;
    let (Ok(workload), Ok(cluster)) = (WorkloadName::parse(text), ClusterRef::parse(on, "")) else {
        return Err(Unusable { reason: Reason::InvalidValue, message: format!("workload \"{text}\" is no name") });
    };
    let default = wanted.default_cluster;
    let Some(named) = request::named_after(&wanted.key.1, &workload, &cluster, default) else {
        let name = request::access_name(&workload, &cluster, default);
        let message = format!("the access of workload {workload} on {on} is named {name}");
        return Err(Unusable { reason: Reason::AccessTaken, message });
    };
    Ok(Subject {
        workload: text.clone(),
        cluster: on.clone(),
        username: scope.username(&wanted.key.0, &wanted.key.1),
        secret_name: request::secret_name(&workload, named, default),
    })
}

impl Outcome {
    fn refused(reason: Reason, message: String) -> Self {
        Self { lines: vec![Line::refused(reason.code(), message)], claims: Vec::new() }
    }

    fn tell(&mut self, plan: &Plan, wanted: &Wanted<'_>, subject: &Subject, is_new: bool) {
        if is_new && plan.obstacle.is_none() {
            let says = format!("Kafka user {} and Secret {}", subject.username, subject.secret_name);
            self.lines.push(Line::new(Mark::Add, says));
        }
        let mut gone = Vec::new();
        for step in &plan.steps {
            match step {
                Step::ClaimTopic { topic, source } => self.claims.push((topic.clone(), *source)),
                Step::Grant(rules) => {
                    self.lines.extend(rules.iter().map(|rule| Line::new(Mark::Add, format!("right: {}", told(rule)))));
                }
                Step::Revoke(rules) => gone.extend(rules),
                _ => {}
            }
        }
        let when = if wanted.spec.source == AccessSource::Pods { ", once no living Pod asks for it" } else { "" };
        self.lines.extend(gone.iter().map(|rule| Line::new(Mark::Remove, format!("right: {}{when}", told(rule)))));
        for refusal in &plan.refused {
            let about = format!("{} {}: {}", refusal.right.verb(), refusal.name, refusal.message);
            self.lines.push(if refusal.reason == Reason::ReviewFailed.code() {
                Line::new(Mark::Unknown, about)
            } else {
                Line::refused(&refusal.reason, about)
            });
        }
        if let Some(obstacle) = plan.obstacle.as_ref().filter(|_| plan.refused.is_empty()) {
            self.lines.push(Line::refused(obstacle.reason.code(), obstacle.message.clone()));
        }
    }
}

/// A rule without its user: `Read on topic orders`.
fn told(rule: &AclBinding) -> String {
    let kind = match rule.resource_type {
        ResourceType::Topic => "topic",
        ResourceType::Group => "group",
        ResourceType::TransactionalId => "transactional id",
        ResourceType::Cluster => return format!("{:?} on the cluster", rule.operation),
    };
    let pattern = if rule.pattern_type == PatternType::Prefixed { "…" } else { "" };
    format!("{:?} on {kind} {}{pattern}", rule.operation, rule.resource_name)
}

/// A claim that an access would make of a topic.
#[must_use]
pub fn implicit(namespace: &str, cluster: &str, topic: &str, source: TopicSource) -> TopicClaim {
    let name = TopicName::parse(topic).map_or_else(|_| topic.to_owned(), |name| name.object_name());
    let mut claim = TopicClaim::new(&name, TopicClaimSpec::of(topic, cluster, source));
    claim.metadata.namespace = Some(namespace.to_owned());
    claim
}
