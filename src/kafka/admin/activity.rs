//! Who is at work on topics: groups that have members, of every protocol that we can read.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, OffsetFetchRequest, ShareGroupDescribeRequest,
    TopicName, describe_groups_response::DescribedGroup, offset_fetch_request::OffsetFetchRequestGroup,
    offset_fetch_response::OffsetFetchResponseGroup,
};

use super::groups::Group;
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
    /// By topic, the groups that have members which subscribe to it or are assigned partitions of it; and those with members that do not
    /// tell (they are being rebalanced, or are of a protocol that we cannot read), where the group has committed offsets of it.
    pub groups_of: BTreeMap<String, BTreeSet<String>>,
    /// Groups with members that do not tell, and that have committed nothing that could be read: they may be at work on anything.
    pub unclear: BTreeSet<String>,
}

impl Activity {
    fn add(&mut self, group: &str, topics: impl IntoIterator<Item = String>) {
        for topic in topics {
            self.groups_of.entry(topic).or_default().insert(group.to_owned());
        }
    }
}

/// What groups have answered so far.
#[derive(Debug, Default)]
struct Asked {
    activity: Activity,
    /// Groups with members that do not tell, with their coordinators.
    silent: BTreeMap<BrokerId, Vec<String>>,
    /// Groups that were listed, and that nobody knew when they were asked about.
    vanished: BTreeSet<String>,
}

impl Admin {
    /// What all groups with members are at work on. Needs Describe on every group, as Describe on Cluster does not give it.
    ///
    /// Consumers that assign partitions to themselves are in no group, and are not seen. Nor is what a group reads that is being rebalanced,
    /// where it has committed offsets of other topics and none of this one.
    ///
    /// # Errors
    /// As [`Admin::list_groups`]; a group that may not be described is an error.
    pub async fn activity(&self) -> Result<Activity, Error> {
        let mut busy: BTreeMap<(BrokerId, String), Vec<String>> = BTreeMap::new();
        for group in self.list_groups().await?.into_iter().filter(has_members) {
            busy.entry((group.coordinator, group.kind.to_ascii_lowercase())).or_default().push(group.id);
        }
        let mut asked = Asked::default();
        for ((coordinator, kind), ids) in busy {
            for ids in ids.chunks(AT_ONCE) {
                match kind.as_str() {
                    "" | "classic" => self.classic(coordinator, ids, &mut asked).await?,
                    "consumer" => self.consumer(coordinator, ids, &mut asked).await?,
                    "share" => self.share(coordinator, ids, &mut asked).await?,
                    _ => asked.silent.entry(coordinator).or_default().extend(ids.iter().cloned()),
                }
            }
        }
        if !asked.vanished.is_empty() {
            // One that is there all the same has changed its protocol meanwhile.
            let there = self.list_groups().await?.into_iter().filter(has_members);
            for group in there.filter(|group| asked.vanished.contains(&group.id)) {
                asked.silent.entry(group.coordinator).or_default().push(group.id);
            }
        }
        let Asked { mut activity, silent, .. } = asked;
        for (coordinator, ids) in silent {
            for ids in ids.chunks(AT_ONCE) {
                self.committed(coordinator, ids, &mut activity).await;
            }
        }
        Ok(activity)
    }

    async fn classic(&self, at: BrokerId, ids: &[String], asked: &mut Asked) -> Result<(), Error> {
        let request = |_| DescribeGroupsRequest::default().with_groups(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CLASSIC, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            let id = group.group_id.to_string();
            if is_unknown(group.error_code) {
                asked.vanished.insert(id);
                continue;
            }
            Error::check(CLASSIC, &answer.peer, group.error_code, group.error_message.as_deref())?;
            match topics_of(&group) {
                Some(topics) => asked.activity.add(&id, topics),
                None => asked.silent.entry(at).or_default().push(id),
            }
        }
        Ok(())
    }

    async fn consumer(&self, at: BrokerId, ids: &[String], asked: &mut Asked) -> Result<(), Error> {
        let request = |_| ConsumerGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CONSUMER, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            if is_unknown(group.error_code) {
                asked.vanished.insert(group.group_id.to_string());
                continue;
            }
            Error::check(CONSUMER, &answer.peer, group.error_code, group.error_message.as_deref())?;
            for member in group.members {
                asked.activity.add(&group.group_id, names(member.subscribed_topic_names));
                let held =
                    member.assignment.topic_partitions.into_iter().chain(member.target_assignment.topic_partitions);
                asked.activity.add(&group.group_id, names(held.map(|topic| topic.topic_name)));
            }
        }
        Ok(())
    }

    async fn share(&self, at: BrokerId, ids: &[String], asked: &mut Asked) -> Result<(), Error> {
        let request = |_| ShareGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(SHARE, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            if is_unknown(group.error_code) {
                asked.vanished.insert(group.group_id.to_string());
                continue;
            }
            Error::check(SHARE, &answer.peer, group.error_code, group.error_message.as_deref())?;
            for member in group.members {
                asked.activity.add(&group.group_id, names(member.subscribed_topic_names));
                let held = member.assignment.topic_partitions;
                asked.activity.add(&group.group_id, names(held.into_iter().map(|topic| topic.topic_name)));
            }
        }
        Ok(())
    }

    /// Of groups that do not tell what they read, what they have committed; one of which that cannot be read either is unclear.
    async fn committed(&self, at: BrokerId, ids: &[String], activity: &mut Activity) {
        // No topics at all stands for every topic of the group.
        let wanted =
            |id: &String| OffsetFetchRequestGroup::default().with_group_id(GroupId(text(id))).with_topics(None);
        let request = |_| OffsetFetchRequest::default().with_groups(ids.iter().map(wanted).collect());
        let groups = match self.read(At::Broker(at), request).await {
            Ok(answer) => answer.reply.groups,
            Err(error) => {
                tracing::info!(%error, groups = ids.len(), "groups do not tell what they read, nor what they have committed");
                Vec::new()
            }
        };
        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for group in groups.into_iter().filter(|group| group.error_code == 0) {
            told.insert(group.group_id.to_string(), committed_topics(group).collect());
        }
        for id in ids {
            match told.remove(id).filter(|topics| !topics.is_empty()) {
                Some(topics) => activity.add(id, topics),
                None => _ = activity.unclear.insert(id.clone()),
            }
        }
    }
}

/// Whether a group that was asked about is not there, or not of the protocol that it was listed with.
fn is_unknown(code: i16) -> bool {
    code == ResponseError::GroupIdNotFound.code()
}

fn has_members(group: &Group) -> bool {
    !WITHOUT_MEMBERS.contains(&group.state.as_str())
}

/// The topics of which a group has committed offsets, or may have: a partition that does not tell counts.
fn committed_topics(group: OffsetFetchResponseGroup) -> impl Iterator<Item = String> {
    let topics = group.topics.into_iter().filter(|topic| {
        topic.partitions.iter().any(|partition| partition.error_code != 0 || partition.committed_offset >= 0)
    });
    topics.map(|topic| topic.name.to_string())
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
