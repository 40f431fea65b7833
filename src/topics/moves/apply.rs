//! Carries out one step of a move. Each is safe to do twice.

use std::collections::BTreeSet;

use super::observe::{self, is_seen_alike, rates_on};
use super::plan::{Situation, Step};
use super::throttle::{rates, released};
use crate::clusters::Connection;
use crate::kafka::admin::reassignments::Assignment;
use crate::kafka::admin::settings::{Changes, Configured};
use crate::kafka::error::Error;
use crate::runtime::writes;

/// Carries out one step.
///
/// # Errors
/// Kafka refused or did not answer; the next look goes on from what is there.
pub async fn apply(connection: &Connection, seen: &Situation, step: &Step) -> Result<(), Error> {
    let topic = || Configured::Topic(seen.topic.name.clone());
    match step {
        Step::Brake(throttle) => {
            set(connection, topic(), throttle.settings(&connection.claim.scope)).await?;
            writes::done("topic_throttle");
        }
        Step::SetRate(keys, rate) => {
            set(connection, Configured::EveryBroker, rates(keys, Some(*rate))).await?;
            writes::done("throttle_rate");
        }
        Step::Cancel(assignments) => {
            reassign(connection, seen, assignments).await?;
            writes::done("reassignment_cancel");
        }
        Step::Begin(assignments) => {
            if !is_seen_alike(&connection.admin, seen, assignments).await? {
                tracing::info!(
                    topic = seen.topic.name,
                    "the topic is not kept any more where it was, or not for all brokers"
                );
                return Ok(());
            }
            reassign(connection, seen, assignments).await?;
            writes::done("reassignment");
        }
        Step::RemoveRate(keys) => {
            set(connection, Configured::EveryBroker, rates(keys, None)).await?;
            writes::done("throttle_rate_remove");
        }
        Step::Release => {
            set(connection, topic(), released()).await?;
            writes::done("topic_throttle_remove");
        }
    }
    Ok(())
}

/// Removes those of the brokers' rates that are among these, set with brakes that are gone, and that no brake that is left was set with.
///
/// # Errors
/// Kafka refused or did not answer.
pub async fn release_rate(connection: &Connection, gone: &BTreeSet<i64>) -> Result<(), Error> {
    let set_now = observe::rates(&connection.admin).await?;
    // All topics are looked at only where one of them could matter.
    if set_now.left_over(gone, &BTreeSet::new()).is_empty() {
        return Ok(());
    }
    let topics = connection.admin.list_topics().await?.into_iter().map(|topic| topic.name).collect();
    let ours = set_now.left_over(gone, &rates_on(&connection.admin, topics).await?);
    if !ours.is_empty() {
        set(connection, Configured::EveryBroker, rates(&ours, None)).await?;
        writes::done("throttle_rate_remove");
    }
    Ok(())
}

async fn set(connection: &Connection, resource: Configured, changes: Changes) -> Result<(), Error> {
    let results = connection.admin.alter_settings(&[(resource, changes)]).await?;
    results.into_iter().collect()
}

async fn reassign(connection: &Connection, seen: &Situation, assignments: &[Assignment]) -> Result<(), Error> {
    let results = connection.admin.alter_reassignments(&seen.topic.name, assignments).await?;
    results.into_iter().collect()
}
