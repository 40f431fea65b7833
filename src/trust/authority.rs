//! The authority (CA): a certificate that signs, and its key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData};

use super::SKEW;
use super::certificate::{Certificate, CertificateError};
use crate::api::secret::Secret;

/// How long an authority lives. It is renewed at two thirds: there are four months in which to notice that this fails.
pub const LIFETIME: Duration = Duration::from_secs(365 * 86_400);

/// A certificate that signs, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// What the API server trusts.
    pub certificate: Certificate,
    key: Secret,
}

/// A certificate and a key that are no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate cannot be read.
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate may not sign others.
    #[error("the certificate is not one of a CA (basicConstraints CA:TRUE is missing)")]
    NotCa,
    /// The key cannot be read. The cause is left out: it could quote the key.
    #[error("the key is not a private key in PEM (PKCS#8) of a kind that can sign")]
    Key,
    /// The two do not belong together.
    #[error("the key is not the certificate's")]
    Mismatch,
    /// The library could not make or sign a certificate.
    #[error("the certificate cannot be made: {0}")]
    Signing(#[from] rcgen::Error),
}

impl Authority {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`] where the system has no random bytes.
    pub fn generate(now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // A name of its own, so that verifiers need not try one authority's key on another's signatures.
        let born = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        params.distinguished_name.push(DnType::CommonName, format!("Admittance webhook CA {born}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - SKEW).into();
        params.not_after = (now + LIFETIME).into();
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { certificate: Certificate::from_pem(&pem)?, key: Secret::new(key.serialize_pem()) })
    }

    /// Takes a stored one back, or one of the user's own.
    ///
    /// # Errors
    /// [`AuthorityError`]: what is wrong with it.
    pub fn from_pem(certificate: &str, key: Secret) -> Result<Self, AuthorityError> {
        let certificate = Certificate::from_pem(certificate)?;
        if !certificate.is_ca {
            return Err(AuthorityError::NotCa);
        }
        let pair = KeyPair::from_pem(key.expose()).map_err(|_| AuthorityError::Key)?;
        if pair.subject_public_key_info() != certificate.public_key {
            return Err(AuthorityError::Mismatch);
        }
        Ok(Self { certificate, key })
    }

    /// The key, for the Secret that keeps it.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// What signs leaves.
    ///
    /// # Errors
    /// Never for a key that was generated or read by this type.
    pub fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        let pair = KeyPair::from_pem(self.key.expose()).map_err(|_| AuthorityError::Key)?;
        Ok(Issuer::from_ca_cert_der(self.certificate.der(), pair)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read_back() {
        let now = SystemTime::now();
        let made = Authority::generate(now).unwrap();
        let read = Authority::from_pem(made.certificate.pem(), made.key().clone()).unwrap();
        assert_eq!(read, made);
        assert!(made.certificate.is_ca && made.certificate.validity.holds(now));
        let life = made.certificate.validity.until.duration_since(now).unwrap();
        assert!(LIFETIME - life <= Duration::from_secs(1), "{life:?}");
    }

    #[test]
    fn halves_of_two_authorities_are_none() {
        let now = SystemTime::now();
        let (one, two) = (Authority::generate(now).unwrap(), Authority::generate(now).unwrap());
        let mixed = Authority::from_pem(one.certificate.pem(), two.key().clone());
        assert!(matches!(mixed, Err(AuthorityError::Mismatch)));
    }

    #[test]
    fn a_bad_key_is_refused_without_being_repeated() {
        let one = Authority::generate(SystemTime::now()).unwrap();
        let error = Authority::from_pem(one.certificate.pem(), Secret::new("hunter2")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_leaf_is_no_authority() {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::default().self_signed(&key).unwrap();
        let result = Authority::from_pem(&leaf.pem(), Secret::new(key.serialize_pem()));
        assert!(matches!(result, Err(AuthorityError::NotCa)));
    }
}
