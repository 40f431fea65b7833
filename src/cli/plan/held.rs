//! What an access holds, as far as it was seen from outside: what was asked, else what the operator last said of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::access::Wanted;
use super::observe::Seen;
use super::topics::refusal_by;
use super::view::View;
use crate::access::asks::wishes::Wishes;
use crate::access::given::groups::GroupView;
use crate::access::given::lending::Verdict;
use crate::access::given::prefix::{Names, Prefixes, Question};
use crate::access::given::rights::{principal, rights};
use crate::access::given::topic_view::TopicView;
use crate::access::password::secret_view::{Ours, SecretView};
use crate::access::seen::{Held, Subject};
use crate::api::annotations::GROUP;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimStatus, Right, TopicClaim};
use crate::api::secret::Secret;
use crate::api::secret_layout::keys;
use crate::kafka::acl::AclBinding;
use crate::ownership::{on_record, own_namespace};

/// Where to look for it.
#[derive(Debug)]
pub(super) struct Sight<'s> {
    /// What is asked for.
    pub(super) wanted: &'s Wanted<'s>,
    /// The access that is there.
    pub(super) live: Option<&'s AccessClaim>,
    /// Who it is.
    pub(super) subject: &'s Subject,
    /// Its cluster.
    pub(super) view: &'s View,
    /// All claims on topics.
    pub(super) world: &'s [Arc<TopicClaim>],
    /// All that was seen.
    pub(super) seen: &'s Seen,
}

impl Sight<'_> {
    /// What it holds.
    pub(super) fn held(&self) -> Held {
        let rules = self.view.rules.as_ref();
        let shown = rules.map(|rules| rules.get(&principal(&self.subject.username)).cloned().unwrap_or_default());
        Held {
            rules: shown.unwrap_or_else(|| self.believed()),
            secret: self.secret(),
            topics: self.topics(),
            groups: self.wanted.spec.groups.iter().map(|name| (name.clone(), self.group(name))).collect(),
            ..Held::default()
        }
    }

    fn status(&self) -> Option<&AccessClaimStatus> {
        self.live?.status.as_ref()
    }

    /// The rules that it has by its claim's word, where Kafka was not asked.
    fn believed(&self) -> BTreeSet<AclBinding> {
        let served = self.live.filter(|_| self.status().is_some_and(|status| status.username.is_some()));
        let mut had = served.map(|claim| Wishes::of_claim(&claim.spec)).unwrap_or_default();
        for refusal in self.status().into_iter().flat_map(|status| &status.refused) {
            match refusal.right {
                Right::Consume => had.consumes.remove(&refusal.name),
                Right::Produce => had.produces.remove(&refusal.name),
                Right::Join => had.groups.remove(&refusal.name),
            };
        }
        let Subject { username, workload, .. } = self.subject;
        let principal = principal(username);
        let prefixes = |names| {
            Prefixes::of(&Question {
                names,
                principal: &principal,
                namespace: &self.wanted.key.0,
                scope: &self.view.ground.scope,
                neighbours: &self.view.ground.terms.neighbours,
                held: &BTreeSet::new(),
                rival: None,
            })
        };
        rights(username, workload, &had, (&prefixes(Names::Groups), &prefixes(Names::Ids(workload))))
    }

    /// Nobody looks into Secrets from here: one that was published is there.
    fn secret(&self) -> SecretView {
        if self.status().is_none_or(|status| status.secret_name.is_none()) {
            return SecretView::Absent;
        }
        SecretView::Ours(Ours {
            uid: String::new(),
            resource_version: String::new(),
            rotation: 0,
            published: self.wanted.now,
            data: BTreeMap::from([(keys::PASSWORD.to_owned(), Secret::new("unknown"))]),
        })
    }

    fn topics(&self) -> BTreeMap<String, TopicView> {
        let spec = &self.wanted.spec;
        let consumed = spec.consumes.iter().map(|name| (name, Right::Consume));
        let mut topics: BTreeMap<String, TopicView> = BTreeMap::new();
        for (name, right) in consumed.chain(spec.produces.iter().map(|name| (name, Right::Produce))) {
            let view = topics.entry(name.clone()).or_insert_with(|| self.topic(name));
            let owner = view.owner().cloned();
            let own = Some(&self.wanted.key.0);
            if let Some(owner) = owner.filter(|owner| owner.metadata.namespace.as_ref() != own) {
                let object = owner.metadata.name.as_deref().unwrap_or_default();
                let of = owner.metadata.namespace.as_deref().unwrap_or_default();
                let said = self.verdict(right, name, "topicclaims", (of, object));
                view.verdicts.insert(right, said);
            }
        }
        topics
    }

    fn topic(&self, name: &str) -> TopicView {
        let cluster = self.wanted.spec.cluster.as_str();
        let of_it =
            |claim: &&Arc<TopicClaim>| (claim.spec.cluster.as_str(), claim.spec.topic_name.as_str()) == (cluster, name);
        let claims = self.world.iter().filter(of_it).cloned().collect();
        let id = self.view.topics.get(name).map(|topic| topic.id);
        let topic = TopicView::new(claims, Ok(id), on_record(Some(&self.view.resource), name));
        TopicView {
            own_namespace: self.own_namespace(name),
            ..topic.judged(|claim| refusal_by(self.view, self.seen, claim))
        }
    }

    fn group(&self, name: &String) -> GroupView {
        let (key, cluster) = (self.wanted.key, &self.wanted.spec.cluster);
        let naming = |claim: &&AccessClaim| claim.spec.cluster == *cluster && claim.spec.groups.contains(name);
        let mut group = GroupView {
            claims: self.seen.accesses.iter().filter(naming).cloned().map(Arc::new).collect(),
            own_namespace: self.own_namespace(name),
            ..GroupView::default()
        };
        let owner = group.owner(name, (&key.0, &key.1));
        group.verdict = owner.map(|owner| self.verdict(Right::Join, name, "accessclaims", owner));
        group
    }

    /// The namespace that is there and whose name this one begins with.
    fn own_namespace(&self, name: &str) -> Option<String> {
        let exists = |name: &str| self.seen.opted_in.as_ref().is_some_and(|names| names.contains(name));
        own_namespace(name, exists).map(str::to_owned)
    }

    /// Whom the owner lends to, only a review by the API server tells, which takes a right that readers lack.
    fn verdict(&self, right: Right, name: &str, resource: &str, (of, object): (&str, &str)) -> Verdict {
        let elsewhere = [Reason::TopicOwnedElsewhere, Reason::GroupOwnedElsewhere].map(Reason::code);
        let refused = self.status().map_or(&[][..], |status| &status.refused);
        let denied = refused.iter().any(|refusal| {
            refusal.right == right && refusal.name == name && elsewhere.contains(&refusal.reason.as_str())
        });
        let (namespace, account) = (&self.wanted.key.0, self.wanted.account);
        if denied {
            return Verdict::Denied { account: account.to_owned() };
        }
        Verdict::Unknown(format!(
            "kubectl auth can-i {} {resource}.{GROUP}/{object} -n {of} --as=system:serviceaccount:{namespace}:{account} tells",
            right.verb(),
        ))
    }
}
