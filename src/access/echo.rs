//! Whether the watch has nothing more to tell of an access than what the look has written itself.

use std::sync::Arc;

use super::apply::Applied;
use super::seen::Observation;
use crate::clusters::Connection;
use crate::watch::{World, group_key};

/// A cluster, as it was then and as it is now.
type Cluster<'c> = (Option<&'c Arc<Connection>>, Option<&'c Arc<Connection>>);

/// Whether the claim's versions of this look rest on all that there was to see: else somebody else's change may lie below them, or may
/// have come while nobody could know that it concerns this access. The cluster is the one that was looked at, and what it has come to by now.
pub(super) fn is_all(world: &World, cluster: Cluster<'_>, seen: &Observation, applied: &Applied) -> bool {
    match (&seen.claim, &applied.claim) {
        (Some(_), written) => written.is_none(),
        // Who changes a topic, a group or a cluster tells the accesses that are known, which this one has become on the way.
        (None, Some(_)) => is_known(world, seen) && stands(world, cluster, seen),
        (None, None) => false,
    }
}

fn is_known(world: &World, seen: &Observation) -> bool {
    world.accesses.get(&(&seen.key.0, &seen.key.1)).is_some()
}

fn stands(world: &World, (then, now): Cluster<'_>, seen: &Observation) -> bool {
    let (Some(subject), Some(held)) = (&seen.subject, seen.held()) else { return false };
    let cluster = then.zip(now).is_some_and(|(then, now)| Arc::ptr_eq(then, now));
    let topics = held.topics.iter().all(|(name, view)| {
        let now = world.claims_on(&(subject.cluster.clone(), name.clone()));
        same(&now, &view.claims)
    });
    let groups = held.groups.iter().all(|(name, view)| {
        let mut now = world.users_of(&group_key(&subject.cluster, name));
        now.retain(|claim| {
            (&claim.metadata.namespace, &claim.metadata.name) != (&Some(seen.key.0.clone()), &Some(seen.key.1.clone()))
        });
        same(&now, &view.claims)
    });
    cluster && topics && groups
}

fn same<T>(now: &[Arc<T>], then: &[Arc<T>]) -> bool {
    now.len() == then.len() && now.iter().zip(then).all(|(now, then)| Arc::ptr_eq(now, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_anew_is_not_the_same() {
        let (one, other) = (Arc::new(1), Arc::new(2));
        assert!(same::<u8>(&[], &[]));
        assert!(same(&[one.clone(), other.clone()], &[one.clone(), other.clone()]));
        assert!(!same(std::slice::from_ref(&one), &[one.clone(), other]));
        assert!(!same(&[Arc::new(1)], &[one]), "equal, and written again");
    }
}
