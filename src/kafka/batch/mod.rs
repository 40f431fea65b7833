//! Many callers, few requests.
//!
//! A commit in the controller costs some 25 ms however much is in it, so what arrives within a few milliseconds, and while
//! the request before is under way, goes into one request; so does who has said before that it comes. Each caller gets a result of its own: a member that Kafka
//! refuses, or a caller that gives up, does not touch the others.
//!
//! Every batch is one atomic append to the metadata log, and a kind's batches follow one another. The [`Ticket`] of a
//! batch therefore vouches for all of its members, and for every earlier batch of the kind: see [`super::proof`].

mod company;
mod queue;
#[cfg(test)]
mod samples;
mod work;

use std::time::Duration;

pub use self::company::Announced;
use self::{
    queue::Queue,
    work::{
        AlterQuotas, AlterSettings, AlterUsers, CreateAcls, CreatePartitions, CreateTopics, DeleteAcls, DeleteTopics,
        DescribeQuotas, DescribeRules, DescribeSettings, DescribeTopics, DescribeUsers, FindGroups,
    },
};
use super::{
    acl::AclBinding,
    admin::{
        Admin,
        quotas::Quota,
        settings::{Changes, Configured, Overrides},
        topics::{CreatedTopic, NewTopic, Topic, TopicId},
        users::{StoredCredential, UserChange},
    },
    error::Error,
    proof::{Claim, Proof, Prover, Unproven},
};

/// How long the first write of a batch waits for company.
const LINGER: Duration = Duration::from_millis(3);
/// A read does not: it takes a fraction of a commit's time, and what comes meanwhile goes together.
const AT_ONCE: Duration = Duration::ZERO;

/// A kind of write whose batches follow one another in the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CreateTopics
    Topics,
    /// CreateAcls
    Rules,
    /// AlterUserScramCredentials
    Users,
}

/// Which batch a write was committed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The kind of the batch.
    pub kind: Kind,
    /// Its number among those of its kind, in the order of their commits.
    pub number: u64,
}

/// Folds the requests of many callers. Cheap to clone; all clones fold together. Its tasks end with the last clone.
#[derive(Debug, Clone)]
pub struct Batcher {
    create_topics: Queue<CreateTopics>,
    delete_topics: Queue<DeleteTopics>,
    create_partitions: Queue<CreatePartitions>,
    describe_topics: Queue<DescribeTopics>,
    describe_settings: Queue<DescribeSettings>,
    alter_settings: Queue<AlterSettings>,
    create_acls: Queue<CreateAcls>,
    delete_acls: Queue<DeleteAcls>,
    describe_rules: Queue<DescribeRules>,
    alter_users: Queue<AlterUsers>,
    describe_users: Queue<DescribeUsers>,
    alter_quotas: Queue<AlterQuotas>,
    describe_quotas: Queue<DescribeQuotas>,
    find_groups: Queue<FindGroups>,
    prover: Prover,
}

impl Batcher {
    /// Starts the queues. Must be called within a runtime.
    #[must_use]
    pub fn new(admin: &Admin) -> Self {
        Self {
            create_topics: Queue::start(CreateTopics(admin.clone()), LINGER),
            delete_topics: Queue::start(DeleteTopics(admin.clone()), LINGER),
            create_partitions: Queue::start(CreatePartitions(admin.clone()), LINGER),
            describe_topics: Queue::start(DescribeTopics(admin.clone()), AT_ONCE),
            describe_settings: Queue::start(DescribeSettings(admin.clone()), AT_ONCE),
            alter_settings: Queue::start(AlterSettings(admin.clone()), LINGER),
            create_acls: Queue::start(CreateAcls(admin.clone()), LINGER),
            delete_acls: Queue::start(DeleteAcls(admin.clone()), LINGER),
            describe_rules: Queue::start(DescribeRules(admin.clone()), AT_ONCE),
            alter_users: Queue::start(AlterUsers(admin.clone()), LINGER),
            describe_users: Queue::start(DescribeUsers(admin.clone()), AT_ONCE),
            alter_quotas: Queue::start(AlterQuotas(admin.clone()), LINGER),
            describe_quotas: Queue::start(DescribeQuotas(admin.clone()), AT_ONCE),
            find_groups: Queue::start(FindGroups(admin.clone()), AT_ONCE),
            prover: Prover::new(admin.clone()),
        }
    }

    /// Makes a topic: see [`Admin::create_topics`].
    ///
    /// # Errors
    /// See [`Error`]; `Invalid` with the code `TopicAlreadyExists` if it is there.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<(CreatedTopic, Ticket), Error> {
        self.create_announced_topic(topic, None).await
    }

    /// Says that a topic is about to be made, before what has to be done for it: topics that are asked for together are made together.
    pub fn announce_topic(&self) -> Announced {
        self.create_topics.announce()
    }

    /// How many topics are announced.
    #[cfg(test)]
    pub(crate) fn announced_topics(&self) -> usize {
        self.create_topics.expected()
    }

    /// Makes a topic that was announced: see [`Self::create_topic`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_announced_topic(
        &self,
        topic: NewTopic,
        announced: Option<Announced>,
    ) -> Result<(CreatedTopic, Ticket), Error> {
        let (created, number) = self.create_topics.ask_announced(topic, announced).await?;
        Ok((created, Ticket { kind: Kind::Topics, number }))
    }

    /// Deletes a topic: see [`Admin::delete_topics`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_topic(&self, id: TopicId) -> Result<(), Error> {
        self.delete_topics.ask(id).await.map(|_| ())
    }

    /// Brings a topic to a total number of partitions: see [`Admin::create_partitions`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_partitions(&self, name: String, total: i32) -> Result<(), Error> {
        self.create_partitions.ask((name, total)).await.map(|_| ())
    }

    /// Describes a topic as some broker knows it; `None` if it does not.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_topic(&self, name: String) -> Result<Option<Topic>, Error> {
        self.describe_topics.ask(name).await.map(|(topic, _)| topic)
    }

    /// The settings that a topic has of its own, as some broker knows them: see [`Admin::describe_settings`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_settings(&self, name: String) -> Result<Option<Overrides>, Error> {
        self.describe_settings.ask(name).await.map(|(settings, _)| settings)
    }

    /// Changes single settings of a topic: see [`Admin::alter_settings`]. Changes of one topic keep their order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn alter_settings(&self, name: String, changes: Changes) -> Result<(), Error> {
        self.alter_settings.ask((Configured::Topic(name), changes)).await.map(|_| ())
    }

    /// Adds rules, all in one batch; `None` if there are none to add.
    ///
    /// # Errors
    /// Of the first rule that Kafka refuses; the others may have been added.
    pub async fn create_acls(&self, rules: Vec<AclBinding>) -> Result<Option<Ticket>, Error> {
        let mut ticket = None;
        for part in rules.chunks(work::RULES_A_REQUEST) {
            let ((), number) = self.create_acls.ask(part.to_vec()).await?;
            ticket = Some(Ticket { kind: Kind::Rules, number });
        }
        Ok(ticket)
    }

    /// Removes exactly these rules; those that are not there are no error.
    ///
    /// # Errors
    /// Of the first rule that Kafka refuses to remove; others may have been removed.
    pub async fn delete_acls(&self, rules: Vec<AclBinding>) -> Result<(), Error> {
        for part in rules.chunks(work::FILTERS_A_REQUEST) {
            self.delete_acls.ask(part.to_vec()).await?;
        }
        Ok(())
    }

    /// The rules of a principal, written `User:name`: see [`Admin::describe_acls`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_rules(&self, principal: String) -> Result<Vec<AclBinding>, Error> {
        self.describe_rules.ask(principal).await.map(|(rules, _)| rules)
    }

    /// Changes one slot of a user: see [`Admin::alter_users`]. Changes of one user keep their order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn alter_user(&self, change: UserChange) -> Result<Ticket, Error> {
        let ((), number) = self.alter_users.ask(change).await?;
        Ok(Ticket { kind: Kind::Users, number })
    }

    /// Describes the slots of a user; none if there is no such user.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_user(&self, user: String) -> Result<Vec<StoredCredential>, Error> {
        self.describe_users.ask(user).await.map(|(slots, _)| slots)
    }

    /// Brings the quota of a user to this: see [`Admin::alter_quotas`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn alter_quota(&self, user: String, quota: Quota) -> Result<(), Error> {
        self.alter_quotas.ask((user, quota)).await.map(|_| ())
    }

    /// The quota of a user; no limits where it has none of its own.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_quota(&self, user: String) -> Result<Quota, Error> {
        self.describe_quotas.ask(user).await.map(|(quota, _)| quota)
    }

    /// Whether a group exists, of whichever protocol: see [`Admin::groups_exist`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn group_exists(&self, id: String) -> Result<bool, Error> {
        self.find_groups.ask(id).await.map(|(exists, _)| exists)
    }

    /// Waits until every unfenced broker serves what is claimed: see [`super::proof`].
    ///
    /// # Errors
    /// [`Unproven`], with an [`Error::Retriable`] if a broker that answers does not show it within `patience`, or none answers at all.
    pub async fn prove(&self, claims: Vec<Claim>, patience: Duration) -> Result<Proof, Unproven> {
        self.prover.prove(claims, patience).await
    }
}
