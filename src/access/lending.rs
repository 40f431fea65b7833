//! What another namespace's word on a topic or a group of its own means. Pure.

use super::standing::Standing;
use super::verdicts::Verdict;
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, Right};

/// What is asked for, and what the API server says of it.
#[derive(Debug, Clone, Copy)]
pub struct Lending<'l> {
    /// The namespace that asks.
    pub to: &'l str,
    /// The topic, or the group.
    pub name: &'l str,
    /// The right.
    pub right: Right,
    /// The namespace that owns it.
    pub owner: &'l str,
    /// The object by which it is granted there: the TopicClaim, or the AccessClaim whose group it is.
    pub object: &'l str,
    /// What the API server says; nothing where nobody could be asked about.
    pub verdict: Option<&'l Verdict>,
    /// The grants that were reported last.
    pub before: &'l [Grant],
}

impl Lending<'_> {
    const fn what(&self) -> (&'static str, &'static str, Reason) {
        match self.right {
            Right::Consume | Right::Produce => ("topic", "topicclaims", Reason::TopicOwnedElsewhere),
            Right::Join => ("group", "accessclaims", Reason::GroupOwnedElsewhere),
        }
    }

    /// What the owner would have to do, as commands that can be sent to it.
    fn help(&self, account: &str) -> String {
        let (kind, resource, _) = self.what();
        let Self { to, name, owner, object, .. } = self;
        let verb = self.right.verb();
        format!(
            "{kind} {name} belongs to namespace {owner}; who administers it can grant it: kubectl create role {verb}-{object} -n {owner} \
             --verb={verb} --resource={resource}.kafka.admittance.dev --resource-name={object} && kubectl create rolebinding \
             {verb}-{object}-{to} -n {owner} --role={verb}-{object} --serviceaccount={to}:{account}"
        )
    }
}

/// Judges. A review that fails changes nothing.
#[must_use]
pub fn judge(lending: &Lending<'_>) -> Standing {
    let Lending { name, right, owner, before, .. } = *lending;
    let (kind, _, owned_elsewhere) = lending.what();
    match lending.verdict {
        Some(Verdict::Granted { via }) => {
            Standing::Lent(Grant { right, name: name.to_owned(), namespace: owner.to_owned(), via: via.clone() })
        }
        Some(Verdict::Unknown(error)) => {
            let same = |grant: &&Grant| (grant.right, &*grant.name, &*grant.namespace) == (right, name, owner);
            before.iter().find(same).cloned().map_or_else(
                || {
                    let message = format!("whether {kind} {name} of namespace {owner} may be used: {error}");
                    Standing::Pending(Reason::ReviewFailed, message)
                },
                Standing::Lent,
            )
        }
        Some(Verdict::Denied { account }) => Standing::Refused(owned_elsewhere, lending.help(account)),
        // No Pod asks, and none is remembered.
        None => Standing::Refused(owned_elsewhere, format!("{kind} {name} belongs to namespace {owner}")),
    }
}
