//! What has to be done for one access: data in, ordered steps out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::credentials::{Subject as CredentialSubject, data, iterations};
use super::observe::{Held, Observation, SecretView, Subject, TopicView};
use super::rights::rights;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, AccessSource, READY, Refusal, TopicSource, condition};
use crate::clusters::observe::mechanism;
use crate::clusters::{Connection, Unusable};
use crate::kafka::acl::AclBinding;
use crate::ownership::{own_name, owner};

/// One step. Those of one [`Stage`] may run side by side; a stage begins when the one before has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the claim.
    CreateClaim(Box<AccessClaimSpec>),
    /// Write what the Pods ask for now.
    UpdateClaim {
        /// Consumed topics.
        consumes: Vec<String>,
        /// Produced topics.
        produces: Vec<String>,
    },
    /// Claim a topic that nobody has declared.
    ClaimTopic {
        /// Its name.
        topic: String,
        /// Whether it is produced or consumed.
        source: TopicSource,
    },
    /// Add rules.
    Grant(Vec<AclBinding>),
    /// Remove rules.
    Revoke(Vec<AclBinding>),
    /// Write a credential to Kafka: the published one if there is one, else a new one.
    SetCredential,
    /// See that every broker serves rules, topics and credential.
    Prove {
        /// The rules.
        rules: Vec<AclBinding>,
        /// The topics.
        topics: Vec<String>,
    },
    /// Write the Secret.
    Publish {
        /// The version that is replaced; nothing where there must be none yet.
        replaces: Option<String>,
    },
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What is asked for is on record before anything is done about it.
    Record,
    /// Kafka is brought to it.
    Provide,
    /// It is seen to work.
    Prove,
    /// It is handed out.
    Publish,
}

impl Step {
    /// When it runs.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::CreateClaim(_) | Self::UpdateClaim { .. } | Self::ClaimTopic { .. } => Stage::Record,
            Self::Grant(_) | Self::Revoke(_) | Self::SetCredential => Stage::Provide,
            Self::Prove { .. } => Stage::Prove,
            Self::Publish { .. } => Stage::Publish,
        }
    }
}

/// The decision about one access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in the order of its stages; nothing at rest.
    pub steps: Vec<Step>,
    /// Topics that are asked for and refused.
    pub refused: Vec<Refusal>,
    /// What keeps the access from being ready once the steps are done; nothing where it then is.
    pub obstacle: Option<Unusable>,
    /// Pods that are not part of this access although their label says so, by uid, and why.
    pub strangers: BTreeMap<String, Unusable>,
}

/// Decides about one access; nothing where nobody asks and there is no claim.
#[must_use]
pub fn plan(seen: &Observation) -> Option<Plan> {
    let subject = seen.subject.as_ref()?;
    let strangers = strangers(seen, subject);
    let asked = asked(seen, &strangers);
    let mut steps = Vec::new();
    record(seen, subject, &asked, &mut steps);
    let (connection, held) = match &seen.held {
        Ok((connection, held)) => (connection, held),
        Err(unusable) => return Some(Plan { steps, refused: Vec::new(), obstacle: Some(unusable.clone()), strangers }),
    };
    let refused = refusals(&seen.key.0, &asked, held, &mut steps);
    let mut plan = Plan { steps, obstacle: obstacle(&refused, &held.secret, subject), refused, strangers };
    let published = held.secret.password().is_some();
    if plan.obstacle.is_none() || (published && !matches!(held.secret, SecretView::Foreign)) {
        provide(seen, subject, &asked, connection, held, &mut plan);
    }
    plan.steps.sort_by_key(Step::stage);
    Some(plan)
}

/// What is asked for, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    consumes: BTreeSet<String>,
    produces: BTreeSet<String>,
}

impl Asked {
    fn topics(&self) -> BTreeSet<&String> {
        self.consumes.union(&self.produces).collect()
    }
}

/// Pods whose own words do not lead to this access.
fn strangers(seen: &Observation, subject: &Subject) -> BTreeMap<String, Unusable> {
    let judge = |ask: &super::observe::Ask| match &ask.intent {
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
        Ok(_) => None,
    };
    seen.asks.iter().filter_map(|ask| Some((ask.pod.uid.clone(), judge(ask)?))).collect()
}

/// The union of what the Pods ask for; what the claim says where there is no Pod at all.
fn asked(seen: &Observation, strangers: &BTreeMap<String, Unusable>) -> Asked {
    let members = seen.asks.iter().filter(|ask| !strangers.contains_key(&ask.pod.uid));
    let intents: Vec<_> = members.filter_map(|ask| ask.intent.as_ref().ok()).collect();
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
        }))),
        Some(claim) if claim.spec.consumes != consumes || claim.spec.produces != produces => {
            steps.push(Step::UpdateClaim { consumes, produces });
        }
        Some(_) => {}
    }
}

/// Whose each topic is: claims those that are nobody's, and refuses what is another's.
fn refusals(namespace: &str, asked: &Asked, held: &Held, steps: &mut Vec<Step>) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for topic in asked.topics() {
        let source = if asked.produces.contains(topic) { TopicSource::Producer } else { TopicSource::Consumer };
        let unknown = TopicView::default();
        match standing(namespace, topic, held.topics.get(topic).unwrap_or(&unknown), source) {
            Standing::Granted => {}
            Standing::Nobodys => steps.push(Step::ClaimTopic { topic: topic.clone(), source }),
            Standing::Refused(reason, message) => {
                refused.push(Refusal { topic: topic.clone(), reason: reason.code().to_owned(), message });
            }
        }
    }
    refused
}

enum Standing {
    Granted,
    Nobodys,
    Refused(Reason, String),
}

fn standing(namespace: &str, topic: &str, view: &TopicView, source: TopicSource) -> Standing {
    let Some(claim) = owner(&view.claims) else {
        if view.exists {
            let message = format!("topic {topic} exists in Kafka and no TopicClaim covers it");
            return Standing::Refused(Reason::TopicUnclaimed, message);
        }
        return Standing::Nobodys;
    };
    let owner_namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    if owner_namespace != namespace {
        let ours = view.claims.iter().any(|claim| claim.metadata.namespace.as_deref() == Some(namespace));
        // A claim of ours may still win: a producer's over a consumer's.
        if !ours
            && source == TopicSource::Producer
            && claim.spec.source == TopicSource::Consumer
            && !own_name(topic, owner_namespace)
        {
            return Standing::Nobodys;
        }
        let message = format!("topic {topic} belongs to namespace {owner_namespace}");
        return Standing::Refused(Reason::TopicOwnedElsewhere, message);
    }
    let status = claim.status.as_ref();
    if view.exists && status.is_none_or(|status| status.topic_id.is_none() && status.creating.is_none()) {
        // Whether a topic that was there before the claim may be adopted is not decided yet, or decided against.
        let said = status.and_then(|status| condition(&status.conditions, READY));
        let reason = said.and_then(|said| Reason::of_code(&said.reason)).unwrap_or(Reason::Provisioning);
        let message =
            said.map_or_else(|| format!("the claim on topic {topic} is being looked at"), |said| said.message.clone());
        return Standing::Refused(reason, message);
    }
    let ready = status.and_then(|status| condition(&status.conditions, READY));
    match ready.filter(|ready| ready.status == "False") {
        Some(said) => match Reason::of_code(&said.reason) {
            // Kafka is away, or the topic is on its way: the proof waits for it.
            None
            | Some(Reason::KafkaUnreachable | Reason::Provisioning | Reason::TopicDrifted | Reason::ClusterNotFound) => {
                Standing::Granted
            }
            Some(reason) => Standing::Refused(reason, said.message.clone()),
        },
        None => Standing::Granted,
    }
}

fn obstacle(refused: &[Refusal], secret: &SecretView, subject: &Subject) -> Option<Unusable> {
    if matches!(secret, SecretView::Foreign) {
        let message = format!("Secret {} exists and was not written by Admittance", subject.secret_name);
        return Some(Unusable { reason: Reason::SecretNotOurs, message });
    }
    let first = refused.first()?;
    let reason = Reason::of_code(&first.reason)?;
    let all = refused.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; ");
    Some(Unusable { reason, message: format!("{all}. {}", reason.remedy()) })
}

/// Rights, credential, proof and Secret.
fn provide(
    seen: &Observation,
    subject: &Subject,
    asked: &Asked,
    connection: &Connection,
    held: &Held,
    plan: &mut Plan,
) {
    let granted = |topic: &&String| plan.refused.iter().all(|refusal| refusal.topic != **topic);
    let consumes: Vec<String> = asked.consumes.iter().filter(granted).cloned().collect();
    let produces: Vec<String> = asked.produces.iter().filter(granted).cloned().collect();
    let (reads, writes) = (consumes.iter().map(String::as_str), produces.iter().map(String::as_str));
    let wanted = rights(&subject.username, &seen.key.0, reads, writes);
    let missing: Vec<_> = wanted.difference(&held.rules).cloned().collect();
    let extra: Vec<_> = held.rules.difference(&wanted).cloned().collect();
    if !missing.is_empty() {
        plan.steps.push(Step::Grant(missing));
    }
    if !extra.is_empty() {
        plan.steps.push(Step::Revoke(extra));
    }
    if credential_is_off(seen, connection, held) {
        plan.steps.push(Step::SetCredential);
    }
    let replaces = match &held.secret {
        SecretView::Ours { resource_version, data: stands } => {
            let subject = CredentialSubject {
                namespace: &seen.key.0,
                workload: &subject.workload,
                username: &subject.username,
                consumes: &consumes,
                produces: &produces,
            };
            let right = held.secret.password().is_some_and(|password| {
                let wanted = data(subject, password, &connection.terms);
                wanted.len() == stands.len() && wanted.iter().all(|(key, value)| stands.get(*key) == Some(value))
            });
            (!right).then(|| Some(resource_version.clone()))
        }
        SecretView::Absent => Some(None),
        SecretView::Foreign => None,
    };
    let at_work = plan.steps.iter().any(|step| !matches!(step, Step::Revoke(_)));
    if at_work || replaces.is_some() || (plan.obstacle.is_none() && !is_ready(seen.claim.as_deref())) {
        let topics = consumes.iter().chain(&produces).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        plan.steps.push(Step::Prove { rules: wanted.into_iter().collect(), topics });
    }
    plan.steps.extend(replaces.map(|replaces| Step::Publish { replaces }));
}

/// Whether Kafka lacks the published credential, holds another, or there is none yet.
fn credential_is_off(seen: &Observation, connection: &Connection, held: &Held) -> bool {
    let Some(password) = held.secret.password() else { return true };
    let slot = held.slots.iter().find(|slot| slot.mechanism == mechanism(connection.terms.mechanism));
    let stored = slot.map(|slot| slot.iterations);
    seen.credential_doubted || stored != i32::try_from(iterations(password).get()).ok()
}

/// Whether the claim is reported ready for what it says now.
fn is_ready(claim: Option<&AccessClaim>) -> bool {
    let Some(claim) = claim else { return false };
    let ready = claim.status.as_ref().and_then(|status| condition(&status.conditions, READY));
    ready.is_some_and(|ready| ready.status == "True" && ready.observed_generation == claim.metadata.generation)
}
