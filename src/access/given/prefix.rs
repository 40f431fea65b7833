//! Which groups and transactional ids a workload may use where another Kubernetes cluster uses the same Kafka, by what they begin with. Pure.
//!
//! `<namespace>.` is a namespace's own in one Kubernetes cluster; a neighbour may have a namespace of that name. `<scope>.<namespace>.` is
//! nobody else's, for the scope is claimed in Kafka. Who shares a group takes the other's partitions; who shares a transactional id shuts the
//! other's producer out.

use std::collections::BTreeSet;

use crate::api::names::Scope;
use crate::kafka::acl::{AclBinding, Operation, PatternType, ResourceType};

/// Names that nobody declares, and that follow from whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names<'n> {
    /// The groups of a namespace.
    Groups,
    /// The transactional ids of this workload.
    Ids(&'n str),
}

impl Names<'_> {
    /// What they begin with where there is no other Kubernetes cluster.
    #[must_use]
    pub fn plain(self, namespace: &str) -> String {
        match self {
            Self::Groups => format!("{namespace}."),
            Self::Ids(workload) => format!("{namespace}.{workload}_"),
        }
    }

    /// The rule that gives a prefix of them. Of transactional ids, the one that [`id`] makes of the prefix goes with it.
    #[must_use]
    pub fn rule(self, principal: &str, prefix: &str) -> AclBinding {
        let (operation, kind) = match self {
            Self::Groups => (Operation::Read, ResourceType::Group),
            Self::Ids(_) => (Operation::Write, ResourceType::TransactionalId),
        };
        AclBinding::allow(principal, operation, kind, PatternType::Prefixed, prefix)
    }

    /// Why the plain ones are not given, and what is.
    fn refused(self, (plain, scoped): (&str, &str), why: &str) -> String {
        match self {
            Self::Groups => format!("groups {plain}* are not given: {why}; use groups {scoped}*"),
            Self::Ids(_) => format!(
                "transactional ids {} and {plain}* are not given: {why}; use {} and {scoped}*",
                id(plain),
                id(scoped)
            ),
        }
    }
}

/// The transactional id that goes with a prefix of such: it, without the mark that numbers follow.
#[must_use]
pub fn id(prefix: &str) -> &str {
    prefix.strip_suffix('_').unwrap_or(prefix)
}

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// What is asked for.
    pub names: Names<'q>,
    /// The principal, with its type.
    pub principal: &'q str,
    /// The namespace.
    pub namespace: &'q str,
    /// Our scope.
    pub scope: &'q Scope,
    /// The scopes of other Kubernetes clusters on this Kafka.
    pub neighbours: &'q BTreeSet<Scope>,
    /// The rules of the user.
    pub held: &'q BTreeSet<AclBinding>,
    /// A neighbour's user that has the plain prefix.
    pub rival: Option<&'q str>,
}

/// The prefixes that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// The one that begins with the namespace, unless a neighbour has it.
    pub plain: Option<String>,
    /// The one that begins with the scope, where there is a neighbour, or was one.
    pub scoped: Option<String>,
    /// Why the plain one is not given.
    pub refused: Option<String>,
}

impl Prefixes {
    /// Decides. What a user has stays: what lives under a prefix must not lose it because somebody else came or went.
    #[must_use]
    pub fn of(question: &Question<'_>) -> Self {
        let Question { names, principal, namespace, scope, neighbours, held, rival } = *question;
        let plain = names.plain(namespace);
        let scoped = format!("{scope}.{plain}");
        let has = |prefix: &str| held.contains(&names.rule(principal, prefix));
        // A namespace that is called as a scope would have the names of all namespaces of that scope.
        let named_so = scope.as_ref() == namespace || neighbours.iter().any(|scope| scope.as_ref() == namespace);
        let refused = match rival {
            _ if has(&plain) => None,
            _ if named_so => Some(format!("{namespace} is also the name of a scope in this Kafka")),
            Some(rival) => Some(format!("{rival} of another Kubernetes cluster on this Kafka has it")),
            None => None,
        };
        let refused = refused.map(|why| names.refused((&plain, &scoped), &why));
        let beside = !neighbours.is_empty() || refused.is_some() || has(&scoped);
        Self { plain: refused.is_none().then_some(plain), scoped: beside.then_some(scoped), refused }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.plain.iter().chain(&self.scoped)
    }

    /// The group that the workload is told to use. One that was told stays: another would begin to read anew.
    #[must_use]
    pub fn group(&self, workload: &str, told: Option<&str>) -> String {
        self.tell(|prefix| format!("{prefix}{workload}"), told)
    }

    /// The transactional id that the workload is told to use. One that was told stays, for Kafka ends what was left open under it.
    #[must_use]
    pub fn id(&self, told: Option<&str>) -> String {
        self.tell(|prefix| id(prefix).to_owned(), told)
    }

    fn tell(&self, named: impl Fn(&str) -> String, told: Option<&str>) -> String {
        let mut all = self.iter().map(|prefix| named(prefix));
        let kept = told.filter(|told| self.iter().any(|prefix| named(prefix) == *told)).map(str::to_owned);
        kept.or_else(|| all.next()).unwrap_or_default()
    }
}

/// A neighbour's user among those that have rules about names of one kind that begin with a prefix.
#[must_use]
pub fn rival(rules: &[AclBinding], prefix: &str, neighbours: &BTreeSet<Scope>) -> Option<String> {
    let users = rules
        .iter()
        .filter(|rule| rule.pattern_type == PatternType::Prefixed && rule.resource_name == prefix)
        .filter_map(|rule| rule.principal.strip_prefix("User:"));
    let theirs = |user: &&str| neighbours.iter().any(|scope| scope.access_of(user).is_some());
    users.filter(theirs).min().map(str::to_owned)
}

/// Why a group that is asked for by name is not to be had: it begins with a scope, and so is the own of a namespace, or a neighbour's;
/// or with the plain prefix that a neighbour has.
#[must_use]
pub fn fault(
    group: &str,
    namespace: &str,
    scope: &Scope,
    neighbours: &BTreeSet<Scope>,
    given: &Prefixes,
) -> Option<String> {
    if given.scoped.as_ref().is_some_and(|prefix| group.starts_with(prefix.as_str())) {
        return None;
    }
    if let Some(refused) = given.refused.as_ref().filter(|_| crate::ownership::own_name(group, namespace)) {
        return Some(refused.clone());
    }
    let begins = |scope: &&Scope| group.strip_prefix(scope.as_ref()).is_some_and(|rest| rest.starts_with('.'));
    let scope = [scope].into_iter().chain(neighbours).find(begins)?;
    // Without a neighbour nobody speaks of scopes, and a namespace may well be called so.
    let spoken_of = !neighbours.is_empty() && !crate::ownership::own_name(group, namespace);
    spoken_of.then(|| {
        format!("group {group} begins with {scope}., a scope in this Kafka, and is the own of one of its namespaces")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    const IDS: Names<'_> = Names::Ids("web");

    fn of(neighbours: &[&str], held: &[&str], rival: Option<&str>, namespace: &str) -> Prefixes {
        these(Names::Groups, neighbours, held, rival, namespace)
    }

    fn these(asked: Names<'_>, neighbours: &[&str], held: &[&str], rival: Option<&str>, namespace: &str) -> Prefixes {
        let neighbours = neighbours.iter().map(|text| scope(text)).collect();
        let held = held.iter().map(|prefix| asked.rule("User:ours.shop.web", prefix)).collect();
        let question = Question {
            names: asked,
            principal: "User:ours.shop.web",
            namespace,
            scope: &scope("ours"),
            neighbours: &neighbours,
            held: &held,
            rival,
        };
        Prefixes::of(&question)
    }

    fn names(prefixes: &Prefixes) -> Vec<&str> {
        prefixes.iter().map(String::as_str).collect()
    }

    #[test]
    fn alone_a_namespace_has_its_name() {
        assert_eq!(names(&of(&[], &[], None, "shop")), ["shop."]);
    }

    #[test]
    fn beside_a_neighbour_there_is_one_more_and_the_plain_one_is_for_who_came_first() {
        assert_eq!(names(&of(&["prod"], &[], None, "shop")), ["shop.", "ours.shop."]);
        let late = of(&["prod"], &[], Some("prod.shop.web"), "shop");
        assert_eq!(names(&late), ["ours.shop."]);
        let said = late.refused.unwrap();
        assert!(said.contains("prod.shop.web") && said.contains("use groups ours.shop.*"), "{said}");
    }

    #[test]
    fn nobody_loses_a_prefix_because_another_comes_or_goes() {
        assert_eq!(names(&of(&["prod"], &["shop."], Some("prod.shop.web"), "shop")), ["shop.", "ours.shop."]);
        assert_eq!(names(&of(&[], &["ours.shop."], None, "shop")), ["shop.", "ours.shop."]);
    }

    #[test]
    fn a_namespace_that_is_called_as_a_scope_gets_no_groups_of_others() {
        assert_eq!(names(&of(&["prod"], &[], None, "prod")), ["ours.prod."]);
        assert_eq!(names(&of(&[], &[], None, "ours")), ["ours.ours."]);
    }

    #[test]
    fn a_group_that_was_told_stays() {
        let both = of(&["prod"], &[], None, "shop");
        assert_eq!(both.group("web", None), "shop.web");
        assert_eq!(both.group("web", Some("ours.shop.web")), "ours.shop.web");
        let late = of(&["prod"], &[], Some("prod.shop.web"), "shop");
        assert_eq!(late.group("web", Some("shop.web")), "ours.shop.web", "it has no right to the other");
    }

    #[test]
    fn transactional_ids_are_kept_apart_as_groups_are() {
        assert_eq!(names(&these(IDS, &[], &[], None, "shop")), ["shop.web_"]);
        let both = these(IDS, &["prod"], &[], None, "shop");
        assert_eq!(names(&both), ["shop.web_", "ours.shop.web_"]);
        assert_eq!(
            (both.id(None), both.id(Some("ours.shop.web"))),
            ("shop.web".to_owned(), "ours.shop.web".to_owned())
        );
        let late = these(IDS, &["prod"], &[], Some("prod.shop.web"), "shop");
        assert_eq!((names(&late), late.id(Some("shop.web"))), (vec!["ours.shop.web_"], "ours.shop.web".to_owned()));
        let said = late.refused.unwrap();
        assert!(said.contains("ids shop.web and shop.web_* are not given: prod.shop.web"), "{said}");
        assert!(said.ends_with("use ours.shop.web and ours.shop.web_*"), "{said}");
        let first = these(IDS, &["prod"], &["shop.web_"], Some("prod.shop.web"), "shop");
        assert_eq!(names(&first), ["shop.web_", "ours.shop.web_"], "what a user has it keeps");
        assert_eq!(names(&these(IDS, &["prod"], &[], None, "prod")), ["ours.prod.web_"]);
    }

    #[test]
    fn only_users_of_neighbours_on_exactly_this_prefix_are_rivals() {
        let neighbours = [scope("prod")].into();
        let found =
            |principal: &str, prefix: &str| rival(&[Names::Groups.rule(principal, prefix)], "shop.", &neighbours);
        assert_eq!(found("User:prod.shop.web", "shop.").as_deref(), Some("prod.shop.web"));
        assert_eq!(found("User:ours.shop.web", "shop."), None);
        assert_eq!(found("User:somebody", "shop."), None);
        assert_eq!(found("User:prod.s.web", "s"), None);
    }

    #[test]
    fn groups_of_scopes_cannot_be_asked_for_by_others() {
        let neighbours = [scope("prod")].into();
        let free = of(&["prod"], &[], None, "shop");
        let late = of(&["prod"], &[], Some("prod.shop.web"), "shop");
        let asked = |group: &str, given: &Prefixes| fault(group, "shop", &scope("ours"), &neighbours, given).is_some();
        assert!(asked("ours.web.x", &free) && asked("prod.shop.x", &free));
        assert!(!asked("ours.shop.x", &free) && !asked("legacy", &free) && !asked("shop.x", &free));
        assert!(asked("shop.x", &late) && !asked("ours.shop.x", &late));
        assert!(!asked("ourselves.x", &free), "another name that begins the same");
    }
}
