//! Random texts: passwords and nonces.

use zeroize::Zeroizing;

use crate::{
    api::secret::Secret,
    crypto::{self, NoRandomness},
};

/// How long a generated password is.
const PASSWORD_LENGTH: usize = 32;
/// Letters and digits alone: no text format that a password ends up in has to quote them.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A password of 32 letters and digits, about 190 bits.
///
/// # Errors
/// [`NoRandomness`] where the system has none.
pub fn generate_password() -> Result<Secret, NoRandomness> {
    Ok(Secret::new(random_text(PASSWORD_LENGTH)?))
}

/// Random letters and digits, each as likely as any other.
pub(super) fn random_text(length: usize) -> Result<String, NoRandomness> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
