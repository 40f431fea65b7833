//! What the credential Secret says, in every client's own words. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::access::step::Handout;
use crate::api::secret::Secret;
use crate::api::secret_layout::{MOUNT_PATH, keys};
use crate::clusters::Terms;
use crate::kafka::scram::LEAST_ITERATIONS;

/// Iterations above Kafka's minimum by which one password is told from another.
const FINGERPRINTS: u32 = 1024;

/// The iteration count that a password is stored with: a fingerprint of it.
///
/// Kafka never tells whether a stored credential belongs to a password, but it does tell its iteration count. A count that follows
/// from the password shows a credential that somebody else wrote, without a login, in all but one of 1024 cases.
#[must_use]
pub fn iterations(password: &Secret) -> NonZeroU32 {
    let digest = ring::digest::digest(&ring::digest::SHA256, password.expose().as_bytes());
    let number = digest.as_ref().iter().take(4).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    NonZeroU32::MIN.saturating_add(LEAST_ITERATIONS - 1 + number % FINGERPRINTS)
}

/// The data of a user's Secret. A file that is a configuration is complete in itself.
#[must_use]
pub fn data(handout: &Handout, (username, password): (&str, &Secret), terms: &Terms) -> BTreeMap<&'static str, Secret> {
    let Handout { group, .. } = handout;
    let secret = password.expose();
    let bootstrap = &terms.bootstrap_servers;
    let mechanism = handout.mechanism.name();
    let protocol = terms.security_protocol.as_str();
    let login = format!(
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{username}\" password=\"{secret}\";"
    );
    let jaas_file = format!("KafkaClient {{\n  {login}\n}};\n");
    let java_trust = terms.ca_pem.as_ref().map_or_else(String::new, |ca| {
        let pem_in_one_line = ca.trim_end().replace("\r\n", "\n").replace('\n', "\\n");
        format!("ssl.truststore.type=PEM\nssl.truststore.certificates={pem_in_one_line}\n")
    });
    let librdkafka_trust =
        terms.ca_pem.as_ref().map_or_else(String::new, |_| format!("ssl.ca.location={MOUNT_PATH}/{}\n", keys::CA_CRT));
    let group_line = if handout.consumes.is_empty() { String::new() } else { format!("group.id={group}\n") };
    let client_properties = format!(
        "bootstrap.servers={bootstrap}\nsecurity.protocol={protocol}\nsasl.mechanism={mechanism}\nsasl.jaas.config={login}\n\
         {java_trust}{group_line}"
    );
    let librdkafka = format!(
        "bootstrap.servers={bootstrap}\nsecurity.protocol={protocol}\nsasl.mechanism={mechanism}\nsasl.username={username}\n\
         sasl.password={secret}\n{librdkafka_trust}{group_line}"
    );
    let trust =
        terms.ca_pem.iter().flat_map(|ca| [keys::CA_CRT, keys::BINDING_CERTIFICATES].map(|key| (key, ca.clone())));
    [
        (keys::USERNAME, username.to_owned()),
        (keys::PASSWORD, secret.to_owned()),
        (keys::BOOTSTRAP_SERVERS, bootstrap.clone()),
        (keys::BOOTSTRAP_SERVER, bootstrap.clone()),
        (keys::SECURITY_PROTOCOL, protocol.to_owned()),
        (keys::SASL_MECHANISM, mechanism.to_owned()),
        (keys::SASL_JAAS_CONFIG, login),
        (keys::JAAS_FILE, jaas_file),
        (keys::CLIENT_PROPERTIES, client_properties),
        (keys::LIBRDKAFKA_CONF, librdkafka),
        (keys::GROUP_ID, group.to_owned()),
        (keys::CONSUMES, handout.consumes.join(",")),
        (keys::PRODUCES, handout.produces.join(",")),
        (keys::TYPE, "kafka".to_owned()),
        (keys::PROVIDER, "admittance".to_owned()),
        (keys::BINDING_BOOTSTRAP, bootstrap.clone()),
        (keys::BINDING_USER, username.to_owned()),
    ]
    .into_iter()
    .chain(trust)
    .chain(handout.transactional_id.clone().map(|id| (keys::TRANSACTIONAL_ID, id)))
    .map(|(key, text)| (key, Secret::new(text)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::resources::{Drift, GroupPolicy, QuotaPolicy, SaslMechanism, TopicPolicy};
    use crate::clusters::{Lifetimes, SecurityProtocol};
    use crate::kafka::scram::Mechanism;

    fn example() -> BTreeMap<&'static str, Secret> {
        of(SecurityProtocol::SaslSsl, Some("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"))
    }

    fn of(security_protocol: SecurityProtocol, ca_pem: Option<&str>) -> BTreeMap<&'static str, Secret> {
        let terms = Terms {
            bootstrap_servers: "a:9092,b:9092".into(),
            security_protocol,
            ca_pem: ca_pem.map(str::to_owned),
            mechanism: SaslMechanism::ScramSha512,
            mechanisms: vec![SaslMechanism::ScramSha512],
            namespaces: None,
            topics: TopicPolicy::default(),
            groups: GroupPolicy::default(),
            lifetimes: Lifetimes::default(),
            neighbours: Default::default(),
            drift: Drift::default(),
            quotas: QuotaPolicy::default(),
            quotas_shown: false,
        };
        let handout = Handout {
            group: "shop.web".to_owned(),
            transactional_id: None,
            mechanism: Mechanism::Sha512,
            consumes: vec!["in".to_owned()],
            produces: Vec::new(),
        };
        data(&handout, ("k1.shop.web", &Secret::new("pw0")), &terms)
    }

    #[test]
    fn the_java_file_is_one_setting_a_line() {
        let data = example();
        let lines: Vec<_> = data[keys::CLIENT_PROPERTIES].expose().lines().collect();
        assert_eq!(
            lines,
            [
                "bootstrap.servers=a:9092,b:9092",
                "security.protocol=SASL_SSL",
                "sasl.mechanism=SCRAM-SHA-512",
                "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"k1.shop.web\" password=\"pw0\";",
                "ssl.truststore.type=PEM",
                "ssl.truststore.certificates=-----BEGIN CERTIFICATE-----\\nAA\\n-----END CERTIFICATE-----",
                "group.id=shop.web",
            ]
        );
    }

    #[test]
    fn spellings_agree() {
        let data = example();
        assert_eq!(data[keys::BOOTSTRAP_SERVERS], data[keys::BINDING_BOOTSTRAP]);
        assert_eq!(data[keys::USERNAME], data[keys::BINDING_USER]);
        assert_eq!(data[keys::CA_CRT], data[keys::BINDING_CERTIFICATES]);
        assert!(data[keys::JAAS_FILE].expose().starts_with("KafkaClient {\n"));
        assert!(data[keys::LIBRDKAFKA_CONF].expose().contains("\nsasl.password=pw0\n"));
    }

    #[test]
    fn without_tls_nothing_speaks_of_trust() {
        let data = of(SecurityProtocol::SaslPlaintext, None);
        assert_eq!(data[keys::SECURITY_PROTOCOL].expose(), "SASL_PLAINTEXT");
        assert!(!data.contains_key(keys::CA_CRT) && !data.contains_key(keys::BINDING_CERTIFICATES));
        for file in [keys::CLIENT_PROPERTIES, keys::LIBRDKAFKA_CONF] {
            let text = data[file].expose();
            assert!(text.contains("security.protocol=SASL_PLAINTEXT\n") && !text.contains("ssl."), "{text}");
        }
    }

    #[test]
    fn iterations_tell_passwords_apart_within_kafkas_bounds() {
        let counts: std::collections::BTreeSet<_> =
            (0..200).map(|n| iterations(&Secret::new(format!("pw{n}")))).collect();
        assert!(counts.len() > 150);
        assert!(counts.iter().all(|count| (4096..16_384).contains(&count.get())));
    }
}
