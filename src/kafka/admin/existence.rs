//! Whether groups exist, asked about these groups alone: what others make of theirs must not make the answer large.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::future::join_all;
use kafka_protocol::{
    error::ResponseError as Code,
    messages::{
        ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ShareGroupDescribeRequest,
        describe_groups_response::DescribedGroup,
    },
    protocol::Request,
};

use super::groups::{DEAD, OFFSETS};
use super::{Admin, At, BrokerId, missing, text};
use crate::kafka::{error::Error, wire::versions::api_name};

/// What brokers since 4.0 say of a group that exists and is of another protocol than the classic one, whichever it is (KIP-1043).
const OF_ANOTHER_PROTOCOL: &str = "is not a classic group.";

/// What one broker says of one group.
#[derive(Debug)]
enum Said {
    There,
    /// It coordinates the group, and has none of that name.
    Absent,
    /// It does not coordinate the group.
    Elsewhere,
    Failed(Error),
}

/// What one broker says, by group.
type Told = BTreeMap<String, Said>;

/// What all brokers say of one group.
#[derive(Debug)]
enum Verdict {
    Known(bool),
    /// None of them coordinates it.
    Nowhere,
    Failed(Error),
}

impl Admin {
    /// Whether groups exist, with members or without, of whichever protocol; in the order given. All brokers are asked, for each knows the
    /// groups that it coordinates. Needs Describe on each group; where that is missing, on Cluster, and then all groups are listed.
    ///
    /// # Errors
    /// The request as a whole failed. Where its answer is too large, that may be one group's doing, and the others are to be asked about
    /// without it: a group whose answer alone is too large exists.
    pub async fn groups_exist(&self, ids: &[String]) -> Result<Vec<Result<bool, Error>>, Error> {
        let distinct: Vec<String> = ids.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let cluster = self.describe_cluster().await?;
        let brokers = cluster.brokers.iter().filter(|broker| !broker.fenced);
        let mut said: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        for told in join_all(brokers.map(|broker| self.known(broker.id, &distinct))).await {
            told?.into_iter().for_each(|(id, one)| said.entry(id).or_default().push(one));
        }
        let verdicts: BTreeMap<String, Verdict> = said.into_iter().map(|(id, said)| (id, verdict(said))).collect();
        let listed = match verdicts.values().any(|verdict| matches!(verdict, Verdict::Failed(Error::Denied(_)))) {
            true => self.list_groups().await.map(|all| all.into_iter().map(|group| group.id).collect()),
            false => Ok(HashSet::new()),
        };
        let nowhere = verdicts.values().any(|verdict| matches!(verdict, Verdict::Nowhere));
        // Before the first group there is no coordinator of any.
        let no_groups = nowhere && self.describe_topic_anywhere(OFFSETS).await?.is_none();
        let exists = |id: &String| match verdicts.get(id) {
            Some(Verdict::Known(exists)) => Ok(*exists),
            Some(Verdict::Failed(Error::Denied(_))) => {
                listed.as_ref().map(|all| all.contains(id)).map_err(Error::clone)
            }
            Some(Verdict::Failed(error)) => Err(error.clone()),
            Some(Verdict::Nowhere) if no_groups => Ok(false),
            Some(Verdict::Nowhere) | None => {
                let reason = format!("no broker coordinates group {id} for now");
                Err(Error::unreachable(api_name::<DescribeGroupsRequest>(), "", reason))
            }
        };
        Ok(ids.iter().map(exists).collect())
    }

    /// What one broker knows of groups.
    async fn known(&self, at: BrokerId, ids: &[String]) -> Result<Told, Error> {
        let request = |groups| DescribeGroupsRequest::default().with_groups(groups);
        let read = |group: DescribedGroup, peer: &str| (classic(&group, peer), group.group_id);
        let mut told = self
            .told(at, ids, request, |reply, peer| reply.groups.into_iter().map(|g| read(g, peer)).collect())
            .await?;
        // Brokers before 4.0 have one word for a group of another protocol and for none.
        let request = |groups| ConsumerGroupDescribeRequest::default().with_group_ids(groups);
        self.of_protocol(at, &mut told, request, |reply| {
            reply.groups.into_iter().map(|group| (group.error_code, group.group_id)).collect()
        })
        .await?;
        let request = |groups| ShareGroupDescribeRequest::default().with_group_ids(groups);
        self.of_protocol(at, &mut told, request, |reply| {
            reply.groups.into_iter().map(|group| (group.error_code, group.group_id)).collect()
        })
        .await?;
        Ok(told)
    }

    /// Asks about those that were not found whether they are of this protocol, where the broker has it.
    async fn of_protocol<R: Request>(
        &self,
        at: BrokerId,
        told: &mut Told,
        request: impl Fn(Vec<GroupId>) -> R,
        codes: impl Fn(R::Response) -> Vec<(i16, GroupId)>,
    ) -> Result<(), Error> {
        let absent = told.iter().filter(|(_, said)| matches!(said, Said::Absent));
        let open: Vec<String> = absent.map(|(id, _)| id.clone()).collect();
        if open.is_empty() {
            return Ok(());
        }
        match self.connection(Self::slot(At::Broker(at))).await {
            Ok(connection) if connection.version_of::<R>().is_err() => {}
            Ok(_) => {
                let read = |reply, peer: &str| {
                    let said = |(code, id)| (of_code::<R>(code, peer), id);
                    codes(reply).into_iter().map(said).collect()
                };
                told.extend(self.told(at, &open, request, read).await?);
            }
            Err(error) => told.extend(open.into_iter().map(|id| (id, Said::Failed(error.clone())))),
        }
        Ok(())
    }

    /// What one broker answers to one question about groups: something of each.
    async fn told<R: Request>(
        &self,
        at: BrokerId,
        ids: &[String],
        request: impl Fn(Vec<GroupId>) -> R,
        read: impl Fn(R::Response, &str) -> Vec<(Said, GroupId)>,
    ) -> Result<Told, Error> {
        let all = |said: &dyn Fn() -> Said| ids.iter().map(|id| (id.clone(), said())).collect();
        let groups = || ids.iter().map(|id| GroupId(text(id))).collect();
        let answer = match self.read(At::Broker(at), |_| request(groups())).await {
            Ok(answer) => answer,
            Err(error) if error.is_too_large() && ids.len() > 1 => return Err(error),
            // Of one that is not there, there is little to say.
            Err(error) if error.is_too_large() => return Ok(all(&|| Said::There)),
            Err(error) => return Ok(all(&|| Said::Failed(error.clone()))),
        };
        let said = read(answer.reply, &answer.peer).into_iter();
        let mut said: Told = said.map(|(said, id)| (id.to_string(), said)).collect();
        let silent = |id| Said::Failed(missing(api_name::<R>(), &answer.peer, id));
        Ok(ids.iter().map(|id| (id.clone(), said.remove(id).unwrap_or_else(|| silent(id)))).collect())
    }
}

fn classic(group: &DescribedGroup, peer: &str) -> Said {
    let message = group.error_message.as_deref().unwrap_or_default();
    match Code::try_from_code(group.error_code) {
        None if &*group.group_state == DEAD => Said::Absent,
        Some(Code::GroupIdNotFound) if message.ends_with(OF_ANOTHER_PROTOCOL) => Said::There,
        Some(Code::UnsupportedVersion) => failed::<DescribeGroupsRequest>(Code::UnsupportedVersion, peer),
        _ => of_code::<DescribeGroupsRequest>(group.error_code, peer),
    }
}

fn of_code<R: Request>(code: i16, peer: &str) -> Said {
    match Code::try_from_code(code) {
        None => Said::There,
        // A protocol that the broker could speak, and that is not turned on.
        Some(Code::GroupIdNotFound | Code::UnsupportedVersion) => Said::Absent,
        Some(Code::NotCoordinator) => Said::Elsewhere,
        // Its members are at work on topics that we may not see.
        Some(Code::TopicAuthorizationFailed) => Said::There,
        Some(code) => failed::<R>(code, peer),
    }
}

fn failed<R: Request>(code: Code, peer: &str) -> Said {
    Said::Failed(Error::from_code(api_name::<R>(), peer, code, ""))
}

/// A coordinator's word counts, whatever befell the brokers beside it; one that has the group counts more than one that has just lost it.
fn verdict(said: Vec<Said>) -> Verdict {
    let mut verdict = Verdict::Nowhere;
    for one in said {
        verdict = match (one, verdict) {
            (Said::There, _) | (_, Verdict::Known(true)) => Verdict::Known(true),
            (Said::Absent, _) | (_, Verdict::Known(false)) => Verdict::Known(false),
            // What will not pass of itself says more.
            (Said::Failed(error @ Error::Denied(_)), _) | (_, Verdict::Failed(error @ Error::Denied(_))) => {
                Verdict::Failed(error)
            }
            (Said::Failed(error), _) | (Said::Elsewhere, Verdict::Failed(error)) => Verdict::Failed(error),
            (Said::Elsewhere, Verdict::Nowhere) => Verdict::Nowhere,
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_coordinator_counts_whatever_the_others_say() {
        let away = || Said::Failed(Error::unreachable("DescribeGroups", "b:1", "away"));
        let denied = || Said::Failed(Error::denied("DescribeGroups", "b:1", "no"));
        for (said, expected) in [
            (vec![Said::Elsewhere, Said::There, away()], "there"),
            (vec![Said::Absent, Said::There], "there"),
            (vec![Said::There, Said::Absent], "there"),
            (vec![away(), Said::Absent, Said::Elsewhere, denied()], "absent"),
            (vec![Said::Elsewhere, away(), Said::Elsewhere], "failed"),
            (vec![away(), denied(), away()], "denied"),
            (vec![Said::Elsewhere, Said::Elsewhere], "nowhere"),
            (vec![], "nowhere"),
        ] {
            let told = format!("{said:?}");
            let found = match verdict(said) {
                Verdict::Known(true) => "there",
                Verdict::Known(false) => "absent",
                Verdict::Nowhere => "nowhere",
                Verdict::Failed(Error::Denied(_)) => "denied",
                Verdict::Failed(_) => "failed",
            };
            assert_eq!(found, expected, "{told}");
        }
    }
}
