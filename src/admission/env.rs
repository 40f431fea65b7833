//! The environment of a container, as far as a decision needs it: which of a few variables it has. Nothing is copied, so a Pod
//! with a hundred variables costs no more than one with none.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::profile::JAAS_OPTION;

/// The variables that are looked for: those that a profile may add, those that stand in a profile's way, and those by which a
/// broker is known.
const WATCHED: &[&str] = &[
    "JAVA_TOOL_OPTIONS",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_JAAS_CONFIG",
    "KAFKA_GROUP_ID",
    "KAFKA_SSL_CA_LOCATION",
    "SPRING_KAFKA_BOOTSTRAP_SERVERS",
    "SPRING_KAFKA_CONSUMER_GROUP_ID",
    "SPRING_KAFKA_PROPERTIES_SASL_JAAS_CONFIG",
    "SPRING_KAFKA_PROPERTIES_SASL_MECHANISM",
    "SPRING_KAFKA_PROPERTIES_SECURITY_PROTOCOL",
    "SPRING_KAFKA_SECURITY_PROTOCOL",
    "SPRING_KAFKA_SSL_TRUST_STORE_LOCATION",
    "SPRING_KAFKA_SSL_TRUST_STORE_TYPE",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_BROKER_ID",
    "KAFKA_NODE_ID",
    "KAFKA_PROCESS_ROLES",
    "KAFKA_ZOOKEEPER_CONNECT",
    "KAFKA_CFG_ADVERTISED_LISTENERS",
    "KAFKA_CFG_BROKER_ID",
    "KAFKA_CFG_NODE_ID",
    "KAFKA_CFG_PROCESS_ROLES",
    "KAFKA_CFG_ZOOKEEPER_CONNECT",
];
/// Where, in `WATCHED`, the marks of brokers begin: the images of Apache and Confluent, then Bitnami's.
const BROKERS: usize = 17;

/// Which of the watched variables a container has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Env {
    /// A bit for each of `WATCHED`.
    found: u32,
    /// `JAVA_TOOL_OPTIONS` begins with our option.
    leads_to_jaas: bool,
}

impl Env {
    /// Whether it has a variable, which must be one of those watched.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        position(name).is_some_and(|at| self.found >> at & 1 == 1)
    }

    /// Whether the container is a broker by its environment: images of brokers make settings of everything that begins with
    /// `KAFKA_`.
    #[must_use]
    pub fn is_a_brokers(self) -> bool {
        self.found >> BROKERS != 0
    }

    /// Whether the JVM is led to the JAAS file already.
    #[must_use]
    pub fn leads_to_jaas(self) -> bool {
        self.leads_to_jaas
    }
}

fn position(name: &str) -> Option<usize> {
    // Nearly all variables are none of these, and one look tells.
    let likely = name.starts_with("KAFKA_") || name.starts_with("SPRING_KAFKA_") || name.starts_with("JAVA_");
    if likely { WATCHED.iter().position(|watched| *watched == name) } else { None }
}

#[derive(Deserialize)]
struct Variable {
    name: Name,
    #[serde(default)]
    value: Value,
}

/// The place of a name among the watched.
struct Name(Option<usize>);

/// Whether a value begins with the option that leads to the JAAS file.
#[derive(Default)]
struct Value(bool);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Env;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of variables")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Env, A::Error> {
                let mut env = Env::default();
                while let Some(variable) = list.next_element::<Variable>()? {
                    if let Name(Some(at)) = variable.name {
                        env.found |= 1 << at;
                        env.leads_to_jaas |= at == 0 && variable.value.0;
                    }
                }
                Ok(env)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(position(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Value;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value(text.starts_with(JAAS_OPTION)))
            }

            fn visit_none<E: Error>(self) -> Result<Value, E> {
                Ok(Value(false))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                deserializer.deserialize_str(self)
            }
        }

        deserializer.deserialize_option(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::names;
    use super::*;

    fn read(json: &str) -> Env {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_variable_of_a_profile_is_watched() {
        assert!(WATCHED.len() <= 32, "a bit each");
        assert_eq!(WATCHED[0], "JAVA_TOOL_OPTIONS");
        assert!(names().count() >= 16);
        for name in names() {
            assert!(position(name).is_some_and(|at| at < BROKERS), "{name}");
        }
    }

    #[test]
    fn variables_are_found_however_they_are_written() {
        let env = read(
            r#"[{"name": "PATH", "value": "/bin"}, {"value": null, "name": "KAFKA_GROUP_\u0049D"},
                {"name": "SPRING_KAFKA_SECURITY_PROTOCOL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]"#,
        );
        assert!(env.has("KAFKA_GROUP_ID") && env.has("SPRING_KAFKA_SECURITY_PROTOCOL"));
        assert!(!env.has("KAFKA_SASL_PASSWORD") && !env.has("PATH") && !env.is_a_brokers());
        assert_eq!(read("[]"), Env::default());
    }

    #[test]
    fn a_broker_is_known_by_its_settings() {
        for name in ["KAFKA_PROCESS_ROLES", "KAFKA_NODE_ID", "KAFKA_ZOOKEEPER_CONNECT", "KAFKA_CFG_NODE_ID"] {
            assert!(read(&format!(r#"[{{"name": "{name}", "value": "1"}}]"#)).is_a_brokers(), "{name}");
        }
        assert!(!read(r#"[{"name": "KAFKA_BOOTSTRAP_SERVERS", "value": "k:9092"}]"#).is_a_brokers());
    }

    #[test]
    fn our_option_is_told_from_an_authors() {
        let option = |value: &str| read(&format!(r#"[{{"name": "JAVA_TOOL_OPTIONS", "value": "{value}"}}]"#));
        assert!(option(JAAS_OPTION).leads_to_jaas());
        assert!(!option("-Xmx64m").leads_to_jaas() && option("-Xmx64m").has("JAVA_TOOL_OPTIONS"));
        assert!(!read(&format!(r#"[{{"name": "OTHER", "value": "{JAAS_OPTION}"}}]"#)).leads_to_jaas());
    }

    #[test]
    fn what_is_no_environment_is_refused() {
        for wrong in
            ["7", "{}", r#"["x"]"#, r#"[{"value": "x"}]"#, r#"[{"name": 7}]"#, r#"[{"name": "a", "value": 7}]"#]
        {
            assert!(serde_json::from_str::<Env>(wrong).is_err(), "{wrong}");
        }
    }
}
