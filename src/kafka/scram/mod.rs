//! SCRAM (RFC 5802, RFC 7677) as Kafka uses it. Pure: texts and bytes in, texts and bytes out.
//!
//! Kafka's extension and channel-binding fields are never used: the GS2 header is always `n,,`.

mod exchange;
mod keys;
mod password;

use std::{fmt, str::FromStr};

use ring::{digest, hmac, pbkdf2};

pub use self::{
    exchange::{Client, Verifier},
    keys::ScramKeys,
    password::generate_password,
};
use crate::crypto::NoRandomness;

/// The fewest iterations that Kafka accepts, and enough for a random password of 190 bits.
pub const LEAST_ITERATIONS: u32 = 4096;
/// Kafka stores at most 16384. We follow a server to four times that and no further: the count is work that the server
/// makes us do before it has proved anything.
pub const MOST_ITERATIONS: u32 = 65536;
/// One of the two slots that Kafka keeps for each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

impl Mechanism {
    /// Kafka's number for it, in AlterUserScramCredentials (KIP-554).
    #[must_use]
    pub fn code(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The mechanism of that number.
    #[must_use]
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its SASL name, for example `SCRAM-SHA-512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A SASL mechanism that we do not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SASL mechanism `{0}` is not supported; use SCRAM-SHA-512 or SCRAM-SHA-256")]
pub struct UnknownMechanism(String);

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|mechanism| mechanism.name() == text)
            .ok_or_else(|| UnknownMechanism(text.to_owned()))
    }
}

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
