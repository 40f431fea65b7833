//! SCRAM users (KIP-554).

use std::collections::BTreeMap;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
        alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion},
        describe_user_scram_credentials_request::UserName,
        describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult},
    },
};

use super::{Admin, At, missing, pool::Lane, text};
use crate::kafka::{
    error::Error,
    scram::{Mechanism, ScramKeys},
};

const ALTER: &str = "AlterUserScramCredentials";
const DESCRIBE: &str = "DescribeUserScramCredentials";

/// A change to one slot of one user.
#[derive(Debug, Clone)]
pub enum UserChange {
    /// Makes the slot, or replaces what is in it. Never sent but over a connection that the configuration protects.
    Upsert {
        /// The user, without `User:`.
        user: String,
        /// What Kafka stores.
        keys: ScramKeys,
    },
    /// Empties the slot.
    Delete {
        /// The user, without `User:`.
        user: String,
        /// Which slot.
        mechanism: Mechanism,
    },
}

impl UserChange {
    /// Whose.
    #[must_use]
    pub fn user(&self) -> &str {
        let (Self::Upsert { user, .. } | Self::Delete { user, .. }) = self;
        user
    }
}

/// What Kafka tells of a slot that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredCredential {
    /// Which slot.
    pub mechanism: Mechanism,
    /// How many rounds a login takes.
    pub iterations: i32,
}

impl Admin {
    /// Changes users, each with a result of its own, in the order given. Each user may occur once: KRaft refuses both
    /// changes otherwise. Deleting what is not there is a success.
    ///
    /// Success means that the controller has committed it; brokers follow within milliseconds.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn alter_users(&self, changes: &[UserChange]) -> Result<Vec<Result<(), Error>>, Error> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for change in changes {
            match change {
                UserChange::Upsert { user, keys } => request.upsertions.push(
                    ScramCredentialUpsertion::default()
                        .with_name(text(user))
                        .with_mechanism(keys.mechanism().code())
                        .with_iterations(i32::try_from(keys.iterations()).unwrap_or(i32::MAX))
                        .with_salt(keys.salt().to_vec().into())
                        .with_salted_password(keys.expose_salted_password().to_vec().into()),
                ),
                UserChange::Delete { user, mechanism } => request
                    .deletions
                    .push(ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism.code())),
            }
        }
        let answer = self.write(Lane::Users, request).await?;
        let results = answer.reply.results.into_iter();
        let codes: BTreeMap<_, _> =
            results.map(|result| (result.user.to_string(), (result.error_code, result.error_message))).collect();
        let result_of = |change: &UserChange| {
            let (code, message) =
                codes.get(change.user()).ok_or_else(|| missing(ALTER, &answer.peer, change.user()))?;
            let absent = *code == ResponseError::ResourceNotFound.code();
            let code = if absent && matches!(change, UserChange::Delete { .. }) { 0 } else { *code };
            Error::check(ALTER, &answer.peer, code, message.as_deref())
        };
        Ok(changes.iter().map(result_of).collect())
    }

    /// Describes the slots of named users, in the order given; none for a user that is not there. Names must differ.
    ///
    /// Runs ahead of logins: a slot that shows here may not work yet at the same broker.
    ///
    /// # Errors
    /// The request as a whole failed: see [`Error`].
    pub async fn describe_users(
        &self,
        users: &[String],
        at: At,
    ) -> Result<Vec<Result<Vec<StoredCredential>, Error>>, Error> {
        if users.is_empty() {
            // To Kafka an empty list means everybody.
            return Ok(Vec::new());
        }
        let mut found = self.scram_users(Some(users), at).await?;
        Ok(users.iter().map(|user| found.remove(user).unwrap_or_else(|| Err(missing(DESCRIBE, "", user)))).collect())
    }

    /// Every user that has a slot, with its slots.
    ///
    /// # Errors
    /// See [`Error`]; one user that cannot be described is an error, for a list must be complete or not be used.
    pub async fn list_users(&self) -> Result<BTreeMap<String, Vec<StoredCredential>>, Error> {
        self.scram_users(None, At::Any).await?.into_iter().map(|(user, slots)| Ok((user, slots?))).collect()
    }

    async fn scram_users(
        &self,
        users: Option<&[String]>,
        at: At,
    ) -> Result<BTreeMap<String, Result<Vec<StoredCredential>, Error>>, Error> {
        let names = users.map(|users| users.iter().map(|user| UserName::default().with_name(text(user))).collect());
        let request = DescribeUserScramCredentialsRequest::default().with_users(names);
        let answer = self.read(at, |_| request.clone()).await?;
        let reply = answer.reply;
        Error::check(DESCRIBE, &answer.peer, reply.error_code, reply.error_message.as_deref())?;
        let slots_of = |result: DescribeUserScramCredentialsResult| {
            let absent = result.error_code == ResponseError::ResourceNotFound.code();
            let code = if absent { 0 } else { result.error_code };
            let slots = Error::check(DESCRIBE, &answer.peer, code, result.error_message.as_deref()).map(|()| {
                let slot = |info: &CredentialInfo| {
                    let mechanism = Mechanism::from_code(info.mechanism)?;
                    Some(StoredCredential { mechanism, iterations: info.iterations })
                };
                let mut slots: Vec<_> = result.credential_infos.iter().filter_map(slot).collect();
                slots.sort();
                slots
            });
            (result.user.to_string(), slots)
        };
        Ok(reply.results.into_iter().map(slots_of).collect())
    }
}
