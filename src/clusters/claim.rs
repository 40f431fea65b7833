//! Our claim on a scope, as it stands in Kafka, and what to do about it. Pure.
//!
//! A claim is an access rule that gives nobody anything: it allows a principal without a credential to describe a transactional
//! id that nobody uses. Both names begin with a word that has an underscore, which neither a scope nor a namespace can have, so
//! no user and no transactional id of a workload can be one of them:
//!
//! `User:admittance_claim.<scope>` may Describe the transactional id `admittance_claim.<scope>.<uid of kube-system>`.

use super::Unusable;
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::kafka::acl::{AclBinding, AclFilter, Operation, PatternType, ResourceType};

/// What the names of a claim begin with.
const WORD: &str = "admittance_claim.";

/// The filter that finds every claim in a Kafka.
pub const EVERY: AclFilter = AclFilter::Shape(ResourceType::TransactionalId, PatternType::Literal, Operation::Describe);

/// A claim of a Kubernetes cluster on a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The scope.
    pub scope: Scope,
    /// The uid of the claimant's namespace `kube-system`.
    pub uid: String,
}

impl Claim {
    /// The claim as Kafka keeps it.
    #[must_use]
    pub fn rule(&self) -> AclBinding {
        let Self { scope, uid } = self;
        AclBinding::allow(
            format!("User:{WORD}{scope}"),
            Operation::Describe,
            ResourceType::TransactionalId,
            PatternType::Literal,
            format!("{WORD}{scope}.{uid}"),
        )
    }

    /// The claim that a rule is, if it is one: to the letter, since a claim that is read must be one that can be withdrawn.
    #[must_use]
    pub fn of_rule(rule: &AclBinding) -> Option<Self> {
        let (scope, uid) = rule.resource_name.strip_prefix(WORD)?.split_once('.')?;
        let claim = Self { scope: Scope::parse(scope).ok()?, uid: uid.to_owned() };
        (!uid.is_empty() && claim.rule() == *rule).then_some(claim)
    }
}

/// What is known beside the claims themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'s> {
    /// We have held the scope in this Kafka before: our status says so.
    pub established: bool,
    /// The uid that may be taken over from, until that was done once.
    pub adopt: Option<&'s str>,
    /// How often, since this look began, we have waited for everybody's claims to be seen.
    pub settled: u32,
}

/// What to do about the claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Nothing: the scope is ours.
    Held,
    /// Write ours, then wait.
    Write,
    /// Wait for others to see ours, and to withdraw theirs if it yields.
    Settle,
    /// Withdraw ours: a rival came first, or has precedence.
    Withdraw,
    /// Remove the claims that an administrator told us to take over.
    TakeOver(Vec<Claim>),
    /// Nothing: another has the scope, and its uid is this.
    Taken(String),
}

/// Decides.
///
/// Two that claim at the same time see each other after the first wait: the one with the higher uid withdraws at once, and the
/// other finds itself alone after the second. It withdraws as well if it does not: then its rival was there before, unseen.
/// Who is established never withdraws, and does nothing else while a rival stands.
#[must_use]
pub fn decide(claims: &[Claim], ours: &Claim, standing: Standing<'_>) -> Move {
    let rivals: Vec<&Claim> =
        claims.iter().filter(|claim| claim.scope == ours.scope && claim.uid != ours.uid).collect();
    let Some(lowest) = rivals.iter().min() else {
        return match claims.contains(ours) {
            false => Move::Write,
            true if standing.established || standing.settled > 0 => Move::Held,
            true => Move::Settle,
        };
    };
    let taken_over = rivals.iter().all(|rival| Some(rival.uid.as_str()) == standing.adopt);
    match claims.contains(ours) {
        // Ours first: a rival that finds no claim at all would write its own again.
        false if taken_over => Move::Write,
        true if taken_over => Move::TakeOver(rivals.into_iter().cloned().collect()),
        true if standing.established => Move::Taken(lowest.uid.clone()),
        true if ours < *lowest && standing.settled < 2 => Move::Settle,
        true => Move::Withdraw,
        false => Move::Taken(lowest.uid.clone()),
    }
}

/// What is said where another has the scope.
#[must_use]
pub fn taken(scope: &Scope, uid: &str) -> Unusable {
    let message = format!(
        "scope {scope} is claimed in this Kafka by the Kubernetes cluster whose kube-system has uid {uid}; nothing is done here"
    );
    Unusable { reason: Reason::ScopeClaimed, message }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::kafka::acl::Permission;

    fn claim(scope: &str, uid: &str) -> Claim {
        Claim { scope: Scope::parse(scope).unwrap(), uid: uid.to_owned() }
    }

    const NEW: Standing<'_> = Standing { established: false, adopt: None, settled: 0 };

    #[test]
    fn a_claim_is_read_back_from_its_rule() {
        let claim = claim("k0123456789", "3b7c0f6e-0000-4000-8000-000000000000");
        let rule = claim.rule();
        assert_eq!(rule.principal, "User:admittance_claim.k0123456789");
        assert_eq!(rule.resource_name, "admittance_claim.k0123456789.3b7c0f6e-0000-4000-8000-000000000000");
        assert_eq!(Claim::of_rule(&rule), Some(claim));
    }

    #[test]
    fn what_only_looks_like_a_claim_is_none() {
        let rule = claim("kafka", "uid").rule();
        for strange in [
            AclBinding { permission: Permission::Deny, ..rule.clone() },
            AclBinding { operation: Operation::Write, ..rule.clone() },
            AclBinding { host: "10.0.0.1".into(), ..rule.clone() },
            AclBinding { principal: "User:somebody".into(), ..rule.clone() },
            AclBinding { pattern_type: PatternType::Prefixed, ..rule.clone() },
            AclBinding { resource_type: ResourceType::Group, ..rule.clone() },
            AclBinding { resource_name: "admittance_claim.kafka".into(), ..rule.clone() },
            AclBinding { resource_name: "admittance_claim.kafka.".into(), ..rule.clone() },
            AclBinding { resource_name: "admittance_claim.Kafka.uid".into(), ..rule },
        ] {
            assert_eq!(Claim::of_rule(&strange), None, "{strange}");
        }
    }

    #[test]
    fn no_user_and_no_transactional_id_of_a_workload_can_be_a_claim() {
        let rule = claim("kafka", "uid").rule();
        let first = |name: &str| name.split('.').next().unwrap().to_owned();
        assert!(Scope::parse(&first(rule.principal.strip_prefix("User:").unwrap())).is_err());
        // Transactional ids begin with a namespace, which is a DNS label.
        assert!(first(&rule.resource_name).contains('_'));
    }

    #[test]
    fn the_first_writes_and_waits_before_it_holds() {
        let ours = claim("kafka", "b");
        let elsewhere = claim("other", "a");
        assert_eq!(decide(&[], &ours, NEW), Move::Write);
        assert_eq!(decide(from_ref(&elsewhere), &ours, NEW), Move::Write, "another scope is no rival");
        assert_eq!(decide(from_ref(&ours), &ours, NEW), Move::Settle, "written just before a crash");
        assert_eq!(decide(&[elsewhere, ours.clone()], &ours, Standing { settled: 1, ..NEW }), Move::Held);
        assert_eq!(decide(from_ref(&ours), &ours, Standing { established: true, ..NEW }), Move::Held);
    }

    #[test]
    fn a_claim_of_another_is_left_alone_until_it_may_be_adopted() {
        let (ours, theirs) = (claim("kafka", "b"), claim("kafka", "a"));
        let adopt = Standing { adopt: Some("a"), ..NEW };
        assert_eq!(decide(from_ref(&theirs), &ours, NEW), Move::Taken("a".into()));
        assert_eq!(decide(from_ref(&theirs), &ours, Standing { adopt: Some("c"), ..NEW }), Move::Taken("a".into()));
        assert_eq!(decide(from_ref(&theirs), &ours, adopt), Move::Write, "ours first");
        let both = [theirs.clone(), ours.clone()];
        assert_eq!(decide(&both, &ours, adopt), Move::TakeOver(vec![theirs.clone()]));
        let established = Standing { established: true, ..adopt };
        assert_eq!(decide(&both, &ours, established), Move::TakeOver(vec![theirs.clone()]));
        let third = [theirs, ours.clone(), claim("kafka", "c")];
        assert_eq!(decide(&third, &ours, established), Move::Taken("a".into()), "only one of the rivals is named");
    }

    #[test]
    fn who_is_established_stays_and_stands_still() {
        let (ours, theirs) = (claim("kafka", "b"), claim("kafka", "a"));
        let established = Standing { established: true, ..NEW };
        assert_eq!(decide(&[theirs.clone(), ours.clone()], &ours, established), Move::Taken("a".into()));
        assert_eq!(decide(&[theirs], &ours, established), Move::Taken("a".into()), "ours was taken over");
        assert_eq!(decide(&[], &ours, established), Move::Write, "somebody cleared all rules");
    }

    /// Two that claim at the same time, turn by turn, each with its own count of waits; true for who holds in the end.
    fn race(first: &str, second: &str, mut claims: Vec<Claim>) -> [Move; 2] {
        let contenders = [claim("kafka", first), claim("kafka", second)];
        let mut settled = [0, 0];
        let mut last = [Move::Settle, Move::Settle];
        for _ in 0..6 {
            // Both decide on what they see before either acts.
            let moves = [0, 1].map(|i| decide(&claims, &contenders[i], Standing { settled: settled[i], ..NEW }));
            for (i, step) in moves.iter().enumerate() {
                match step {
                    Move::Write => claims.push(contenders[i].clone()),
                    Move::Withdraw => claims.retain(|claim| claim != &contenders[i]),
                    Move::Held | Move::Settle | Move::TakeOver(_) | Move::Taken(_) => {}
                }
                settled[i] += u32::from(matches!(step, Move::Write | Move::Settle));
            }
            last = moves;
        }
        last
    }

    #[test]
    fn of_two_at_once_the_lower_uid_holds() {
        assert_eq!(race("a", "b", vec![]), [Move::Held, Move::Taken("a".into())]);
        assert_eq!(race("b", "a", vec![]), [Move::Taken("a".into()), Move::Held]);
        let crashed = vec![claim("kafka", "a"), claim("kafka", "b")];
        assert_eq!(race("b", "a", crashed), [Move::Taken("a".into()), Move::Held], "both had written before a crash");
    }

    #[test]
    fn a_newcomer_yields_to_a_rival_that_does_not_withdraw() {
        let (ours, old) = (claim("kafka", "a"), claim("kafka", "b"));
        let both = [ours.clone(), old];
        assert_eq!(decide(&both, &ours, Standing { settled: 1, ..NEW }), Move::Settle);
        assert_eq!(decide(&both, &ours, Standing { settled: 2, ..NEW }), Move::Withdraw);
    }
}
