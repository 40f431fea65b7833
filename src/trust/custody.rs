//! What the Secret holds: the authority that signs, the one that will, and those whose signatures may still be met.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::authority::{Authority, AuthorityError};
use super::certificate::Certificate;
use crate::api::secret::Secret;

/// The certificate of the authority that signs.
pub const CA_CERT: &str = "ca.crt";
/// Its key.
pub const CA_KEY: &str = "ca.key";
/// The certificate of its successor, trusted but not signing yet.
pub const NEXT_CERT: &str = "next.crt";
/// The successor's key.
pub const NEXT_KEY: &str = "next.key";
/// The certificate of the predecessor.
pub const PREVIOUS_CERT: &str = "previous.crt";

/// The content of the Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// The authority that signs.
    pub current: Authority,
    /// Its successor, from the day that a renewal begins to the hour that every API server trusts it.
    pub next: Option<Authority>,
    /// The predecessor's certificate, until it ends by itself.
    pub previous: Option<Certificate>,
}

impl Custody {
    /// A beginning.
    ///
    /// # Errors
    /// [`AuthorityError`] where no authority can be made.
    pub fn found(now: SystemTime) -> Result<Self, AuthorityError> {
        Ok(Self { current: Authority::generate(now)?, next: None, previous: None })
    }

    /// The same with a successor that is to be trusted.
    ///
    /// # Errors
    /// [`AuthorityError`] where no authority can be made.
    pub fn prepared(self, now: SystemTime) -> Result<Self, AuthorityError> {
        Ok(Self { next: Some(Authority::generate(now)?), ..self })
    }

    /// The same with the successor in charge. Without one, nothing changes.
    #[must_use]
    pub fn promoted(self) -> Self {
        match self.next {
            Some(next) => Self { previous: Some(self.current.certificate), current: next, next: None },
            None => self,
        }
    }

    /// The same without the predecessor.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { previous: None, ..self }
    }

    /// Everything that the API server is to trust, in PEM: old and new together.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|authority| &authority.certificate);
        let certificates = [Some(&self.current.certificate), next, self.previous.as_ref()];
        certificates.into_iter().flatten().map(Certificate::pem).collect()
    }

    /// Reads the Secret's data.
    ///
    /// # Errors
    /// What is missing or wrong, by the key's name.
    pub fn from_data(mut data: BTreeMap<&str, Secret>) -> Result<Self, Damage> {
        let mut take = |key| data.remove(key).filter(|text| !text.expose().is_empty());
        let current = authority(take(CA_CERT), take(CA_KEY), CA_CERT)?.ok_or(Damage::Missing)?;
        let next = authority(take(NEXT_CERT), take(NEXT_KEY), NEXT_CERT)?;
        let previous = take(PREVIOUS_CERT).map(|text| Certificate::from_pem(text.expose())).transpose();
        let previous = previous.map_err(|error| Damage::Bad(PREVIOUS_CERT, error.into()))?;
        Ok(Self { current, next, previous })
    }

    /// The Secret's data.
    #[must_use]
    pub fn to_data(&self) -> BTreeMap<&'static str, Secret> {
        let public = |certificate: &Certificate| Secret::new(certificate.pem());
        let mut data =
            BTreeMap::from([(CA_CERT, public(&self.current.certificate)), (CA_KEY, self.current.key().clone())]);
        if let Some(next) = &self.next {
            data.extend([(NEXT_CERT, public(&next.certificate)), (NEXT_KEY, next.key().clone())]);
        }
        data.extend(self.previous.as_ref().map(|previous| (PREVIOUS_CERT, public(previous))));
        data
    }
}

/// Why the Secret's content cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// There is no authority in it.
    #[error("{CA_CERT} and {CA_KEY} are not both there")]
    Missing,
    /// One of the authorities is none.
    #[error("{0}: {1}")]
    Bad(&'static str, AuthorityError),
}

fn authority(
    certificate: Option<Secret>,
    key: Option<Secret>,
    name: &'static str,
) -> Result<Option<Authority>, Damage> {
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    Authority::from_pem(certificate.expose(), key).map(Some).map_err(|error| Damage::Bad(name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_of_a_renewal_survives_storage() {
        let now = SystemTime::now();
        let first = Custody::found(now).unwrap();
        let second = first.clone().prepared(now).unwrap();
        let third = second.clone().promoted();
        let fourth = third.clone().forgotten();
        for stage in [&first, &second, &third, &fourth] {
            assert_eq!(&Custody::from_data(stage.to_data()).unwrap(), stage);
        }
        let next = second.next.unwrap().certificate;
        assert_eq!(third.current.certificate, next);
        assert_eq!(third.previous.as_ref(), Some(&first.current.certificate));
        for bundle in [second.current.certificate.pem(), next.pem()] {
            assert!(third.bundle().contains(bundle), "old and new are trusted together");
        }
        assert_eq!(fourth.bundle(), next.pem());
    }

    #[test]
    fn damage_is_named() {
        let good = Custody::found(SystemTime::now()).unwrap().to_data();
        let with = |key, text: &str| {
            let mut data = good.clone();
            data.insert(key, Secret::new(text));
            Custody::from_data(data).unwrap_err().to_string()
        };
        assert!(Custody::from_data(BTreeMap::new()).unwrap_err().to_string().contains("not both there"));
        assert!(with(CA_KEY, "").contains("not both there"));
        assert!(with(CA_CERT, "x").starts_with("ca.crt: the certificate: no PEM block"));
        assert!(with(CA_KEY, "x").starts_with("ca.crt: the key is not"));
        assert!(with(PREVIOUS_CERT, "x").starts_with("previous.crt: "));
    }
}
