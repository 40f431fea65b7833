//! How to reach a Kafka cluster, and as whom.

use std::{fmt, str::FromStr, time::Duration};

use crate::{api::secret::Secret, kafka::scram::Mechanism};

/// What a client needs to know before its first connection.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Brokers to ask first, the next as well where one does not answer soon. Others are found through them.
    pub bootstrap: Vec<Endpoint>,
    /// TLS, unless the listener is plain text.
    pub tls: Option<Tls>,
    /// SASL, unless the listener knows us otherwise.
    pub sasl: Option<Credential>,
    /// The name that brokers see in their logs and quotas.
    pub client_id: String,
    /// For name, TCP, TLS and SASL together.
    pub connect_timeout: Duration,
    /// For one request and its answer.
    pub request_timeout: Duration,
}

impl ClientConfig {
    /// A configuration with the given brokers, no security, and time limits that suit one data centre.
    #[must_use]
    pub fn new(bootstrap: Vec<Endpoint>) -> Self {
        Self {
            bootstrap,
            tls: None,
            sasl: None,
            client_id: "admittance".into(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
        }
    }
}

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// One or more CA certificates in PEM. Nothing else is trusted, the system's store included.
    pub ca_pem: String,
}

/// A SCRAM login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Which of the user's two slots.
    pub mechanism: Mechanism,
    /// The user, without `User:`.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A text that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not host:port; write for example kafka.example:9093 or [2001:db8::1]:9093")]
pub struct NotAnEndpoint(String);

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnEndpoint(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(wrong());
        }
        let host = bare.unwrap_or(host);
        if host.is_empty() || port == 0 || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl Endpoint {
    /// Reads a comma separated list, as in `bootstrap.servers`.
    ///
    /// # Errors
    /// The first part that is not `host:port`; an empty list is an error as well.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, NotAnEndpoint> {
        text.split(',').map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_and_write() {
        for text in ["kafka:9093", "10.0.0.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse_list("a:1, b:2").unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_an_endpoint_is_named() {
        for text in ["", "kafka", "kafka:", ":9093", "kafka:0", "kafka:70000", "::1:9", "a b:1"] {
            assert_eq!(text.parse::<Endpoint>(), Err(NotAnEndpoint(text.into())));
        }
        assert!(Endpoint::parse_list("a:1,,b:2").is_err());
    }
}
