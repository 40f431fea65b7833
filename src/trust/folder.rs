//! A certificate that somebody else keeps, cert-manager for one, mounted as a folder with `tls.crt` and `tls.key`.
//!
//! The files are read again and compared by content: a mounted Secret changes by the swap of a symbolic link, which a watch on
//! the files would miss.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::certificate::{CertificateError, Validity};
use super::metrics::Expiry;
use super::resolver::Resolver;
use crate::runtime::readiness::Gate;

/// For how long the files are not read.
const PERIOD: Duration = Duration::from_secs(10);

/// The folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    resolver: Arc<Resolver>,
    certified: Gate,
    expiry: Expiry,
    served: Option<Files>,
}

#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: String,
    key: Zeroizing<String>,
}

/// The files cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
    /// `tls.crt` holds no certificate.
    #[error("tls.crt: {0}")]
    Certificate(#[from] CertificateError),
    /// `tls.key` holds no key. The cause is left out: it could quote the key.
    #[error("tls.key is not a private key in PEM that can serve TLS")]
    Key,
    /// The two do not belong together: most often they were read in the middle of a change.
    #[error("tls.key is not the key of tls.crt")]
    Mismatch,
}

impl Folder {
    /// A folder to serve from. `certified` is opened when there is something to serve.
    #[must_use]
    pub fn new(path: PathBuf, resolver: Arc<Resolver>, certified: Gate, expiry: Expiry) -> Self {
        Self { path, resolver, certified, expiry, served: None }
    }

    /// Reads for ever: until the future is dropped. What cannot be served is said, and what was served before stays.
    pub async fn run(mut self) -> Infallible {
        loop {
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "the serving certificate cannot be read; the last good one stays");
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Reads the files, and serves them if they are new. Returns whether they were.
    ///
    /// # Errors
    /// [`FolderError`]; what was served before stays.
    pub async fn turn(&mut self) -> Result<bool, FolderError> {
        let files = Files { certificate: self.read("tls.crt").await?, key: self.read("tls.key").await?.into() };
        if self.served.as_ref() == Some(&files) {
            return Ok(false);
        }
        let chain = CertificateDer::pem_slice_iter(files.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateError::NotPem)?;
        // It is served and not published: what else the file holds goes nowhere.
        let validity = Validity::of(chain.first().ok_or(CertificateError::NotPem)?)?;
        let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).map_err(|_| FolderError::Key)?;
        let signer = crate::crypto::provider().key_provider.load_private_key(key).map_err(|_| FolderError::Key)?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(|_| FolderError::Mismatch)?;
        self.resolver.set(Arc::new(certified));
        self.expiry.serving(validity.until);
        self.certified.open();
        self.served = Some(files);
        tracing::info!(folder = %self.path.display(), "serving a new certificate");
        Ok(true)
    }

    async fn read(&self, name: &str) -> Result<String, FolderError> {
        let path = self.path.join(name);
        tokio::fs::read_to_string(&path).await.map_err(|error| FolderError::Unreadable(path, error))
    }
}
