//! SCRAM (RFC 5802, RFC 7677) as Kafka uses it. Pure: texts and bytes in, texts and bytes out.
//!
//! Kafka's extension and channel-binding fields are never used: the GS2 header is always `n,,`.

use std::{fmt, num::NonZeroU32};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

pub use super::mechanism::{Mechanism, UnknownMechanism};
use crate::{
    api::secret::Secret,
    crypto::{self, NoRandomness},
};

/// The fewest iterations that Kafka accepts, and enough for a random password of 190 bits.
pub const LEAST_ITERATIONS: u32 = 4096;
/// Kafka stores at most 16384. We follow a server to four times that and no further: the count is work that the server
/// makes us do before it has proved anything.
pub const MOST_ITERATIONS: u32 = 65536;
/// How long a generated password is.
const PASSWORD_LENGTH: usize = 32;
/// Letters and digits alone: no text format that a password ends up in has to quote them.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Why an exchange was given up. Never repeats what the server or the user sent as a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message lacks a field, or a field is not what it should be.
    #[error("the server's SCRAM message is malformed: {0}")]
    Malformed(&'static str),
    /// The nonce of the answer does not begin with ours, or adds nothing to it.
    #[error("the server's nonce does not extend ours: this is not an answer to us")]
    Nonce,
    /// The iteration count is outside of what we do.
    #[error("the server asks for {0} iterations; {LEAST_ITERATIONS} to {MOST_ITERATIONS} are accepted")]
    Iterations(u32),
    /// The server said `e=…`.
    #[error("the server refuses the login")]
    Refused,
    /// The server does not know the password: it is not the Kafka that we registered with.
    #[error("the server's signature is wrong: it does not know this user's password")]
    Signature,
    /// No nonce could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A password of 32 letters and digits, about 190 bits.
///
/// # Errors
/// [`NoRandomness`] where the system has none.
pub fn generate_password() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(random_text(PASSWORD_LENGTH)?))
}

fn random_text(length: usize) -> Result<String, NoRandomness> {
    // The largest multiple of 62 that a byte can hold: what lies above it would favour the first letters.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = Zeroizing::new(crypto::random::<64>()?);
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        text.extend(fair.take(length - text.len()).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    Ok(text)
}

/// What Kafka stores is derived from this, and so is every proof: the slow part of SCRAM, done once.
#[derive(Clone)]
pub struct ScramKeys {
    mechanism: Mechanism,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    salted_password: Zeroizing<Vec<u8>>,
}

impl ScramKeys {
    /// Derives the keys of a password with a fresh random salt and the fewest iterations that Kafka accepts.
    ///
    /// # Errors
    /// [`NoRandomness`] where the system has none.
    pub fn generate(mechanism: Mechanism, password: &Secret) -> Result<Self, NoRandomness> {
        let salt = crypto::random::<24>()?;
        Ok(Self::derive(mechanism, password, &salt, NonZeroU32::new(LEAST_ITERATIONS).unwrap_or(NonZeroU32::MIN)))
    }

    /// Derives the keys of a password: `Hi()` of RFC 5802, that is PBKDF2. Takes a millisecond or two.
    #[must_use]
    pub fn derive(mechanism: Mechanism, password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut salted = Zeroizing::new(vec![0; mechanism.digest().output_len()]);
        pbkdf2::derive(mechanism.pbkdf2(), iterations, salt, password.expose().as_bytes(), &mut salted);
        Self { mechanism, iterations, salt: salt.to_vec(), salted_password: salted }
    }

    /// Which slot the keys are for.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// How many rounds were done.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// The salt: not a secret, the server tells it to anybody.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// What goes to Kafka. As good as the password: for the wire alone.
    #[must_use]
    pub fn expose_salted_password(&self) -> &[u8] {
        &self.salted_password
    }

    fn fits(&self, mechanism: Mechanism, salt: &[u8], iterations: NonZeroU32) -> bool {
        self.mechanism == mechanism && self.salt == salt && self.iterations == iterations
    }

    /// ClientProof of RFC 5802 §3, and what checks the ServerSignature.
    fn sign(&self, auth_message: String) -> (Vec<u8>, Verifier) {
        let key = |bytes: &[u8]| hmac::Key::new(self.mechanism.hmac(), bytes);
        let salted = key(&self.salted_password);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.mechanism.digest(), client_key.as_ref());
        let client_signature = hmac::sign(&key(stored_key.as_ref()), auth_message.as_bytes());
        let proof = client_key.as_ref().iter().zip(client_signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        let server_key = hmac::sign(&salted, b"Server Key");
        (proof, Verifier { server_key: key(server_key.as_ref()), auth_message })
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ScramKeys({}, [secret])", self.mechanism)
    }
}

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
    server_key: hmac::Key,
    auth_message: String,
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

    #[test]
    fn passwords_are_long_plain_and_different() {
        let one = generate_password().unwrap();
        let two = generate_password().unwrap();
        assert_ne!(one, two);
        for password in [one, two] {
            assert_eq!(password.expose().len(), 32);
            assert!(password.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn every_letter_comes_up_about_equally_often() {
        let mut seen = [0_u32; 256];
        for byte in random_text(62_000).unwrap().bytes() {
            seen[usize::from(byte)] += 1;
        }
        for letter in ALPHABET {
            let count = seen[usize::from(*letter)];
            assert!((800..1200).contains(&count), "{}: {count}", char::from(*letter));
        }
    }

    #[test]
    fn keys_do_not_print() {
        let keys = ScramKeys::generate(Mechanism::Sha512, &pencil()).unwrap();
        assert_eq!(format!("{keys:?}"), "ScramKeys(SCRAM-SHA-512, [secret])");
        assert_eq!(keys.expose_salted_password().len(), 64);
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text in ".*") {
            let _ = rfc_client().respond(&text, &pencil(), None);
            let _ = Verifier { server_key: hmac::Key::new(hmac::HMAC_SHA256, b"k"), auth_message: String::new() }.verify(&text);
        }
    }
}
