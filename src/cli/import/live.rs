//! Topics of a Kafka that runs. Reads only.

use anyhow::Context;

use super::claims::FoundTopic;
use crate::cli::exit::Try;
use crate::cli::print;
use crate::kafka::admin::reassignments::Reassignment;
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
    // Before the topics: one that moves afterwards is not taken for one that loses what it has. Whatever keeps moves from being told, topics
    // are told without: where a controller is being elected, or from a broker so old that it does not pass the question on.
    let (moves, unlisted) = match admin.list_reassignments().await {
        Ok(moves) => (moves, None),
        Err(why) => (Vec::new(), Some(why)),
    };
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
            let mut described = described(topic, &moves);
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
    let unlisted = unlisted.map(|why| {
        format!(
            "warning: where replicas are moved just now, those that go are counted too, for moves are not known: {why}"
        )
    });
    let notes = unknown.first().map(told).into_iter().chain(unlisted).collect();
    Ok((found, notes))
}

/// What a topic is, and will be once its moves have ended: until then it has the replicas that come and those that go.
fn described(topic: &Topic, moves: &[Reassignment]) -> FoundTopic {
    let mut found = FoundTopic::named(&topic.name);
    found.spec.partitions = i32::try_from(topic.partitions.len()).ok();
    let replicas = topic.partitions.first().map(|partition| {
        let here = moves.iter().filter(|move_| move_.topic == topic.name && move_.index == partition.index);
        // One that has ended since, or was given up, says nothing any more.
        let mut runs = here.filter(|move_| move_.replicas.len() == partition.replicas.len());
        let leaving = runs.next().map(|move_| move_.removing.as_slice()).unwrap_or_default();
        partition.replicas.iter().filter(|id| !leaving.contains(id)).count()
    });
    found.spec.replicas = replicas.and_then(|count| i32::try_from(count).ok());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::BrokerId;
    use crate::kafka::admin::topics::{Partition, TopicId};

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    #[test]
    fn replicas_that_go_are_not_what_anybody_wants() {
        let move_of = |topic: &str, index| {
            let (topic, replicas, adding, removing) =
                (topic.into(), ids(&[4, 5, 1, 2, 3]), ids(&[4, 5]), ids(&[1, 2, 3]));
            vec![Reassignment { topic, index, replicas, adding, removing }]
        };
        for (case, replicas, moves, expected) in [
            ("none", &[1, 2, 3][..], vec![], 3),
            ("it runs", &[4, 5, 1, 2, 3], move_of("orders", 0), 2),
            ("it has ended", &[4, 5], move_of("orders", 0), 2),
            ("it was given up", &[1, 2, 3], move_of("orders", 0), 3),
            ("of another topic", &[1, 2, 3, 4, 5], move_of("payments", 0), 5),
            ("of another partition", &[1, 2, 3, 4, 5], move_of("orders", 1), 5),
        ] {
            let partition = Partition { index: 0, leader: None, replicas: ids(replicas), in_sync: vec![] };
            let topic =
                Topic { name: "orders".into(), id: TopicId([1; 16]), internal: false, partitions: vec![partition] };
            assert_eq!(described(&topic, &moves).spec.replicas, Some(expected), "{case}");
        }
    }
}
