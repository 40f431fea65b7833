//! Who is at work on topics: groups that have members, of every protocol that we can read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, OffsetFetchRequest, ShareGroupDescribeRequest,
    describe_groups_response::DescribedGroup, offset_fetch_request::OffsetFetchRequestGroup,
    offset_fetch_response::OffsetFetchResponseGroup,
};

use super::groups::{DEAD, Group, LIST, OFFSETS};
use super::{Admin, At, BrokerId, text};
use crate::kafka::{assignment, error::Error};

const CLASSIC: &str = "DescribeGroups";
const CONSUMER: &str = "ConsumerGroupDescribe";
const SHARE: &str = "ShareGroupDescribe";
/// States of a group without members.
const WITHOUT_MEMBERS: [&str; 2] = ["Empty", DEAD];
/// The only state in which a classic group tells what its members are at work on.
const STABLE: &str = "Stable";
/// What members of classic groups call themselves that consume topics. Others (`connect`) use groups for something else.
const CONSUMERS: &str = "consumer";
/// Groups that one request asks about.
const AT_ONCE: usize = 100;

/// Bytes of a group's id that are kept: ids serve to tell people which one it is, and Kafka lets them have 32 767.
const SHOWN: usize = 249;

/// What groups are at work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// By topic, of those that were asked about, the groups that have members which subscribe to it or are assigned partitions of it; and
    /// those with members that do not tell (they are being rebalanced, or are of a protocol that we cannot read), where the group has
    /// committed offsets of it. Ids are cut where they are long.
    pub groups_of: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// Groups with members that do not tell, and that have committed nothing that could be read: they may be at work on anything.
    pub unclear: BTreeSet<Arc<str>>,
}

/// What groups have answered so far. Whoever is in a group decides how many topics it names, and how long its id is: the one is not
/// multiplied by the other, and of topics that nobody asked about nothing is kept.
#[derive(Debug)]
struct Asked<'t> {
    of: &'t BTreeSet<String>,
    activity: Activity,
    /// Groups with members that do not tell, with their coordinators.
    silent: BTreeMap<BrokerId, Vec<String>>,
    /// Groups that were listed, and that nobody knew when they were asked about.
    vanished: BTreeSet<String>,
}

impl Asked<'_> {
    fn add<'n>(&mut self, group: &Arc<str>, topics: impl IntoIterator<Item = &'n str>) {
        for topic in topics.into_iter().filter_map(|topic| self.of.get(topic)) {
            match self.activity.groups_of.get_mut(topic) {
                Some(groups) => _ = groups.insert(Arc::clone(group)),
                None => _ = self.activity.groups_of.insert(topic.clone(), BTreeSet::from([Arc::clone(group)])),
            }
        }
    }
}

impl Admin {
    /// What all groups with members are at work on, of these topics. Needs Describe on every group, as Describe on Cluster does not give it.
    ///
    /// Consumers that assign partitions to themselves are in no group, and are not seen. Nor is what a group reads that is being rebalanced,
    /// where it has committed offsets of other topics and none of this one.
    ///
    /// # Errors
    /// As [`Admin::groups_with_members`]; a group that may not be described is an error, and so is one that has no coordinator.
    pub async fn activity(&self, of: &BTreeSet<String>) -> Result<Activity, Error> {
        let mut busy: BTreeMap<(BrokerId, String), Vec<String>> = BTreeMap::new();
        for group in self.at_work().await? {
            busy.entry((group.coordinator, group.kind.to_ascii_lowercase())).or_default().push(group.id);
        }
        let (activity, silent, vanished) = (Activity::default(), BTreeMap::new(), BTreeSet::new());
        let mut asked = Asked { of, activity, silent, vanished };
        for ((coordinator, kind), ids) in busy {
            let mut parts: Vec<&[String]> = ids.chunks(AT_ONCE).collect();
            while let Some(part) = parts.pop() {
                let described = match kind.as_str() {
                    "" | "classic" => self.classic(coordinator, part, &mut asked).await,
                    "consumer" => self.consumer(coordinator, part, &mut asked).await,
                    "share" => self.share(coordinator, part, &mut asked).await,
                    _ => {
                        asked.silent.entry(coordinator).or_default().extend(part.iter().cloned());
                        Ok(())
                    }
                };
                match described {
                    // One of them may be larger than all others: alone it does not tell, and keeps nobody from telling.
                    Err(error) if error.is_too_large() => match part {
                        [alone] => asked.silent.entry(coordinator).or_default().push(alone.clone()),
                        part => parts.extend(<[_; 2]>::from(part.split_at(part.len() / 2))),
                    },
                    other => other?,
                }
            }
        }
        if !asked.vanished.is_empty() {
            // One that is there all the same has changed its protocol meanwhile.
            let there = self.at_work().await?.into_iter();
            for group in there.filter(|group| asked.vanished.contains(&group.id)) {
                asked.silent.entry(group.coordinator).or_default().push(group.id);
            }
        }
        for (coordinator, ids) in std::mem::take(&mut asked.silent) {
            for ids in ids.chunks(AT_ONCE) {
                self.committed(coordinator, ids, &mut asked).await;
            }
        }
        Ok(asked.activity)
    }

    /// The groups with members, all of them. A broker that has just taken over groups, and has not loaded them yet, says so, which is an error.
    /// Groups that no broker has taken over would be missed without a word: there must be none, where we may see that.
    async fn at_work(&self) -> Result<Vec<Group>, Error> {
        let mut groups = self.groups_with_members().await?;
        groups.retain(has_members);
        let kept = match self.describe_topic_anywhere(OFFSETS).await {
            // Whose rights are on topics of a prefix alone may delete those, and is told of the groups all the same.
            Err(Error::Denied(_)) => return Ok(groups),
            kept => kept?,
        };
        match kept.iter().flat_map(|topic| &topic.partitions).find(|partition| partition.leader.is_none()) {
            Some(partition) => {
                let reason =
                    format!("partition {} of {OFFSETS} has no leader: its groups are in no list", partition.index);
                Err(Error::unreachable(LIST, "", reason))
            }
            None => Ok(groups),
        }
    }

    async fn classic(&self, at: BrokerId, ids: &[String], asked: &mut Asked<'_>) -> Result<(), Error> {
        let request = |_| DescribeGroupsRequest::default().with_groups(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CLASSIC, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            // Brokers before 4.0 have no error for it.
            if is_unknown(group.error_code) || (group.error_code == 0 && &*group.group_state == DEAD) {
                asked.vanished.insert(group.group_id.to_string());
                continue;
            }
            Error::check(CLASSIC, &answer.peer, group.error_code, group.error_message.as_deref())?;
            match topics_of(&group) {
                Some(topics) => asked.add(&shown(&group.group_id), topics),
                None => asked.silent.entry(at).or_default().push(group.group_id.to_string()),
            }
        }
        Ok(())
    }

    async fn consumer(&self, at: BrokerId, ids: &[String], asked: &mut Asked<'_>) -> Result<(), Error> {
        let request = |_| ConsumerGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(CONSUMER, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            if is_unknown(group.error_code) {
                asked.vanished.insert(group.group_id.to_string());
                continue;
            }
            Error::check(CONSUMER, &answer.peer, group.error_code, group.error_message.as_deref())?;
            let id = shown(&group.group_id);
            for member in group.members {
                asked.add(&id, member.subscribed_topic_names.iter().map(|name| name.as_str()));
                let (now, target) = (&member.assignment.topic_partitions, &member.target_assignment.topic_partitions);
                asked.add(&id, now.iter().chain(target).map(|topic| topic.topic_name.as_str()));
            }
        }
        Ok(())
    }

    async fn share(&self, at: BrokerId, ids: &[String], asked: &mut Asked<'_>) -> Result<(), Error> {
        let request = |_| ShareGroupDescribeRequest::default().with_group_ids(group_ids(ids));
        let answer = self.read(At::Broker(at), request).await?;
        for group in told(SHARE, &answer.peer, ids, answer.reply.groups, |group| &group.group_id)? {
            if is_unknown(group.error_code) {
                asked.vanished.insert(group.group_id.to_string());
                continue;
            }
            Error::check(SHARE, &answer.peer, group.error_code, group.error_message.as_deref())?;
            let id = shown(&group.group_id);
            for member in group.members {
                asked.add(&id, member.subscribed_topic_names.iter().map(|name| name.as_str()));
                asked.add(&id, member.assignment.topic_partitions.iter().map(|topic| topic.topic_name.as_str()));
            }
        }
        Ok(())
    }

    /// Of groups that do not tell what they read, what they have committed; one of which that cannot be read either is unclear.
    async fn committed(&self, at: BrokerId, ids: &[String], asked: &mut Asked<'_>) {
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
        let mut unclear: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        for group in groups.iter().filter(|group| group.error_code == 0) {
            let mut topics = committed_topics(group).peekable();
            if topics.peek().is_some() && unclear.remove(group.group_id.as_str()) {
                asked.add(&shown(&group.group_id), topics);
            }
        }
        asked.activity.unclear.extend(unclear.into_iter().map(shown));
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
fn committed_topics(group: &OffsetFetchResponseGroup) -> impl Iterator<Item = &str> {
    let topics = group.topics.iter().filter(|topic| {
        topic.partitions.iter().any(|partition| partition.error_code != 0 || partition.committed_offset >= 0)
    });
    topics.map(|topic| topic.name.as_str())
}

/// A group's id as it is kept.
fn shown(id: &str) -> Arc<str> {
    match id.get(..id.floor_char_boundary(SHOWN)) {
        Some(start) if start.len() < id.len() => format!("{start}…").into(),
        _ => id.into(),
    }
}

fn group_ids(ids: &[String]) -> Vec<GroupId> {
    ids.iter().map(|id| GroupId(text(id))).collect()
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
fn topics_of(group: &DescribedGroup) -> Option<BTreeSet<&str>> {
    if group.members.is_empty() || (!group.protocol_type.is_empty() && &*group.protocol_type != CONSUMERS) {
        return Some(BTreeSet::new());
    }
    if &*group.group_state != STABLE {
        return None;
    }
    let mut topics = BTreeSet::new();
    for member in &group.members {
        topics.extend(assignment::subscribed(&member.member_metadata)?);
        // A member that is assigned nothing may say so with nothing at all.
        if !member.member_assignment.is_empty() {
            topics.extend(assignment::assigned(&member.member_assignment)?.into_iter().map(|(topic, _)| topic));
        }
    }
    Some(topics)
}
