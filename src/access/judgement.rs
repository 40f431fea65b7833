//! What a workload is to have of what it asks for, and what it is not given. Pure.

use super::groups::{self, GroupQuestion, GroupView};
use super::observe::{Held, Observation, Subject};
use super::prefix::{self, Prefixes};
use super::rights::rule;
use super::standing::{Question, Standing, standing};
use super::step::Step;
use super::topic_view::TopicView;
use super::verdicts::Verdict;
use super::wishes::Wishes;
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, Refusal, Right, TopicClaim, TopicClaimSpec, TopicSource};
use crate::clusters::{Connection, Terms};
use crate::intent::claim::refusal::refusal;
use crate::intent::manual::fault;
use crate::ownership::own_name;

/// What the workload is to have, and what it is not given.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) given: Wishes,
    pub(super) prefixes: Prefixes,
    pub(super) ids: Prefixes,
    pub(super) refused: Vec<Refusal>,
    pub(super) grants: Vec<Grant>,
    pub(super) groups: Vec<String>,
}

/// Whose everything is: claims topics that are nobody's, and refuses what is another's.
pub(super) fn judge(
    seen: &Observation,
    subject: &Subject,
    asked: &Wishes,
    (connection, prefixes): (&Connection, Prefixes),
    held: &Held,
    steps: &mut Vec<Step>,
) -> Judgement {
    let terms = &connection.terms;
    let taken = |group: &str| prefix::fault(group, &seen.key.0, &connection.claim.scope, &terms.neighbours, &prefixes);
    let before = seen.claim.as_ref().and_then(|claim| claim.status.as_ref());
    let told = before.map_or(&[][..], |status| &status.refused);
    let before = before.map_or(&[][..], |status| &status.grants);
    let mut judgement = Judgement::default();
    for (name, right) in asked.rights() {
        let has = held.rules.contains(&rule(&subject.username, right, name));
        let stands = match fault(name, right) {
            Some((reason, message)) => Standing::Refused(reason, message),
            None if !seen.admitted => {
                let message = format!("BrokerCluster {} is not for namespace {}", subject.cluster, seen.key.0);
                Standing::Refused(Reason::ClusterNotAllowed, message)
            }
            None if right == Right::Join
                && !has
                && let Some(message) = taken(name) =>
            {
                Standing::Refused(Reason::GroupPrefixTaken, message)
            }
            None => match standing_of(seen, terms, held, (name, right, has), before) {
                refused @ Standing::Refused(..) => refused,
                // Who opts out gets nothing new; what Pods that run have stays theirs as long as its owner lends it.
                _ if !seen.opted_in && !has => {
                    let message = format!("namespace {} is not opted in", seen.key.0);
                    Standing::Pending(Reason::NotOptedIn, message)
                }
                Standing::Pending(Reason::ReviewFailed, message) if !has && is_unasked(held, name, right) => {
                    unasked((name, right), told, message)
                }
                stands => stands,
            },
        };
        let (gets, refusal) = match stands {
            Standing::Own => {
                if right == Right::Join && !own_name(name, &seen.key.0) {
                    judgement.groups.push(name.clone());
                }
                (true, None)
            }
            Standing::Lent(grant) => {
                judgement.grants.push(grant);
                (true, None)
            }
            Standing::Nobodys => {
                let source = if asked.produces.contains(name) { TopicSource::Producer } else { TopicSource::Consumer };
                let claim = Step::ClaimTopic { topic: name.clone(), source };
                if !steps.contains(&claim) {
                    steps.push(claim);
                }
                // A claim that policy refuses says so, and leads to no right while that is on its way.
                let unfit = unfit(seen, subject, terms, name, source);
                (has || unfit.is_none(), unfit)
            }
            Standing::Pending(reason, message) => {
                // What stays was lent all the same: the right must not pass for one of the namespace's own at the next look.
                let lent = before.iter().find(|grant| has && (grant.right, &grant.name) == (right, name));
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
    judgement.given.transactions = asked.transactions && seen.admitted;
    judgement.prefixes = prefixes;
    judgement.own_applications(seen, asked);
    judgement
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

/// Why the cluster's policy would refuse a claim on a topic of this name.
fn unfit(
    seen: &Observation,
    subject: &Subject,
    terms: &Terms,
    topic: &str,
    source: TopicSource,
) -> Option<(Reason, String)> {
    let mut claim = TopicClaim::new(topic, TopicClaimSpec::of(topic, &subject.cluster, source));
    claim.metadata.namespace = Some(seen.key.0.clone());
    refusal(&claim, &terms.topics.limits, seen.admitted)
}

fn standing_of(
    seen: &Observation,
    terms: &Terms,
    held: &Held,
    (name, right, has): (&str, Right, bool),
    before: &[Grant],
) -> Standing {
    if right == Right::Join {
        let unknown = GroupView::default();
        let view = held.groups.get(name).unwrap_or(&unknown);
        let us = (seen.key.0.as_str(), seen.key.1.as_str());
        return groups::standing(&GroupQuestion { us, group: name, view, held: has, before, policy: terms.groups });
    }
    let unknown = TopicView::default();
    let view = held.topics.get(name).unwrap_or(&unknown);
    let undeclared = terms.topics.undeclared;
    let said = standing(&Question { namespace: &seen.key.0, topic: name, right, view, held: has, before, undeclared });
    untold(said, name, view, has)
}

fn is_unasked(held: &Held, name: &str, right: Right) -> bool {
    let verdict = match right {
        Right::Join => held.groups.get(name).and_then(|view| view.verdict.as_ref()),
        Right::Consume | Right::Produce => held.topics.get(name).and_then(|view| view.verdicts.get(&right)),
    };
    verdict == Some(&Verdict::Unasked)
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
