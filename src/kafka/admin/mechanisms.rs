//! Which SASL mechanisms the listener offers.

use super::{
    Admin,
    pool::{Lane, Slot},
};
use crate::kafka::{error::Error, scram::Mechanism};

impl Admin {
    /// Asks the first broker that answers, on a connection of its own and without a login: Kafka tells them to anybody who
    /// names one (SaslHandshake). It names `ours`, which the brokers count as a failed login only where they do not offer it.
    /// Mechanisms that we do not speak are left out.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mechanisms(&self, ours: Mechanism) -> Result<Vec<Mechanism>, Error> {
        let mut last = None;
        for endpoint in self.candidates(Slot::Lane(Lane::Reads)).await? {
            match self.0.connector.mechanisms(&endpoint, ours).await {
                Ok(names) => {
                    let mut offered: Vec<Mechanism> = names.iter().filter_map(|name| name.parse().ok()).collect();
                    offered.sort();
                    offered.dedup();
                    return Ok(offered);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::unreachable("connect", "", "no broker to connect to")))
    }
}
