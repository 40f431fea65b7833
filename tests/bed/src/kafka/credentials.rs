//! The administrator of the brokers: made before they first start, for without one nobody could make the next.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::bed::write_file;
use crate::cache::hex;

const USERNAME: &str = "admin";
/// The least that Kafka accepts.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// Kept in a file that its owner alone can read, for as long as the cluster lives.
#[derive(Serialize, Deserialize)]
pub(super) struct Admin {
    /// Names the Kafka cluster: 16 random bytes in URL-safe base64, as Kafka makes them.
    pub(super) cluster_id: String,
    password: String,
    salt: String,
}

/// Reads the file, or makes it.
pub(super) fn ensure(path: &Path) -> Result<Admin> {
    if let Ok(text) = fs::read_to_string(path) {
        return Ok(serde_json::from_str(&text)?);
    }
    let admin = Admin {
        cluster_id: BASE64_URL_SAFE_NO_PAD.encode(random()?),
        password: hex(&random()?),
        salt: BASE64_STANDARD.encode(random()?),
    };
    write_file(path, &serde_json::to_string(&admin)?, true)?;
    Ok(admin)
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the kernel gives no random bytes"))?;
    Ok(bytes)
}

impl Admin {
    /// What `kafka-storage.sh format --add-scram` is given, for each mechanism: salted, so that the password is in no argument.
    pub(super) fn scram_arguments(&self) -> [String; 2] {
        [("SCRAM-SHA-256", pbkdf2::PBKDF2_HMAC_SHA256, 32), ("SCRAM-SHA-512", pbkdf2::PBKDF2_HMAC_SHA512, 64)].map(
            |(mechanism, algorithm, length)| {
                let mut salted = vec![0; length];
                let salt = BASE64_STANDARD.decode(&self.salt).unwrap_or_default();
                pbkdf2::derive(algorithm, ITERATIONS, &salt, self.password.as_bytes(), &mut salted);
                let salted = BASE64_STANDARD.encode(salted);
                format!(
                    "{mechanism}=[name=\"{USERNAME}\",salt=\"{}\",saltedpassword=\"{salted}\",iterations={ITERATIONS}]",
                    self.salt
                )
            },
        )
    }

    /// The keys of the Secret `kafka-admin`.
    pub(super) fn client_files(&self, authority: String) -> Vec<(String, String)> {
        let password = &self.password;
        let login = format!(
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{USERNAME}\" password=\"{password}\";"
        );
        let properties = format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config={login}\n\
             ssl.truststore.type=PEM\nssl.truststore.location=/etc/kafka/admin/ca.crt\n"
        );
        [
            ("username", USERNAME.to_owned()),
            ("password", password.clone()),
            ("ca.crt", authority),
            ("client.properties", properties),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3: its user, password and salt, and the salted password that its exchange rests on.
    #[test]
    fn the_salted_password_is_that_of_the_specification() {
        let admin =
            Admin { cluster_id: String::new(), password: "pencil".into(), salt: "W22ZaJ0SNY7soEsUEjb6gQ==".into() };
        let [sha256, sha512] = admin.scram_arguments();
        assert_eq!(
            sha256,
            "SCRAM-SHA-256=[name=\"admin\",salt=\"W22ZaJ0SNY7soEsUEjb6gQ==\",\
             saltedpassword=\"xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0=\",iterations=4096]"
        );
        assert!(sha512.starts_with("SCRAM-SHA-512=["));
        assert!(!sha512.contains("pencil"));
    }
}
