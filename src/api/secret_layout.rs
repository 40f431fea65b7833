//! What the credential Secret holds, and where it is mounted. The keys are the file names that clients read.

/// Where the Secret is mounted in every container that receives it.
pub const MOUNT_PATH: &str = "/var/run/secrets/kafka";

/// The keys of the Secret, which are the names of the mounted files.
pub mod keys {
    /// The Kafka user.
    pub const USERNAME: &str = "username";
    /// Its password.
    pub const PASSWORD: &str = "password";
    /// Comma-separated `host:port` list.
    pub const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
    /// The same list, under the name that the 2017 contract used.
    pub const BOOTSTRAP_SERVER: &str = "bootstrap.server";
    /// `SASL_SSL` or `SASL_PLAINTEXT`.
    pub const SECURITY_PROTOCOL: &str = "security.protocol";
    /// `SCRAM-SHA-512` or `SCRAM-SHA-256`.
    pub const SASL_MECHANISM: &str = "sasl.mechanism";
    /// One line for the Java client's property of this name.
    pub const SASL_JAAS_CONFIG: &str = "sasl.jaas.config";
    /// A whole JAAS file with a `KafkaClient` section.
    pub const JAAS_FILE: &str = "kafka-client-jaas.conf";
    /// A whole configuration of the Java clients.
    pub const CLIENT_PROPERTIES: &str = "client.properties";
    /// A whole configuration of the librdkafka family.
    pub const LIBRDKAFKA_CONF: &str = "librdkafka.conf";
    /// The certificates that the brokers are trusted by, PEM; absent without TLS.
    pub const CA_CRT: &str = "ca.crt";
    /// The consumer group to use: `<namespace>.<workload>`.
    pub const GROUP_ID: &str = "group.id";
    /// The transactional id to use, alone or with `_` and more behind it: `<namespace>.<workload>`; absent without transactions. It is in no
    /// whole configuration: to each producer its own, and who reads one without using transactions would have to begin.
    pub const TRANSACTIONAL_ID: &str = "transactional.id";
    /// The topics that the workload reads, comma separated; the probe checks them.
    pub const CONSUMES: &str = "consumes";
    /// The topics that the workload writes, comma separated; the probe checks them.
    pub const PRODUCES: &str = "produces";
    /// Service Binding specification: the kind of service.
    pub const TYPE: &str = "type";
    /// Service Binding specification: who provides it.
    pub const PROVIDER: &str = "provider";
    /// Service Binding spelling of the bootstrap list.
    pub const BINDING_BOOTSTRAP: &str = "bootstrap-servers";
    /// Service Binding spelling of the user.
    pub const BINDING_USER: &str = "user";
    /// Service Binding spelling of the trusted certificates; absent without TLS.
    pub const BINDING_CERTIFICATES: &str = "certificates";
}

/// The end of the Secret's name.
pub const NAME_SUFFIX: &str = "kafka-credentials";
