//! Which SASL mechanisms the listener offers.

use super::{
    Admin,
    pool::{Lane, Slot},
    race,
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
        let candidates = self.candidates(Slot::Lane(Lane::Reads)).await?;
        let (endpoint, names) = race::first(candidates, |endpoint| {
            let connector = self.0.connector.clone();
            async move {
                let names = connector.mechanisms(&endpoint, ours).await?;
                Ok((endpoint, names))
            }
        })
        .await?;
        self.0.pool.prefer(endpoint);
        let mut offered: Vec<Mechanism> = names.iter().filter_map(|name| name.parse().ok()).collect();
        offered.sort();
        offered.dedup();
        Ok(offered)
    }
}
