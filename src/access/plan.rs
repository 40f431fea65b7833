//! What has to be done for one access: data in, ordered steps out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::life::{Life, life, owner_of};
use super::observe::{Ask, Held, Observation, SecretView, Subject, TopicView};
use super::provision::provide;
use super::rights::rule;
use super::rotation::Overlap;
use super::standing::{Question, Standing, standing};
use super::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaimSpec, AccessSource, Grant, Refusal, Right, TopicSource, WorkloadOwner};
use crate::clusters::{Terms, Unusable};

/// The decision about one access.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to do, in the order of its stages; nothing at rest.
    pub steps: Vec<Step>,
    /// Rights that are asked for and refused.
    pub refused: Vec<Refusal>,
    /// Rights on topics of other namespaces.
    pub grants: Vec<Grant>,
    /// What keeps the access from being ready once the steps are done; nothing where it then is.
    pub obstacle: Option<Unusable>,
    /// Pods that are not part of this access although their label says so, by uid, and why.
    pub strangers: BTreeMap<String, Unusable>,
    /// What the Pods belong to; nothing where there is none to ask.
    pub owners: Vec<WorkloadOwner>,
    /// Since when nobody wants the access.
    pub idle_since: Option<Time>,
    /// Whether the access is over, and the steps take it away.
    pub ends: bool,
    /// Who still has an old password.
    pub overlap: Option<Overlap>,
    /// When to look again, where no event will say so.
    pub next: Option<Duration>,
}

impl Plan {
    /// How many rotations are asked for, where that changes.
    #[must_use]
    pub fn rotations(&self) -> Option<i64> {
        self.steps.iter().find_map(|step| match step {
            Step::RecordRotation { count, .. } => *count,
            _ => None,
        })
    }
}

/// Decides about one access; nothing where nobody asks and there is no claim.
#[must_use]
pub fn plan(seen: &Observation) -> Option<Plan> {
    let subject = seen.subject.as_ref()?;
    let strangers = strangers(seen, subject);
    let members: Vec<&Ask> = seen.asks.iter().filter(|ask| !strangers.contains_key(&ask.pod.uid)).collect();
    let asked = asked(seen, &members);
    let mut plan = Plan { owners: owners(seen, &members), strangers, ..Plan::default() };
    record(seen, subject, &asked, &mut plan.steps);
    let (connection, held) = match &seen.held {
        Ok((connection, held)) => (connection, held),
        Err(unusable) => return Some(Plan { obstacle: Some(unusable.clone()), ..plan }),
    };
    match life_of(seen, !members.is_empty(), connection.terms.lifetimes.idle_after) {
        // The end of an owner without Pods is no event.
        Life::Wanted if members.is_empty() && !seen.owners.is_empty() => {
            plan.next = Some(owner_look(connection.terms.lifetimes.idle_after));
        }
        Life::Wanted => {}
        Life::Idle { since, left } => (plan.idle_since, plan.next) = (Some(since), Some(left)),
        Life::Ended => return Some(end(held, plan)),
    }
    let judgement = judge(seen, subject, &asked, &connection.terms, held, &mut plan.steps);
    plan.obstacle = obstacle(&judgement.refused, &held.secret, subject);
    let published = held.secret.password().is_some();
    if plan.obstacle.is_none() || (published && !matches!(held.secret, SecretView::Foreign)) {
        provide(seen, subject, &judgement, connection, held, &mut plan);
    }
    plan.refused = judgement.refused;
    plan.grants = judgement.grants;
    plan.steps.sort_by_key(Step::stage);
    Some(plan)
}

/// How often the owner of an access without Pods is looked for: as often as the patience afterwards makes sense of.
fn owner_look(idle_after: Duration) -> Duration {
    (idle_after / 10).max(Duration::from_secs(5))
}

/// How the access stands: a manual claim lives as long as it is there.
fn life_of(seen: &Observation, has_pods: bool, idle_after: Duration) -> Life {
    let Some(claim) = seen.claim.as_ref().filter(|claim| claim.spec.source == AccessSource::Pods) else {
        return Life::Wanted;
    };
    let since = claim.status.as_ref().and_then(|status| status.idle_since.as_ref());
    life(has_pods, &seen.owners, since, seen.now, idle_after)
}

/// The rights first, which acts on live connections; then the credential, the Secret and the claim.
fn end(held: &Held, plan: Plan) -> Plan {
    let mut steps = vec![Step::ConfirmEnd];
    if !held.rules.is_empty() {
        steps.push(Step::Revoke(held.rules.iter().cloned().collect()));
    }
    if !held.slots.is_empty() {
        steps.push(Step::RemoveCredential(held.slots.iter().map(|slot| slot.mechanism).collect()));
    }
    if let SecretView::Ours { uid, resource_version, .. } = &held.secret {
        steps.push(Step::Unpublish { uid: uid.clone(), resource_version: resource_version.clone() });
    }
    steps.push(Step::DeleteClaim);
    Plan { steps, ends: true, ..plan }
}

/// What the Pods belong to; where there are none, what the last ones belonged to.
fn owners(seen: &Observation, members: &[&Ask]) -> Vec<WorkloadOwner> {
    if members.is_empty() {
        let last = seen.claim.as_ref().and_then(|claim| claim.status.as_ref());
        return last.map_or_else(Vec::new, |status| status.owners.clone());
    }
    let owners: BTreeSet<_> = members.iter().filter_map(|ask| owner_of(&ask.pod)).collect();
    owners.into_iter().collect()
}

/// What is asked for, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    consumes: BTreeSet<String>,
    produces: BTreeSet<String>,
}

impl Asked {
    fn rights(&self) -> impl Iterator<Item = (&String, Right)> {
        let consumed = self.consumes.iter().map(|topic| (topic, Right::Consume));
        consumed.chain(self.produces.iter().map(|topic| (topic, Right::Produce)))
    }
}

/// Pods whose own words do not lead to this access.
fn strangers(seen: &Observation, subject: &Subject) -> BTreeMap<String, Unusable> {
    let manual = seen.claim.as_ref().is_some_and(|claim| claim.spec.source == AccessSource::Manual);
    let judge = |ask: &Ask| match &ask.intent {
        Err(problems) => {
            let message = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Some(Unusable { reason: problems.first()?.reason, message })
        }
        Ok(intent) if intent.access_name() != seen.key.1 => Some(Unusable {
            reason: Reason::AccessTaken,
            message: format!("the Pod's access is \"{}\", and its label says \"{}\"", intent.access_name(), seen.key.1),
        }),
        Ok(intent) if intent.workload.as_ref() != subject.workload || intent.cluster.to_string() != subject.cluster => {
            let message = format!(
                "access \"{}\" belongs to workload \"{}\" on {}, not to \"{}\" on {}",
                seen.key.1, subject.workload, subject.cluster, intent.workload, intent.cluster
            );
            Some(Unusable { reason: Reason::AccessTaken, message })
        }
        Ok(_) if manual => Some(Unusable {
            reason: Reason::AccessTaken,
            message: format!("AccessClaim \"{}\" was written for a client that is not a Pod", seen.key.1),
        }),
        Ok(_) => None,
    };
    seen.asks.iter().filter_map(|ask| Some((ask.pod.uid.clone(), judge(ask)?))).collect()
}

/// The union of what the Pods ask for; what the claim says where there is no Pod at all.
fn asked(seen: &Observation, members: &[&Ask]) -> Asked {
    let intents: Vec<_> = members.iter().filter_map(|ask| ask.intent.as_ref().ok()).collect();
    match &seen.claim {
        Some(claim) if intents.is_empty() => Asked {
            consumes: claim.spec.consumes.iter().cloned().collect(),
            produces: claim.spec.produces.iter().cloned().collect(),
        },
        _ => Asked {
            consumes: intents.iter().flat_map(|intent| &intent.consumes).map(ToString::to_string).collect(),
            produces: intents.iter().flat_map(|intent| &intent.produces).map(ToString::to_string).collect(),
        },
    }
}

fn record(seen: &Observation, subject: &Subject, asked: &Asked, steps: &mut Vec<Step>) {
    let (consumes, produces) = (asked.consumes.iter().cloned().collect(), asked.produces.iter().cloned().collect());
    match &seen.claim {
        None => steps.push(Step::CreateClaim(Box::new(AccessClaimSpec {
            source: AccessSource::Pods,
            workload: subject.workload.clone(),
            cluster: subject.cluster.clone(),
            consumes,
            produces,
            service_account: None,
        }))),
        // What people wrote is theirs.
        Some(claim) if claim.spec.source == AccessSource::Manual => {}
        Some(claim) if claim.spec.consumes != consumes || claim.spec.produces != produces => {
            steps.push(Step::UpdateClaim { consumes, produces });
        }
        Some(_) => {}
    }
}

/// What the workload is to have, and what it is not given.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) consumes: Vec<String>,
    pub(super) produces: Vec<String>,
    grants: Vec<Grant>,
    refused: Vec<Refusal>,
}

/// Whose each topic is: claims those that are nobody's, and refuses what is another's.
fn judge(
    seen: &Observation,
    subject: &Subject,
    asked: &Asked,
    terms: &Terms,
    held: &Held,
    steps: &mut Vec<Step>,
) -> Judgement {
    let mut judgement = Judgement::default();
    let before = seen.claim.as_ref().and_then(|claim| claim.status.as_ref());
    let before = before.map_or(&[][..], |status| &status.grants);
    for (topic, right) in asked.rights() {
        let unknown = TopicView::default();
        let question = Question {
            namespace: &seen.key.0,
            topic,
            right,
            view: held.topics.get(topic).unwrap_or(&unknown),
            held: held.rules.contains(&rule(&subject.username, right, topic)),
            before,
            undeclared: terms.topics.undeclared,
        };
        let (gets, refusal) = match standing(&question) {
            Standing::Own => (true, None),
            Standing::Lent(grant) => {
                judgement.grants.push(grant);
                (true, None)
            }
            Standing::Nobodys => {
                let source = if asked.produces.contains(topic) { TopicSource::Producer } else { TopicSource::Consumer };
                let claim = Step::ClaimTopic { topic: topic.clone(), source };
                if !steps.contains(&claim) {
                    steps.push(claim);
                }
                (true, None)
            }
            Standing::Pending(reason, message) => (question.held, Some((reason, message))),
            Standing::Refused(reason, message) => (false, Some((reason, message))),
        };
        if gets {
            let rights = if right == Right::Consume { &mut judgement.consumes } else { &mut judgement.produces };
            rights.push(topic.clone());
        }
        judgement.refused.extend(refusal.map(|(reason, message)| Refusal {
            right,
            topic: topic.clone(),
            reason: reason.code().to_owned(),
            message,
        }));
    }
    judgement
}

fn obstacle(refused: &[Refusal], secret: &SecretView, subject: &Subject) -> Option<Unusable> {
    if matches!(secret, SecretView::Foreign) {
        let message = format!("Secret {} exists and was not written by Admittance", subject.secret_name);
        return Some(Unusable { reason: Reason::SecretNotOurs, message });
    }
    let first = refused.first()?;
    let reason = Reason::of_code(&first.reason)?;
    let mut all: Vec<&str> = refused.iter().map(|refusal| refusal.message.as_str()).collect();
    all.dedup();
    Some(Unusable { reason, message: format!("{}. {}", all.join("; "), reason.remedy()) })
}
