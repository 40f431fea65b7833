//! The settings of a Kafka client as people have them in a file: Java's properties, or librdkafka's lines. Pure, but for the
//! certificates, which a file may name instead of holding them.

use std::collections::BTreeMap;

use crate::api::secret::Secret;
use crate::configmaps::properties::{self, Fault};
use crate::kafka::config::{ClientConfig, Credential, Endpoint, Tls};
use crate::kafka::scram::Mechanism;

/// What is wrong with the settings. Never says a value that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A setting is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A setting has a value that is of no use here.
    #[error("{0}: {1}")]
    Unusable(&'static str, String),
    /// The file is not in Java's syntax, although a key of Java's is there.
    #[error("the settings: {0}")]
    Syntax(#[from] Fault),
}

/// Reads settings. Those that say nothing of how to connect are passed over.
///
/// # Errors
/// [`FileError`].
pub fn read(text: &str) -> Result<ClientConfig, FileError> {
    let settings = Settings::of(text)?;
    let servers = settings.get(&["bootstrap.servers", "metadata.broker.list"]);
    let bootstrap = servers.map(Endpoint::parse_list).transpose();
    let bootstrap = bootstrap.map_err(|error| FileError::Unusable("bootstrap.servers", error.to_string()))?;
    let mut config = ClientConfig::new(bootstrap.unwrap_or_default());
    let protocol = settings.get(&["security.protocol"]).unwrap_or("PLAINTEXT").to_ascii_uppercase();
    let (tls, sasl) = match protocol.as_str() {
        "PLAINTEXT" => (false, false),
        "SSL" => (true, false),
        "SASL_PLAINTEXT" => (false, true),
        "SASL_SSL" => (true, true),
        other => {
            return Err(FileError::Unusable("security.protocol", format!("\"{other}\" is not a protocol of Kafka's")));
        }
    };
    config.tls = if tls { Some(settings.trust()?) } else { None };
    config.sasl = if sasl { Some(settings.login()?) } else { None };
    Ok(config)
}

/// Settings by key, without `Debug`: passwords are among them.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn of(text: &str) -> Result<Self, FileError> {
        Ok(Self(either(text)?))
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.0.get(*key)).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn trust(&self) -> Result<Tls, FileError> {
        if self.get(&["ssl.keystore.location", "ssl.keystore.key", "ssl.certificate.location"]).is_some() {
            let message = "a client certificate is of no use here: log in by SASL/SCRAM".to_owned();
            return Err(FileError::Unusable("ssl.keystore", message));
        }
        if let Some(pem) = self.get(&["ssl.truststore.certificates", "ssl.ca.pem"]) {
            return Ok(Tls { ca_pem: pem.to_owned() });
        }
        let Some(path) = self.get(&["ssl.ca.location", "ssl.truststore.location"]) else {
            return Err(FileError::Missing(
                "ssl.ca.location or ssl.truststore.certificates, the certificates to trust in PEM,",
            ));
        };
        let pem = std::fs::read_to_string(path);
        let pem = pem.map_err(|error| FileError::Unusable("ssl.ca.location", format!("{path}: {error}")))?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            let message =
                format!("{path} is no PEM; convert it: keytool -exportcert -rfc -keystore {path} -alias ALIAS");
            return Err(FileError::Unusable("ssl.truststore.location", message));
        }
        Ok(Tls { ca_pem: pem })
    }

    fn login(&self) -> Result<Credential, FileError> {
        let mechanism = self.get(&["sasl.mechanism", "sasl.mechanisms"]).ok_or(FileError::Missing("sasl.mechanism"))?;
        let mechanism: Mechanism =
            mechanism.parse().map_err(|error| FileError::Unusable("sasl.mechanism", format!("{error}")))?;
        let jaas = self.get(&["sasl.jaas.config"]);
        let part = |key: &'static str, named: &[&str]| {
            let found = self.get(named).map(str::to_owned).or_else(|| jaas.and_then(|jaas| of_jaas(jaas, key)));
            found.ok_or(FileError::Missing(if key == "username" {
                "sasl.username or sasl.jaas.config"
            } else {
                "sasl.password or sasl.jaas.config"
            }))
        };
        let username = part("username", &["sasl.username"])?;
        let password = Secret::new(part("password", &["sasl.password"])?);
        Ok(Credential { mechanism, username, password })
    }
}

/// An option of a JAAS login module: `key="value"`.
fn of_jaas(jaas: &str, key: &str) -> Option<String> {
    let (_, rest) = jaas.split_once(&format!(" {key}="))?;
    let Some(quoted) = rest.strip_prefix('"') else {
        return rest.split([' ', ';']).next().map(str::to_owned);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

/// Settings by key: Java's syntax where a key of Java's own is there, else lines taken as they are, for in librdkafka's a backslash is a
/// backslash.
fn either(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let of_java = |line: &str| line.starts_with("sasl.jaas.config") || line.starts_with("ssl.truststore");
    if text.lines().any(|line| of_java(line.trim_start())) {
        return properties::parse(text);
    }
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim_start().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----";

    fn error(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn both_dialects_lead_to_the_same_client() {
        let java = format!(
            "# mine\nbootstrap.servers=a:9092,b:9092\nsecurity.protocol = SASL_SSL\nsasl.mechanism: SCRAM-SHA-512\nsasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"me\" \\\n  password=\"a\\\\\"b\";\n\
             ssl.truststore.type=PEM\nssl.truststore.certificates={}\nacks=all\n",
            PEM.replace('\n', "\\n")
        );
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.crt");
        std::fs::write(&ca, PEM).unwrap();
        let librdkafka = format!(
            "metadata.broker.list=a:9092,b:9092\nsecurity.protocol=sasl_ssl\nsasl.mechanisms=SCRAM-SHA-512\nsasl.username=me\n\
             sasl.password=a\"b\nssl.ca.location={}\n",
            ca.display()
        );
        let (java, librdkafka) = (read(&java).unwrap(), read(&librdkafka).unwrap());
        assert_eq!(java.bootstrap, librdkafka.bootstrap);
        assert_eq!(java.bootstrap.len(), 2);
        assert_eq!(java.tls.unwrap().ca_pem, PEM);
        assert_eq!(librdkafka.tls.unwrap().ca_pem, PEM);
        let (java, librdkafka) = (java.sasl.unwrap(), librdkafka.sasl.unwrap());
        assert_eq!(java, librdkafka);
        assert_eq!((java.username.as_str(), java.password), ("me", Secret::new("a\"b")));
    }

    #[test]
    fn a_backslash_of_librdkafkas_is_one() {
        let text = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.username=me\nsasl.password=a\\nb=c\\\n";
        assert_eq!(read(text).unwrap().sasl.unwrap().password, Secret::new("a\\nb=c\\"));
    }

    #[test]
    fn what_is_of_no_use_is_named_and_no_value_told() {
        assert!(error("security.protocol=SASL_PLAINTEXT\n").contains("sasl.mechanism is missing"));
        assert!(error("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n").starts_with("sasl.mechanism: "));
        let half = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.password=hunter2\n";
        assert_eq!(error(half), "sasl.username or sasl.jaas.config is missing");
        assert!(error("security.protocol=SSL\n").contains("in PEM"));
        assert!(error("security.protocol=SSL\nssl.ca.location=/nonexistent\n").contains("/nonexistent"));
        assert!(error("security.protocol=SSL\nssl.keystore.location=x\n").contains("SASL/SCRAM"));
        assert!(error("security.protocol=TLS\n").contains("\"TLS\""));
        assert!(error("bootstrap.servers=kafka\n").contains("not host:port"));
        let twice = "sasl.jaas.config=x\nsasl.password=hunter2\nsasl.password=hunter3\n";
        assert_eq!(error(twice), "the settings: line 3 repeats the key \"sasl.password\"");
    }
}
