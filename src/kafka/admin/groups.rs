//! Consumer groups, as far as it matters whether one exists and who is in it.

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{DescribeGroupsRequest, GroupId, ListGroupsRequest, describe_groups_response::DescribedGroup},
};

use super::{Admin, At, BrokerId, missing, text};
use crate::kafka::error::Error;

const DESCRIBE: &str = "DescribeGroups";
pub(super) const LIST: &str = "ListGroups";
/// The topic in which Kafka keeps groups: who leads a partition of it coordinates the groups in there. Kafka makes it when somebody looks
/// for a group's coordinator, so nobody here does that.
pub(super) const OFFSETS: &str = "__consumer_offsets";
/// The state of a group that does not exist, from brokers that have no error for that (KIP-1043, Kafka 4.0, has one).
pub(super) const DEAD: &str = "Dead";

/// Every state that Kafka has for a group with members, in its own spelling (`GroupState` in its clients, of all protocols up to 4.3).
const WITH_MEMBERS: [&str; 6] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Assigning", "Reconciling", "NotReady"];
/// How often groups with members are listed before it is believed that there is no other.
const LISTS: usize = 2;
/// Since this version a list of groups can be limited to some states, and tells them (KIP-518, Kafka 2.6).
const FILTERS_STATES: i16 = 4;

/// A group that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// The broker that coordinates it.
    pub coordinator: BrokerId,
    /// `consumer` for groups of consumers, else what its members call it; empty for one that only holds offsets.
    pub protocol_type: String,
    /// `classic`, `consumer`, `share` or `streams`; empty from brokers before 3.8, which do not say.
    pub kind: String,
    /// Kafka's word for its state, such as `Stable` or `Empty`; empty where it does not say.
    pub state: String,
}

/// A group of the classic protocol, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Kafka's word for its state.
    pub state: String,
    /// The `client.id` of each member, and the address that it connects from.
    pub members: Vec<(String, String)>,
}

impl Admin {
    /// Lists the groups of every protocol that we may describe, in the order of their ids. Each broker knows those that it
    /// coordinates, so all are asked; nobody looks for a coordinator, for that would make Kafka's offsets topic. Needs
    /// Describe on Cluster to see them all.
    ///
    /// # Errors
    /// See [`Error`]; a broker that does not answer is an error, for a list must be complete or not be used.
    pub async fn list_groups(&self) -> Result<Vec<Group>, Error> {
        self.listed(&[], 1).await
    }

    /// Lists the groups that have members: see [`Admin::list_groups`]. The rest is left out by the brokers, for it costs nobody anything to
    /// have a group without members, and there may be so many that no answer holds them; those from before 2.6 list all. Brokers are asked one
    /// after another: a group whose coordinator changes meanwhile, from one that is asked later to one that was asked before, is in no answer.
    /// So all are asked twice, and what either list has counts.
    ///
    /// # Errors
    /// As [`Admin::list_groups`].
    pub async fn groups_with_members(&self) -> Result<Vec<Group>, Error> {
        self.listed(&WITH_MEMBERS, LISTS).await
    }

    /// Those in these states, or all, listed so often.
    async fn listed(&self, states: &[&str], times: usize) -> Result<Vec<Group>, Error> {
        // Ids may be long, and many: each is kept once.
        let mut found = BTreeMap::new();
        for _ in 0..times {
            let cluster = self.describe_cluster().await?;
            for broker in cluster.brokers.iter().filter(|broker| !broker.fenced) {
                for mut group in self.groups_of(broker.id, states).await? {
                    // The later word counts: where a group is now, it can be asked about.
                    found.insert(std::mem::take(&mut group.id), group);
                }
            }
        }
        Ok(found.into_iter().map(|(id, group)| Group { id, ..group }).collect())
    }

    /// Describes groups of the classic protocol at the broker that coordinates them, in the order given; `None` for one that
    /// does not exist or is of another protocol. Ids must differ. Needs Describe on each.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn describe_groups(
        &self,
        ids: &[String],
        coordinator: BrokerId,
    ) -> Result<Vec<Result<Option<Membership>, Error>>, Error> {
        let groups = || ids.iter().map(|id| GroupId(text(id))).collect();
        let request = |_| DescribeGroupsRequest::default().with_groups(groups());
        let answer = self.read(At::Broker(coordinator), request).await?;
        let mut found: BTreeMap<String, _> = BTreeMap::new();
        for group in &answer.reply.groups {
            found.insert(group.group_id.to_string(), membership(group, &answer.peer));
        }
        Ok(ids.iter().map(|id| found.remove(id).unwrap_or_else(|| Err(missing(DESCRIBE, &answer.peer, id)))).collect())
    }

    async fn groups_of(&self, coordinator: BrokerId, states: &[&str]) -> Result<Vec<Group>, Error> {
        let states = |version| if version < FILTERS_STATES { &[] } else { states };
        let request = |version| {
            ListGroupsRequest::default().with_states_filter(states(version).iter().map(|state| text(state)).collect())
        };
        let answer = self.read(At::Broker(coordinator), request).await?;
        Error::check(LIST, &answer.peer, answer.reply.error_code, None)?;
        let groups = answer.reply.groups.into_iter().map(|group| Group {
            id: group.group_id.to_string(),
            coordinator,
            protocol_type: group.protocol_type.to_string(),
            kind: group.group_type.to_string(),
            state: group.group_state.to_string(),
        });
        Ok(groups.collect())
    }
}

fn membership(group: &DescribedGroup, peer: &str) -> Result<Option<Membership>, Error> {
    if group.error_code == ResponseError::GroupIdNotFound.code() || &*group.group_state == DEAD {
        return Ok(None);
    }
    Error::check(DESCRIBE, peer, group.error_code, None)?;
    let members = group.members.iter().map(|member| (member.client_id.to_string(), member.client_host.to_string()));
    Ok(Some(Membership { state: group.group_state.to_string(), members: members.collect() }))
}
