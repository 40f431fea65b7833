//! What a claim's share of the disks comes to, and whether there is room for it. I/O; the rules are in [`super::disk`].

use std::sync::Arc;

use super::disk::{Promise, SEGMENT_BYTES, Shape, Share, fits, retention};
use super::{Context, Halt};
use crate::api::reasons::Reason;
use crate::api::resources::{TopicClaim, TopicClaimSpec, TopicLimits};
use crate::clusters::{Connection, Unusable};
use crate::intent::claim::RETENTION_BYTES;
use crate::kafka::admin::settings::Configured;
use crate::kafka::admin::topics::Topic;
use crate::ownership::owner;

/// Kafka's own default of `segment.bytes`.
const SEGMENT: u64 = 1 << 30;

/// The share that a claim names.
fn named(spec: &TopicClaimSpec) -> Option<Share> {
    Share::parse(spec.retention.as_ref()?.disk_fraction.as_deref()?)
}

/// The `retention.bytes` that a claim's share of the disks comes to, for its topic as it is; `None` where it names none, or has no topic
/// yet whose partitions could be counted.
///
/// # Errors
/// Kafka did not answer.
pub async fn of(
    context: &Context,
    connection: &Connection,
    claim: &TopicClaim,
    topic: Option<&Topic>,
) -> Result<Option<i64>, Halt> {
    let (Some(share), Some(topic)) = (named(&claim.spec), topic) else { return Ok(None) };
    let disks = context.volumes.of(connection, &claim.spec.cluster).await?;
    let resource = [Configured::Topic(topic.name.clone())];
    let settings = connection.admin.values(&resource, &[SEGMENT_BYTES, RETENTION_BYTES]).await?;
    let settings = settings.into_iter().next().transpose()?.unwrap_or_default();
    let number = |key: &str| settings.get(key).and_then(Option::as_deref).and_then(|value| value.parse::<i64>().ok());
    let segment = number(SEGMENT_BYTES).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(SEGMENT);
    let replicas = topic.partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(1);
    let shape = Shape { partitions: topic.partitions.len(), replicas, segment };
    Ok(Some(retention(share, disks, shape, number(RETENTION_BYTES))))
}

/// Why a claim has no room on the disks, where the cluster limits what all claims together may promise themselves.
#[must_use]
pub fn no_room(context: &Context, connection: &Connection, claim: &TopicClaim) -> Option<Unusable> {
    let topics = &context.world.topics;
    let all = topics.names().into_iter().filter_map(|(namespace, name)| topics.get(&(&namespace, &name)));
    let rivals = |other: &TopicClaim| topics.of(&(other.spec.cluster.clone(), other.spec.topic_name.clone()));
    no_room_among(all, rivals, claim, &connection.terms.topics.limits)
}

/// The same among any claims: `all` of them, and those on the topic of one. A claim that yields its topic to another promises nothing. Pure.
#[must_use]
pub fn no_room_among(
    all: impl Iterator<Item = Arc<TopicClaim>>,
    rivals: impl Fn(&TopicClaim) -> Vec<Arc<TopicClaim>>,
    claim: &TopicClaim,
    limits: &TopicLimits,
) -> Option<Unusable> {
    let most = Share::parse(limits.max_disk_use.as_deref()?)?;
    named(&claim.spec)?;
    let mut promises = Vec::new();
    for other in all.filter(|other| other.spec.cluster == claim.spec.cluster) {
        let Some(share) = named(&other.spec) else { continue };
        let uid = other.metadata.uid.clone().unwrap_or_default();
        if owner(&rivals(&other)).is_some_and(|owner| owner.metadata.uid.as_ref() == Some(&uid)) {
            promises.push(Promise { since: other.metadata.creation_timestamp.clone(), uid, share });
        }
    }
    let uid = claim.metadata.uid.as_deref().unwrap_or_default();
    let refused = fits(&promises, uid, most).err()?;
    Some(Unusable { reason: Reason::DiskSharesExceeded, message: refused.to_string() })
}
