//! Proof that a credential works.

use super::{Admin, BrokerId};
use crate::kafka::{config::Credential, error::Error, scram::ScramKeys};

impl Admin {
    /// Logs in at one broker with a credential, and closes: the only proof that Kafka gives of a password.
    ///
    /// `keys` are those that were written for the credential, if they are at hand: they spare a key derivation.
    ///
    /// # Errors
    /// [`Error::Denied`] if the broker does not know the credential (yet); [`Error::Retriable`] if it cannot be reached.
    pub async fn login(&self, at: BrokerId, credential: &Credential, keys: Option<&ScramKeys>) -> Result<(), Error> {
        let endpoint = self.endpoint_of(at).await?;
        self.0.connector.login(&endpoint, credential, keys).await
    }
}
