//! Changes of where partitions are kept (KIP-455).

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest, TopicName,
        alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
    },
};

use super::{Admin, At, BrokerId, missing, pool::Lane, text};
use crate::kafka::error::Error;

const ALTER: &str = "AlterPartitionReassignments";
const LIST: &str = "ListPartitionReassignments";

/// What is asked for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub index: i32,
    /// Where it is to be kept, the preferred leader first; `None` ends a change that is under way, and goes back.
    pub replicas: Option<Vec<BrokerId>>,
}

/// A change that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub index: i32,
    /// Where it is kept now, those that come and those that go included.
    pub replicas: Vec<BrokerId>,
    /// Who comes.
    pub adding: Vec<BrokerId>,
    /// Who goes, once all that come have caught up.
    pub removing: Vec<BrokerId>,
}

impl Admin {
    /// Asks for partitions of a topic to be kept elsewhere, each with a result of its own, in the order given. Kafka takes note and does
    /// it in its own time; see [`Admin::list_reassignments`]. To end a change that is not under way is a success. Needs Alter on Cluster.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_reassignments(
        &self,
        topic: &str,
        assignments: &[Assignment],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let partitions = assignments.iter().map(|assignment| {
            let ids = |ids: &Vec<BrokerId>| ids.iter().map(|id| kafka_protocol::messages::BrokerId(id.0)).collect();
            ReassignablePartition::default()
                .with_partition_index(assignment.index)
                .with_replicas(assignment.replicas.as_ref().map(ids))
        });
        let topic =
            ReassignableTopic::default().with_name(TopicName(text(topic))).with_partitions(partitions.collect());
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.server_timeout());
        let answer = self.write(Lane::Topics, request).await?;
        let reply = answer.reply;
        Error::check(ALTER, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let mut results: BTreeMap<i32, _> = BTreeMap::new();
        for partition in reply.responses.into_iter().flat_map(|topic| topic.partitions) {
            let gone = partition.error_code == ResponseError::NoReassignmentInProgress.code();
            let code = if gone { 0 } else { partition.error_code };
            let checked = Error::check(ALTER, &answer.peer, code, partition.error_message.as_deref());
            results.insert(partition.partition_index, checked);
        }
        let indexes = assignments.iter().map(|assignment| assignment.index);
        Ok(indexes
            .map(|index| results.remove(&index).unwrap_or_else(|| Err(missing(ALTER, &answer.peer, index))))
            .collect())
    }

    /// Every change that is under way, whoever asked for it, by topic and partition. Needs Describe on Cluster.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_reassignments(&self) -> Result<Vec<Reassignment>, Error> {
        let timeout = self.server_timeout();
        let request = |_| ListPartitionReassignmentsRequest::default().with_topics(None).with_timeout_ms(timeout);
        let answer = self.read(At::Any, request).await?;
        let reply = answer.reply;
        Error::check(LIST, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let ids = |ids: Vec<kafka_protocol::messages::BrokerId>| ids.into_iter().map(|id| BrokerId(id.0)).collect();
        let mut found = Vec::new();
        for topic in reply.topics {
            found.extend(topic.partitions.into_iter().map(|partition| Reassignment {
                topic: topic.name.to_string(),
                index: partition.partition_index,
                replicas: ids(partition.replicas),
                adding: ids(partition.adding_replicas),
                removing: ids(partition.removing_replicas),
            }));
        }
        found.sort_by(|one, other| (&one.topic, one.index).cmp(&(&other.topic, other.index)));
        Ok(found)
    }
}
