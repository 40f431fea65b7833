//! Records, as far as it matters when the youngest of a topic was written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicI16, Ordering},
};

use kafka_protocol::messages::{
    BrokerId as WireBrokerId, ListOffsetsRequest, TopicName,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};

use super::{Admin, At, BrokerId, missing, text, topics::Topic};
use crate::kafka::error::Error;

const API: &str = "ListOffsets";
/// Asks for the record with the largest timestamp instead of a time (KIP-734).
const YOUNGEST: i64 = -3;
/// The version with which that came (Kafka 3.0): an older broker takes it for a time, and answers with the oldest record.
const KNOWS_YOUNGEST: i16 = 7;
/// Who asks that is no broker.
const CLIENT: WireBrokerId = WireBrokerId(-1);

impl Admin {
    /// The largest timestamp of each topic's records, in milliseconds since 1970, in the order given; `None` for a topic without any.
    /// It is the producers' clock that says so, but for topics with `message.timestamp.type=LogAppendTime`. Needs Describe on
    /// each.
    ///
    /// # Errors
    /// See [`Error`]. A partition without a leader, or of which the leader tells nothing, is an error of its topic.
    pub async fn youngest_records(&self, topics: &[Topic]) -> Result<Vec<Result<Option<i64>, Error>>, Error> {
        let mut results: BTreeMap<&str, Result<Option<i64>, Error>> =
            topics.iter().map(|topic| (topic.name.as_str(), Ok(None))).collect();
        let mut by_leader: BTreeMap<BrokerId, BTreeMap<&str, BTreeSet<i32>>> = BTreeMap::new();
        for topic in topics {
            for partition in &topic.partitions {
                match partition.leader {
                    Some(leader) => {
                        let parts = by_leader.entry(leader).or_default();
                        parts.entry(topic.name.as_str()).or_default().insert(partition.index);
                    }
                    None => {
                        let reason = format!("partition {} of topic {} has no leader", partition.index, topic.name);
                        results.insert(&topic.name, Err(Error::unreachable(API, "", reason)));
                    }
                }
            }
        }
        for (leader, asked) in by_leader {
            for (name, youngest) in self.youngest_at(leader, &asked).await? {
                let Some(result) = results.get_mut(name.as_str()) else { continue };
                *result = match (&*result, youngest) {
                    (Ok(before), Ok(found)) => Ok((*before).max(found)),
                    (Err(error), _) => Err(error.clone()),
                    (Ok(_), Err(error)) => Err(error),
                };
            }
        }
        let of = |topic: &Topic| results.get(topic.name.as_str()).cloned();
        Ok(topics.iter().map(|topic| of(topic).unwrap_or_else(|| Err(missing(API, "", &topic.name)))).collect())
    }

    async fn youngest_at(
        &self,
        leader: BrokerId,
        asked: &BTreeMap<&str, BTreeSet<i32>>,
    ) -> Result<Vec<(String, Result<Option<i64>, Error>)>, Error> {
        let topics = || {
            asked.iter().map(|(name, partitions)| {
                let partition =
                    |index: &i32| ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(YOUNGEST);
                ListOffsetsTopic::default()
                    .with_name(TopicName(text(name)))
                    .with_partitions(partitions.iter().map(partition).collect())
            })
        };
        let spoken = AtomicI16::new(0);
        let request = |version| {
            spoken.store(version, Ordering::Relaxed);
            ListOffsetsRequest::default()
                .with_replica_id(CLIENT)
                .with_topics(topics().collect())
                .with_timeout_ms(self.server_timeout())
        };
        let answer = self.read(At::Broker(leader), request).await?;
        if spoken.load(Ordering::Relaxed) < KNOWS_YOUNGEST {
            let reason = "the broker cannot tell the youngest record; Kafka 3.0 or later is needed";
            return Err(Error::invalid(API, &answer.peer, reason));
        }
        let mut told: BTreeMap<(String, i32), Result<Option<i64>, Error>> = BTreeMap::new();
        for topic in answer.reply.topics {
            for found in topic.partitions {
                let checked = Error::check(API, &answer.peer, found.error_code, None);
                let youngest = checked.map(|()| Some(found.timestamp).filter(|time| *time >= 0));
                told.insert((topic.name.to_string(), found.partition_index), youngest);
            }
        }
        let all = asked.iter().flat_map(|(name, partitions)| partitions.iter().map(|index| (*name, *index)));
        let each = all.map(|(name, index)| {
            let silent = || Err(missing(API, &answer.peer, format!("partition {index} of {name}")));
            (name.to_owned(), told.remove(&(name.to_owned(), index)).unwrap_or_else(silent))
        });
        Ok(each.collect())
    }
}
