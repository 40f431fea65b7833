//! What has to be done for one access: data in, ordered steps out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::asks::strangers::strangers;
use super::asks::wishes::Wishes;
use super::asks::{Ask, Asker};
use super::case::Case;
use super::drift::Drift;
use super::given::groups;
use super::life::{Life, life};
use super::password::copies;
use super::password::rotation::Overlap;
use super::seen::{Observation, Subject};
use super::step::Step;
use crate::api::names::check_object;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, AccessSource, Grant, Quotas, Refusal, WorkloadOwner};
use crate::clusters::Unusable;
use crate::intent::Wait;
use crate::kafka::admin::quotas::Quota;

/// How often an access is looked at whose end waits for Pods that carry its label.
const LABEL_LOOK: Duration = Duration::from_secs(30);
/// How soon an access is looked at again that asks for a topic or a group of which Kafka did not tell whether it is there.
const UNKNOWN_LOOK: Duration = Duration::from_secs(10);

/// The decision about one access.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to do, in the order of its stages; nothing at rest.
    pub steps: Vec<Step>,
    /// Rights that are asked for and refused.
    pub refused: Vec<Refusal>,
    /// Rights on topics of other namespaces.
    pub grants: Vec<Grant>,
    /// Groups that are its namespace's because it asked first.
    pub groups: Vec<String>,
    /// The groups beyond them that it had once.
    pub left_groups: Vec<String>,
    /// What keeps the access from being ready once the steps are done; nothing where it then is.
    pub obstacle: Option<Unusable>,
    /// Who is not part of this access although it asks for it, by uid, and why.
    pub strangers: BTreeMap<String, Unusable>,
    /// The limits of the user once the steps are done, where there are any.
    pub quotas: Option<Quotas>,
    /// What the rules of the user are once the steps are done: see [`AccessClaimStatus::rules`](crate::api::resources::AccessClaimStatus).
    pub rules: Option<String>,
    /// What somebody else changed in Kafka.
    pub drift: Drift,
    /// Why the workload does not have the groups that begin with its namespace's name.
    pub prefix_refused: Option<String>,
    /// Why it does not have the transactional ids that begin so.
    pub ids_refused: Option<String>,
    /// What the Pods belong to; nothing where there is none to ask.
    pub owners: Vec<WorkloadOwner>,
    /// Since when nobody wants the access.
    pub idle_since: Option<Time>,
    /// The Pods because of whose label its end is put off.
    pub labelled: Vec<String>,
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
    let strangers = strangers(seen);
    let Some(subject) = &seen.subject else {
        // Nobody who can be read; those who cannot are told.
        return (!strangers.is_empty()).then(|| Plan { strangers, ..Plan::default() });
    };
    let members: Vec<&Ask> = seen.asks.iter().filter(|ask| !strangers.contains_key(ask.by.uid())).collect();
    let asked = asked(seen, &members);
    let quotas = seen.status().and_then(|status| status.quotas);
    let mut plan = Plan { owners: owners(seen, &members), strangers, quotas, ..Plan::default() };
    record(seen, subject, &asked, &mut plan.steps);
    let (ground, held) = match &seen.held {
        Ok((ground, held)) => (ground, held),
        Err(unusable) if was_for_nothing(seen, unusable) => {
            return Some(Plan { steps: vec![Step::ConfirmEnd, Step::DeleteClaim], ends: true, ..plan });
        }
        Err(unusable) => return Some(Plan { obstacle: Some(unusable.clone()), ..plan }),
    };
    let case = Case { seen, subject, ground, held };
    if case.ends(&members, &mut plan) {
        return Some(case.end(plan));
    }
    case.give(&members, &asked, &mut plan);
    plan.steps.sort_by_key(Step::stage);
    Some(plan)
}

impl Case<'_> {
    /// Whether the access is over; else it is noted how it stands, and when to look again.
    fn ends(&self, members: &[&Ask], plan: &mut Plan) -> bool {
        let Self { seen, held, .. } = *self;
        let idle_after = self.ground.terms.lifetimes.idle_after;
        let noted = || seen.status().and_then(|status| status.idle_since.clone());
        // A Pod that cannot be read lives all the same: it may be one that another version let in.
        let unreadable = seen.asks.iter().any(|ask| ask.intent.is_err());
        match life_of(seen, !members.is_empty() || unreadable, idle_after) {
            // The end of an owner without Pods is no event.
            Life::Wanted if members.is_empty() && !seen.owners.is_empty() => plan.next = Some(owner_look(idle_after)),
            Life::Wanted => {}
            // Nothing ends by what is not known, and what was noted stays.
            Life::Unknown => (plan.idle_since, plan.next) = (noted(), Some(owner_look(idle_after))),
            Life::Ended if held.unseen.is_some() => plan.idle_since = noted(),
            Life::Idle { since, left } => (plan.idle_since, plan.next) = (Some(since), Some(left)),
            // Whatever they are, they may have its Secret: the end would be given up at the last look.
            Life::Ended if !seen.labelled.is_empty() => {
                plan.idle_since = noted();
                (plan.labelled, plan.next) = (seen.labelled.clone(), Some(LABEL_LOOK));
            }
            Life::Ended => return true,
        }
        false
    }

    /// The rights first, which acts on live connections; then the Secret, the credential that it told, and the claim.
    fn end(&self, plan: Plan) -> Plan {
        let Self { subject, held, .. } = *self;
        let mut steps = vec![Step::ConfirmEnd];
        if !held.rules.is_empty() {
            steps.push(Step::Revoke(held.rules.iter().cloned().collect()));
        }
        let secrets = [(&subject.secret_name, &held.secret)].into_iter().chain(&held.copies);
        steps.extend(secrets.filter_map(|(name, view)| Some(Step::unpublish(name, view.ours()?))));
        if held.quotas.is_some_and(|quotas| quotas != Quota::default()) {
            steps.push(Step::RemoveQuotas);
        }
        if !held.slots.is_empty() {
            steps.push(Step::RemoveCredential(held.slots.iter().map(|slot| slot.mechanism).collect()));
        }
        steps.push(Step::DeleteClaim);
        Plan { steps, ends: true, ..plan }
    }

    /// Judges what is asked for, and plans what follows from it.
    fn give(&self, members: &[&Ask], asked: &Wishes, plan: &mut Plan) {
        let Self { seen, held, .. } = *self;
        let judgement = self.judge(asked, &mut plan.steps);
        let groups = held.groups.values().map(|group| &group.unknown);
        if groups.chain(held.topics.values().map(|topic| &topic.unknown)).any(Option::is_some) {
            plan.next = plan.next.into_iter().chain([UNKNOWN_LOOK]).min();
        }
        let published = held.secret.password().is_some();
        plan.obstacle = held.unseen.clone().or_else(|| self.obstacle(&judgement.refused, asked));
        if !seen.opted_in && !published && plan.obstacle.is_none() {
            let message = format!("namespace {} is not opted in", seen.key.0);
            plan.obstacle = Some(Unusable { reason: Reason::NotOptedIn, message });
        }
        if held.unseen.is_some() {
            self.take(&judgement, plan);
        } else if plan.obstacle.is_none() || (published && !held.secret.is_foreign()) {
            self.provide(&judgement, asked, plan);
        } else {
            // Nothing is handed out; what is not given any more is taken all the same.
            self.revoke(&judgement, plan);
        }
        if published && plan.obstacle.is_none() || plan.steps.iter().any(|step| matches!(step, Step::Publish { .. })) {
            plan.steps.extend(gated(seen, members).map(|pods| Step::OpenGates { pods }));
        }
        plan.left_groups = groups::left(seen.status(), &judgement.groups);
        (plan.refused, plan.grants, plan.groups) = (judgement.refused, judgement.grants, judgement.groups);
    }

    /// What keeps it from being ready, of what was judged and of the names of its Secrets.
    fn obstacle(&self, refused: &[Refusal], asked: &Wishes) -> Option<Unusable> {
        let own = self.held.secret.is_foreign().then_some(self.subject.secret_name.as_str());
        if let Some(taken) = own.or_else(|| self.held.taken(asked)) {
            let message = format!("Secret {taken} exists and was not written by Admittance for this access");
            return Some(Unusable { reason: Reason::SecretNotOurs, message });
        }
        let first = refused.first()?;
        let reason = Reason::of_code(&first.reason)?;
        let mut all: Vec<&str> = refused.iter().map(|refusal| refusal.message.as_str()).collect();
        all.dedup();
        Some(Unusable { reason, message: format!("{}. {}", all.join("; "), reason.remedy()) })
    }
}

/// The Pods that wait at a scheduling gate and have not been let through.
fn gated(seen: &Observation, members: &[&Ask]) -> Option<Vec<(String, String)>> {
    let waits = |ask: &&&Ask| ask.intent.as_ref().is_ok_and(|intent| intent.wait == Wait::Gate);
    let pod = |ask: &&Ask| match &ask.by {
        Asker::Pod(pod) => Some((pod.name.clone(), pod.uid.clone())),
        Asker::Deployment(_) => None,
    };
    let waiting = members.iter().filter(waits).filter_map(pod);
    let pods: Vec<_> = waiting.filter(|(_, uid)| !seen.let_through.contains(uid)).collect();
    (!pods.is_empty()).then_some(pods)
}

/// Whether a claim of Pods that are gone waits for a cluster that is not there, and nothing was ever made for it.
fn was_for_nothing(seen: &Observation, unusable: &Unusable) -> bool {
    let untouched = |claim: &AccessClaim| {
        let status = claim.status.as_ref();
        claim.spec.source == AccessSource::Pods
            && status.is_none_or(|status| status.username.is_none() && status.secret_name.is_none())
    };
    unusable.reason == Reason::ClusterNotFound
        && seen.opted_in
        && seen.asks.is_empty()
        && seen.labelled.is_empty()
        && seen.claim.as_deref().is_some_and(untouched)
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

/// What the Pods belong to; where there are none, what the last ones belonged to.
fn owners(seen: &Observation, members: &[&Ask]) -> Vec<WorkloadOwner> {
    if members.is_empty() {
        // No object has another name: such an owner is nobody, and would be asked about for ever.
        let last = seen.status().into_iter().flat_map(|status| &status.owners);
        return last.filter(|owner| check_object(&owner.name).is_ok()).cloned().collect();
    }
    let owners: BTreeSet<_> = members.iter().filter_map(|ask| ask.by.owner()).collect();
    owners.into_iter().collect()
}

/// The union of what the Pods ask for; what the claim says where there is no Pod at all.
fn asked(seen: &Observation, members: &[&Ask]) -> Wishes {
    let intents: Vec<_> = members.iter().filter_map(|ask| ask.intent.as_ref().ok()).collect();
    let unreadable = seen.asks.iter().any(|ask| ask.intent.is_err());
    match &seen.claim {
        Some(claim) if intents.is_empty() => Wishes::of_claim(&claim.spec),
        // Rights never shrink while a Pod lives that cannot be read.
        Some(claim) if unreadable => Wishes::of_intents(intents).union(Wishes::of_claim(&claim.spec)),
        _ => Wishes::of_intents(intents),
    }
}

fn record(seen: &Observation, subject: &Subject, asked: &Wishes, steps: &mut Vec<Step>) {
    let asked = Wishes { secrets: copies::on_record(asked, seen.claim.as_deref(), seen.held()), ..asked.clone() };
    match &seen.claim {
        None => {
            let (workload, cluster) = (subject.workload.clone(), subject.cluster.clone());
            let spec = AccessClaimSpec { workload, cluster, ..AccessClaimSpec::empty() };
            steps.push(Step::CreateClaim(Box::new(asked.into_claim(spec))));
        }
        // What people wrote is theirs.
        Some(claim) if claim.spec.source == AccessSource::Manual => {
            if seen.unplaced && seen.held.is_ok() {
                steps.push(Step::RecordCluster);
            }
        }
        Some(claim) => {
            let spec = asked.into_claim(claim.spec.clone());
            if spec != claim.spec {
                steps.push(Step::UpdateClaim(Box::new(spec)));
            }
        }
    }
}
