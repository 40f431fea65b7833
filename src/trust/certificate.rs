//! A certificate, as far as trust needs to know it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::api::pem::{KeyBeside, certificates};

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last.
    pub until: SystemTime,
}

impl Validity {
    /// That of a certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError::NotX509`].
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let (_, x509) = X509Certificate::from_der(der).map_err(|_| CertificateError::NotX509)?;
        Ok(Self::of_x509(&x509))
    }

    fn of_x509(x509: &X509Certificate<'_>) -> Self {
        let validity = x509.validity();
        Self { from: moment(validity.not_before.timestamp()), until: moment(validity.not_after.timestamp()) }
    }

    /// Whether the certificate holds at this moment.
    #[must_use]
    pub fn holds(&self, now: SystemTime) -> bool {
        self.from <= now && now <= self.until
    }

    /// Whether it is time for a successor: two thirds of the time are over, or the certificate does not hold at all.
    #[must_use]
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.is_due_since(self.from, now)
    }

    /// The same, for a certificate that holds from before it was made: two thirds of the time that was left then are over.
    #[must_use]
    pub fn is_due_since(&self, made: SystemTime, now: SystemTime) -> bool {
        let whole = self.until.duration_since(made).unwrap_or_default();
        !self.holds(now) || now >= made + whole * 2 / 3
    }
}

/// The text is not one certificate in PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM block `CERTIFICATE`.
    #[error("no PEM block CERTIFICATE")]
    NotPem,
    /// What the block holds is not X.509.
    #[error("the PEM block holds no X.509 certificate")]
    NotX509,
    /// What is beside it must not be published.
    #[error(transparent)]
    KeyBeside(#[from] KeyBeside),
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The PEM text, ending in a line break: the certificates alone.
    pem: String,
    der: CertificateDer<'static>,
    /// From when until when it holds.
    pub validity: Validity,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// The subject's public key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`CertificateError`] where there is none.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let pem = certificates(text)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::NotPem)?;
        let (_, x509) = X509Certificate::from_der(&der).map_err(|_| CertificateError::NotX509)?;
        let validity = Validity::of_x509(&x509);
        let is_ca = x509.is_ca();
        let public_key = x509.public_key().raw.to_vec();
        Ok(Self { pem, der, validity, is_ca, public_key })
    }

    /// The PEM text, ending in a line break.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The same in DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

/// Seconds since 1970 as a moment; before that time there were no certificates.
fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_due_after_two_thirds() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let validity = Validity { from: at(100), until: at(400) };
        for (now, holds, due) in [
            (99, false, true),
            (100, true, false),
            (299, true, false),
            (300, true, true),
            (400, true, true),
            (401, false, true),
        ] {
            assert_eq!((validity.holds(at(now)), validity.is_due(at(now))), (holds, due), "at {now}");
        }
    }

    #[test]
    fn what_was_backdated_is_due_by_the_moment_at_which_it_was_made() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let validity = Validity { from: at(100), until: at(700) };
        assert!(validity.is_due(at(500)) && !validity.is_due_since(at(400), at(599)));
        assert!(validity.is_due_since(at(400), at(600)) && validity.is_due_since(at(400), at(99)));
    }

    #[test]
    fn other_texts_are_no_certificates() {
        assert_eq!(Certificate::from_pem(""), Err(CertificateError::NotPem));
        assert_eq!(Certificate::from_pem("hello"), Err(CertificateError::NotPem));
        let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(Certificate::from_pem(block), Err(CertificateError::NotX509));
    }

    #[test]
    fn nothing_but_certificates_is_published() {
        let made = rcgen::generate_simple_self_signed(["hook.ns.svc".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem().replace("\r\n", "\n"), made.signing_key.serialize_pem());
        let noted = Certificate::from_pem(&format!("issued by hunter2\n{pem}\n")).unwrap();
        assert_eq!(noted.pem(), pem);
        for both in [format!("{pem}{key}"), format!("{key}{pem}")] {
            let error = Certificate::from_pem(&both).unwrap_err();
            assert_eq!(error, CertificateError::KeyBeside(KeyBeside));
        }
    }
}
