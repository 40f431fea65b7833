//! Deletes topics, by their ids. Safe to do twice.

use futures::future::join_all;

use super::plan::Plan;
use crate::api::reasons::Reason;
use crate::api::resources::PendingDeletion;
use crate::clusters::{Connection, Unusable, verify_claim};
use crate::kafka::admin::topics::{NotATopicId, TopicId};
use crate::runtime::writes;

/// Deletes what a plan says, and tells of each what came of it.
pub async fn apply(connection: &Connection, plan: &Plan) -> Vec<(PendingDeletion, Result<(), Unusable>)> {
    if plan.delete.is_empty() {
        return Vec::new();
    }
    // Whose topics these are is looked at live, before the first of them is touched.
    if let Err(unusable) = verify_claim(connection).await {
        return plan.delete.iter().map(|record| (record.clone(), Err(unusable.clone()))).collect();
    }
    join_all(plan.delete.iter().map(|record| async { (record.clone(), delete(connection, record).await) })).await
}

async fn delete(connection: &Connection, record: &PendingDeletion) -> Result<(), Unusable> {
    let id: TopicId = record.topic_id.parse().map_err(|error: NotATopicId| Unusable {
        reason: Reason::InvalidValue,
        message: format!("status.deletions: {error}"),
    })?;
    connection.batcher.delete_topic(id).await?;
    writes::done("topic_delete");
    tracing::info!(topic = record.topic, id = record.topic_id, namespace = record.namespace, "deleted a topic");
    Ok(())
}
