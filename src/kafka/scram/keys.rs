//! What is derived from a password.

use std::{fmt, num::NonZeroU32};

use ring::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::{LEAST_ITERATIONS, Mechanism, exchange::Verifier};
use crate::{
    api::secret::Secret,
    crypto::{self, NoRandomness},
};

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

    pub(super) fn fits(&self, mechanism: Mechanism, salt: &[u8], iterations: NonZeroU32) -> bool {
        self.mechanism == mechanism && self.salt == salt && self.iterations == iterations
    }

    /// ClientProof of RFC 5802 §3, and what checks the ServerSignature.
    pub(super) fn sign(&self, auth_message: String) -> (Vec<u8>, Verifier) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_print() {
        let keys = ScramKeys::generate(Mechanism::Sha512, &Secret::new("pencil")).unwrap();
        assert_eq!(format!("{keys:?}"), "ScramKeys(SCRAM-SHA-512, [secret])");
        assert_eq!(keys.expose_salted_password().len(), 64);
    }
}
