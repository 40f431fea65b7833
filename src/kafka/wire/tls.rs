//! TLS towards brokers: one CA, names checked, sessions resumed.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::crypto;

/// Why TLS cannot be set up at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The text has no certificate in it.
    #[error("the CA holds no certificate: expected PEM with `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// A certificate that cannot be read.
    #[error("certificate {0} of the CA cannot be read")]
    Unreadable(usize),
    /// The provider offers no protocol version: a build without TLS.
    #[error("TLS is not available: {0}")]
    Unavailable(String),
    /// The host cannot be in a certificate.
    #[error("`{0}` is not a host name that a certificate can carry")]
    Name(String),
}

/// Makes TLS connections that trust one CA and nothing else. Sessions are resumed between connections.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Reads the CA's certificates.
    ///
    /// # Errors
    /// `Empty`, `Unreadable`, `Unavailable`
    pub fn new(ca_pem: &str) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(ca_pem.as_bytes()).enumerate() {
            let unreadable = TlsError::Unreadable(index + 1);
            let Ok(certificate) = certificate else { return Err(unreadable) };
            roots.add(certificate).map_err(|_| unreadable)?;
        }
        if roots.is_empty() {
            return Err(TlsError::Empty);
        }
        let config = ClientConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Unavailable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// The name that a host's certificate must carry.
    ///
    /// # Errors
    /// `Name`
    pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
        // A final dot makes a name absolute for DNS; certificates are written without it.
        let host = host.strip_suffix('.').unwrap_or(host);
        ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))
    }

    /// Shakes hands, and checks the certificate.
    ///
    /// # Errors
    /// Those of the stream and of rustls, whose texts say what is wrong with a certificate.
    pub async fn connect(&self, name: ServerName<'static>, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.0.connect(name, stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_that_is_none_is_named() {
        assert_eq!(Tls::new("").unwrap_err(), TlsError::Empty);
        assert_eq!(Tls::new("not PEM").unwrap_err(), TlsError::Empty);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(Tls::new(broken).unwrap_err(), TlsError::Unreadable(1));
    }

    #[test]
    fn names_and_addresses_can_be_checked() {
        assert!(
            matches!(Tls::server_name("kafka.example."), Ok(ServerName::DnsName(name)) if name.as_ref() == "kafka.example")
        );
        assert!(matches!(Tls::server_name("10.0.0.1"), Ok(ServerName::IpAddress(_))));
        assert!(Tls::server_name("no name").is_err());
    }
}
