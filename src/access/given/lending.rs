//! What another namespace's word on a topic or a group of its own means. Pure.

use super::standing::Standing;
use crate::api::names::{MAX_LABEL, MAX_OBJECT, joined_name};
use crate::api::reasons::Reason;
use crate::api::resources::{Grant, Right};

/// Why something is not known that there was no time to ask about: the same words at every look, for new ones would be written.
const UNASKED: &str = "there are too many questions for one look";

/// What the API server says of one right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is granted.
    Granted {
        /// By what, in Kubernetes' words.
        via: String,
    },
    /// It is not granted.
    Denied {
        /// The account that lacks it.
        account: String,
    },
    /// It cannot be told now.
    Unknown(String),
    /// There was no time to ask.
    Unasked,
}

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

    /// What the owner would have to do, as commands that can be sent to it. They may be run again, and for the next who borrows: the Role is
    /// the same for all, and each has a binding of its own.
    fn help(&self, account: &str) -> String {
        const APPLY: &str = "--dry-run=client -o yaml | kubectl apply -f -";
        let (kind, resource, _) = self.what();
        let Self { to, name, owner, object, .. } = self;
        let verb = self.right.verb();
        let (role, binding) = self.names(account);
        format!(
            "{kind} {name} belongs to namespace {owner}; who administers it can grant it: kubectl create role {role} -n {owner} --verb={verb} \
             --resource={resource}.kafka.admittance.dev --resource-name={object} {APPLY} && kubectl create rolebinding {binding} -n {owner} \
             --role={role} --serviceaccount={to}:{account} {APPLY}"
        )
    }

    /// The Role and the RoleBinding. RBAC's names may have a colon, which no other name has: no two borrowers share a binding.
    fn names(&self, account: &str) -> (String, String) {
        let role = joined_name(&[self.right.verb(), self.object], MAX_LABEL);
        let borrower = joined_name(&[&format!("{}:{account}", self.to)], MAX_OBJECT - MAX_LABEL - 1);
        let binding = format!("{role}:{borrower}");
        (role, binding)
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
        Some(untold @ (Verdict::Unknown(_) | Verdict::Unasked)) => {
            let same = |grant: &&Grant| (grant.right, &*grant.name, &*grant.namespace) == (right, name, owner);
            before.iter().find(same).cloned().map_or_else(
                || {
                    let why = if let Verdict::Unknown(error) = untold { error } else { UNASKED };
                    let message = format!("whether {kind} {name} of namespace {owner} may be used: {why}");
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::runtime::events::NOTE;

    fn lending<'l>(to: &'l str, owner: &'l str, object: &'l str) -> Lending<'l> {
        Lending { to, name: object, right: Right::Consume, owner, object, verdict: None, before: &[] }
    }

    fn help(lending: &Lending<'_>, account: &str) -> String {
        let verdict = Verdict::Denied { account: account.to_owned() };
        let Standing::Refused(_, message) = judge(&Lending { verdict: Some(&verdict), ..*lending }) else { panic!() };
        message
    }

    #[test]
    fn the_commands_can_be_run_again_and_for_the_next_who_borrows() {
        let message = help(&lending("web", "shop", "orders"), "default");
        let (said, commands) = message.split_once(": ").unwrap();
        assert_eq!(said, "topic orders belongs to namespace shop; who administers it can grant it");
        let commands: Vec<&str> = commands.split(" && ").collect();
        let apply = "--dry-run=client -o yaml | kubectl apply -f -";
        assert_eq!(
            commands,
            [
                format!(
                    "kubectl create role consume-orders -n shop --verb=consume --resource=topicclaims.kafka.admittance.dev \
                     --resource-name=orders {apply}"
                ),
                format!(
                    "kubectl create rolebinding consume-orders:web:default -n shop --role=consume-orders --serviceaccount=web:default {apply}"
                ),
            ]
        );
    }

    #[test]
    fn no_two_who_borrow_share_a_binding() {
        let (long, other) = ("x".repeat(250), "x".repeat(249));
        let borrowers = [
            ("orders", "web", "default"),
            ("orders", "web", "two"),
            ("orders", "web-two", "default"),
            ("orders-web", "two", "default"),
            ("orders", "web", "two-default"),
            (&long, "web", "default"),
            (&other, "web", "default"),
            ("orders", "web", &long),
            ("orders", "web", &other),
        ];
        let names = borrowers.map(|(object, to, account)| lending(to, "shop", object).names(account));
        let bindings: BTreeSet<&String> = names.iter().map(|(_, binding)| binding).collect();
        assert_eq!(bindings.len(), names.len(), "{bindings:?}");
        for (role, binding) in &names {
            assert!(role.len() <= MAX_LABEL && binding.len() <= MAX_OBJECT, "{role} {binding}");
        }
    }

    #[test]
    fn the_commands_of_long_names_fit_into_an_event() {
        let (space, other, topic) = ("s".repeat(40), "o".repeat(40), "t".repeat(100));
        let message = help(&lending(&space, &other, &topic), "a-service-account");
        assert!(message.len() <= NOTE, "{} bytes", message.len());
    }
}
