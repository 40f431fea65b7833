//! Who holds rights on a topic that no claim is on record for. Pure.

use std::collections::BTreeSet;

use crate::api::names::Scope;
use crate::api::resources::{AccessClaim, Right};
use crate::kafka::acl::{AclBinding, PatternType};

/// The holders of rules on exactly this topic: those of prefixes and wildcards say nothing of whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Namespaces of ours whose workloads do, and were not lent it.
    pub namespaces: BTreeSet<String>,
    /// A scope of another Kubernetes cluster whose workloads do.
    pub neighbour: Option<Scope>,
    /// Whether anybody else does, whom no Kubernetes cluster speaks for.
    pub strangers: bool,
}

impl Holders {
    /// Reads them from rules. `neighbours` are the scopes that other Kubernetes clusters claim in this Kafka; `borrows` is whether an access,
    /// by its namespace and name, was lent its right: then that shows a claim of another namespace, and none of its own.
    #[must_use]
    pub fn of(
        rules: &[AclBinding],
        ours: &Scope,
        neighbours: &BTreeSet<Scope>,
        borrows: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let literal = |rule: &&AclBinding| rule.pattern_type == PatternType::Literal && rule.resource_name != "*";
        let named: Vec<_> = rules.iter().filter(literal).collect();
        let users: Vec<&str> = named.iter().filter_map(|rule| rule.principal.strip_prefix("User:")).collect();
        let of_scope = |scope: &&Scope| {
            users.iter().any(|user| user.strip_prefix(scope.as_ref()).is_some_and(|rest| rest.starts_with('.')))
        };
        let neighbour = neighbours.iter().find(of_scope).cloned();
        let known: Vec<_> = users.iter().filter_map(|user| ours.access_of(user)).collect();
        let strangers = neighbour.is_none() && known.len() < named.len();
        let own = known.into_iter().filter(|(namespace, access)| !borrows(namespace, access));
        let namespaces = own.map(|(namespace, _)| namespace.to_owned()).collect();
        Self { namespaces, neighbour, strangers }
    }

    /// Whether workloads of this namespace hold rights of their own, and nobody else's do: its claim was lost.
    #[must_use]
    pub fn are_only(&self, namespace: &str) -> bool {
        self.neighbour.is_none() && self.namespaces.len() == 1 && self.namespaces.contains(namespace)
    }

    /// Whether nobody holds rights but workloads of ours, if they do: what others were lent may be in Kafka before the topic is.
    #[must_use]
    pub fn are_ours(&self) -> bool {
        self.neighbour.is_none() && !self.strangers
    }
}

/// Whether another namespace lent an access its right on a topic, as it was reported last.
#[must_use]
pub fn borrows(access: &AccessClaim, topic: &str) -> bool {
    let grants = access.status.iter().flat_map(|status| &status.grants);
    grants.filter(|grant| grant.right != Right::Join).any(|grant| grant.name == topic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{AccessClaimSpec, AccessClaimStatus, Grant};
    use crate::kafka::acl::{Operation, ResourceType};

    fn holders(principals: &[String]) -> Holders {
        let rule = |principal: &String| {
            let kind = (ResourceType::Topic, PatternType::Literal);
            AclBinding::allow(format!("User:{principal}"), Operation::Read, kind.0, kind.1, "orders")
        };
        let rules: Vec<_> = principals.iter().map(rule).collect();
        let neighbours = [Scope::parse("prod").unwrap()].into();
        Holders::of(&rules, &Scope::from_cluster_uid("a"), &neighbours, |namespace, _| namespace == "borrower")
    }

    fn ours(namespace: &str) -> String {
        Scope::from_cluster_uid("a").username(namespace, "app")
    }

    #[test]
    fn one_namespace_of_ours_alone_has_lost_its_claim() {
        assert!(holders(&[ours("shop"), "admin".into()]).are_only("shop"));
        assert!(!holders(&[ours("shop"), ours("web")]).are_only("shop"));
        assert!(!holders(&[]).are_only("shop"));
    }

    #[test]
    fn what_was_lent_shows_no_claim_of_the_borrowers() {
        assert!(!holders(&[ours("borrower")]).are_only("borrower"));
        let both = holders(&[ours("shop"), ours("borrower")]);
        assert!(both.are_only("shop") && both.are_ours(), "the lender's own right does");
    }

    #[test]
    fn a_grant_on_record_is_what_was_lent() {
        let mut access = AccessClaim::new("app", AccessClaimSpec::empty());
        assert!(!borrows(&access, "orders"));
        let grant = |right, name: &str| Grant { right, name: name.into(), namespace: "shop".into(), via: "x".into() };
        let grants = vec![grant(Right::Produce, "orders"), grant(Right::Join, "group")];
        access.status = Some(AccessClaimStatus { grants, ..AccessClaimStatus::default() });
        assert!(borrows(&access, "orders"));
        assert!(!borrows(&access, "group") && !borrows(&access, "bills"), "a group is no topic");
    }

    #[test]
    fn whoever_else_holds_rights_is_seen() {
        for (principals, nobody_else) in [
            (vec![], true),
            (vec![ours("shop")], true),
            (vec![ours("shop"), ours("web")], true),
            (vec![ours("shop"), "admin".into()], false),
            (vec!["prod.shop.app".into()], false),
        ] {
            assert_eq!(holders(&principals).are_ours(), nobody_else, "{principals:?}");
        }
    }

    #[test]
    fn another_kubernetes_clusters_workloads_are_seen() {
        let shared = holders(&[ours("shop"), "prod.shop.app".into()]);
        assert_eq!(shared.neighbour, Scope::parse("prod").ok());
        assert!(!shared.are_only("shop"));
        assert_eq!(holders(&["production.shop.app".into()]).neighbour, None, "a scope that begins the same");
    }
}
