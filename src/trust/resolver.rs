//! The leaf of the moment, for the next TLS handshake. Connections that live keep the one that they began with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Holds the leaf of the moment. Until there is one, handshakes fail.
#[derive(Debug, Default)]
pub struct Resolver(ArcSwapOption<CertifiedKey>);

impl Resolver {
    /// Swaps the leaf. Nothing is interrupted.
    pub fn set(&self, leaf: Arc<CertifiedKey>) {
        self.0.store(Some(leaf));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// A TLS server of HTTP/2 and HTTP/1.1 whose certificate comes from `resolver`.
///
/// # Errors
/// The provider lacks the protocol versions: never with the one of this program.
pub fn server_config(resolver: Arc<Resolver>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(crate::crypto::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
