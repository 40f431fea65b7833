//! The serving certificate. Every replica signs one for itself, keeps the key in memory, and never shares it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::SKEW;
use super::authority::{Authority, AuthorityError};
use super::certificate::{Certificate, Validity};

/// How long a leaf lives: short, so that a key that leaks from a replica's memory is soon worth nothing.
pub const LIFETIME: Duration = Duration::from_secs(86_400);

/// A leaf that can serve.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// What a handshake needs.
    pub certified: Arc<CertifiedKey>,
    /// The authority that signed it.
    pub issuer: Certificate,
    /// From when until when it holds.
    pub validity: Validity,
    /// When it was signed: it holds from before that.
    pub signed: SystemTime,
}

/// No leaf could be made.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// The authority cannot sign.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The names are no DNS names, or the library could not sign.
    #[error("the serving certificate cannot be made: {0}")]
    Signing(#[from] rcgen::Error),
    /// The TLS library does not take the key.
    #[error("the serving certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The names by which a Service is called. The API server uses `<service>.<namespace>.svc`.
#[must_use]
pub fn service_names(service: &str, namespace: &str) -> Vec<String> {
    let local = format!("{service}.{namespace}.svc");
    vec![local.clone(), service.to_owned(), format!("{service}.{namespace}"), format!("{local}.cluster.local")]
}

impl Leaf {
    /// Signs a new one. It neither outlives its authority nor holds from before it.
    ///
    /// # Errors
    /// [`LeafError`].
    pub fn sign(authority: &Authority, names: &[String], now: SystemTime) -> Result<Self, LeafError> {
        let key = KeyPair::generate()?;
        let issuer = authority.certificate.clone();
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "Admittance webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - SKEW).max(issuer.validity.from).into();
        params.not_after = (now + LIFETIME).min(issuer.validity.until).into();
        let made = params.signed_by(&key, &authority.issuer()?)?;
        let certificate = Certificate::from_pem(&made.pem()).map_err(AuthorityError::from)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = crate::crypto::provider().key_provider.load_private_key(key)?;
        let certified = Arc::new(CertifiedKey::new(vec![made.der().clone()], signer));
        Ok(Self { certified, issuer, validity: certificate.validity, signed: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_valid_for_its_service_and_nothing_else() {
        let now = SystemTime::now();
        let authority = Authority::generate(now).unwrap();
        let leaf = Leaf::sign(&authority, &service_names("hook", "ns"), now).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crate::crypto::provider())
                .build()
                .unwrap();
        let verify = |name: &str, now: SystemTime| {
            let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &*verifier,
                &leaf.certified.cert[0],
                &[],
                &name.to_owned().try_into().unwrap(),
                &[],
                rustls::pki_types::UnixTime::since_unix_epoch(since),
            )
        };
        for name in ["hook", "hook.ns", "hook.ns.svc", "hook.ns.svc.cluster.local"] {
            assert!(verify(name, now).is_ok(), "{name}");
        }
        assert!(verify("hook.other.svc", now).is_err());
        assert!(verify("hook.ns.svc", now - Duration::from_secs(3500)).is_ok(), "a clock that is behind");
        assert!(verify("hook.ns.svc", now + LIFETIME + Duration::from_secs(2)).is_err());
    }

    #[test]
    fn a_leaf_holds_for_a_clock_that_is_hours_behind() {
        let born = SystemTime::now();
        let authority = Authority::generate(born).unwrap();
        let names = service_names("hook", "ns");
        let behind = Duration::from_secs(23 * 3600);
        let first = Leaf::sign(&authority, &names, born).unwrap();
        assert!(first.validity.holds(born - behind) && authority.certificate.validity.holds(born - behind));
        let later = born + LIFETIME * 3;
        let leaf = Leaf::sign(&authority, &names, later).unwrap();
        assert!(leaf.validity.holds(later - behind) && !leaf.validity.holds(later - SKEW - Duration::from_secs(2)));
    }

    #[test]
    fn a_leaf_neither_outlives_its_authority_nor_is_older() {
        let born = SystemTime::now();
        let authority = Authority::generate(born).unwrap();
        let early = Leaf::sign(&authority, &service_names("hook", "ns"), born - SKEW / 2).unwrap();
        assert_eq!(early.validity.from, authority.certificate.validity.from);
        let late = authority.certificate.validity.until - Duration::from_secs(60);
        let leaf = Leaf::sign(&authority, &service_names("hook", "ns"), late).unwrap();
        assert_eq!(leaf.validity.until, authority.certificate.validity.until);
    }
}
