//! Which users Kafka holds otherwise than they were left. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::observe::Holding;
use crate::api::resources::AccessClaim;
use crate::kafka::acl::fingerprint;
use crate::kafka::admin::quotas::Quota;
use crate::kafka::admin::users::StoredCredential;
use crate::watch::AccessKey;

/// The passwords of every user, as the look before saw them: a claim does not say how they are stored.
pub type Slots = HashMap<String, Vec<StoredCredential>>;

/// The accesses that are to be looked at, by what Kafka was seen to hold; `slots` is brought up to date. What is under way counts too: a
/// look at it does no harm.
#[must_use]
pub fn drifted(holdings: &BTreeMap<String, Holding>, claims: &[Arc<AccessClaim>], slots: &mut Slots) -> Vec<AccessKey> {
    let nothing = Holding::default();
    let mut drifted = Vec::new();
    for claim in claims {
        let Some(status) = &claim.status else { continue };
        let (Some(user), Some(rules)) = (&status.username, &status.rules) else { continue };
        let holding = holdings.get(user).unwrap_or(&nothing);
        let limits = status.quotas.map(Quota::from).unwrap_or_default();
        let same = *rules == fingerprint(&holding.rules)
            && holding.quota.is_none_or(|quota| quota == limits)
            && slots.get(user).is_none_or(|before| *before == holding.slots);
        if !same && let (Some(namespace), Some(name)) = (&claim.metadata.namespace, &claim.metadata.name) {
            drifted.push((namespace.clone(), name.clone()));
        }
    }
    *slots = holdings.iter().map(|(user, holding)| (user.clone(), holding.slots.clone())).collect();
    drifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{AccessClaimSpec, AccessClaimStatus, Quotas};
    use crate::kafka::acl::{AclBinding, Operation, PatternType, ResourceType};
    use crate::kafka::scram::Mechanism;

    fn rule(name: &str) -> AclBinding {
        AclBinding::allow("User:k.shop.web", Operation::Read, ResourceType::Topic, PatternType::Literal, name)
    }

    fn claim() -> Arc<AccessClaim> {
        let mut claim = AccessClaim::new("web", AccessClaimSpec::empty());
        claim.metadata.namespace = Some("shop".to_owned());
        claim.status = Some(AccessClaimStatus {
            username: Some("k.shop.web".to_owned()),
            rules: Some(fingerprint(&[rule("a")])),
            quotas: Some(Quotas { request_percentage: Some(5), ..Quotas::default() }),
            ..AccessClaimStatus::default()
        });
        Arc::new(claim)
    }

    fn holding() -> Holding {
        Holding {
            rules: vec![rule("a")],
            slots: vec![StoredCredential { mechanism: Mechanism::Sha512, iterations: 5000 }],
            quota: Some(Quota { request_percentage: Some(5.0), ..Quota::default() }),
        }
    }

    fn look(holding: Option<Holding>, slots: &mut Slots) -> usize {
        let holdings = holding.map(|holding| ("k.shop.web".to_owned(), holding)).into_iter().collect();
        drifted(&holdings, &[claim()], slots).len()
    }

    #[test]
    fn what_is_as_it_was_left_is_not_looked_at() {
        let mut slots = Slots::new();
        assert_eq!(look(Some(holding()), &mut slots), 0);
        assert_eq!(look(Some(holding()), &mut slots), 0);
        assert_eq!(look(Some(Holding { quota: None, ..holding() }), &mut slots), 0, "Kafka shows no quotas");
        assert!(
            drifted(&BTreeMap::new(), &[Arc::new(AccessClaim::new("new", AccessClaimSpec::empty()))], &mut slots)
                .is_empty()
        );
    }

    #[test]
    fn every_change_is_seen() {
        let slot = StoredCredential { mechanism: Mechanism::Sha512, iterations: 4096 };
        for changed in [
            Some(Holding { rules: Vec::new(), ..holding() }),
            Some(Holding { rules: vec![rule("a"), rule("b")], ..holding() }),
            Some(Holding { slots: vec![slot], ..holding() }),
            Some(Holding { slots: Vec::new(), ..holding() }),
            Some(Holding { quota: Some(Quota::default()), ..holding() }),
            None,
        ] {
            let mut slots = Slots::new();
            assert_eq!(look(Some(holding()), &mut slots), 0);
            assert_eq!(look(changed.clone(), &mut slots), 1, "{changed:?}");
        }
    }
}
