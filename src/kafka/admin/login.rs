//! Proof that a credential works.

use super::{Admin, BrokerId};
use crate::kafka::{config::Credential, error::Error, scram::ScramKeys, wire::connection::Connection};

/// A connection to a broker that nobody has logged in on. Good for one login.
#[derive(Debug)]
pub struct Prepared(Connection);

impl Prepared {
    /// Whether the broker has kept it open.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.0.is_usable()
    }
}

impl Admin {
    /// Opens a connection for a login to come: most of a login's time is TLS, which needs no credential.
    ///
    /// # Errors
    /// [`Error::Retriable`] if the broker cannot be reached.
    pub async fn prepare_login(&self, at: BrokerId) -> Result<Prepared, Error> {
        let endpoint = self.endpoint_of(at).await?;
        self.0.connector.prepare(&endpoint).await.map(Prepared)
    }

    /// Logs in with a credential, and closes: the only proof that Kafka gives of a password.
    ///
    /// `keys` are those that were written for the credential, if they are at hand: they spare a key derivation.
    ///
    /// # Errors
    /// [`Error::Denied`] if the broker does not know the credential (yet); [`Error::Retriable`] if it cannot be reached.
    pub async fn login(
        &self,
        prepared: Prepared,
        credential: &Credential,
        keys: Option<&ScramKeys>,
    ) -> Result<(), Error> {
        self.0.connector.login(prepared.0, credential, keys).await
    }
}
