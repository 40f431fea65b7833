//! What is seen of one access: everything that a decision about it needs, in plain data. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use super::asks::Ask;
use super::asks::wishes::Wishes;
use super::given::groups::GroupView;
use super::given::topic_view::TopicView;
use super::life::Ownership;
use super::password::rotation::{Reader, Request};
use super::password::secret_view::{Ours, SecretView};
use crate::api::resources::{AccessClaim, AccessClaimStatus};
use crate::clusters::{Ground, Unusable};
use crate::intent::Intent;
use crate::kafka::acl::AclBinding;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::watch::AccessKey;

/// Who the access is, once it is known: from the claim if there is one, else from the first Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The workload.
    pub workload: String,
    /// The cluster, as `namespace/name`.
    pub cluster: String,
    /// The Kafka user.
    pub username: String,
    /// The credential Secret.
    pub secret_name: String,
}

impl Subject {
    /// Whether it is who an intent speaks of.
    #[must_use]
    pub fn is(&self, intent: &Intent) -> bool {
        intent.workload.as_ref() == self.workload && intent.cluster.to_string() == self.cluster
    }
}

/// What Kafka and the API server say about the credential and the rights.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The rules of the user.
    pub rules: BTreeSet<AclBinding>,
    /// The slots of the user.
    pub slots: Vec<StoredCredential>,
    /// The limits of the user; `None` where nobody asks for any and Kafka does not show them.
    pub quotas: Option<Quota>,
    /// The Secret.
    pub secret: SecretView,
    /// Further Secrets that are asked for, or on record.
    pub copies: BTreeMap<String, SecretView>,
    /// Those of them that nobody asks for any more, and Pods read.
    pub read_copies: BTreeSet<String>,
    /// The topics that are asked for, or were granted.
    pub topics: BTreeMap<String, TopicView>,
    /// The groups that are asked for beyond those of the namespace.
    pub groups: BTreeMap<String, GroupView>,
    /// A user of another Kubernetes cluster that has the namespace's prefix of groups.
    pub rival: Option<String>,
    /// One that has the plain prefix of the workload's transactional ids.
    pub id_rival: Option<String>,
    /// The Pods that read the Secret, where it matters: while the user has two passwords, or one from an earlier life, and until nobody has
    /// one that was replaced.
    pub readers: Option<Vec<Reader>>,
    /// Whether they matter, and could not be looked at.
    pub unread: bool,
    /// Why something of all this could not be seen: it may be anything. Rules, topics and groups are as they are said to be all the same.
    pub unseen: Option<Unusable>,
}

impl Held {
    /// A copy of ours, by its name.
    #[must_use]
    pub fn copy(&self, name: &str) -> Option<&Ours> {
        self.copies.get(name)?.ours()
    }

    /// When the last of the Secrets was given the published password: a Pod may read any of them.
    #[must_use]
    pub fn published(&self) -> Option<Timestamp> {
        let first = self.secret.ours()?;
        let copies = self.copies.values().filter_map(SecretView::ours);
        copies.chain([first]).map(|secret| secret.published).max()
    }

    /// A copy that is asked for under a name that somebody else has.
    #[must_use]
    pub fn taken(&self, asked: &Wishes) -> Option<&str> {
        let taken = self.copies.iter().find(|(name, view)| view.is_foreign() && asked.secrets.contains(*name));
        taken.map(|(name, _)| name.as_str())
    }
}

/// Everything that a decision needs.
#[derive(Debug)]
pub struct Observation {
    /// Namespace and name of the access.
    pub key: AccessKey,
    /// The claim.
    pub claim: Option<Arc<AccessClaim>>,
    /// The requests of Pods and Deployments, in the order of their names; none where the namespace is not opted in.
    pub asks: Vec<Ask>,
    /// Who it is; nothing where neither a claim nor a readable Pod says so.
    pub subject: Option<Subject>,
    /// The service accounts of its Pods, where it asks for topics of other namespaces.
    pub accounts: BTreeSet<String>,
    /// What is held, and on what terms, or why Kafka cannot be asked.
    pub held: Result<(Ground, Held), Unusable>,
    /// The last proof failed by the credential: what Kafka holds is not what was published.
    pub credential_doubted: bool,
    /// What became of the owners on record; looked at where there is no Pod.
    pub owners: Vec<Ownership>,
    /// The Pods that carry its label, whether they ask for it or not, sorted.
    pub labelled: Vec<String>,
    /// Whether the claim names no cluster, and none was put on record.
    pub unplaced: bool,
    /// Whether the namespace is opted in.
    pub opted_in: bool,
    /// Whether the cluster is for workloads of this namespace.
    pub admitted: bool,
    /// Pods that were let through the gate, by uid.
    pub let_through: BTreeSet<String>,
    /// The new password that people ask for.
    pub rotate: Option<Request>,
    /// When this was seen, by the API server's clock.
    pub now: Timestamp,
}

impl Observation {
    /// What was reported last.
    #[must_use]
    pub fn status(&self) -> Option<&AccessClaimStatus> {
        self.claim.as_ref()?.status.as_ref()
    }

    /// What is held, where Kafka could be asked.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref().ok().map(|(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(published: i64) -> SecretView {
        SecretView::Ours(Ours {
            uid: "u".into(),
            resource_version: "1".into(),
            rotation: 0,
            published: Timestamp::from_second(published).unwrap(),
            data: BTreeMap::new(),
        })
    }

    #[test]
    fn the_password_counts_as_published_when_the_last_copy_has_it() {
        let at = |second| Timestamp::from_second(second).ok();
        let published = |secret, copy| {
            let copies = [("mine".to_owned(), copy)].into();
            Held { secret, copies, ..Held::default() }.published()
        };
        assert_eq!(published(ours(1), ours(9)), at(9));
        assert_eq!(published(ours(9), ours(1)), at(9));
        assert_eq!(published(ours(5), SecretView::Absent), at(5));
        assert_eq!(published(ours(5), SecretView::Foreign), at(5));
        assert_eq!(published(SecretView::Absent, ours(9)), None);
    }
}
