//! What somebody else changed of an access's user in Kafka. Pure.
//!
//! Kafka does not say who wrote what. But the claim's status says what the user was last left with: where the same is still wanted, and
//! Kafka has something else, it was not us. Where something else is wanted, it is a change of ours that is under way.

use std::collections::BTreeSet;

use prometheus_client::encoding::EncodeLabelValue;

use super::seen::Held;
use crate::api::resources::{AccessClaimStatus, Quotas};
use crate::kafka::acl::{AclBinding, PatternType, Permission, fingerprint};
use crate::kafka::admin::quotas::Quota;
use crate::kafka::scram::Mechanism;

/// Differences that a message names.
const NAMED: usize = 5;

/// What can be changed of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum What {
    /// Its rules.
    Rules,
    /// Its password.
    Credential,
    /// Its quotas.
    Quotas,
}

/// What was found, and whether it is left so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    found: Vec<(What, String)>,
    /// Whether it is told and nothing is changed.
    pub reported: bool,
}

/// What is to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The rules that are wanted.
    pub rules: &'f BTreeSet<AclBinding>,
    /// The quotas that are wanted.
    pub quotas: Quotas,
    /// The slot of the published password, where Kafka holds something else in it, or nothing.
    pub password: Option<Mechanism>,
    /// What Kafka holds.
    pub held: &'f Held,
    /// What was said last.
    pub before: Option<&'f AccessClaimStatus>,
    /// Whether it is to be told alone.
    pub report: bool,
}

impl Drift {
    /// Compares. An access that nobody wanted for a while may be half taken away: there, nothing is somebody else's doing.
    #[must_use]
    pub fn find(facts: &Facts<'_>) -> Self {
        let Facts { rules, quotas, password, held, .. } = *facts;
        let Some(before) = facts.before.filter(|before| before.idle_since.is_none() && before.rules.is_some()) else {
            return Self::default();
        };
        let mut found = Vec::new();
        if before.rules == Some(fingerprint(rules)) {
            let missing = rules.difference(&held.rules).map(|rule| format!("{} is missing", words(rule)));
            let added = held.rules.difference(rules).filter(|rule| rule.permission == Permission::Allow);
            let added = added.map(|rule| format!("{} was added", words(rule)));
            found.extend(missing.chain(added).map(|said| (What::Rules, said)));
        }
        if let Some(mechanism) = password {
            found.push((What::Credential, format!("the {} password is not the published one", mechanism.name())));
        }
        let same = before.quotas.unwrap_or_default() == quotas;
        if same && held.quotas.is_some_and(|stands| stands != Quota::from(quotas)) {
            found.push((What::Quotas, "the quotas are not those of status.quotas".to_owned()));
        }
        Self { reported: facts.report && !found.is_empty(), found }
    }

    /// Whether this is left as somebody else made it.
    #[must_use]
    pub fn leaves(&self, what: What) -> bool {
        self.reported && self.found.iter().any(|(found, _)| *found == what)
    }

    /// In words; nothing where there is no difference.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let more = self.found.len().saturating_sub(NAMED);
        let named = self.found.iter().take(NAMED).map(|(_, said)| said.as_str()).collect::<Vec<_>>().join("; ");
        match more {
            _ if self.found.is_empty() => None,
            0 => Some(named),
            more => Some(format!("{named}; and {more} more")),
        }
    }

    /// What was found, each thing once.
    pub fn kinds(&self) -> impl Iterator<Item = What> {
        let all = [What::Rules, What::Credential, What::Quotas];
        all.into_iter().filter(|what| self.found.iter().any(|(found, _)| found == what))
    }
}

fn words(rule: &AclBinding) -> String {
    let end = if rule.pattern_type == PatternType::Prefixed { "*" } else { "" };
    let from = if rule.host == "*" { String::new() } else { format!(" from {}", rule.host) };
    format!("{:?} on {:?} {}{end}{from}", rule.operation, rule.resource_type, rule.resource_name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::kafka::acl::{Operation, ResourceType};

    fn rule(name: &str) -> AclBinding {
        AclBinding::allow("User:u", Operation::Read, ResourceType::Topic, PatternType::Literal, name)
    }

    fn held(rules: &[AclBinding]) -> Held {
        Held { rules: rules.iter().cloned().collect(), quotas: Some(Quota::default()), ..Held::default() }
    }

    fn left(rules: &[AclBinding]) -> AccessClaimStatus {
        AccessClaimStatus { rules: Some(fingerprint(rules)), ..AccessClaimStatus::default() }
    }

    fn find(wanted: &[AclBinding], held: &Held, before: &AccessClaimStatus) -> Drift {
        let rules = wanted.iter().cloned().collect();
        let quotas = Quotas::default();
        Drift::find(&Facts { rules: &rules, quotas, password: None, held, before: Some(before), report: true })
    }

    #[test]
    fn what_is_missing_and_what_was_added_is_told() {
        let drift = find(&[rule("a"), rule("b")], &held(&[rule("b"), rule("c")]), &left(&[rule("a"), rule("b")]));
        assert_eq!(drift.message().unwrap(), "Read on Topic a is missing; Read on Topic c was added");
        assert!(drift.leaves(What::Rules) && !drift.leaves(What::Credential));
        assert_eq!(drift.kinds().collect::<Vec<_>>(), [What::Rules]);
    }

    #[test]
    fn a_rule_that_denies_is_no_drift() {
        let deny = AclBinding { permission: Permission::Deny, ..rule("a") };
        let drift = find(&[rule("a")], &held(&[rule("a"), deny]), &left(&[rule("a")]));
        assert_eq!(drift.message(), None);
    }

    #[test]
    fn a_change_of_ours_that_was_cut_short_is_no_drift() {
        let half = held(&[rule("a"), rule("new")]);
        assert_eq!(find(&[rule("a"), rule("new"), rule("newer")], &half, &left(&[rule("a")])), Drift::default());
        let never = AccessClaimStatus::default();
        assert_eq!(find(&[rule("a")], &held(&[]), &never), Drift::default());
        let idle = AccessClaimStatus { idle_since: Some(Time(Timestamp::UNIX_EPOCH)), ..left(&[rule("a")]) };
        assert_eq!(find(&[rule("a")], &held(&[]), &idle), Drift::default(), "half of its end");
    }

    #[test]
    fn limits_set_by_hand_are_drift_and_a_new_policy_is_not() {
        let limited = Held { quotas: Some(Quota { request_percentage: Some(9.0), ..Quota::default() }), ..held(&[]) };
        assert!(find(&[], &limited, &left(&[])).leaves(What::Quotas));
        let before = Quotas { request_percentage: Some(9), ..Quotas::default() };
        let before = AccessClaimStatus { quotas: Some(before), ..left(&[]) };
        assert_eq!(find(&[], &limited, &before).message(), None);
    }

    #[test]
    fn a_message_stays_readable() {
        let many: Vec<_> = (0..9).map(|n| rule(&format!("t{n}"))).collect();
        let said = find(&many, &held(&[]), &left(&many)).message().unwrap();
        assert!(said.ends_with("and 4 more"), "{said}");
    }
}
