//! Who is at work on topics: groups that have members, of every protocol that we can read.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ShareGroupDescribeRequest, TopicName,
    describe_groups_response::DescribedGroup,
};

use super::{Admin, At, BrokerId, text};
use crate::kafka::{assignment, error::Error};

const CLASSIC: &str = "DescribeGroups";
const CONSUMER: &str = "ConsumerGroupDescribe";
const SHARE: &str = "ShareGroupDescribe";
/// States of a group without members.
const WITHOUT_MEMBERS: [&str; 2] = ["Empty", "Dead"];
/// The only state in which a classic group tells what its members are at work on.
const STABLE: &str = "Stable";
/// What members of classic groups call themselves that consume topics. Others (`connect`) use groups for something else.
const CONSUMERS: &str = "consumer";
/// Groups that one request asks about.
const AT_ONCE: usize = 100;

/// What groups are at work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// By topic, the groups that have members which subscribe to it or are assigned partitions of it.
    pub groups_of: BTreeMap<String, BTreeSet<String>>,
    /// Groups with members that do not tell: they are being rebalanced, or are of a protocol that we cannot read.
    pub unclear: BTreeSet<String>,
}

impl Activity {
    fn add(&mut self, group: &str, topics: impl IntoIterator<Item = String>) {
        for topic in topics {
            self.groups_of.entry(topic).or_default().insert(group.to_owned());
        }
    }
}

impl Admin {
    /// What all groups with members are at work on. Needs Describe on every group, as Describe on Cluster does not give it.
    ///
    /// Consumers that assign partitions to themselves are in no group, and are not seen.
    ///
    /// # Errors
    /// As [`Admin::list_groups`]; a group that may not be described is an error.
    pub async fn activity(&self) -> Result<Activity, Error> {
        let mut busy: BTreeMap<(BrokerId, String), Vec<String>> = BTreeMap::new();
        let mut activity = Activity::default();
        for group in self.list_groups().await? {
            if !WITHOUT_MEMBERS.contains(&group.state.as_str()) {
                busy.entry((group.coordinator, group.kind.to_ascii_lowercase())).or_default().push(group.id);
            }
        }
        for ((coordinator, kind), ids) in busy {
            for ids in ids.chunks(AT_ONCE) {
                match kind.as_str() {
                    "" | "classic" => self.classic(coordinator, ids, &mut activity).await?,
                    "consumer" => self.consumer(coordinator, ids, &mut activity).await?,
                    "share" => self.share(coordinator, ids, &mut activity).await?,
                    _ => activity.unclear.extend(ids.iter().cloned()),
                }
            }
        }
        Ok(activity)
    }

    async fn classic(&self, at: BrokerId, ids: &[String], activity: &mut Activity) -> Result<(), Error> {
        let request = |_| DescribeGroupsRequest::default().with_groups(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CLASSIC, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            Error::check(CLASSIC, &answer.peer, group.error_code, group.error_message.as_deref())?;
            let id = group.group_id.to_string();
            match topics_of(&group) {
                Some(topics) => activity.add(&id, topics),
                None => _ = activity.unclear.insert(id),
            }
        }
        Ok(())
    }

    async fn consumer(&self, at: BrokerId, ids: &[String], activity: &mut Activity) -> Result<(), Error> {
        let request = |_| ConsumerGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CONSUMER, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            Error::check(CONSUMER, &answer.peer, group.error_code, group.error_message.as_deref())?;
            for member in group.members {
                activity.add(&group.group_id, names(member.subscribed_topic_names));
                let held =
                    member.assignment.topic_partitions.into_iter().chain(member.target_assignment.topic_partitions);
                activity.add(&group.group_id, names(held.map(|topic| topic.topic_name)));
            }
        }
        Ok(())
    }

    async fn share(&self, at: BrokerId, ids: &[String], activity: &mut Activity) -> Result<(), Error> {
        let request = |_| ShareGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(SHARE, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            Error::check(SHARE, &answer.peer, group.error_code, group.error_message.as_deref())?;
            for member in group.members {
                activity.add(&group.group_id, names(member.subscribed_topic_names));
                let held = member.assignment.topic_partitions;
                activity.add(&group.group_id, names(held.into_iter().map(|topic| topic.topic_name)));
            }
        }
        Ok(())
    }
}

fn group_ids(ids: &[String]) -> Vec<GroupId> {
    ids.iter().map(|id| GroupId(text(id))).collect()
}

fn names(topics: impl IntoIterator<Item = TopicName>) -> impl Iterator<Item = String> {
    topics.into_iter().map(|name| name.to_string())
}

/// The groups that a reply tells of, each of those that were asked about.
fn told<G>(
    api: &str,
    peer: &str,
    ids: &[String],
    groups: Vec<G>,
    id_of: impl Fn(&G) -> &GroupId,
) -> Result<Vec<G>, Error> {
    let silent = ids.iter().find(|id| !groups.iter().any(|group| id_of(group).as_str() == id.as_str()));
    match silent {
        Some(id) => Err(super::missing(api, peer, id)),
        None => Ok(groups),
    }
}

/// The topics of a classic group; nothing where it cannot be told.
fn topics_of(group: &DescribedGroup) -> Option<BTreeSet<String>> {
    if group.members.is_empty() || (!group.protocol_type.is_empty() && &*group.protocol_type != CONSUMERS) {
        return Some(BTreeSet::new());
    }
    if &*group.group_state != STABLE {
        return None;
    }
    let mut topics = BTreeSet::new();
    for member in &group.members {
        topics.extend(assignment::subscription(member.member_metadata.clone())?);
        // A member that is assigned nothing may say so with nothing at all.
        if !member.member_assignment.is_empty() {
            topics.extend(assignment::parse(member.member_assignment.clone())?.into_iter().map(|(topic, _)| topic));
        }
    }
    Some(topics)
}
