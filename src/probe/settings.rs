//! The mounted Secret, read into plain data.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    api::secret::Secret,
    kafka::{
        config::{Credential, Endpoint, Tls},
        scram::Mechanism,
    },
};

/// More than any file of the Secret can be.
const LARGEST: u64 = 1 << 20;

/// What the Secret says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `bootstrap.servers`
    pub bootstrap: Vec<Endpoint>,
    /// `ca.crt`, where `security.protocol` asks for TLS.
    pub tls: Option<Tls>,
    /// `sasl.mechanism`, `username` and `password`, where `security.protocol` asks for SASL.
    pub sasl: Option<Credential>,
    /// `consumes`
    pub consumes: Vec<String>,
    /// `produces`
    pub produces: Vec<String>,
    /// `group.id`, where it is there.
    pub group: Option<String>,
}

/// What is wrong with the Secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}; is the access Secret mounted there?", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file says something that cannot be used.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why; never the content of a file that holds a secret.
        reason: String,
    },
}

impl Settings {
    /// Reads the directory at which the Secret is mounted.
    ///
    /// # Errors
    /// [`SettingsError`]
    pub fn read(directory: &Path) -> Result<Self, SettingsError> {
        let required = |name: &str| text(&directory.join(name)).map(|text| text.trim().to_owned());
        let unusable = |name: &str, reason: String| SettingsError::Unusable { path: directory.join(name), reason };
        let optional = |name: &str| match text(&directory.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(SettingsError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let list = |name: &str| Ok(names(&optional(name)?.unwrap_or_default()));
        let word = |name: &str| Ok(optional(name)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));

        let protocol = required("security.protocol")?;
        let (with_tls, with_sasl) = match protocol.as_str() {
            "SASL_SSL" => (true, true),
            "SASL_PLAINTEXT" => (false, true),
            "SSL" => (true, false),
            "PLAINTEXT" => (false, false),
            other => return Err(unusable("security.protocol", format!("`{other}` is not a protocol of Kafka's"))),
        };
        let bootstrap = Endpoint::parse_list(&required("bootstrap.servers")?)
            .map_err(|error| unusable("bootstrap.servers", error.to_string()))?;
        let tls = if with_tls { Some(Tls { ca_pem: required("ca.crt")? }) } else { None };
        let sasl = if with_sasl {
            let mechanism: Mechanism =
                required("sasl.mechanism")?.parse().map_err(|error| unusable("sasl.mechanism", format!("{error}")))?;
            let password = Secret::new(required("password")?);
            Some(Credential { mechanism, username: required("username")?, password })
        } else {
            None
        };
        let (consumes, produces) = (list("consumes")?, list("produces")?);
        Ok(Self { bootstrap, tls, sasl, consumes, produces, group: word("group.id")? })
    }
}

fn text(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// A list of names, separated as in the annotation: by commas, spaces or lines.
pub(super) fn names(text: &str) -> Vec<String> {
    let names = text.split([',', ' ', '\n', '\r', '\t']).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(change: impl FnOnce(&mut BTreeMap<&str, &str>)) -> Result<Settings, String> {
        let mut files = BTreeMap::from([
            ("bootstrap.servers", "kafka-0:9093,kafka-1:9093\n"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("username", "shop.checkout"),
            ("password", "hunter2"),
            ("ca.crt", "-----BEGIN CERTIFICATE-----"),
            ("consumes", "payments, refunds\n"),
            ("group.id", "shop.checkout\n"),
        ]);
        change(&mut files);
        let id = crate::crypto::random::<8>().unwrap();
        let directory = std::env::temp_dir().join(format!("probe-settings-{id:02x?}"));
        std::fs::create_dir(&directory).unwrap();
        for (name, content) in files {
            std::fs::write(directory.join(name), content).unwrap();
        }
        let settings = Settings::read(&directory).map_err(|error| error.to_string());
        std::fs::remove_dir_all(&directory).unwrap();
        settings
    }

    #[test]
    fn a_secret_is_read() {
        let settings = read(|_| {}).unwrap();
        assert_eq!(settings.bootstrap.len(), 2);
        assert_eq!(settings.consumes, ["payments", "refunds"]);
        assert!(settings.produces.is_empty());
        assert_eq!(settings.group.as_deref(), Some("shop.checkout"));
        assert_eq!(settings.sasl.unwrap().username, "shop.checkout");
    }

    #[test]
    fn what_the_protocol_does_not_need_may_be_absent() {
        let settings = read(|files| {
            files.retain(|name, _| *name == "bootstrap.servers");
            files.insert("security.protocol", "PLAINTEXT");
        });
        assert_eq!(settings.map(|settings| (settings.tls, settings.sasl, settings.group)), Ok((None, None, None)));
    }

    #[test]
    fn a_cluster_without_tls_needs_no_ca() {
        let settings = read(|files| {
            files.remove("ca.crt");
            files.insert("security.protocol", "SASL_PLAINTEXT");
        });
        let settings = settings.unwrap();
        assert_eq!((settings.tls, settings.sasl.unwrap().username.as_str()), (None, "shop.checkout"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_without_secrets() {
        let missing = read(|files| files.retain(|name, _| *name != "password")).unwrap_err();
        assert!(missing.contains("/password cannot be read"), "{missing}");
        for (name, content) in
            [("security.protocol", "TLS"), ("sasl.mechanism", "PLAIN"), ("bootstrap.servers", "kafka")]
        {
            let error = read(|files| files.extend([(name, content)])).unwrap_err();
            assert!(error.contains(name) && error.contains(content) && !error.contains("hunter2"), "{error}");
        }
    }
}
