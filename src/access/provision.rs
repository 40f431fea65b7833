//! Rights, credential, proof and Secret of an access that is wanted. Pure.

use std::collections::BTreeSet;

use super::asks::wishes::Wishes;
use super::case::Case;
use super::drift::{self, Drift, What};
use super::given::judgement::Judgement;
use super::given::quotas;
use super::given::rights::rights;
use super::password::copies;
use super::password::credentials::data;
use super::password::rotation::Decision;
use super::password::secret_view::SecretView;
use super::plan::Plan;
use super::seen::Held;
use super::step::{Handout, Step};
use crate::api::reasons::Reason;
use crate::api::resources::{Drift as Policy, Quotas, Right};
use crate::clusters::Unusable;
use crate::kafka::acl::{AclBinding, Permission, fingerprint};
use crate::kafka::admin::quotas::Quota;
use crate::kafka::scram::Mechanism;

impl Case<'_> {
    /// Plans what brings Kafka and the Secret to what was judged.
    pub(super) fn provide(&self, judgement: &Judgement, asked: &Wishes, plan: &mut Plan) {
        let Self { seen, subject, ground, held } = *self;
        let wanted = self.wanted(judgement);
        let limits = quotas::effective(&ground.terms.quotas, &seen.key.0, &subject.workload, seen.claim.as_deref());
        let slot = self.slot();
        let rotation = self.rotate(slot, plan);
        let mechanism = rotation.renew.map_or(slot.mechanism, |(mechanism, _)| mechanism);
        let fresh = rotation.renew.is_some();
        plan.drift = Drift::find(&drift::Facts {
            rules: &wanted,
            quotas: limits,
            password: (slot.off && slot.published && !fresh).then_some(slot.mechanism),
            held,
            before: seen.status(),
            report: ground.terms.drift == Policy::Report,
        });
        plan.prefix_refused = judgement.prefixes.refused.clone().filter(|_| !judgement.given.consumes.is_empty());
        plan.ids_refused = judgement.ids.refused.clone().filter(|_| judgement.given.transactions);
        let proven = self.bring_rules(wanted, plan);
        limit(limits, held, plan);
        if fresh || (slot.off && !plan.drift.leaves(What::Credential)) {
            plan.steps.push(Step::SetCredential { mechanism, fresh });
        }
        if plan.drift.leaves(What::Credential) {
            // A password that is left as somebody made it proves nothing, and nothing is handed out without a proof.
            if plan.obstacle.is_none() {
                let message = format!("left as it is: {}", plan.drift.message().unwrap_or_default());
                plan.obstacle = Some(Unusable { reason: Reason::AccessDrifted, message });
            }
        } else {
            let proof = Step::Prove { rules: proven.into_iter().collect(), topics: shown(judgement), mechanism };
            self.hand_out(self.handout(judgement, mechanism), &rotation, (proof, asked), plan);
        }
        self.withdraw(rotation, mechanism, plan);
    }

    /// Plans the changes of the rules; returns those that are to be proven.
    fn bring_rules(&self, wanted: BTreeSet<AclBinding>, plan: &mut Plan) -> BTreeSet<AclBinding> {
        plan.rules = Some(fingerprint(&wanted));
        if plan.drift.leaves(What::Rules) {
            return wanted.intersection(&self.held.rules).cloned().collect();
        }
        let missing: Vec<_> = wanted.difference(&self.held.rules).cloned().collect();
        let grant = (!missing.is_empty()).then_some(Step::Grant(missing));
        self.change(grant.into_iter().chain(self.extra(&wanted)).collect(), plan);
        wanted
    }

    /// What the Secret is to say beside the password.
    fn handout(&self, judgement: &Judgement, mechanism: Mechanism) -> Handout {
        let (given, secret) = (&judgement.given, &self.held.secret);
        Handout {
            mechanism,
            group: judgement.prefixes.group(&self.subject.workload, secret.group()),
            transactional_id: given.transactions.then(|| judgement.ids.id(secret.transactional_id())),
            consumes: given.consumes.iter().cloned().collect(),
            produces: given.produces.iter().cloned().collect(),
        }
    }

    /// Plans the Secret and its copies, and the proof before them.
    fn hand_out(&self, handout: Handout, rotation: &Decision, (proof, asked): (Step, &Wishes), plan: &mut Plan) {
        let writes = self.writes(&handout, rotation.renew.is_some());
        let at_work = plan
            .steps
            .iter()
            .any(|step| !matches!(step, Step::ForgetRules | Step::Revoke(_) | Step::SetQuotas(_) | Step::RemoveQuotas));
        let unproven = plan.obstacle.is_none() && plan.idle_since.is_none() && !self.is_ready();
        if at_work || writes || unproven {
            plan.steps.push(proof);
        }
        // A Secret that was lost goes on counting, as of now, or what it has seen already would look like one more to do.
        let again = self.seen.status().map(|status| status.rotations).filter(|_| self.is_lost());
        // Who has read it so far logs in by the mechanism before, as after a rotation: the time of its publication is to say so.
        let moves = self.held.secret.mechanism() != Some(handout.mechanism);
        let moved = self.held.secret.ours().filter(|_| moves).map(|ours| ours.rotation);
        let number = rotation.renew.map(|(_, number)| number).or(again).or(moved);
        copies::keep(self.held, asked, &handout, writes, plan);
        if writes {
            let replaces = self.held.secret.ours().map(|ours| ours.resource_version.clone());
            plan.steps.push(Step::Publish { replaces, rotation: number, handout });
        }
    }

    /// Whether the Secret is to be written: it does not stand as it should, and is nobody else's.
    fn writes(&self, handout: &Handout, fresh: bool) -> bool {
        let ours = match &self.held.secret {
            SecretView::Ours(ours) => ours,
            SecretView::Absent => return true,
            SecretView::Foreign => return false,
        };
        let right = self.held.secret.password().is_some_and(|password| {
            let wanted = data(handout, (&self.subject.username, password), &self.ground.terms);
            wanted.len() == ours.data.len() && wanted.iter().all(|(key, value)| ours.data.get(*key) == Some(value))
        });
        fresh || !right
    }

    /// Plans to take what is held and not given, and nothing else.
    pub(super) fn revoke(&self, judgement: &Judgement, plan: &mut Plan) {
        self.change(self.extra(&self.wanted(judgement)).into_iter().collect(), plan);
    }

    /// Plans what can be done where something was not seen, which may be anything: what is known to be lost is taken, and nothing else is
    /// done.
    pub(super) fn take(&self, judgement: &Judgement, plan: &mut Plan) {
        plan.steps.clear();
        let (wanted, recorded) = (self.wanted(judgement), self.recorded());
        // What is more than that was added by somebody else, and is to be left.
        let left = self.ground.terms.drift == Policy::Report && recorded == Some(&fingerprint(&wanted));
        self.change(self.extra(&wanted).filter(|_| !left).into_iter().collect(), plan);
        if plan.steps.is_empty() {
            plan.rules = recorded.cloned();
        }
    }

    fn wanted(&self, judgement: &Judgement) -> BTreeSet<AclBinding> {
        let prefixes = (&judgement.prefixes, &judgement.ids);
        rights(&self.subject.username, &self.subject.workload, &judgement.given, prefixes)
    }

    /// What is held and not wanted. A rule that denies is somebody's emergency brake, and stays.
    fn extra(&self, wanted: &BTreeSet<AclBinding>) -> Option<Step> {
        let extra = self.held.rules.difference(wanted).filter(|rule| rule.permission == Permission::Allow);
        let extra: Vec<_> = extra.cloned().collect();
        (!extra.is_empty()).then_some(Step::Revoke(extra))
    }

    /// Plans changes of the rules. Cut short, they must not look like somebody else's where what was wanted before is wanted again.
    fn change(&self, changes: Vec<Step>, plan: &mut Plan) {
        let forget = self.recorded().filter(|_| !changes.is_empty()).map(|_| Step::ForgetRules);
        plan.steps.extend(forget.into_iter().chain(changes));
    }
}

/// The topics that brokers can show. One that is held although something is wrong with it may be nowhere, and what waits for it would
/// wait for ever.
fn shown(judgement: &Judgement) -> Vec<String> {
    let refused = |name: &str, right: Right| {
        judgement.refused.iter().any(|refusal| (refusal.name.as_str(), refusal.right) == (name, right))
    };
    let topics = judgement.given.rights().filter(|(name, right)| *right != Right::Join && !refused(name, *right));
    topics.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Plans the limits. What Kafka does not show us was never set by us.
fn limit(wanted: Quotas, held: &Held, plan: &mut Plan) {
    plan.quotas = (!wanted.is_empty()).then_some(wanted);
    if held.quotas.is_some_and(|stands| stands != Quota::from(wanted)) && !plan.drift.leaves(What::Quotas) {
        plan.steps.push(if wanted.is_empty() { Step::RemoveQuotas } else { Step::SetQuotas(wanted) });
    }
}
