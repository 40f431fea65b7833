//! What Kafka says of groups: who holds what, how far they are, and how far their logs go. Reads, each with the deadline of the whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, ConsumerGroupDescribeRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId,
        ListOffsetsRequest, MetadataRequest, OffsetFetchRequest, TopicName,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    },
    protocol::{Request, StrBytes},
};
use tokio::time::Instant;

use super::addresses::of_client;
use crate::kafka::{
    assignment,
    config::{Credential, Endpoint},
    error::Error,
    wire::{connection::Connection, connector::Connector, versions::api_name},
};

/// Topics with their partitions.
pub type Parts = BTreeMap<String, BTreeSet<i32>>;
/// A number for each partition of a topic.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// Since this version coordinators are asked for by a list (KIP-699, Kafka 3.0).
const LISTS_COORDINATORS: i16 = 4;
/// Since this version offsets are asked for by group (KIP-709, Kafka 3.0); after the last, by topic id.
const BY_GROUP: (i16, i16) = (8, 9);
/// The only state in which what members hold is what they work on.
const STABLE: &str = "Stable";
/// The type of a key that is a group.
const KEY_OF_A_GROUP: i8 = 0;
/// Asks for the end of the log instead of a time.
const LATEST: i64 = -1;
/// Only what is not held up by an open transaction: a consumer may be waiting for that, and no restart would help it.
const READ_COMMITTED: i8 = 1;

/// Questions to a cluster, on as few connections as they need.
#[derive(Debug)]
pub struct Questions<'s> {
    connector: &'s Connector,
    sasl: Option<&'s Credential>,
    deadline: Instant,
    open: Vec<(Endpoint, Connection)>,
}

impl<'s> Questions<'s> {
    /// Begins at the first broker that can be reached.
    ///
    /// # Errors
    /// Why the last of them could not.
    pub async fn begin(
        connector: &'s Connector,
        sasl: Option<&'s Credential>,
        bootstrap: &[Endpoint],
        deadline: Instant,
    ) -> Result<Self, Error> {
        let mut last = Error::invalid("bootstrap", "", "no broker is named");
        for endpoint in bootstrap {
            match connector.open(endpoint, sasl).await {
                Ok(connection) => {
                    let open = vec![(endpoint.clone(), connection)];
                    return Ok(Self { connector, sasl, deadline, open });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where a group's coordinator is.
    ///
    /// # Errors
    /// It has none for now, or the group may not be described.
    pub async fn coordinator(&mut self, group: &str) -> Result<Endpoint, Error> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(KEY_OF_A_GROUP)
            .with_coordinator_keys(vec![StrBytes::from_string(group.to_owned())]);
        let (peer, reply) = self.ask_any(&request, (LISTS_COORDINATORS, i16::MAX)).await?;
        let api = api_name::<FindCoordinatorRequest>();
        let nobody = || Error::invalid(api, &peer, "the broker names no coordinator");
        let found = reply.coordinators.into_iter().next().ok_or_else(nobody)?;
        Error::check(api, &peer, found.error_code, found.error_message.as_deref())?;
        endpoint(&found.host, found.port).ok_or_else(nobody)
    }

    /// What the members of a group at these addresses hold; nothing while the group is not settled.
    ///
    /// # Errors
    /// The coordinator has moved, or the group may not be described.
    pub async fn held(&mut self, at: &Endpoint, group: &str, by: &BTreeSet<IpAddr>) -> Result<Parts, Error> {
        let id = GroupId(StrBytes::from_string(group.to_owned()));
        let request = DescribeGroupsRequest::default().with_groups(vec![id.clone()]);
        let (peer, reply) = self.ask(at, &request, (0, i16::MAX)).await?;
        let mut parts = Parts::new();
        for found in reply.groups {
            let unknown = ResponseError::try_from_code(found.error_code) == Some(ResponseError::GroupIdNotFound);
            if unknown || found.group_state.as_str() == "Dead" {
                return self.held_by_the_new_protocol(at, id, by).await;
            }
            Error::check(api_name::<DescribeGroupsRequest>(), &peer, found.error_code, found.error_message.as_deref())?;
            let members = found.members.into_iter().filter(|_| found.group_state.as_str() == STABLE);
            for member in members.filter(|member| is_one_of(by, &member.client_host)) {
                let held = assignment::assigned(&member.member_assignment).unwrap_or_default();
                for (topic, partitions) in held.into_iter().filter(|(_, partitions)| !partitions.is_empty()) {
                    parts.entry(topic.to_owned()).or_default().extend(partitions);
                }
            }
        }
        Ok(parts)
    }

    /// The same of a group of the new protocol (KIP-848), which the old question does not know.
    async fn held_by_the_new_protocol(
        &mut self,
        at: &Endpoint,
        id: GroupId,
        by: &BTreeSet<IpAddr>,
    ) -> Result<Parts, Error> {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id]);
        let (peer, reply) = self.ask(at, &request, (0, i16::MAX)).await?;
        let mut parts = Parts::new();
        for found in reply.groups {
            let api = api_name::<ConsumerGroupDescribeRequest>();
            Error::check(api, &peer, found.error_code, found.error_message.as_deref())?;
            let members = found.members.into_iter().filter(|_| found.group_state.as_str() == STABLE);
            for member in members.filter(|member| is_one_of(by, &member.client_host)) {
                for topic in member.assignment.topic_partitions {
                    parts.entry(topic.topic_name.to_string()).or_default().extend(topic.partitions);
                }
            }
        }
        Ok(parts)
    }

    /// The committed offsets of a group, where it has committed any.
    ///
    /// # Errors
    /// The coordinator has moved, or the group may not be described.
    pub async fn committed(&mut self, at: &Endpoint, group: &str, parts: &Parts) -> Result<Offsets, Error> {
        let topics = parts.iter().map(|(topic, partitions)| {
            OffsetFetchRequestTopics::default()
                .with_name(name(topic))
                .with_partition_indexes(partitions.iter().copied().collect())
        });
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_topics(Some(topics.collect()));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let (peer, reply) = self.ask(at, &request, BY_GROUP).await?;
        let mut offsets = Offsets::new();
        for found in reply.groups {
            Error::check(api_name::<OffsetFetchRequest>(), &peer, found.error_code, None)?;
            for topic in found.topics {
                let known =
                    topic.partitions.iter().filter(|found| found.error_code == 0 && found.committed_offset >= 0);
                offsets.extend(
                    known.map(|found| ((topic.name.to_string(), found.partition_index), found.committed_offset)),
                );
            }
        }
        Ok(offsets)
    }

    /// The ends of logs, of those partitions whose leader answers for them.
    ///
    /// # Errors
    /// A leader cannot be reached.
    pub async fn ends(&mut self, parts: &Parts) -> Result<Offsets, Error> {
        let mut offsets = Offsets::new();
        for (leader, parts) in self.leaders(parts).await? {
            let topics = parts.into_iter().map(|(topic, partitions)| {
                let partition =
                    |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(LATEST);
                ListOffsetsTopic::default()
                    .with_name(name(&topic))
                    .with_partitions(partitions.into_iter().map(partition).collect())
            });
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(READ_COMMITTED)
                .with_topics(topics.collect());
            let (_, reply) = self.ask(&leader, &request, (0, i16::MAX)).await?;
            for topic in reply.topics {
                let known = topic.partitions.iter().filter(|found| found.error_code == 0 && found.offset >= 0);
                offsets.extend(known.map(|found| ((topic.name.to_string(), found.partition_index), found.offset)));
            }
        }
        Ok(offsets)
    }

    /// The partitions by their leaders; those without one are left out.
    async fn leaders(&mut self, parts: &Parts) -> Result<BTreeMap<Endpoint, Parts>, Error> {
        let topics = parts.keys().map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
        let request =
            MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(false);
        let (_, reply) = self.ask_any(&request, (0, i16::MAX)).await?;
        let brokers: BTreeMap<i32, Endpoint> = reply
            .brokers
            .into_iter()
            .filter_map(|broker| Some((broker.node_id.0, endpoint(&broker.host, broker.port)?)))
            .collect();
        let mut leaders: BTreeMap<Endpoint, Parts> = BTreeMap::new();
        for topic in reply.topics {
            let Some(name) = topic.name else { continue };
            let Some(wanted) = parts.get(name.as_str()) else { continue };
            for partition in topic.partitions.iter().filter(|found| wanted.contains(&found.partition_index)) {
                if let Some(leader) = brokers.get(&partition.leader_id.0) {
                    let parts = leaders.entry(leader.clone()).or_default();
                    parts.entry(name.to_string()).or_default().insert(partition.partition_index);
                }
            }
        }
        Ok(leaders)
    }

    async fn ask_any<R: Request>(&mut self, request: &R, versions: (i16, i16)) -> Result<(String, R::Response), Error> {
        match self.open.first().map(|(endpoint, _)| endpoint.clone()) {
            Some(first) => self.ask(&first, request, versions).await,
            None => Err(Error::invalid(api_name::<R>(), "", "no broker is connected")),
        }
    }

    /// Asks one broker, in the newest version up to the second of these, and no older one than the first.
    async fn ask<R: Request>(
        &mut self,
        at: &Endpoint,
        request: &R,
        (least, most): (i16, i16),
    ) -> Result<(String, R::Response), Error> {
        let connection = match self.open.iter().position(|(endpoint, _)| endpoint == at) {
            Some(found) => self.open.get(found),
            None => {
                let connection = self.connector.open(at, self.sasl).await?;
                self.open.push((at.clone(), connection));
                self.open.last()
            }
        };
        let gone = || Error::invalid(api_name::<R>(), &at.to_string(), "no broker is connected");
        let (_, connection) = connection.ok_or_else(gone)?;
        let version = connection.version_of::<R>()?.min(most);
        if version < least {
            let reason = format!("the broker offers version {version} at most; Kafka 3.0 or later is needed");
            return Err(Error::invalid(api_name::<R>(), connection.peer(), reason));
        }
        let reply = connection.call(request, version, self.deadline).await?;
        Ok((connection.peer().to_owned(), reply))
    }
}

fn is_one_of(addresses: &BTreeSet<IpAddr>, host: &str) -> bool {
    of_client(host).is_some_and(|address| addresses.contains(&address))
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn endpoint(host: &str, port: i32) -> Option<Endpoint> {
    Some(Endpoint { host: host.to_owned(), port: u16::try_from(port).ok()? })
}
