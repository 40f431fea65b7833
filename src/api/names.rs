//! Names with rules: a value of one of these types has been checked.

use std::fmt;

/// The longest topic name that Kafka takes, and so the longest group name that we do (`org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH`).
pub const MAX_TOPIC: usize = 249;
/// The longest value of a Kubernetes label.
pub const MAX_LABEL: usize = 63;
/// The longest name of a Kubernetes object (a DNS subdomain, RFC 1123).
pub const MAX_OBJECT: usize = 253;

/// The longest scope.
pub const MAX_SCOPE: usize = 20;

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// The text is longer than the rule allows.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// The name of a topic or a group is made of ASCII letters, digits, `.`, `_` and `-`.
    #[error("may hold only ASCII letters, digits, '.', '_' and '-'")]
    TopicCharacters,
    /// `.` and `..` are not topic names.
    #[error("may not be '.' or '..'")]
    Dots,
    /// Topics that begin with `__` belong to Kafka itself.
    #[error("begins with '__', which is kept for Kafka's internal topics")]
    Internal,
    /// A Kubernetes object's name is a DNS subdomain.
    #[error("must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit")]
    ObjectCharacters,
    /// A scope is the first part of every user's name, up to the first dot.
    #[error("must be a lower-case letter and then lower-case letters and digits")]
    ScopeCharacters,
}

/// The name of a topic that a client may ask for: legal in Kafka, and none of its internal ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(String);

impl TopicName {
    /// Checks a text against Kafka's rules (`org.apache.kafka.common.internals.Topic.validate`) and refuses `__` names.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_TOPIC {
            return Err(NameError::TooLong(MAX_TOPIC));
        }
        if text == "." || text == ".." {
            return Err(NameError::Dots);
        }
        check_characters(text)?;
        if text.starts_with("__") {
            return Err(NameError::Internal);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name of the implicit `TopicClaim` for this topic: the topic's own name where Kubernetes allows it, else one
    /// that tells it apart by a hash.
    #[must_use]
    pub fn object_name(&self) -> String {
        if check_object(&self.0).is_ok() {
            return self.0.clone();
        }
        let plain: String = self
            .0
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        let plain = plain.replace("..", ".").replace(".-", "-").replace("-.", "-");
        let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let plain = if plain.is_empty() { "topic" } else { plain };
        cut_with_hash(plain, &self.0, MAX_OBJECT)
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a consumer group, or of a Kafka Streams application, which is its group too.
///
/// Kafka takes any text. We do not: a rule on the literal name `*` is one on every group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// Checks a text against the characters and the length of a topic's name.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_TOPIC {
            return Err(NameError::TooLong(MAX_TOPIC));
        }
        check_characters(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl AsRef<str> for GroupName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The identity of a workload inside its namespace: a DNS subdomain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadName(String);

impl WorkloadName {
    /// Checks a text against the rule for names of Kubernetes objects.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check_object(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl AsRef<str> for WorkloadName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which `BrokerCluster`: always with its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterRef {
    /// The namespace of the `BrokerCluster`.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ClusterRef {
    /// Reads `name` or `namespace/name`; the former lies in `home`.
    ///
    /// # Errors
    /// The rule that one of the parts breaks.
    pub fn parse(text: &str, home: &str) -> Result<Self, NameError> {
        let (namespace, name) = text.split_once('/').unwrap_or((home, text));
        check_object(namespace)?;
        check_object(name)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// The prefix of every Kafka user of one installation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Checks a text against the rule for scopes: no dot, since a dot ends it in every user's name.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_SCOPE {
            return Err(NameError::TooLong(MAX_SCOPE));
        }
        let first = *text.as_bytes().first().ok_or(NameError::Empty)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || !first.is_ascii_lowercase() {
            return Err(NameError::ScopeCharacters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The default scope: derived from the uid of the `kube-system` namespace, so that two Kubernetes clusters that share
    /// one Kafka never share a user.
    #[must_use]
    pub fn from_cluster_uid(uid: &str) -> Self {
        Self(format!("k{}", short_hash(uid, 10)))
    }

    /// The namespace and the access of a user of this scope; nothing for any other user.
    #[must_use]
    pub fn access_of<'u>(&self, username: &'u str) -> Option<(&'u str, &'u str)> {
        username.strip_prefix(&self.0)?.strip_prefix('.')?.split_once('.')
    }

    /// The Kafka user of an access. A namespace has no dots, so the parts can always be told apart.
    #[must_use]
    pub fn username(&self, namespace: &str, access: &str) -> String {
        format!("{}.{namespace}.{access}", self.0)
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Joins the parts of a name with `-`; cuts and hashes what is longer than `limit` characters ([`MAX_LABEL`], [`MAX_OBJECT`]).
#[must_use]
pub fn joined_name(parts: &[&str], limit: usize) -> String {
    let joined = parts.join("-");
    if joined.len() <= limit { joined } else { cut_with_hash(&joined, &joined, limit) }
}

/// The characters that Kafka allows in the names of topics.
fn check_characters(text: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.bytes().all(allowed) { Ok(()) } else { Err(NameError::TopicCharacters) }
}

/// Checks a text against the rule for names of Kubernetes objects: a DNS subdomain.
///
/// # Errors
/// The rule that the text breaks.
pub fn check_object(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_OBJECT {
        return Err(NameError::TooLong(MAX_OBJECT));
    }
    let label = |part: &str| {
        let bytes = part.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    if text.split('.').all(label) { Ok(()) } else { Err(NameError::ObjectCharacters) }
}

/// Cuts an ASCII name to `limit` characters, the last of them a hash of the whole.
fn cut_with_hash(plain: &str, whole: &str, limit: usize) -> String {
    const HASH: usize = 10;
    let kept: String = plain.chars().take(limit - HASH - 1).collect();
    format!("{}-{}", kept.trim_end_matches(['-', '.']), short_hash(whole, HASH))
}

/// A name like `name` that a hash of `whole` tells from others of that name.
#[must_use]
pub fn distinct_name(name: &str, whole: &str) -> String {
    cut_with_hash(name, whole, MAX_OBJECT)
}

/// The first digits of a text's SHA-256, in lower-case hexadecimal (64 at most).
#[must_use]
pub fn short_hash(text: &str, digits: usize) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .filter_map(|n| char::from_digit(n.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_rules_are_kafkas() {
        for good in ["a", "payments", "A.b_c-9", "_one", &"x".repeat(249)] {
            assert!(TopicName::parse(good).is_ok(), "{good}");
        }
        for (bad, rule) in [
            ("", NameError::Empty),
            (".", NameError::Dots),
            ("..", NameError::Dots),
            ("a b", NameError::TopicCharacters),
            ("ä", NameError::TopicCharacters),
            ("a\u{0}", NameError::TopicCharacters),
            ("a/b", NameError::TopicCharacters),
            ("__consumer_offsets", NameError::Internal),
        ] {
            assert_eq!(TopicName::parse(bad), Err(rule), "{bad:?}");
        }
        assert_eq!(TopicName::parse(&"x".repeat(250)), Err(NameError::TooLong(249)));
    }

    #[test]
    fn no_group_name_is_a_wildcard() {
        for good in ["a", "shop.checkout", "A.b_c-9", "__internal", ".", &"x".repeat(249)] {
            assert_eq!(GroupName::parse(good).unwrap().as_ref(), good);
        }
        for (bad, rule) in [
            ("", NameError::Empty),
            ("*", NameError::TopicCharacters),
            ("shop.*", NameError::TopicCharacters),
            ("a b", NameError::TopicCharacters),
            ("a/b", NameError::TopicCharacters),
            ("ä", NameError::TopicCharacters),
            (&"x".repeat(250), NameError::TooLong(249)),
        ] {
            assert_eq!(GroupName::parse(bad), Err(rule), "{bad:?}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = |end: &str| joined_name(&[&"a".repeat(100), end], MAX_LABEL);
        assert_eq!(long("x").len(), MAX_LABEL);
        assert_ne!(long("x"), long("y"));
        assert_eq!(joined_name(&["kafka", &"b".repeat(260)], MAX_OBJECT).len(), MAX_OBJECT);
        assert_eq!(joined_name(&["a", "b"], MAX_LABEL), "a-b");
    }

    #[test]
    fn every_topic_has_a_legal_object_name_of_its_own() {
        let names = ["orders", "Orders", "ORDERS", "a_b", "a-b", "a.b", "A..b", "-", "_", "a._b", &"X".repeat(249)];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let object = TopicName::parse(name).unwrap().object_name();
            assert!(check_object(&object).is_ok(), "{name} → {object}");
            assert!(seen.insert(object), "{name} collides");
        }
    }

    #[test]
    fn usernames_tell_their_parts_apart() {
        let scope = Scope::from_cluster_uid("3b7c0f6e-0000-4000-8000-000000000000");
        let name = scope.username("shop", "check.out");
        assert_eq!(name, format!("{scope}.shop.check.out"));
        assert_eq!(scope.access_of(&name), Some(("shop", "check.out")));
        assert_eq!(scope.access_of(&format!("{scope}x.shop.web")), None, "another scope that begins the same");
        assert_eq!(scope.access_of("admin"), None);
    }

    #[test]
    fn scopes_are_short_plain_words() {
        let derived = Scope::from_cluster_uid("3b7c0f6e-0000-4000-8000-000000000000");
        assert_eq!(Scope::parse(derived.as_ref()), Ok(derived), "the default keeps to the rule");
        assert!(Scope::parse("a").is_ok() && Scope::parse(&"x".repeat(20)).is_ok());
        assert_eq!(Scope::parse(""), Err(NameError::Empty));
        assert_eq!(Scope::parse(&"x".repeat(21)), Err(NameError::TooLong(20)));
        for bad in ["9a", "A", "a.b", "a-b", "a_b", "ä"] {
            assert_eq!(Scope::parse(bad), Err(NameError::ScopeCharacters), "{bad}");
        }
    }

    #[test]
    fn a_cluster_is_found_at_home_or_where_it_says() {
        assert_eq!(ClusterRef::parse("main", "kafka-ops").unwrap().to_string(), "kafka-ops/main");
        assert_eq!(ClusterRef::parse("a/b", "kafka-ops").unwrap().to_string(), "a/b");
        assert!(ClusterRef::parse("a/b/c", "x").is_err());
        assert!(ClusterRef::parse("", "x").is_err());
    }
}
