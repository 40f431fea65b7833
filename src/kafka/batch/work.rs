//! What can be folded, and how much of it goes into one request.

use std::collections::HashMap;

use futures::future::join_all;

use super::queue::{Sent, Work};
use crate::kafka::{
    acl::{AclBinding, AclFilter},
    admin::{
        Admin, At, REVOCATIONS,
        quotas::Quota,
        settings::{Changes, Configured, Overrides},
        topics::{CreatedTopic, NewTopic, Topic, TopicId},
        users::{StoredCredential, UserChange},
    },
    error::Error,
};

/// What the controller appends in one go without keeping others waiting.
pub(super) const RULES_A_REQUEST: usize = 1000;
/// The controller scans every rule for each filter.
pub(super) const FILTERS_A_REQUEST: usize = 50;
const PARTITIONS_A_REQUEST: usize = 2000;
const USERS_A_REQUEST: usize = 500;
const TOPICS_A_REQUEST: usize = 500;
/// Up to so many users are asked about one by one, rather than about all that have quotas.
const FEW_USERS: usize = 8;
/// Up to so many principals' rules are asked for one by one, rather than those of all: a broker scans every rule for each question.
const FEW_PRINCIPALS: usize = 16;
/// Each answer has some forty settings, most of them defaults that nobody asked for.
const SETTINGS_OF_TOPICS: usize = 200;
const CHANGES_A_REQUEST: usize = 1000;
/// Each answer has the members of those that are there.
const GROUPS_A_REQUEST: usize = 100;

#[derive(Debug)]
pub(super) struct CreateTopics(pub(super) Admin);

impl Work for CreateTopics {
    type Item = NewTopic;
    type Output = CreatedTopic;
    const API: &'static str = "CreateTopics";
    const CAP: usize = PARTITIONS_A_REQUEST;

    fn weight(topic: &NewTopic) -> usize {
        partitions(topic.partitions.unwrap_or(1))
    }

    fn key(topic: &NewTopic) -> Option<String> {
        Some(topic.name.clone())
    }

    async fn send(&self, topics: &[NewTopic]) -> Sent<CreatedTopic> {
        self.0.create_topics(topics).await
    }
}

#[derive(Debug)]
pub(super) struct DeleteTopics(pub(super) Admin);

impl Work for DeleteTopics {
    type Item = TopicId;
    type Output = ();
    const API: &'static str = "DeleteTopics";
    const CAP: usize = TOPICS_A_REQUEST;

    fn key(id: &TopicId) -> Option<String> {
        Some(id.to_string())
    }

    async fn send(&self, ids: &[TopicId]) -> Sent<()> {
        self.0.delete_topics(ids).await
    }
}

#[derive(Debug)]
pub(super) struct CreatePartitions(pub(super) Admin);

impl Work for CreatePartitions {
    type Item = (String, i32);
    type Output = ();
    const API: &'static str = "CreatePartitions";
    const CAP: usize = PARTITIONS_A_REQUEST;

    fn weight((_, total): &Self::Item) -> usize {
        partitions(*total)
    }

    fn key((name, _): &Self::Item) -> Option<String> {
        Some(name.clone())
    }

    async fn send(&self, totals: &[Self::Item]) -> Sent<()> {
        self.0.create_partitions(totals).await
    }
}

#[derive(Debug)]
pub(super) struct DescribeTopics(pub(super) Admin);

impl Work for DescribeTopics {
    type Item = String;
    type Output = Option<Topic>;
    const API: &'static str = "Metadata";
    const CAP: usize = TOPICS_A_REQUEST;

    fn key(name: &String) -> Option<String> {
        Some(name.clone())
    }

    async fn send(&self, names: &[String]) -> Sent<Option<Topic>> {
        self.0.describe_topics(names, At::Any).await
    }
}

#[derive(Debug)]
pub(super) struct DescribeSettings(pub(super) Admin);

impl Work for DescribeSettings {
    type Item = String;
    type Output = Option<Overrides>;
    const API: &'static str = "DescribeConfigs";
    const CAP: usize = SETTINGS_OF_TOPICS;

    fn key(name: &String) -> Option<String> {
        Some(name.clone())
    }

    async fn send(&self, names: &[String]) -> Sent<Option<Overrides>> {
        self.0.describe_settings(names, At::Any).await
    }
}

#[derive(Debug)]
pub(super) struct AlterSettings(pub(super) Admin);

impl Work for AlterSettings {
    type Item = (Configured, Changes);
    type Output = ();
    const API: &'static str = "IncrementalAlterConfigs";
    const CAP: usize = CHANGES_A_REQUEST;

    fn weight((_, changes): &Self::Item) -> usize {
        changes.len().max(1)
    }

    fn key((resource, _): &Self::Item) -> Option<String> {
        Some(resource.name().to_owned())
    }

    async fn send(&self, changes: &[Self::Item]) -> Sent<()> {
        self.0.alter_settings(changes).await
    }
}

#[derive(Debug)]
pub(super) struct CreateAcls(pub(super) Admin);

impl Work for CreateAcls {
    type Item = Vec<AclBinding>;
    type Output = ();
    const API: &'static str = "CreateAcls";
    const CAP: usize = RULES_A_REQUEST;

    fn weight(rules: &Vec<AclBinding>) -> usize {
        rules.len()
    }

    fn key(_: &Vec<AclBinding>) -> Option<String> {
        None
    }

    async fn send(&self, groups: &[Vec<AclBinding>]) -> Sent<()> {
        let results = self.0.create_acls(&groups.concat()).await?;
        Ok(regroup(groups, results))
    }
}

#[derive(Debug)]
pub(super) struct DeleteAcls(pub(super) Admin);

impl Work for DeleteAcls {
    type Item = Vec<AclBinding>;
    type Output = ();
    const API: &'static str = "DeleteAcls";
    const CAP: usize = FILTERS_A_REQUEST;
    // With so few filters in each, one request a commit would be 500 rules a second at best.
    const UNDER_WAY: usize = REVOCATIONS;

    fn weight(rules: &Vec<AclBinding>) -> usize {
        rules.len()
    }

    fn key(_: &Vec<AclBinding>) -> Option<String> {
        None
    }

    async fn send(&self, groups: &[Vec<AclBinding>]) -> Sent<()> {
        let results = self.0.delete_acls(&groups.concat()).await?;
        Ok(regroup(groups, results))
    }
}

#[derive(Debug)]
pub(super) struct AlterUsers(pub(super) Admin);

impl Work for AlterUsers {
    type Item = UserChange;
    type Output = ();
    const API: &'static str = "AlterUserScramCredentials";
    const CAP: usize = USERS_A_REQUEST;

    fn key(change: &UserChange) -> Option<String> {
        Some(change.user().to_owned())
    }

    async fn send(&self, changes: &[UserChange]) -> Sent<()> {
        self.0.alter_users(changes).await
    }
}

#[derive(Debug)]
pub(super) struct DescribeUsers(pub(super) Admin);

impl Work for DescribeUsers {
    type Item = String;
    type Output = Vec<StoredCredential>;
    const API: &'static str = "DescribeUserScramCredentials";
    const CAP: usize = USERS_A_REQUEST;

    fn key(user: &String) -> Option<String> {
        Some(user.clone())
    }

    async fn send(&self, users: &[String]) -> Sent<Vec<StoredCredential>> {
        self.0.describe_users(users, At::Any).await
    }
}

#[derive(Debug)]
pub(super) struct DescribeRules(pub(super) Admin);

impl Work for DescribeRules {
    type Item = String;
    type Output = Vec<AclBinding>;
    const API: &'static str = "DescribeAcls";
    const CAP: usize = USERS_A_REQUEST;

    fn key(principal: &String) -> Option<String> {
        Some(principal.clone())
    }

    /// Kafka's question is about one principal or about all. Where all rules are too many for one answer it is about one, however many
    /// ask: nobody's rules may keep the others from theirs.
    async fn send(&self, principals: &[String]) -> Sent<Vec<AclBinding>> {
        if principals.len() <= FEW_PRINCIPALS {
            return Ok(self.one_by_one(principals).await);
        }
        let all = match self.0.describe_acls_of(&principals.iter().map(String::as_str).collect(), At::Any).await {
            Err(error) if error.is_too_large() => return Ok(self.one_by_one(principals).await),
            all => all?,
        };
        let mut of: HashMap<String, Vec<AclBinding>> = HashMap::new();
        for rule in all {
            of.entry(rule.principal.clone()).or_default().push(rule);
        }
        Ok(principals.iter().map(|principal| Ok(of.remove(principal).unwrap_or_default())).collect())
    }
}

impl DescribeRules {
    /// A few at once: each has the time of one question, though all wait for one another on one connection.
    async fn one_by_one(&self, principals: &[String]) -> Vec<Result<Vec<AclBinding>, Error>> {
        let mut found = Vec::with_capacity(principals.len());
        for part in principals.chunks(FEW_PRINCIPALS) {
            let filters: Vec<_> = part.iter().cloned().map(AclFilter::Principal).collect();
            found.extend(join_all(filters.iter().map(|filter| self.0.describe_acls(filter, At::Any))).await);
        }
        found
    }
}

#[derive(Debug)]
pub(super) struct AlterQuotas(pub(super) Admin);

impl Work for AlterQuotas {
    type Item = (String, Quota);
    type Output = ();
    const API: &'static str = "AlterClientQuotas";
    const CAP: usize = USERS_A_REQUEST;

    fn key((user, _): &Self::Item) -> Option<String> {
        Some(user.clone())
    }

    async fn send(&self, quotas: &[Self::Item]) -> Sent<()> {
        self.0.alter_quotas(quotas).await
    }
}

#[derive(Debug)]
pub(super) struct DescribeQuotas(pub(super) Admin);

impl Work for DescribeQuotas {
    type Item = String;
    type Output = Quota;
    const API: &'static str = "DescribeClientQuotas";
    const CAP: usize = USERS_A_REQUEST;

    fn key(user: &String) -> Option<String> {
        Some(user.clone())
    }

    /// Kafka's question is about one user or about all.
    async fn send(&self, users: &[String]) -> Sent<Quota> {
        if users.len() <= FEW_USERS {
            return Ok(join_all(users.iter().map(|user| self.0.describe_quota(user))).await);
        }
        let mut all = self.0.list_quotas().await?;
        Ok(users.iter().map(|user| Ok(all.remove(user).unwrap_or_default())).collect())
    }
}

#[derive(Debug)]
pub(super) struct FindGroups(pub(super) Admin);

impl Work for FindGroups {
    type Item = String;
    type Output = bool;
    const API: &'static str = "DescribeGroups";
    const CAP: usize = GROUPS_A_REQUEST;

    fn key(_: &String) -> Option<String> {
        None
    }

    async fn send(&self, ids: &[String]) -> Sent<bool> {
        match self.0.groups_exist(ids).await {
            // It is no better with fewer names, unless one of them made the answer too large.
            Err(error) if !error.is_too_large() => Ok(ids.iter().map(|_| Err(error.clone())).collect()),
            answered => answered,
        }
    }
}

fn partitions(count: i32) -> usize {
    usize::try_from(count).unwrap_or_default().max(1)
}

/// The results of single rules as results of groups of rules: the first failure of each.
fn regroup(groups: &[Vec<AclBinding>], results: Vec<Result<(), Error>>) -> Vec<Result<(), Error>> {
    let mut results = results.into_iter();
    // All of a group's results are taken, also those behind a failure.
    let group_of = |group: &Vec<AclBinding>| results.by_ref().take(group.len()).fold(Ok(()), Result::and);
    groups.iter().map(group_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::acl::{Operation, PatternType, ResourceType};

    #[test]
    fn a_group_fails_with_its_first_rule_and_the_next_group_is_its_own() {
        let rule = AclBinding::allow("User:a", Operation::Read, ResourceType::Topic, PatternType::Literal, "t");
        let groups = [vec![rule.clone(), rule.clone()], vec![rule.clone()], vec![rule.clone(), rule]];
        let fail = |reason| Err(Error::denied("CreateAcls", "", reason));
        let results = regroup(&groups, vec![fail("one"), fail("two"), Ok(()), Ok(()), fail("five")]);
        assert!(matches!(&results[0], Err(error) if error.to_string().contains("one")));
        assert!(results[1].is_ok());
        assert!(matches!(&results[2], Err(error) if error.to_string().contains("five")));
    }
}
