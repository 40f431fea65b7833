//! What a claim's share of the disks comes to, and whether there is room for it. I/O; the rules are in [`super::disk`].

use std::sync::Arc;

use tokio::time::sleep;

use super::Context;
use super::create::shape_of;
use super::disk::{Disks, Promise, SEGMENT, SEGMENT_BYTES, Shape, Share, fits, retention};
use super::moves::steady::LAG;
use super::observe::{Observation, is_admitted};
use super::plan::holds_share;
use super::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicClaimSpec, TopicPolicy};
use crate::clusters::{Connection, Halt, Unusable};
use crate::intent::claim::RETENTION_BYTES;
use crate::kafka::admin::reassignments::Reassignment;
use crate::kafka::admin::settings::Configured;
use crate::kafka::admin::topics::Topic;
use crate::kafka::admin::{Admin, At};
use crate::kafka::error::Error;
use crate::ownership::owner;

/// The share that a claim names.
fn named(spec: &TopicClaimSpec) -> Option<Share> {
    Share::parse(spec.retention.as_ref()?.disk_fraction.as_deref()?)
}

/// The `retention.bytes` that a claim's share of the disks comes to, for its topic as it is; `None` where it names none, or the topic has
/// gone.
///
/// # Errors
/// Kafka did not answer.
pub async fn of(
    context: &Context,
    connection: &Connection,
    claim: &TopicClaim,
    topic: &Topic,
) -> Result<Option<i64>, Halt> {
    let Some(share) = named(&claim.spec) else { return Ok(None) };
    let disks = context.volumes.of(&connection.admin, &claim.spec.cluster).await?;
    Ok(divided(&connection.admin, share, disks, topic).await?)
}

/// What a share of these disks comes to for a topic as it is; `None` where it has gone. A change costs records, so one by which fewer are
/// kept is computed twice.
///
/// # Errors
/// Kafka did not answer.
pub async fn divided(admin: &Admin, share: Share, disks: Disks, topic: &Topic) -> Result<Option<i64>, Error> {
    let resource = [Configured::Topic(topic.name.clone())];
    let settings = admin.values(&resource, &[SEGMENT_BYTES, RETENTION_BYTES]).await?;
    let settings = settings.into_iter().next().transpose()?.unwrap_or_default();
    let number = |key: &str| settings.get(key).and_then(Option::as_deref).and_then(|value| value.parse::<i64>().ok());
    let segment = number(SEGMENT_BYTES).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(SEGMENT);
    let current = number(RETENTION_BYTES);
    let comes_to =
        |topic: &Topic, running: &[Reassignment]| retention(share, disks, Shape::of(topic, running, segment), current);
    let wanted = comes_to(topic, &[]);
    if Some(wanted) == current {
        return Ok(current);
    }
    // Whatever moves replicas shows more of them than there will be, and a broker that lags does so when the move has left the list.
    let mut running = admin.list_reassignments().await?;
    let mut now = as_it_is(admin, topic).await?;
    if now.as_ref().is_some_and(|now| is_less(comes_to(now, &running), current)) {
        sleep(LAG).await;
        running.extend(admin.list_reassignments().await?);
        now = as_it_is(admin, topic).await?;
    }
    Ok(now.map(|now| comes_to(&now, &running)))
}

async fn as_it_is(admin: &Admin, topic: &Topic) -> Result<Option<Topic>, Error> {
    let names = std::slice::from_ref(&topic.name);
    let now = admin.describe_topics(names, At::Any).await?.into_iter().next().transpose()?.flatten();
    Ok(now.filter(|now| now.id == topic.id))
}

/// Whether a topic keeps fewer records with this many bytes than with what it has; without a limit it keeps all.
fn is_less(bytes: i64, current: Option<i64>) -> bool {
    current.is_none_or(|current| current < 0 || bytes < current)
}

/// Whether these steps give a topic another shape, by which its share comes to another number of bytes. Pure.
#[must_use]
pub fn divides_anew(claim: &TopicClaim, steps: &[Step]) -> bool {
    let reshapes = |step: &Step| match step {
        Step::Grow(_) => true,
        Step::Alter(changes) => changes.contains_key(SEGMENT_BYTES),
        Step::Record { .. } | Step::Create(_) => false,
    };
    named(&claim.spec).is_some() && steps.iter().any(reshapes)
}

/// The same for a topic that is to be made; `None` where it is not known how many replicas the brokers will give it.
///
/// # Errors
/// Kafka did not answer.
pub async fn to_be(context: &Context, connection: &Connection, seen: &Observation) -> Result<Option<i64>, Halt> {
    let Some(share) = named(&seen.claim.spec) else { return Ok(None) };
    let Some(shape) = shape_of(seen, &connection.terms.topics) else { return Ok(None) };
    let disks = context.volumes.of(&connection.admin, &seen.claim.spec.cluster).await?;
    Ok(Some(retention(share, disks, shape, None)))
}

/// Why a claim has no room on the disks, where the cluster limits what all claims together may promise themselves.
#[must_use]
pub fn no_room(context: &Context, connection: &Connection, claim: &TopicClaim) -> Option<Unusable> {
    let topics = &context.world.topics;
    let all = topics.names().into_iter().filter_map(|(namespace, name)| topics.get(&(&namespace, &name)));
    let has_topic = |other: &TopicClaim| {
        let key = (other.spec.cluster.clone(), other.spec.topic_name.clone());
        let refused = |claim: &TopicClaim| context.world.refusal(claim).is_some();
        let owner = owner(&context.world.claims_on(&key), &context.world.on_record(&key), refused).cloned();
        owner.is_some_and(|owner| owner.metadata.uid == other.metadata.uid)
    };
    let admitted = |other: &TopicClaim| is_admitted(context, connection, other);
    no_room_among(all, has_topic, admitted, claim, &connection.terms.topics)
}

/// The same among any claims: `all` of them, whether one is the one that has its topic, as this one is, and whether its namespace may use
/// the cluster. A claim that yields its topic to another promises nothing, nor does one that is refused. Pure.
#[must_use]
pub fn no_room_among(
    all: impl Iterator<Item = Arc<TopicClaim>>,
    has_topic: impl Fn(&TopicClaim) -> bool,
    admitted: impl Fn(&TopicClaim) -> bool,
    claim: &TopicClaim,
    policy: &TopicPolicy,
) -> Option<Unusable> {
    let most = Share::parse(policy.limits.max_disk_use.as_deref()?)?;
    named(&claim.spec)?;
    let mut promises = Vec::new();
    for other in all.filter(|other| other.spec.cluster == claim.spec.cluster) {
        let Some(share) = named(&other.spec) else { continue };
        let uid = other.metadata.uid.clone().unwrap_or_default();
        let holds = || has_topic(&other) && holds_share(&other, policy, admitted(&other));
        if claim.metadata.uid.as_ref() == Some(&uid) || holds() {
            promises.push(Promise { since: other.metadata.creation_timestamp.clone(), uid, share });
        }
    }
    let uid = claim.metadata.uid.as_deref().unwrap_or_default();
    let refused = fits(&promises, uid, most).err()?;
    Some(Unusable { reason: Reason::DiskSharesExceeded, message: refused.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::claim;
    use super::*;

    #[test]
    fn more_partitions_and_other_segments_divide_a_share_anew() {
        let alter = |key: &str| Step::Alter([(key.to_owned(), Some("1".to_owned()))].into());
        let record = Step::Record { creating: None, managed: vec![SEGMENT_BYTES.to_owned()] };
        let shared = claim(json!({"retention": {"diskFraction": "0.1"}}), json!({}));
        for (step, anew) in
            [(Step::Grow(4), true), (alter(SEGMENT_BYTES), true), (alter(RETENTION_BYTES), false), (record, false)]
        {
            assert_eq!(divides_anew(&shared, std::slice::from_ref(&step)), anew, "{step:?}");
            assert!(!divides_anew(&claim(json!({}), json!({})), &[step]), "a claim without a share");
        }
    }
}
