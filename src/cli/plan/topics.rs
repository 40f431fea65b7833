//! What would become of a topic: the operator's own decision about its claim, told. Pure.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::item::{Line, Mark};
use super::observe::Seen;
use super::view::View;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, Conditions, Drift, READY, TopicClaim, TopicClaimStatus};
use crate::clusters::Unusable;
use crate::intent::claim::refusal::refusal;
use crate::intent::claim::{judge, refuses as is_certain};
use crate::kafka::admin::settings::Overrides;
use crate::ownership::{on_record, owner};
use crate::topics::holders::{Holders, borrows};
use crate::topics::observe::{Found, Look, Observation, among, that_stand};
use crate::topics::plan::{Plan, plan};
use crate::topics::shares::no_room_among;
use crate::topics::step::Step;
use crate::topics::users::Users;

/// The decision about one claim among all of them: what it would do, and the status that the claim then has.
#[must_use]
pub fn decide(
    claim: &Arc<TopicClaim>,
    world: &[Arc<TopicClaim>],
    seen: &Seen,
    now: Timestamp,
) -> (Vec<Line>, TopicClaimStatus) {
    let rivals = |claim: &TopicClaim| -> Vec<Arc<TopicClaim>> {
        let same = |other: &&Arc<TopicClaim>| {
            (&other.spec.cluster, &other.spec.topic_name) == (&claim.spec.cluster, &claim.spec.topic_name)
        };
        world.iter().filter(same).cloned().collect()
    };
    let claims = rivals(claim);
    let view = seen.clusters.get(&claim.spec.cluster);
    let kafka = match view {
        Some(Ok(view)) => Ok((view.ground.terms.topics.clone(), found(claim, view))),
        Some(Err(unusable)) => Err(unusable.clone()),
        None => {
            let message = format!("BrokerCluster {} was not looked at", claim.spec.cluster);
            Err(Unusable { reason: Reason::ClusterNotFound, message })
        }
    };
    let books = |claim: &TopicClaim| {
        let resource = view.and_then(|view| view.as_ref().ok()).map(|view| &view.resource);
        on_record(resource, &claim.spec.topic_name)
    };
    let admitted = |other: &TopicClaim| is_admitted(other, seen, view);
    let refuses = |other: &TopicClaim| matches!(view, Some(Ok(view)) if refusal_by(view, seen, other).is_some());
    let has_topic = |other: &TopicClaim| {
        owner(&rivals(other), &books(other), refuses).is_some_and(|owner| owner.metadata.uid == other.metadata.uid)
    };
    let on_record = that_stand(books(claim), &kafka, Look::Second);
    // Who uses the topic decides nothing.
    let observation = among(Arc::clone(claim), &claims, on_record, Users::default(), kafka, refuses);
    let policy = view.and_then(|view| view.as_ref().ok()).map(|view| &view.ground.terms.topics);
    let policy = policy.filter(|_| observation.is_owner());
    let observation = Observation {
        admitted: is_admitted(claim, seen, view),
        holders: holders(claim, seen, view),
        // Records are not looked at either, nor are brokers' settings and disks: a topic that was about to be made is taken for the claim's
        // own, and a share whose bytes are not known changes nothing.
        empty: true,
        no_room: policy.and_then(|policy| no_room_among(world.iter().cloned(), has_topic, admitted, claim, policy)),
        ..observation
    };
    let before = claim.status.clone().unwrap_or_default();
    let Some(plan) = plan(&observation) else { return (Vec::new(), before) };
    let own = view.and_then(|view| view.as_ref().ok()).and_then(|view| view.settings.get(&claim.spec.topic_name));
    let own = own.and_then(|own| own.as_ref().ok());
    let mut lines = told(claim, &plan, &before, own, moved(&observation, &plan));
    if let Some(Ok(view)) = view {
        let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
        let doubtful = judge(&claim.spec, &view.ground.terms.topics.limits, namespace);
        let doubtful = doubtful.iter().filter(|problem| !is_certain(problem));
        lines.extend(doubtful.map(|problem| Line::new(Mark::Unknown, problem.to_string())));
    }
    (lines, status(claim, plan, &before, now))
}

/// Why the policy of its cluster refuses a claim, if it does.
pub(super) fn refusal_by(view: &View, seen: &Seen, claim: &TopicClaim) -> Option<(Reason, String)> {
    refusal(claim, &view.ground.terms.topics.limits, admits(view, seen, claim))
}

fn is_admitted(claim: &TopicClaim, seen: &Seen, view: Option<&Result<View, Unusable>>) -> bool {
    let Some(Ok(view)) = view else { return true };
    admits(view, seen, claim)
}

/// Where nobody may look at namespaces, nothing is known of who is excluded.
fn admits(view: &View, seen: &Seen, claim: &TopicClaim) -> bool {
    let labels =
        claim.metadata.namespace.as_ref().and_then(|namespace| seen.spaces.get(namespace)).map(|facts| &facts.labels);
    seen.opted_in.is_none() || view.ground.terms.admit_claims(labels)
}

fn found(claim: &TopicClaim, view: &View) -> Option<Found> {
    let name = &claim.spec.topic_name;
    let topic = view.topics.get(name)?.clone();
    Some(Found { topic, settings: view.settings.get(name).cloned().unwrap_or_else(|| Ok(Overrides::new())) })
}

fn holders(claim: &TopicClaim, seen: &Seen, view: Option<&Result<View, Unusable>>) -> Holders {
    let Some(Ok(view)) = view else { return Holders::default() };
    let topic = &claim.spec.topic_name;
    let borrows = |namespace: &str, name: &str| {
        let named = |access: &&AccessClaim| {
            (access.metadata.namespace.as_deref(), access.metadata.name.as_deref()) == (Some(namespace), Some(name))
        };
        seen.accesses.iter().find(named).is_some_and(|access| borrows(access, topic))
    };
    let rules = view.affecting.get(topic);
    let ground = &view.ground;
    rules.map(|rules| Holders::of(rules, &ground.scope, &ground.terms.neighbours, borrows)).unwrap_or_default()
}

/// The status that comes of a plan, as accesses read it.
fn status(claim: &TopicClaim, plan: Plan, before: &TopicClaimStatus, now: Timestamp) -> TopicClaimStatus {
    let creating = plan.steps.iter().find_map(|step| match step {
        Step::Record { creating, .. } => creating.clone(),
        _ => None,
    });
    let mut status = TopicClaimStatus { creating, conditions: before.conditions.clone(), ..plan.verdict.facts };
    let (holds, reason, message) = match plan.verdict.obstacle {
        Some(Unusable { reason, message }) => (false, reason, message),
        None => (true, Reason::Ready, plan.verdict.message),
    };
    Conditions::new(&mut status.conditions, claim.metadata.generation, Time(now)).say(READY, holds, reason, &message);
    status
}

/// How many replicas a partition has that is not as wanted, and how many it is brought to.
fn moved(seen: &Observation, plan: &Plan) -> Option<(usize, usize)> {
    let (want, (_, found)) = (plan.replicas?, seen.kafka.as_ref().ok()?);
    let mut counts = found.as_ref()?.topic.partitions.iter().map(|partition| partition.replicas.len());
    counts.find(|have| *have != want).map(|have| (have, want))
}

fn told(
    claim: &TopicClaim,
    plan: &Plan,
    before: &TopicClaimStatus,
    own: Option<&Overrides>,
    moved: Option<(usize, usize)>,
) -> Vec<Line> {
    let name = &claim.spec.topic_name;
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            // For the operator's own memory.
            Step::Record { .. } => {}
            Step::Create(topic) => {
                let partitions = topic.partitions.map_or_else(
                    || "the brokers' default of partitions".to_owned(),
                    |number| count(number, "partition"),
                );
                let replicas = topic.replicas.map_or_else(
                    || "the brokers' default of replicas".to_owned(),
                    |number| count(number.into(), "replica"),
                );
                lines.push(Line::new(Mark::Add, format!("create topic {name}: {partitions}, {replicas}")));
                let settings = topic.configs.iter();
                lines.extend(settings.map(|(key, value)| Line::new(Mark::Add, format!("config {key} = {value}"))));
            }
            Step::Grow(total) => {
                let had = before.partitions.map_or_else(String::new, |had| format!("{had} → "));
                lines.push(Line::new(Mark::Change, format!("partitions of topic {name}: {had}{total}")));
            }
            Step::Alter(changes) => {
                lines.extend(changes.iter().map(|(key, value)| match (own.and_then(|own| own.get(key)), value) {
                    (Some(had), Some(value)) => Line::new(Mark::Change, format!("config {key}: {had} → {value}")),
                    (None, Some(value)) => Line::new(Mark::Add, format!("config {key} = {value}")),
                    (had, None) => {
                        let had = had.map_or_else(String::new, |had| format!(" = {had}"));
                        Line::new(Mark::Remove, format!("config {key}{had}, for the brokers' default"))
                    }
                }));
            }
        }
    }
    if let Some((have, want)) = moved {
        let says = format!("replicas of topic {name}: {have} → {want}, moved in their own time");
        lines.push(Line::new(Mark::Change, says));
    }
    if let Some(Unusable { reason, message }) = &plan.verdict.obstacle {
        lines.push(Line::refused(reason.code(), message.clone()));
    } else if claim.spec.drift == Drift::Report {
        let drift = plan.verdict.facts.drift.iter().flatten();
        lines.extend(drift.map(|what| Line::new(Mark::Kept, format!("{what}; it is left so, by drift: Report"))));
    }
    lines
}

fn count(number: i32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
