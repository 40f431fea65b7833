//! The environment variables of a profile. A value of the Secret is referred to, never written down: a Pod is readable by more
//! people than a Secret.

use serde::Serialize;

use super::env::Env;
use crate::api::secret_layout::keys;
use crate::intent::EnvProfile;

/// What leads a JVM to the JAAS file. Every JVM reads `JAVA_TOOL_OPTIONS` by itself (JVM TI, "Command Line Options"), whatever
/// starts it; `KAFKA_OPTS` is read by Kafka's own scripts alone.
pub const JAAS_OPTION: &str = "-Djava.security.auth.login.config=/var/run/secrets/kafka/kafka-client-jaas.conf";
/// The variable that holds [`JAAS_OPTION`].
pub const JAVA_TOOL_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

/// Where a variable's value comes from.
enum Source {
    /// A key of the credential Secret.
    Key(&'static str),
    /// A text that is no secret.
    Text(&'static str),
}

use Source::{Key, Text};

type Row = (&'static str, Source);

/// Kafka's names of the settings, as most images and twelve-factor applications spell them.
const GENERIC: &[Row] = &[
    ("KAFKA_BOOTSTRAP_SERVERS", Key(keys::BOOTSTRAP_SERVERS)),
    ("KAFKA_SECURITY_PROTOCOL", Key(keys::SECURITY_PROTOCOL)),
    ("KAFKA_SASL_MECHANISM", Key(keys::SASL_MECHANISM)),
    ("KAFKA_SASL_USERNAME", Key(keys::USERNAME)),
    ("KAFKA_SASL_PASSWORD", Key(keys::PASSWORD)),
    ("KAFKA_SASL_JAAS_CONFIG", Key(keys::SASL_JAAS_CONFIG)),
    ("KAFKA_GROUP_ID", Key(keys::GROUP_ID)),
    ("KAFKA_SSL_CA_LOCATION", Text("/var/run/secrets/kafka/ca.crt")),
];

/// Spring Boot's relaxed names. The protocol goes by the map `spring.kafka.properties`, which every version passes on.
const SPRING: &[Row] = &[
    ("SPRING_KAFKA_BOOTSTRAP_SERVERS", Key(keys::BOOTSTRAP_SERVERS)),
    (SPRING_PROTOCOL, Key(keys::SECURITY_PROTOCOL)),
    ("SPRING_KAFKA_PROPERTIES_SASL_MECHANISM", Key(keys::SASL_MECHANISM)),
    ("SPRING_KAFKA_PROPERTIES_SASL_JAAS_CONFIG", Key(keys::SASL_JAAS_CONFIG)),
    ("SPRING_KAFKA_SSL_TRUST_STORE_TYPE", Text("PEM")),
    ("SPRING_KAFKA_SSL_TRUST_STORE_LOCATION", Text("file:/var/run/secrets/kafka/ca.crt")),
    ("SPRING_KAFKA_CONSUMER_GROUP_ID", Key(keys::GROUP_ID)),
];
const SPRING_PROTOCOL: &str = "SPRING_KAFKA_PROPERTIES_SECURITY_PROTOCOL";
/// The other name of the protocol. The map would win over it, and so change what an author wrote.
const SPRING_PROTOCOL_OF_AN_AUTHOR: &str = "SPRING_KAFKA_SECURITY_PROTOCOL";

const JAAS: &[Row] = &[(JAVA_TOOL_OPTIONS, Text(JAAS_OPTION))];

/// An environment variable.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    name: &'static str,
    #[serde(flatten)]
    value: Value,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    Value(&'static str),
    ValueFrom(Reference),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    secret_key_ref: KeyOfSecret,
}

#[derive(Debug, Clone, Serialize)]
struct KeyOfSecret {
    name: String,
    key: &'static str,
}

fn rows(profile: EnvProfile) -> &'static [Row] {
    match profile {
        EnvProfile::None => &[],
        EnvProfile::Generic => GENERIC,
        EnvProfile::Spring => SPRING,
        EnvProfile::Jaas => JAAS,
    }
}

/// The variables of a profile that a container does not have yet, read from the Secret of this name.
#[must_use]
pub fn missing(profile: EnvProfile, env: Env, secret: &str) -> Vec<Variable> {
    let there = |name: &str| env.has(name) || (name == SPRING_PROTOCOL && env.has(SPRING_PROTOCOL_OF_AN_AUTHOR));
    let rows = rows(profile).iter().filter(|(name, _)| !there(name));
    rows.map(|(name, source)| {
        let value = match source {
            Text(text) => Value::Value(text),
            Key(key) => Value::ValueFrom(Reference { secret_key_ref: KeyOfSecret { name: secret.to_owned(), key } }),
        };
        Variable { name, value }
    })
    .collect()
}

/// The names of all variables of all profiles.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let all = GENERIC.iter().chain(SPRING).chain(JAAS).map(|(name, _)| *name);
    all.chain([SPRING_PROTOCOL_OF_AN_AUTHOR])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::secret_layout::MOUNT_PATH;

    fn env(names: &[&str]) -> Env {
        let list: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "own"})).collect();
        serde_json::from_value(json!(list)).unwrap()
    }

    fn added(profile: EnvProfile, env: Env) -> Vec<&'static str> {
        missing(profile, env, "s").iter().map(|variable| variable.name).collect()
    }

    #[test]
    fn a_variable_is_written_as_kubernetes_has_it() {
        let variables = serde_json::to_value(missing(EnvProfile::Generic, Env::default(), "web")).unwrap();
        let password =
            json!({"name": "KAFKA_SASL_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web", "key": "password"}}});
        assert_eq!(variables[4], password);
        assert_eq!(variables[7], json!({"name": "KAFKA_SSL_CA_LOCATION", "value": "/var/run/secrets/kafka/ca.crt"}));
    }

    #[test]
    fn paths_lie_where_the_secret_is_mounted() {
        let texts = GENERIC.iter().chain(SPRING).chain(JAAS).filter_map(|(_, source)| match source {
            Text(text) => text.find('/').map(|_| *text),
            Key(_) => None,
        });
        let texts: Vec<_> = texts.collect();
        assert_eq!(texts.len(), 3);
        let files = [keys::CA_CRT, keys::CA_CRT, keys::JAAS_FILE];
        for (text, file) in texts.iter().zip(files) {
            assert!(text.ends_with(&format!("{MOUNT_PATH}/{file}")), "{text}");
        }
    }

    #[test]
    fn what_the_author_has_is_left_out() {
        assert_eq!(added(EnvProfile::None, Env::default()), [""; 0]);
        assert_eq!(added(EnvProfile::Jaas, Env::default()), [JAVA_TOOL_OPTIONS]);
        assert_eq!(added(EnvProfile::Jaas, env(&[JAVA_TOOL_OPTIONS])), [""; 0]);
        let generic = added(EnvProfile::Generic, env(&["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_GROUP_ID"]));
        assert_eq!(generic.len(), GENERIC.len() - 2);
        assert!(!generic.contains(&"KAFKA_GROUP_ID"));
        assert!(added(EnvProfile::Spring, Env::default()).contains(&SPRING_PROTOCOL));
        assert!(!added(EnvProfile::Spring, env(&[SPRING_PROTOCOL_OF_AN_AUTHOR])).contains(&SPRING_PROTOCOL));
    }
}
