//! Topics of a Kafka that runs. Reads only.

use anyhow::Context;

use super::claims::FoundTopic;
use crate::cli::exit::Try;
use crate::cli::print;
use crate::kafka::admin::topics::Topic;
use crate::kafka::admin::{Admin, At};
use crate::kafka::error::Error;

/// Topics that are asked about at once.
const BATCH: usize = 200;
/// Settings that last as long as a movement of replicas: they say nothing of the topic.
const OF_MOVEMENTS: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Every topic that is wanted and not Kafka's own, with its settings, and what could not be read of them.
///
/// # Errors
/// Kafka refused or did not answer.
pub async fn topics(admin: &Admin, wanted: impl Fn(&str) -> bool) -> anyhow::Result<(Vec<FoundTopic>, Vec<String>)> {
    let hint = || Try("admittance check; kafka-topics.sh --list with the same settings".to_owned());
    let mut topics = admin.list_topics().await.context("cannot list the topics").with_context(hint)?;
    topics.retain(|topic| !topic.internal && !topic.name.starts_with("__") && wanted(&topic.name));
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for batch in topics.chunks(BATCH) {
        print::progress(&format!("reading the settings of {} topics", topics.len()));
        let names: Vec<String> = batch.iter().map(|topic| topic.name.clone()).collect();
        let settings = admin
            .describe_settings(&names, At::Any)
            .await
            .context("cannot read the topics' settings")
            .with_context(hint)?;
        for (topic, settings) in batch.iter().zip(settings) {
            let mut described = described(topic);
            match settings {
                Ok(Some(settings)) => described.spec.config.extend(settings),
                // It went while we looked.
                Ok(None) => continue,
                Err(Error::Denied(why)) => unknown.push(why),
                Err(error) => return Err(error).context("cannot read the topics' settings").with_context(hint),
            }
            for key in OF_MOVEMENTS {
                described.spec.config.remove(key);
            }
            found.push(described);
        }
    }
    let told = |why| format!("warning: the settings of {} topics are not known: {why}", unknown.len());
    let notes = unknown.first().map(told).into_iter().collect();
    Ok((found, notes))
}

fn described(topic: &Topic) -> FoundTopic {
    let mut found = FoundTopic::named(&topic.name);
    found.spec.partitions = i32::try_from(topic.partitions.len()).ok();
    let replicas = topic.partitions.first().map(|partition| partition.replicas.len());
    found.spec.replicas = replicas.and_then(|count| i32::try_from(count).ok());
    found
}
