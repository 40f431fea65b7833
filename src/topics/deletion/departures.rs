//! Claims that a watch saw being deleted, until they are on record.

use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;

use crate::api::reasons::Reason;
use crate::api::resources::{Deletion, READY, TopicClaim, condition, holds};
use crate::ownership::OnRecord;
use crate::watch::TopicKey;

/// Departures that wait to be recorded, at most. What comes beyond keeps its topic.
const CAPACITY: usize = 10_000;

/// A claim that was deleted, as far as it matters for its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The `BrokerCluster`, as `namespace/name`.
    pub cluster: String,
    /// The topic's name.
    pub topic: String,
    /// The topic's id in Kafka.
    pub topic_id: String,
    /// The namespace of the claim.
    pub namespace: String,
    /// The claim's name.
    pub claim: String,
    /// When the claim was made, in whole seconds.
    pub created: Timestamp,
    /// What the claim said should become of its topic.
    pub deletion: Deletion,
    /// Whether the topic was the claim's beyond doubt.
    pub ready: bool,
}

impl Departure {
    /// What a deleted claim leaves behind; nothing where it never had a topic.
    #[must_use]
    pub fn of(claim: &TopicClaim) -> Option<Self> {
        let status = claim.status.as_ref()?;
        // One that yielded has its id for its successor, whose the topic is.
        if condition(&status.conditions, READY).is_some_and(|said| said.reason == Reason::TopicOwnedElsewhere.code()) {
            return None;
        }
        Some(Self {
            cluster: claim.cluster()?.to_owned(),
            topic: claim.spec.topic_name.clone(),
            topic_id: status.topic_id.clone()?,
            namespace: claim.metadata.namespace.clone()?,
            claim: claim.metadata.name.clone()?,
            // One that does not say is taken for older than everything: its topic stays.
            created: claim.metadata.creation_timestamp.as_ref().map_or(Timestamp::MIN, |created| created.0),
            deletion: claim.spec.deletion,
            ready: holds(&status.conditions, READY),
        })
    }

    /// The topic, and whose it was.
    #[must_use]
    pub fn whose(&self) -> (TopicKey, OnRecord) {
        let record = OnRecord { namespace: self.namespace.clone(), topic_id: self.topic_id.clone() };
        ((self.cluster.clone(), self.topic.clone()), record)
    }
}

/// The departures that wait.
#[derive(Debug, Default)]
pub struct Departures {
    waiting: Mutex<Vec<Departure>>,
    arrived: Notify,
}

impl Departures {
    /// Notes what a claim leaves behind whose deletion a watch tells of. What a list merely lacks must never come here.
    pub fn came(&self, departure: Departure) {
        self.put_back(vec![departure]);
        self.arrived.notify_one();
    }

    /// Puts departures back in line, as far as there is room; nobody is woken.
    pub fn put_back(&self, departures: Vec<Departure>) {
        let mut waiting = self.waiting();
        let room = CAPACITY.saturating_sub(waiting.len());
        if let Some(lost) = departures.get(room) {
            let (namespace, claim) = (&lost.namespace, &lost.claim);
            tracing::warn!(namespace, claim, "too many claims were deleted at once; their topics stay");
        }
        waiting.extend(departures.into_iter().take(room));
    }

    /// Takes all that wait.
    pub fn take(&self) -> Vec<Departure> {
        std::mem::take(&mut *self.waiting())
    }

    /// Waits until something has come since this was asked last.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Departure>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::resources::{Conditions, TopicClaimSpec, TopicClaimStatus, TopicSource};

    fn claim(id: Option<&str>, ready: bool) -> TopicClaim {
        let mut claim = TopicClaim::new("orders", TopicClaimSpec::of("shop.orders", "", TopicSource::Declared));
        claim.metadata.namespace = Some("shop".into());
        claim.metadata.creation_timestamp = ready.then_some(Time(Timestamp::UNIX_EPOCH));
        let (topic_id, cluster) = (id.map(str::to_owned), Some("kafka/main".to_owned()));
        let mut status = TopicClaimStatus { topic_id, cluster, ..TopicClaimStatus::default() };
        let now = Time(Timestamp::UNIX_EPOCH);
        Conditions::new(&mut status.conditions, None, now).say(READY, ready, Reason::Ready, "");
        claim.status = Some(status);
        claim
    }

    #[test]
    fn a_claim_without_a_topic_leaves_nothing() {
        assert_eq!(Departure::of(&claim(None, true)), None);
        let mut yielded = claim(Some("id"), false);
        let status = yielded.status.as_mut().unwrap();
        status.conditions[0].reason = Reason::TopicOwnedElsewhere.code().to_owned();
        assert_eq!(Departure::of(&yielded), None, "the topic is its successor's");
        let departures = Departures::default();
        departures.came(Departure::of(&claim(Some("id"), false)).unwrap());
        let found = departures.take();
        assert_eq!((found.len(), found[0].cluster.as_str(), found[0].ready), (1, "kafka/main", false));
        assert!(departures.take().is_empty());
    }

    #[test]
    fn a_claim_that_does_not_say_how_old_it_is_is_the_oldest() {
        let created = |ready| Departure::of(&claim(Some("id"), ready)).unwrap().created;
        assert_eq!((created(true), created(false)), (Timestamp::UNIX_EPOCH, Timestamp::MIN));
    }

    #[test]
    fn more_than_there_is_room_for_keep_their_topics() {
        let departures = Departures::default();
        let one = Departure::of(&claim(Some("id"), true)).unwrap();
        departures.put_back(vec![one; CAPACITY + 1]);
        assert_eq!(departures.take().len(), CAPACITY);
    }
}
