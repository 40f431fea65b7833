//! What a workload is to have of what it asks for, and what it is not given. Pure.

use super::groups::{self, GroupQuestion, GroupView};
use super::lending::Verdict;
use super::prefix::{self, Names, Prefixes};
use super::rights::rule;
use super::standing::{Question, Standing, standing};
use super::topic_view::TopicView;
use crate::access::asks::wishes::Wishes;
use crate::access::case::Case;
use crate::access::seen::Observation;
use crate::access::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, Refusal, Right, TopicClaim, TopicClaimSpec, TopicSource};
use crate::intent::claim::refusal::refusal;
use crate::intent::manual::fault;
use crate::ownership::own_name;

/// What the workload is to have, and what it is not given.
#[derive(Debug, Default)]
pub(in crate::access) struct Judgement {
    pub(in crate::access) given: Wishes,
    pub(in crate::access) prefixes: Prefixes,
    pub(in crate::access) ids: Prefixes,
    pub(in crate::access) refused: Vec<Refusal>,
    pub(in crate::access) grants: Vec<Grant>,
    pub(in crate::access) groups: Vec<String>,
}

/// One right that is asked for.
#[derive(Debug, Clone, Copy)]
struct Wish<'w> {
    name: &'w str,
    right: Right,
    /// Whether the user has it in Kafka.
    has: bool,
}

impl Case<'_> {
    /// Whose everything is: claims topics that are nobody's, and refuses what is another's.
    pub(in crate::access) fn judge(&self, asked: &Wishes, steps: &mut Vec<Step>) -> Judgement {
        let mut judgement = Judgement {
            prefixes: self.prefixes(Names::Groups),
            ids: self.prefixes(Names::Ids(&self.subject.workload)),
            ..Judgement::default()
        };
        for (name, right) in asked.rights() {
            let has = self.held.rules.contains(&rule(&self.subject.username, right, name));
            let wish = Wish { name, right, has };
            let (gets, refusal) = match self.stands(wish, &judgement.prefixes) {
                Standing::Own => {
                    if right == Right::Join && !own_name(name, &self.seen.key.0) {
                        judgement.groups.push(name.clone());
                    }
                    (true, None)
                }
                Standing::Lent(grant) => {
                    judgement.grants.push(grant);
                    (true, None)
                }
                Standing::Nobodys => {
                    let unfit = self.claim(name, asked, steps);
                    (has || unfit.is_none(), unfit)
                }
                Standing::Pending(reason, message) => {
                    // What stays was lent all the same: the right must not pass for one of the namespace's own at the next look.
                    let lent = self.grants().iter().find(|grant| has && (grant.right, &grant.name) == (right, name));
                    judgement.grants.extend(lent.cloned());
                    (has, Some((reason, message)))
                }
                Standing::Refused(reason, message) => (false, Some((reason, message))),
            };
            if gets {
                judgement.given.add(name, right);
            }
            judgement.refused.extend(refusal.map(|(reason, message)| Refusal {
                right,
                name: name.clone(),
                reason: reason.code().to_owned(),
                message,
            }));
        }
        judgement.given.transactions = asked.transactions && self.seen.admitted;
        judgement.own_applications(self.seen, asked);
        judgement
    }

    /// How the workload stands to one right.
    fn stands(&self, wish: Wish<'_>, prefixes: &Prefixes) -> Standing {
        let Self { seen, ground, .. } = *self;
        let Wish { name, right, has } = wish;
        if let Some((reason, message)) = fault(name, right) {
            return Standing::Refused(reason, message);
        }
        if !seen.admitted {
            let message = format!("BrokerCluster {} is not for namespace {}", self.subject.cluster, seen.key.0);
            return Standing::Refused(Reason::ClusterNotAllowed, message);
        }
        if right == Right::Join
            && !has
            && let Some(message) = prefix::fault(name, &seen.key.0, &ground.scope, &ground.terms.neighbours, prefixes)
        {
            return Standing::Refused(Reason::GroupPrefixTaken, message);
        }
        match self.standing(wish) {
            refused @ Standing::Refused(..) => refused,
            // Who opts out gets nothing new; what Pods that run have stays theirs as long as its owner lends it.
            _ if !seen.opted_in && !has => {
                let message = format!("namespace {} is not opted in", seen.key.0);
                Standing::Pending(Reason::NotOptedIn, message)
            }
            Standing::Pending(Reason::ReviewFailed, message) if !has && self.is_unasked(name, right) => {
                unasked((name, right), self.refused(), message)
            }
            stands => stands,
        }
    }

    /// Whose it is.
    fn standing(&self, Wish { name, right, has }: Wish<'_>) -> Standing {
        let (key, terms, before) = (&self.seen.key, &self.ground.terms, self.grants());
        if right == Right::Join {
            let unknown = GroupView::default();
            let view = self.held.groups.get(name).unwrap_or(&unknown);
            let us = (key.0.as_str(), key.1.as_str());
            return groups::standing(&GroupQuestion { us, group: name, view, held: has, before, policy: terms.groups });
        }
        let unknown = TopicView::default();
        let view = self.held.topics.get(name).unwrap_or(&unknown);
        let undeclared = terms.topics.undeclared;
        let said = standing(&Question { namespace: &key.0, topic: name, right, view, held: has, before, undeclared });
        untold(said, name, view, has)
    }

    fn is_unasked(&self, name: &str, right: Right) -> bool {
        let verdict = match right {
            Right::Join => self.held.groups.get(name).and_then(|view| view.verdict.as_ref()),
            Right::Consume | Right::Produce => self.held.topics.get(name).and_then(|view| view.verdicts.get(&right)),
        };
        verdict == Some(&Verdict::Unasked)
    }

    /// Claims a topic that is nobody's. One that policy refuses says so, and leads to no right while that is on its way: returns why.
    fn claim(&self, topic: &str, asked: &Wishes, steps: &mut Vec<Step>) -> Option<(Reason, String)> {
        let source = if asked.produces.contains(topic) { TopicSource::Producer } else { TopicSource::Consumer };
        let step = Step::ClaimTopic { topic: topic.to_owned(), source };
        if !steps.contains(&step) {
            steps.push(step);
        }
        let mut claim = TopicClaim::new(topic, TopicClaimSpec::of(topic, &self.subject.cluster, source));
        claim.metadata.namespace = Some(self.seen.key.0.clone());
        refusal(&claim, &self.ground.terms.topics.limits, self.seen.admitted)
    }
}

impl Judgement {
    /// An application's internal topics begin with its id: it must be the namespace's own.
    fn own_applications(&mut self, seen: &Observation, asked: &Wishes) {
        for application in &asked.streams {
            let own = own_name(application, &seen.key.0);
            if let Some(message) = self.prefixes.refused.clone().filter(|_| own) {
                self.refused.push(Refusal {
                    right: Right::Join,
                    name: application.clone(),
                    reason: Reason::GroupPrefixTaken.code().to_owned(),
                    message,
                });
                continue;
            }
            match fault(application, Right::Join) {
                None if own && seen.admitted => _ = self.given.streams.insert(application.clone()),
                None if own => {}
                _ => self.refused.push(Refusal {
                    right: Right::Join,
                    name: application.clone(),
                    reason: Reason::GroupNotAllowed.code().to_owned(),
                    message: format!("the id of the application {application} does not begin with {}.", seen.key.0),
                }),
            }
        }
    }
}

/// What its owner was heard to deny counts as denied until there is time to ask again: a look that gets as far says so, and the next, which
/// does not, must not take it back each time.
fn unasked((name, right): (&str, Right), told: &[Refusal], message: String) -> Standing {
    let denied = match right {
        Right::Join => Reason::GroupOwnedElsewhere,
        Right::Consume | Right::Produce => Reason::TopicOwnedElsewhere,
    };
    let same = |said: &&Refusal| said.right == right && said.name == name && said.reason == denied.code();
    match told.iter().find(same) {
        Some(said) => Standing::Pending(denied, said.message.clone()),
        None => Standing::Pending(Reason::ReviewFailed, message),
    }
}

/// The same where Kafka may not have told of the topic: nothing is added, and what is held stays, unless whoever has the topic denies it.
fn untold(said: Standing, topic: &str, view: &TopicView, has: bool) -> Standing {
    let Some(why) = &view.unknown else { return said };
    match said {
        Standing::Refused(..) if view.owner().is_some() => said,
        Standing::Own | Standing::Lent(_) | Standing::Pending(..) if has => said,
        _ => Standing::Pending(why.reason, format!("whether topic {topic} is there: {}", why.message)),
    }
}
