//! The SASL conversation: SaslHandshake 1, then SCRAM in SaslAuthenticate 2.

use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_protocol::{
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use tokio::time::Instant;

use super::connection::Connection;
use crate::kafka::{
    config::Credential,
    error::Error,
    scram::{Client, Mechanism, ScramError, ScramKeys},
};

const HANDSHAKE: &str = "SaslHandshake";
const AUTHENTICATE: &str = "SaslAuthenticate";
/// The oldest SaslAuthenticate that is flexible; every Kafka since 2.5 speaks it.
const AUTHENTICATE_VERSION: i16 = 2;

/// Logs in, and checks that the broker knows the password as well.
///
/// `known` spares the key derivation where salt and iterations are those that the broker names.
pub(super) async fn login(
    connection: &Connection,
    credential: &Credential,
    known: Option<&ScramKeys>,
    deadline: Instant,
) -> Result<(), Error> {
    let peer = connection.peer();
    let refuse = |error: ScramError| match error {
        ScramError::Refused => Error::denied(AUTHENTICATE, peer, error.to_string()),
        other => Error::protocol(AUTHENTICATE, peer, other.to_string()),
    };

    let mechanism = credential.mechanism.name();
    let (code, enabled) = handshake(connection, credential.mechanism, deadline).await?;
    Error::check(
        HANDSHAKE,
        peer,
        code,
        Some(&format!("{mechanism} is not among the enabled [{}].", enabled.join(", "))),
    )?;

    let client = Client::new(credential.mechanism, &credential.username).map_err(refuse)?;
    let (server_first, _) = authenticate(connection, client.first(), deadline).await?;
    let (last, verifier) = client.respond(&server_first, &credential.password, known).map_err(refuse)?;
    let (server_last, lifetime) = authenticate(connection, last, deadline).await?;
    verifier.verify(&server_last).map_err(refuse)?;
    if !lifetime.is_zero() {
        connection.expire_after(lifetime);
    }
    Ok(())
}

/// Names a mechanism; gives Kafka's code about it and the mechanisms that the listener offers, which it tells in either case.
pub(super) async fn handshake(
    connection: &Connection,
    mechanism: Mechanism,
    deadline: Instant,
) -> Result<(i16, Vec<String>), Error> {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
    let reply = connection.call_raw(&request, 1, deadline).await?;
    read_handshake(reply).ok_or_else(|| Error::protocol(HANDSHAKE, connection.peer(), "the reply is malformed"))
}

/// One step; gives the server's message and how long the session may last, zero for ever.
async fn authenticate(
    connection: &Connection,
    message: String,
    deadline: Instant,
) -> Result<(String, Duration), Error> {
    let peer = connection.peer();
    let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
    let reply = connection.call(&request, AUTHENTICATE_VERSION, deadline).await?;
    Error::check(AUTHENTICATE, peer, reply.error_code, reply.error_message.as_deref())?;
    let text = String::from_utf8(reply.auth_bytes.into())
        .map_err(|_| Error::protocol(AUTHENTICATE, peer, "the server's SCRAM message is not text"))?;
    let lifetime = u64::try_from(reply.session_lifetime_ms).unwrap_or_default();
    Ok((text, Duration::from_millis(lifetime)))
}

/// SaslHandshake has no flexible version, so its one array is read here: a code, then names.
fn read_handshake(mut reply: Bytes) -> Option<(i16, Vec<String>)> {
    let code = reply.try_get_i16().ok()?;
    let count = reply.try_get_i32().ok()?;
    let mut names = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(reply.try_get_i16().ok()?).ok()?;
        let name = (length <= reply.len()).then(|| reply.split_to(length))?;
        names.push(String::from_utf8(name.into()).ok()?);
    }
    reply.is_empty().then_some((code, names))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn handshakes_read() {
        let reply = [0, 33, 0, 0, 0, 1, 0, 5, b'P', b'L', b'A', b'I', b'N'];
        assert_eq!(read_handshake(Bytes::copy_from_slice(&reply)), Some((33, vec!["PLAIN".into()])));
        let mut longer = reply.to_vec();
        longer.push(0);
        assert_eq!(read_handshake(longer.into()), None);
        assert_eq!(read_handshake(Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read_handshake(bytes.into());
        }
    }
}
