//! How a workload stands to one consumer group beyond those of its namespace. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::lending::Verdict;
use super::lending::{self, Lending};
use super::standing::Standing;
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimStatus, Adoption, Grant, GroupPolicy, Right, Undeclared};
use crate::clusters::Unusable;
use crate::ownership::own_name;

/// One group that is asked for.
#[derive(Debug, Clone, Default)]
pub struct GroupView {
    /// The claims that name it, in every namespace.
    pub claims: Vec<Arc<AccessClaim>>,
    /// Whether Kafka knows it, where no claim has it.
    pub exists: bool,
    /// Why that cannot be told for now, where it could not.
    pub unknown: Option<Unusable>,
    /// The opted-in namespace whose own name it bears.
    pub own_namespace: Option<String>,
    /// What the API server says of joining it, where it is another namespace's.
    pub verdict: Option<Verdict>,
}

impl GroupView {
    /// Whose the group is, where it is another's: the namespace, and the access there whose group it is.
    #[must_use]
    pub fn owner<'g>(&'g self, group: &'g str, us: (&str, &str)) -> Option<(&'g str, &'g str)> {
        if let Some(namespace) = self.own_namespace.as_deref() {
            let access = group.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
            return (namespace != us.0).then_some((namespace, access));
        }
        // To name a group takes an old claim a moment, so what counts is who was given it. Where nobody was yet: the claims' age, and
        // where that is the same, their uids.
        let given = |claim: &&Arc<AccessClaim>| has(claim, group);
        let age = |claim: &&Arc<AccessClaim>| (claim.metadata.creation_timestamp.clone(), claim.metadata.uid.clone());
        let first = self.claims.iter().filter(given).min_by_key(age).or_else(|| self.claims.iter().min_by_key(age))?;
        let name = (first.metadata.namespace.as_deref()?, first.metadata.name.as_deref()?);
        (name.0 != us.0).then_some(name)
    }
}

/// Whether a claim has a group: it was judged its namespace's own, and put on record.
#[must_use]
pub fn has(claim: &AccessClaim, group: &str) -> bool {
    claim.status.as_ref().is_some_and(|status| status.groups.iter().any(|name| name == group))
}

/// Groups on record that a claim had once and has no more. An order that is rolled back names them again.
const LEFT: usize = 100;

/// Whether a claim had a group once. It gives nobody a claim on it: whoever was given it meanwhile has it. But that Kafka still knows its
/// offsets is then no sign of a stranger.
#[must_use]
pub fn had(claim: &AccessClaim, group: &str) -> bool {
    claim.status.as_ref().is_some_and(|status| status.left_groups.iter().any(|name| name == group))
}

/// The groups that a claim had, by what was on record, beside those that it has `now`; sorted.
#[must_use]
pub fn left(before: Option<&AccessClaimStatus>, now: &[String]) -> Vec<String> {
    let known = before.into_iter().flat_map(|status| status.groups.iter().chain(&status.left_groups));
    let left: BTreeSet<&String> = known.filter(|name| !now.contains(name)).collect();
    left.into_iter().take(LEFT).cloned().collect()
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct GroupQuestion<'q> {
    /// Namespace and name of the access.
    pub us: (&'q str, &'q str),
    /// The group.
    pub group: &'q str,
    /// What is known of it.
    pub view: &'q GroupView,
    /// Whether the workload's user has the right in Kafka.
    pub held: bool,
    /// The grants that were reported last.
    pub before: &'q [Grant],
    /// The cluster's policy.
    pub policy: GroupPolicy,
}

/// Answers.
#[must_use]
pub fn standing(question: &GroupQuestion<'_>) -> Standing {
    let GroupQuestion { us, group, view, held, policy, .. } = *question;
    if own_name(group, us.0) {
        return Standing::Own;
    }
    if let Some((namespace, access)) = view.owner(group, us) {
        return lending::judge(&Lending {
            to: us.0,
            name: group,
            right: Right::Join,
            owner: namespace,
            object: access,
            verdict: view.verdict.as_ref(),
            before: question.before,
        });
    }
    if policy.undeclared != Undeclared::Any {
        let message = format!("group {group} does not begin with {}., and the cluster allows no other", us.0);
        return Standing::Refused(Reason::GroupNotAllowed, message);
    }
    let strict = !held && policy.adopt == Adoption::OwnNames;
    if let Some(why) = view.unknown.as_ref().filter(|_| strict) {
        let message = format!("whether group {group} lives in Kafka already: {}", why.message);
        return Standing::Pending(why.reason, message);
    }
    if view.exists && strict {
        let message = format!("group {group} lives in Kafka already, and no AccessClaim has it");
        return Standing::Refused(Reason::GroupUnclaimed, message);
    }
    Standing::Own
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::resources::{AccessClaimSpec, AccessSource};

    fn claim(namespace: &str, created: i64) -> Arc<AccessClaim> {
        let spec = AccessClaimSpec {
            source: AccessSource::Pods,
            workload: "app".into(),
            cluster: "a/b".into(),
            ..AccessClaimSpec::empty()
        };
        let mut claim = AccessClaim::new("app", spec);
        claim.metadata.namespace = Some(namespace.to_owned());
        claim.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        Arc::new(claim)
    }

    fn given(namespace: &str, created: i64, group: &str) -> Arc<AccessClaim> {
        let status = AccessClaimStatus { groups: vec![group.to_owned()], ..AccessClaimStatus::default() };
        Arc::new(AccessClaim { status: Some(status), ..(*claim(namespace, created)).clone() })
    }

    fn ask(view: &GroupView, group: &str, held: bool, policy: GroupPolicy) -> Standing {
        standing(&GroupQuestion { us: ("web", "app"), group, view, held, before: &[], policy })
    }

    #[test]
    fn who_has_it_keeps_it_from_claims_that_are_older() {
        for (claims, owner) in [
            (vec![claim("evil", 1), given("web", 6, "legacy")], None),
            (vec![given("web", 6, "legacy"), given("shop", 5, "legacy")], Some("shop")),
            (vec![given("web", 6, "legacy"), given("shop", 5, "other")], None),
            (vec![claim("web", 6), given("shop", 9, "legacy")], Some("shop")),
            (vec![claim("web", 6), claim("shop", 5)], Some("shop")),
        ] {
            let view = GroupView { claims, ..GroupView::default() };
            assert_eq!(view.owner("legacy", ("web", "app")).map(|(namespace, _)| namespace), owner, "{view:?}");
        }
    }

    #[test]
    fn what_a_claim_had_stays_on_record_and_gives_nobody_a_claim_on_it() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let status =
            AccessClaimStatus { groups: names(&["b", "c"]), left_groups: names(&["a", "d"]), ..Default::default() };
        assert_eq!(left(Some(&status), &names(&["c", "d"])), ["a", "b"]);
        assert_eq!(left(None, &names(&["c"])), [""; 0]);
        let many = AccessClaimStatus { groups: (0..300).map(|n| n.to_string()).collect(), ..Default::default() };
        assert_eq!(left(Some(&many), &[]).len(), LEFT);
        let before = AccessClaim { status: Some(status), ..(*claim("web", 1)).clone() };
        assert!(had(&before, "a") && !has(&before, "a") && !had(&before, "b"));
        let view = GroupView { claims: vec![Arc::new(before), given("shop", 6, "a")], ..GroupView::default() };
        assert_eq!(view.owner("a", ("web", "app")), Some(("shop", "app")));
    }

    #[test]
    fn who_asked_first_has_a_free_name() {
        let both = GroupView { claims: vec![claim("web", 1), claim("shop", 2)], ..GroupView::default() };
        assert_eq!(ask(&both, "legacy", false, GroupPolicy::default()), Standing::Own);
        let late = GroupView {
            claims: vec![claim("web", 2), claim("shop", 1)],
            verdict: Some(Verdict::Denied { account: "default".into() }),
            ..GroupView::default()
        };
        let Standing::Refused(Reason::GroupOwnedElsewhere, message) =
            ask(&late, "legacy", true, GroupPolicy::default())
        else {
            panic!()
        };
        assert!(message.contains("--resource-name=app") && message.contains("-n shop"), "{message}");
    }

    #[test]
    fn a_group_of_another_namespaces_name_is_that_namespaces() {
        let view = GroupView { own_namespace: Some("shop".into()), ..GroupView::default() };
        assert!(matches!(
            ask(&view, "shop.checkout", false, GroupPolicy::default()),
            Standing::Refused(Reason::GroupOwnedElsewhere, _)
        ));
        let granted = GroupView { verdict: Some(Verdict::Granted { via: "RoleBinding shop/x".into() }), ..view };
        assert!(matches!(ask(&granted, "shop.checkout", false, GroupPolicy::default()), Standing::Lent(_)));
    }

    #[test]
    fn a_group_that_lives_unclaimed_is_not_taken_over_by_asking() {
        let view = GroupView { exists: true, ..GroupView::default() };
        let said = ask(&view, "legacy", false, GroupPolicy::default());
        assert!(matches!(said, Standing::Refused(Reason::GroupUnclaimed, _)));
        assert_eq!(ask(&view, "legacy", true, GroupPolicy::default()), Standing::Own, "its members make it live");
        let adopt = GroupPolicy { adopt: Adoption::Any, ..GroupPolicy::default() };
        assert_eq!(ask(&view, "legacy", false, adopt), Standing::Own);
    }

    #[test]
    fn what_kafka_does_not_tell_gives_nothing_and_takes_nothing() {
        let away = Unusable { reason: Reason::KafkaUnreachable, message: "no answer in time".to_owned() };
        let view = GroupView { unknown: Some(away), ..GroupView::default() };
        let said = ask(&view, "legacy", false, GroupPolicy::default());
        let Standing::Pending(Reason::KafkaUnreachable, message) = said else { panic!("{said:?}") };
        assert!(message.contains("group legacy") && message.ends_with("no answer in time"), "{message}");
        assert_eq!(ask(&view, "legacy", true, GroupPolicy::default()), Standing::Own, "it has it");
        let adopt = GroupPolicy { adopt: Adoption::Any, ..GroupPolicy::default() };
        assert_eq!(ask(&view, "legacy", false, adopt), Standing::Own, "it does not matter");
        let others = GroupView { claims: vec![claim("shop", 1)], ..view };
        let said = ask(&others, "legacy", false, GroupPolicy::default());
        assert!(matches!(said, Standing::Refused(Reason::GroupOwnedElsewhere, _)), "{said:?}");
    }

    #[test]
    fn a_strict_house_has_own_names_only() {
        let strict = GroupPolicy { undeclared: Undeclared::OwnNames, ..GroupPolicy::default() };
        let view = GroupView::default();
        assert!(matches!(ask(&view, "legacy", false, strict), Standing::Refused(Reason::GroupNotAllowed, _)));
        assert_eq!(ask(&view, "web.legacy", false, strict), Standing::Own);
    }
}
