//! What would become of an access: the operator's own decision about it, told. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::item::{Line, Mark};
use super::observe::Seen;
use super::topics::refusal_by;
use super::view::View;
use crate::access::groups::GroupView;
use crate::access::observe::{Held, Observation, SecretView, Subject};
use crate::access::plan::{Plan, plan};
use crate::access::prefix::{Names, Prefixes, Question};
use crate::access::rights::{principal, rights};
use crate::access::step::Step;
use crate::access::topic_view::TopicView;
use crate::access::verdicts::Verdict;
use crate::access::wishes::Wishes;
use crate::api::annotations::GROUP;
use crate::api::names::{ClusterRef, TopicName, WorkloadName};
use crate::api::reasons::Reason;
use crate::api::resources::{
    AccessClaim, AccessClaimSpec, AccessClaimStatus, AccessSource, Right, TopicClaim, TopicClaimSpec, TopicSource,
};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::clusters::Unusable;
use crate::intent::request;
use crate::kafka::acl::{AclBinding, PatternType, ResourceType};
use crate::ownership::{on_record, own_namespace};
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
    let status = live.and_then(|claim| claim.status.clone()).unwrap_or_default();
    let username = view.connection.claim.scope.username(&wanted.key.0, &wanted.key.1);
    let named = (WorkloadName::parse(&wanted.spec.workload), ClusterRef::parse(&wanted.spec.cluster, ""));
    let (Ok(workload), Ok(cluster)) = named else {
        return Outcome::refused(Reason::InvalidValue, format!("workload \"{}\" is no name", wanted.spec.workload));
    };
    // By its own name, or by that of a workload that names no cluster: its namespace may have another default than the installation.
    let default = wanted.default_cluster;
    let mut named = [&cluster, default].into_iter();
    let Some(named) = named.find(|named| request::access_name(&workload, named, default) == wanted.key.1) else {
        let name = request::access_name(&workload, &cluster, default);
        let message = format!("the access of workload {workload} on {} is named {name}", wanted.spec.cluster);
        return Outcome::refused(Reason::AccessTaken, message);
    };
    let subject = Subject {
        workload: wanted.spec.workload.clone(),
        cluster: wanted.spec.cluster.clone(),
        username,
        secret_name: request::secret_name(&workload, named, default),
    };
    let held = held(wanted, live, &status, &subject, view, world, seen);
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
        held: Ok((Arc::clone(&view.connection), held)),
        credential_doubted: false,
        owners: Vec::new(),
        labelled: Vec::new(),
        unplaced: false,
        opted_in,
        admitted: !opted_in || seen.opted_in.is_none() || view.connection.terms.admit(&labels),
        let_through: BTreeSet::new(),
        rotate: None,
        now: wanted.now,
    };
    let mut outcome = Outcome::default();
    if let Some(plan) = plan(&observation) {
        outcome.tell(&plan, wanted, &subject, status.username.is_none());
        let had = live.map(|claim| claim.spec.secrets.as_slice()).unwrap_or_default();
        let further = wanted.spec.secrets.iter().filter(|name| plan.obstacle.is_none() && !had.contains(name));
        let copies = further.map(|name| format!("Secret {name}, which holds the same as {}", subject.secret_name));
        outcome.lines.extend(copies.map(|says| Line::new(Mark::Add, says)));
    }
    outcome
}

/// What is held, as far as it was seen.
fn held(
    wanted: &Wanted<'_>,
    live: Option<&AccessClaim>,
    status: &AccessClaimStatus,
    subject: &Subject,
    view: &View,
    world: &[Arc<TopicClaim>],
    seen: &Seen,
) -> Held {
    let (namespace, cluster) = (&wanted.key.0, &wanted.spec.cluster);
    let believed = || {
        let mut had =
            live.filter(|_| status.username.is_some()).map(|claim| Wishes::of_claim(&claim.spec)).unwrap_or_default();
        for refusal in &status.refused {
            match refusal.right {
                Right::Consume => had.consumes.remove(&refusal.name),
                Right::Produce => had.produces.remove(&refusal.name),
                Right::Join => had.groups.remove(&refusal.name),
            };
        }
        let principal = principal(&subject.username);
        let prefixes = |names| {
            Prefixes::of(&Question {
                names,
                principal: &principal,
                namespace,
                scope: &view.connection.claim.scope,
                neighbours: &view.connection.terms.neighbours,
                held: &BTreeSet::new(),
                rival: None,
            })
        };
        let (groups, ids) = (prefixes(Names::Groups), prefixes(Names::Ids(&subject.workload)));
        rights(&subject.username, &subject.workload, &had, (&groups, &ids))
    };
    let shown = view.rules.as_ref().map(|rules| rules.get(&principal(&subject.username)).cloned().unwrap_or_default());
    let exists = |name: &str| seen.opted_in.as_ref().is_some_and(|names| names.contains(name));
    // Whom the owner lends to, only a review by the API server tells, which takes a right that readers lack.
    let verdict = |right: Right, name: &str, resource: &str, object: &str, of: &str| {
        let denied = status.refused.iter().any(|refusal| {
            refusal.right == right
                && refusal.name == name
                && [Reason::TopicOwnedElsewhere, Reason::GroupOwnedElsewhere]
                    .map(Reason::code)
                    .contains(&refusal.reason.as_str())
        });
        if denied {
            return Verdict::Denied { account: wanted.account.to_owned() };
        }
        Verdict::Unknown(format!(
            "kubectl auth can-i {} {resource}.{GROUP}/{object} -n {of} --as=system:serviceaccount:{namespace}:{} tells",
            right.verb(),
            wanted.account
        ))
    };
    let mut topics: BTreeMap<String, TopicView> = BTreeMap::new();
    for (name, right) in [(&wanted.spec.consumes, Right::Consume), (&wanted.spec.produces, Right::Produce)]
        .into_iter()
        .flat_map(|(names, right)| names.iter().map(move |name| (name, right)))
    {
        let view = topics.entry(name.clone()).or_insert_with(|| {
            let of_it = |claim: &&Arc<TopicClaim>| (&claim.spec.cluster, &claim.spec.topic_name) == (cluster, name);
            let claims = world.iter().filter(of_it).cloned().collect();
            let id = view.topics.get(name).map(|topic| topic.id);
            let own_namespace = own_namespace(name, exists).map(str::to_owned);
            let topic = TopicView::new(claims, Ok(id), on_record(Some(&view.resource), name));
            TopicView { own_namespace, ..topic.judged(|claim| refusal_by(view, seen, claim)) }
        });
        if let Some(owner) = view.owner().cloned().filter(|owner| owner.metadata.namespace.as_ref() != Some(namespace))
        {
            let object = owner.metadata.name.as_deref().unwrap_or_default();
            let of = owner.metadata.namespace.as_deref().unwrap_or_default();
            let said = verdict(right, name, "topicclaims", object, of);
            view.verdicts.insert(right, said);
        }
    }
    let groups = wanted.spec.groups.iter().map(|name| {
        let naming = |claim: &&AccessClaim| claim.spec.cluster == *cluster && claim.spec.groups.contains(name);
        let mut group = GroupView {
            claims: seen.accesses.iter().filter(naming).cloned().map(Arc::new).collect(),
            own_namespace: own_namespace(name, exists).map(str::to_owned),
            ..GroupView::default()
        };
        let owner =
            group.owner(name, (namespace, &wanted.key.1)).map(|(of, access)| (of.to_owned(), access.to_owned()));
        group.verdict = owner.map(|(of, access)| verdict(Right::Join, name, "accessclaims", &access, &of));
        (name.clone(), group)
    });
    let published = status.secret_name.is_some();
    let secret = SecretView::Ours {
        uid: String::new(),
        resource_version: String::new(),
        rotation: 0,
        published: wanted.now,
        data: BTreeMap::from([(keys::PASSWORD.to_owned(), Secret::new("unknown"))]),
    };
    Held {
        rules: shown.unwrap_or_else(believed),
        secret: if published { secret } else { SecretView::Absent },
        topics,
        groups: groups.collect(),
        ..Held::default()
    }
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
