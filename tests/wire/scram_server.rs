//! The server's side of SCRAM-SHA-256, and the ways in which it can be wrong.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{hmac, pbkdf2};

/// The password that the fake knows for everybody.
pub(crate) const PASSWORD: &str = "the-right-password";
const SALT: &[u8] = b"a salt of the fake";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// The signature is of another key.
    Signature,
    /// This many iterations are asked for.
    Iterations(u32),
    /// The nonce is the server's own.
    ForeignNonce,
    /// The nonce is the client's own, with nothing added.
    BareNonce,
    /// No text.
    NotText,
}

/// One exchange.
pub(crate) struct Session {
    first_bare: String,
    server_first: String,
    salted: Vec<u8>,
}

/// What a server keeps of a password.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) salt: Vec<u8>,
    pub(crate) salted: Vec<u8>,
    pub(crate) iterations: u32,
}

impl Stored {
    /// Of the password that the fake knows for everybody.
    pub(crate) fn of_everybody() -> Self {
        let mut salted = vec![0; 32];
        let count = NonZeroU32::new(4096).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, SALT, PASSWORD.as_bytes(), &mut salted);
        Self { salt: SALT.to_vec(), salted, iterations: 4096 }
    }
}

impl Session {
    pub(crate) fn start(client_first: &str, flaw: Flaw, stored: Stored) -> (Self, Vec<u8>) {
        let first_bare = client_first.strip_prefix("n,,").unwrap().to_owned();
        let nonce = first_bare.split_once(",r=").unwrap().1;
        let nonce = match flaw {
            Flaw::ForeignNonce => "another".to_owned(),
            Flaw::BareNonce => nonce.to_owned(),
            _ => format!("{nonce}server"),
        };
        let iterations = if let Flaw::Iterations(count) = flaw { count } else { stored.iterations };
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(stored.salt));
        let bytes = if flaw == Flaw::NotText { vec![0xff, 0xfe] } else { server_first.clone().into_bytes() };
        (Self { first_bare, server_first, salted: stored.salted }, bytes)
    }

    pub(crate) fn finish(self, client_final: &str, flaw: Flaw) -> Result<Vec<u8>, &'static str> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").unwrap();
        let auth = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        let salted = self.salted;
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored = ring::digest::digest(&ring::digest::SHA256, client_key.as_ref());
        let signature = sign(stored.as_ref(), auth.as_bytes());
        let expected: Vec<_> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        if STANDARD.decode(proof).unwrap() != expected {
            return Err("Authentication failed");
        }
        let key = if flaw == Flaw::Signature { b"Another Ke" } else { b"Server Key" };
        let server_key = sign(&salted, key);
        Ok(format!("v={}", STANDARD.encode(sign(server_key.as_ref(), auth.as_bytes()))).into_bytes())
    }
}
