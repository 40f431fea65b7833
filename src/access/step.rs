//! What can be done about an access, and in which order. Pure.

use super::password::secret_view::Ours;
use crate::api::resources::{AccessClaimSpec, Quotas, TopicSource, WorkloadOwner};
use crate::kafka::acl::AclBinding;
use crate::kafka::scram::Mechanism;

/// One step. Those of one [`Stage`] may run side by side; a stage begins when the one before has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// See live that the access is still unwanted, before anything is taken away.
    ConfirmEnd,
    /// Make the claim.
    CreateClaim(Box<AccessClaimSpec>),
    /// Write what the Pods ask for now.
    UpdateClaim(Box<AccessClaimSpec>),
    /// Put on record which cluster a claim is on that names none.
    RecordCluster,
    /// Claim a topic that nobody has declared.
    ClaimTopic {
        /// Its name.
        topic: String,
        /// Whether it is produced or consumed.
        source: TopicSource,
    },
    /// Put a rotation on record.
    RecordRotation {
        /// How many are asked for now, where that is new.
        count: Option<i64>,
        /// Whether to take the annotation away that asked for it.
        clear: bool,
    },
    /// Take from the record what the rules of the user were last left as: they are about to change.
    ForgetRules,
    /// Add rules.
    Grant(Vec<AclBinding>),
    /// Remove rules.
    Revoke(Vec<AclBinding>),
    /// Limit what the user may use of the brokers.
    SetQuotas(Quotas),
    /// Write a credential to Kafka.
    SetCredential {
        /// The slot.
        mechanism: Mechanism,
        /// A new password, even if one is published.
        fresh: bool,
    },
    /// See that every broker serves rules, topics and credential.
    Prove {
        /// The rules.
        rules: Vec<AclBinding>,
        /// The topics.
        topics: Vec<String>,
        /// The slot.
        mechanism: Mechanism,
    },
    /// Write the Secret.
    Publish {
        /// The version that is replaced; nothing where there must be none yet.
        replaces: Option<String>,
        /// The number of the rotation that it completes, if it does.
        rotation: Option<i64>,
        /// What it says beside the password.
        handout: Handout,
    },
    /// Write a further Secret that holds the same.
    Copy {
        /// Its name.
        name: String,
        /// The version that is replaced; nothing where there must be none yet.
        replaces: Option<String>,
        /// Whether it tells another password than it did, or by another mechanism: then it counts as published now.
        anew: bool,
        /// What it says beside the password.
        handout: Handout,
    },
    /// Take the scheduling gate from Pods: names and uids.
    OpenGates {
        /// The Pods.
        pods: Vec<(String, String)>,
    },
    /// Roll out anew what still has an old password.
    Restart(WorkloadOwner),
    /// Take the limits away.
    RemoveQuotas,
    /// Take slots of the user from Kafka.
    RemoveCredential(Vec<Mechanism>),
    /// Delete a Secret, if it is still this one.
    Unpublish {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its version.
        resource_version: String,
    },
    /// Delete the claim, if it is still this one.
    DeleteClaim,
}

/// What a Secret says beside the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handout {
    /// The mechanism that it tells clients to use.
    pub mechanism: Mechanism,
    /// The consumer group that it tells to use.
    pub group: String,
    /// The transactional id that it tells to use, where there are transactions.
    pub transactional_id: Option<String>,
    /// The topics that it tells to be readable, sorted.
    pub consumes: Vec<String>,
    /// The topics that it tells to be writable, sorted.
    pub produces: Vec<String>,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What is to end is looked at once more.
    Confirm,
    /// What is on record and is about to be wrong is taken from it.
    Unsettle,
    /// What is not given any more is taken, whatever comes of the rest.
    Revoke,
    /// What is decided is on record before anything is done about it.
    Record,
    /// Kafka is brought to it.
    Provide,
    /// It is seen to work.
    Prove,
    /// It is handed out.
    Publish,
    /// And under its other names.
    Copy,
    /// What was handed out is taken back: a Secret never tells a password that is gone.
    Unpublish,
    /// What is left over can no longer log in.
    Withdraw,
    /// Nothing is left to remember.
    Forget,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Confirm,
        Self::Unsettle,
        Self::Revoke,
        Self::Record,
        Self::Provide,
        Self::Prove,
        Self::Publish,
        Self::Copy,
        Self::Unpublish,
        Self::Withdraw,
        Self::Forget,
    ];
}

impl Step {
    /// Deletes a Secret of ours, if it is still this one.
    #[must_use]
    pub fn unpublish(name: &str, ours: &Ours) -> Self {
        let Ours { uid, resource_version, .. } = ours;
        Self::Unpublish { name: name.to_owned(), uid: uid.clone(), resource_version: resource_version.clone() }
    }

    /// When it runs.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::ConfirmEnd => Stage::Confirm,
            Self::Revoke(_) => Stage::Revoke,
            Self::CreateClaim(_)
            | Self::UpdateClaim(_)
            | Self::RecordCluster
            | Self::ClaimTopic { .. }
            | Self::RecordRotation { .. } => Stage::Record,
            Self::ForgetRules => Stage::Unsettle,
            Self::Grant(_) | Self::SetQuotas(_) | Self::SetCredential { .. } => Stage::Provide,
            Self::Prove { .. } => Stage::Prove,
            Self::Publish { .. } => Stage::Publish,
            Self::Copy { .. } => Stage::Copy,
            Self::OpenGates { .. } | Self::Restart(_) | Self::RemoveQuotas | Self::RemoveCredential(_) => {
                Stage::Withdraw
            }
            Self::Unpublish { .. } => Stage::Unpublish,
            Self::DeleteClaim => Stage::Forget,
        }
    }
}
