//! The one choice of a cryptography provider, and the few primitives that more than one room needs.
//!
//! Everything here is [`ring`]: TLS brings it anyway, so digests, random bytes and key derivation use it too.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::CryptoProvider;

/// The TLS provider of every connection that this program makes or accepts.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The operating system could not supply random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system supplied no random bytes")]
pub struct NoRandomness;

/// Fills an array with random bytes from the operating system.
///
/// # Errors
/// [`NoRandomness`] where the system has no source of them.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
