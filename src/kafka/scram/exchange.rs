//! One login, as the client sees it: three messages, and what the server must answer.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::hmac;

use super::{LEAST_ITERATIONS, MOST_ITERATIONS, Mechanism, ScramError, ScramKeys, password::random_text};
use crate::api::secret::Secret;

/// The client's side of one exchange, before the server's first message.
#[derive(Debug)]
pub struct Client {
    mechanism: Mechanism,
    nonce: String,
    first_bare: String,
}

impl Client {
    /// Begins an exchange with a fresh nonce.
    ///
    /// # Errors
    /// [`ScramError::NoRandomness`]
    pub fn new(mechanism: Mechanism, username: &str) -> Result<Self, ScramError> {
        let nonce = random_text(24)?;
        Ok(Self::with_nonce(mechanism, username, nonce))
    }

    fn with_nonce(mechanism: Mechanism, username: &str, nonce: String) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={name},r={nonce}");
        Self { mechanism, nonce, first_bare }
    }

    /// The client-first-message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Reads the server-first-message; gives the client-final-message and what the server must answer to it.
    ///
    /// `known` spares the key derivation if it is for the salt and count that the server names.
    ///
    /// # Errors
    /// Any [`ScramError`] but `Refused` and `Signature`.
    pub fn respond(
        self,
        server_first: &str,
        password: &Secret,
        known: Option<&ScramKeys>,
    ) -> Result<(String, Verifier), ScramError> {
        let mut fields = server_first.split(',');
        let mut field = |key: &str, problem| {
            fields.next().and_then(|field| field.strip_prefix(key)).ok_or(ScramError::Malformed(problem))
        };
        let nonce = field("r=", "it does not begin with a nonce")?;
        let salt = field("s=", "no salt after the nonce")?;
        let iterations = field("i=", "no iteration count after the salt")?;
        if nonce.strip_prefix(&self.nonce).is_none_or(str::is_empty) {
            return Err(ScramError::Nonce);
        }
        let salt = BASE64.decode(salt).map_err(|_| ScramError::Malformed("the salt is not base64"))?;
        let iterations: u32 =
            iterations.parse().map_err(|_| ScramError::Malformed("the iteration count is not a number"))?;
        let count = NonZeroU32::new(iterations)
            .filter(|count| (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(&count.get()))
            .ok_or(ScramError::Iterations(iterations))?;

        // biws: base64 of the GS2 header `n,,`.
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare);
        let (proof, verifier) = match known {
            Some(keys) if keys.fits(self.mechanism, &salt, count) => keys.sign(auth_message),
            _ => ScramKeys::derive(self.mechanism, password, &salt, count).sign(auth_message),
        };
        Ok((format!("{without_proof},p={}", BASE64.encode(proof)), verifier))
    }
}

/// What the server must send last, to show that it knows the password too.
#[derive(Debug)]
pub struct Verifier {
    pub(super) server_key: hmac::Key,
    pub(super) auth_message: String,
}

impl Verifier {
    /// Checks the server-final-message.
    ///
    /// # Errors
    /// `Refused`, `Malformed` or `Signature`.
    pub fn verify(&self, server_final: &str) -> Result<(), ScramError> {
        let first = server_final.split(',').next().unwrap_or_default();
        if first.starts_with("e=") {
            return Err(ScramError::Refused);
        }
        let signature = first.strip_prefix("v=").ok_or(ScramError::Malformed("no signature in the last message"))?;
        let signature = BASE64.decode(signature).map_err(|_| ScramError::Malformed("the signature is not base64"))?;
        hmac::verify(&self.server_key, self.auth_message.as_bytes(), &signature).map_err(|_| ScramError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 7677 §3.
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn rfc_client() -> Client {
        Client::with_nonce(Mechanism::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".into())
    }

    fn pencil() -> Secret {
        Secret::new("pencil")
    }

    #[test]
    fn the_example_of_rfc_7677() {
        let client = rfc_client();
        assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, verifier) = client.respond(SERVER_FIRST, &pencil(), None).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        verifier.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert_eq!(verifier.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::Signature));
        assert_eq!(verifier.verify("e=invalid-proof"), Err(ScramError::Refused));
        assert!(matches!(verifier.verify(""), Err(ScramError::Malformed(_))));
    }

    #[test]
    fn known_keys_give_the_same_answer_and_wrong_ones_are_not_used() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let count = NonZeroU32::new(4096).unwrap();
        let (expected, _) = rfc_client().respond(SERVER_FIRST, &pencil(), None).unwrap();
        let keys = ScramKeys::derive(Mechanism::Sha256, &pencil(), &salt, count);
        // A wrong password shows that the keys were used instead of it.
        let (last, _) = rfc_client().respond(SERVER_FIRST, &Secret::new("wrong"), Some(&keys)).unwrap();
        assert_eq!(last, expected);
        let stale = ScramKeys::derive(Mechanism::Sha256, &pencil(), b"another salt", count);
        let (last, _) = rfc_client().respond(SERVER_FIRST, &pencil(), Some(&stale)).unwrap();
        assert_eq!(last, expected);
    }

    #[test]
    fn a_server_that_is_not_ours_is_refused() {
        let respond = |message: &str| rfc_client().respond(message, &pencil(), None).map(|_| ()).unwrap_err();
        assert_eq!(respond("r=else,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), ScramError::Nonce);
        assert_eq!(respond("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096"), ScramError::Nonce);
        for count in [0, 1, 4095, 65537, u32::MAX] {
            let message = format!("r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i={count}");
            assert_eq!(respond(&message), ScramError::Iterations(count));
        }
        for message in
            ["", "r=rOprNGfwEbeRWgbNEkqOx", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=", "r=rOprNGfwEbeRWgbNEkqOx,s=%,i=4096"]
        {
            assert!(matches!(respond(message), ScramError::Malformed(_)), "{message}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let client = Client::with_nonce(Mechanism::Sha512, "a=b,c", "x".into());
        assert_eq!(client.first(), "n,,n=a=3Db=2Cc,r=x");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text in ".*") {
            let _ = rfc_client().respond(&text, &pencil(), None);
            let _ = Verifier { server_key: hmac::Key::new(hmac::HMAC_SHA256, b"k"), auth_message: String::new() }.verify(&text);
        }
    }
}
