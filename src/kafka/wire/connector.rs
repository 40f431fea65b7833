//! From an endpoint to a connection that is ready for use: name, TCP, TLS, versions, login.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use kafka_protocol::{
    messages::ApiVersionsRequest,
    protocol::{Message, Request, StrBytes},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    connection::{Connection, Stream},
    frame,
    resolve::Resolver,
    sasl,
    tls::Tls,
    versions::{FIRST_TRY, Versions, api_name, fallback},
};
use crate::kafka::{
    config::{ClientConfig, Credential, Endpoint},
    error::Error,
    scram::{Mechanism, ScramKeys},
};

/// Opens connections, all in the same manner. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connector {
    resolver: Arc<Resolver>,
    tls: Option<Tls>,
    client_id: String,
    timeout: Duration,
}

impl Connector {
    /// Prepares TLS and the resolver. No I/O but `/etc/resolv.conf` and `/etc/hosts`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a CA that cannot be used.
    pub fn new(config: &ClientConfig) -> Result<Self, Error> {
        let tls = config.tls.as_ref().map(|tls| Tls::new(&tls.ca_pem)).transpose();
        Ok(Self {
            resolver: Arc::new(Resolver::from_system()),
            tls: tls.map_err(|error| Error::invalid("TLS", "", error.to_string()))?,
            client_id: config.client_id.clone(),
            timeout: config.connect_timeout,
        })
    }

    /// Opens a connection for requests.
    ///
    /// # Errors
    /// [`Error::Denied`] for a login that the broker refuses, [`Error::Invalid`] and [`Error::Unknown`] for a peer that
    /// is not what the configuration says, [`Error::Retriable`] for the rest. All within the connect timeout.
    pub async fn open(&self, endpoint: &Endpoint, sasl: Option<&Credential>) -> Result<Connection, Error> {
        let deadline = Instant::now() + self.timeout;
        let connection = self.connect(endpoint, deadline).await?;
        negotiate(&connection, deadline).await?;
        if let Some(credential) = sasl {
            sasl::login(&connection, credential, None, deadline).await?;
        }
        connection.trust();
        Ok(connection)
    }

    /// Opens a connection that knows nobody yet, to be logged in on once: see [`Connector::login`].
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn prepare(&self, endpoint: &Endpoint) -> Result<Connection, Error> {
        self.connect(endpoint, Instant::now() + self.timeout).await
    }

    /// Asks a listener which SASL mechanisms it offers, by naming one. Logs nobody in.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn mechanisms(&self, endpoint: &Endpoint, named: Mechanism) -> Result<Vec<String>, Error> {
        let deadline = Instant::now() + self.timeout;
        let connection = self.connect(endpoint, deadline).await?;
        sasl::handshake(&connection, named, deadline).await.map(|(_, offered)| offered)
    }

    /// Proves that a credential works at a broker: logs in on a prepared connection, and closes it.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn login(
        &self,
        prepared: Connection,
        credential: &Credential,
        keys: Option<&ScramKeys>,
    ) -> Result<(), Error> {
        sasl::login(&prepared, credential, keys, Instant::now() + self.timeout).await
    }

    async fn connect(&self, endpoint: &Endpoint, deadline: Instant) -> Result<Connection, Error> {
        let peer = endpoint.to_string();
        let late = |step: &str| Error::unreachable(step, &peer, "no answer in time");
        let addresses =
            timeout_at(deadline, self.resolver.resolve(endpoint)).await.map_err(|_| late("name lookup"))??;
        let stream = timeout_at(deadline, first_that_answers(&addresses, deadline)).await;
        let stream = stream
            .map_err(|_| late("TCP connect"))?
            .map_err(|error| Error::unreachable("TCP connect", &peer, error.to_string()))?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = Tls::server_name(&endpoint.host)
                    .map_err(|error| Error::invalid("TLS handshake", &peer, error.to_string()))?;
                let stream = timeout_at(deadline, tls.connect(name, stream)).await;
                let stream = stream.map_err(|_| late("TLS handshake"))?.map_err(|error| refused(&peer, &error))?;
                Box::new(stream)
            }
        };
        Ok(Connection::new(stream, &peer, &self.client_id))
    }
}

/// Tries the addresses in turn, each with a fair share of what time is left.
async fn first_that_answers(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let addresses = reachable(addresses);
    let mut failed = None;
    for (index, address) in addresses.iter().enumerate() {
        let shares = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = Instant::now() + deadline.saturating_duration_since(Instant::now()) / shares;
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = Some(telling(failed, error)),
            Err(_) => failed = Some(telling(failed, ErrorKind::TimedOut.into())),
        }
    }
    Err(failed.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
}

/// The addresses that this machine has a route to, so that those of a family it does not have take no share of the time; all where it has
/// none, to fail as they do.
fn reachable(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let found: Vec<SocketAddr> = addresses.iter().copied().filter(has_route).collect();
    if found.is_empty() { addresses.to_vec() } else { found }
}

/// Sends nothing: to connect a UDP socket only looks for the route.
fn has_route(address: &SocketAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address)).is_ok()
}

/// Which failure is told: the first, as the first address is the likeliest. But that there is no way to an address says nothing of the
/// broker, so whatever else went wrong is told before it.
fn telling(earlier: Option<io::Error>, later: io::Error) -> io::Error {
    let no_way = |error: &io::Error| {
        matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable)
    };
    match earlier {
        Some(earlier) if !no_way(&earlier) || no_way(&later) => earlier,
        _ => later,
    }
}

/// A certificate that does not hold is a refusal of ours; anything else in a handshake may pass.
fn refused(peer: &str, error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            let advice =
                format!("{error}; check that ca.crt is the cluster's CA and that the certificate names this host");
            Error::denied("TLS handshake", peer, advice)
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Error::protocol("TLS handshake", peer, format!("{error}; is this a TLS listener?"))
        }
        _ => Error::unreachable("TLS handshake", peer, error.to_string()),
    }
}

/// Learns which versions the broker speaks.
async fn negotiate(connection: &Connection, deadline: Instant) -> Result<(), Error> {
    let api = api_name::<ApiVersionsRequest>();
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let mut version = FIRST_TRY;
    let mut body = connection.call_raw(&request, version, deadline).await?;
    if let Some(theirs) = fallback(&body) {
        version = theirs.max.min(<ApiVersionsRequest as Message>::VERSIONS.max);
        if version < FIRST_TRY.max(theirs.min) {
            let reason = format!("the broker speaks ApiVersions {theirs}; a Kafka of 2.5 or later is needed");
            return Err(Error::invalid(api, connection.peer(), reason));
        }
        body = connection.call_raw(&request, version, deadline).await?;
    }
    let reply = frame::decode_body::<<ApiVersionsRequest as Request>::Response>(body, version)
        .map_err(|error| connection.give_up(api, &error))?;
    Error::check(api, connection.peer(), reply.error_code, None)?;
    connection.set_versions(Versions::from_reply(&reply));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no machine has a route to: a link's address without the link.
    const NO_ROUTE: &str = "[fe80::1]:9092";

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_outage_is_told_and_not_that_a_family_is_missing() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let unreachable = addresses(&[NO_ROUTE, "255.255.255.255:9092"]);
        for tried in [[vec![closed], unreachable.clone()].concat(), [unreachable, vec![closed]].concat()] {
            let deadline = Instant::now() + Duration::from_secs(5);
            let error = first_that_answers(&tried, deadline).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{tried:?}: {error}");
        }
    }

    #[test]
    fn the_failure_that_says_most_of_the_broker_is_told() {
        use ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        for (kinds, told) in [
            (vec![NetworkUnreachable], NetworkUnreachable),
            (vec![ConnectionRefused, NetworkUnreachable], ConnectionRefused),
            (vec![TimedOut, AddrNotAvailable, HostUnreachable], TimedOut),
            (vec![NetworkUnreachable, TimedOut, HostUnreachable], TimedOut),
            (vec![HostUnreachable, NetworkUnreachable], HostUnreachable),
        ] {
            let error = kinds.iter().fold(None, |failed, kind| Some(telling(failed, (*kind).into())));
            assert_eq!(error.unwrap().kind(), told, "{kinds:?}");
        }
    }

    #[test]
    fn what_has_no_route_takes_no_share_of_the_time() {
        let here = "127.0.0.1:9092";
        assert_eq!(reachable(&addresses(&[here, NO_ROUTE])), addresses(&[here]));
        assert_eq!(reachable(&addresses(&[NO_ROUTE, here])), addresses(&[here]));
        assert_eq!(reachable(&addresses(&[NO_ROUTE])), addresses(&[NO_ROUTE]), "it fails as it does");
    }
}
