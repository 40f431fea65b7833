//! How much is on record, and who gives way where that is full: whoever fills it. Pure.

use std::collections::BTreeMap;

use crate::api::resources::{PendingDeletion, ReleasedTopic};

/// Deletions that a status holds.
pub const PENDING: usize = 1000;
/// Released topics that a status holds.
pub const RELEASED: usize = 500;

/// Where more is to be deleted than can be on record, takes out the latest of the namespace that has most: no neighbour's, and nothing
/// that was announced longer ago.
pub fn make_room(deletions: &mut Vec<PendingDeletion>) -> Option<PendingDeletion> {
    if deletions.len() <= PENDING {
        return None;
    }
    let waiting: Vec<usize> = (0..deletions.len()).filter(|at| deletions[*at].deleted.is_none()).collect();
    let latest = of_the_largest(waiting.iter().map(|at| deletions[*at].namespace.as_str())).pop()?;
    Some(deletions.remove(waiting[latest]))
}

/// Where more topics stayed than can be on record, forgets the oldest of the namespace that has most.
pub fn forget_one(released: &mut Vec<ReleasedTopic>) {
    if released.len() > RELEASED
        && let Some(oldest) = of_the_largest(released.iter().map(|record| record.namespace.as_str())).first()
    {
        released.remove(*oldest);
    }
}

/// The places of what the namespace has that has most: of several, the one whose first comes first.
fn of_the_largest<'r>(namespaces: impl Iterator<Item = &'r str>) -> Vec<usize> {
    let mut places = BTreeMap::<&str, Vec<usize>>::new();
    for (place, namespace) in namespaces.enumerate() {
        places.entry(namespace).or_default().push(place);
    }
    let largest = places.into_values().max_by_key(|places| (places.len(), std::cmp::Reverse(places.first().copied())));
    largest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn who_has_most_gives_way() {
        let places = |names: &str| of_the_largest(names.split_whitespace());
        assert_eq!(places("b a a c a"), [1, 2, 4]);
        assert_eq!(places("b a a b"), [0, 3], "of two that have as much, whose record is the oldest");
        assert_eq!(places(""), [0; 0]);
    }

    #[test]
    fn a_neighbour_s_record_is_not_forgotten() {
        let record = |namespace: &str, topic: usize| ReleasedTopic {
            topic: topic.to_string(),
            topic_id: topic.to_string(),
            namespace: namespace.to_owned(),
            claim: topic.to_string(),
            since: Time(Timestamp::UNIX_EPOCH),
        };
        let mut released: Vec<_> =
            std::iter::once(record("web", 0)).chain((1..=RELEASED).map(|n| record("shop", n))).collect();
        forget_one(&mut released);
        assert_eq!((released.len(), &*released[0].namespace, &*released[1].topic), (RELEASED, "web", "2"));
        forget_one(&mut released);
        assert_eq!(released.len(), RELEASED);
    }
}
