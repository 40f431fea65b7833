//! Access rules as Kafka knows them. Plain data.
//!
//! Only what can be granted one by one can be written down here: a binding names its resource, principal, host, operation
//! and permission. There is no "any", so a deletion can never reach further than the rule it was made from.

use std::fmt;

use crate::api::names::short_hash;

/// One access rule, complete.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// What kind of resource.
    pub resource_type: ResourceType,
    /// Its name, or the prefix of its names. `*` with [`PatternType::Literal`] is Kafka's wildcard; we never grant it.
    pub resource_name: String,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// Who, with its type: `User:shop.checkout`.
    pub principal: String,
    /// From where: an address, or `*`.
    pub host: String,
    /// To do what.
    pub operation: Operation,
    /// Allowed or denied.
    pub permission: Permission,
}

impl AclBinding {
    /// A rule that allows a principal something from any host.
    #[must_use]
    pub fn allow(
        principal: impl Into<String>,
        operation: Operation,
        resource_type: ResourceType,
        pattern_type: PatternType,
        resource_name: impl Into<String>,
    ) -> Self {
        Self {
            resource_type,
            resource_name: resource_name.into(),
            pattern_type,
            principal: principal.into(),
            host: "*".into(),
            operation,
            permission: Permission::Allow,
        }
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_type, resource_name, pattern_type, principal, host, operation, permission } = self;
        write!(
            formatter,
            "{permission:?} {principal} from {host} to {operation:?} {pattern_type:?} {resource_type:?} `{resource_name}`"
        )
    }
}

/// A hash by which sets of rules are told apart. Rules that deny are somebody's emergency brake, and not counted.
#[must_use]
pub fn fingerprint<'r>(rules: impl IntoIterator<Item = &'r AclBinding>) -> String {
    let mut lines: Vec<String> =
        rules.into_iter().filter(|rule| rule.permission == Permission::Allow).map(ToString::to_string).collect();
    lines.sort();
    short_hash(&lines.join("\n"), 16)
}

/// Which rules to look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AclFilter {
    /// Every rule.
    All,
    /// Every rule of one principal, written `User:name`.
    Principal(String),
    /// Every rule that has a say about one resource: those on its name, on a prefix of it, and on `*`.
    Affecting(ResourceType, String),
    /// Every rule, whoever's, on resources of this type, named in this way.
    Named(ResourceType, PatternType),
    /// Every rule, whoever's, on resources of this type, named in this way, for this operation.
    Shape(ResourceType, PatternType, Operation),
    /// This rule.
    Exact(AclBinding),
}

impl AclFilter {
    /// Questions that together find what this one does, each a part of it; none where it is not to be divided.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        match *self {
            Self::All => {
                let of = |kind| PatternType::ALL.iter().map(move |pattern| Self::Named(kind, *pattern));
                ResourceType::ALL.iter().copied().flat_map(of).collect()
            }
            // Two-phase commits are for transactional ids alone, and brokers before Kafka 4 refuse to be asked about them.
            Self::Named(kind @ (ResourceType::Topic | ResourceType::Group), pattern) => Operation::ALL
                .iter()
                .filter(|operation| **operation != Operation::TwoPhaseCommit)
                .map(|operation| Self::Shape(kind, pattern, *operation))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Makes an enum whose variants carry Kafka's numbers, and the way back.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// Kafka's number for it.
            #[must_use]
            pub fn code(self) -> i8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// What Kafka's number stands for; `None` for kinds that have no place here.
            #[must_use]
            pub fn from_code(code: i8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    /// What a rule is about (org.apache.kafka.common.resource.ResourceType).
    ResourceType {
        /// A topic.
        Topic = 2,
        /// A consumer group.
        Group = 3,
        /// The cluster, named `kafka-cluster`.
        Cluster = 4,
        /// A transactional id.
        TransactionalId = 5,
    }
}

codes! {
    /// How a resource's name is meant (org.apache.kafka.common.resource.PatternType).
    PatternType {
        /// This name.
        Literal = 3,
        /// Every name that begins so.
        Prefixed = 4,
    }
}

codes! {
    /// What may be done (org.apache.kafka.common.acl.AclOperation).
    Operation {
        /// Everything.
        All = 2,
        /// Read; on groups: join and commit.
        Read = 3,
        /// Write; on transactional ids: use.
        Write = 4,
        /// Create.
        Create = 5,
        /// Delete.
        Delete = 6,
        /// Alter; on Cluster it is the right to grant oneself anything.
        Alter = 7,
        /// Describe; implied by Read, Write, Delete and Alter.
        Describe = 8,
        /// What brokers do among themselves.
        ClusterAction = 9,
        /// Describe configurations; implied by AlterConfigs.
        DescribeConfigs = 10,
        /// Alter configurations.
        AlterConfigs = 11,
        /// Idempotent writes; Write on any topic is enough today.
        IdempotentWrite = 12,
        /// Two-phase commit on a transactional id (KIP-939).
        TwoPhaseCommit = 15,
    }
}

codes! {
    /// Whether a rule allows or denies (org.apache.kafka.common.acl.AclPermissionType). Deny wins.
    Permission {
        /// Denies.
        Deny = 2,
        /// Allows.
        Allow = 3,
    }
}

impl Operation {
    /// The operations in Kafka's bit field of authorised operations; a negative field means that none was asked for.
    #[must_use]
    pub fn from_bits(bits: i32) -> Vec<Self> {
        if bits < 0 {
            return Vec::new();
        }
        Self::ALL.iter().copied().filter(|operation| bits & (1 << operation.code()) != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_code(operation.code()), Some(*operation));
        }
        for any_or_unknown in [0, 1] {
            assert_eq!(ResourceType::from_code(any_or_unknown), None);
            assert_eq!(PatternType::from_code(any_or_unknown), None);
            assert_eq!(Operation::from_code(any_or_unknown), None);
            assert_eq!(Permission::from_code(any_or_unknown), None);
        }
        assert_eq!(PatternType::from_code(2), None, "MATCH is a filter, not a rule");
    }

    #[test]
    fn authorised_operations_are_bits() {
        assert_eq!(Operation::from_bits(1 << 3 | 1 << 8), [Operation::Read, Operation::Describe]);
        assert!(Operation::from_bits(i32::MIN).is_empty());
    }

    #[test]
    fn a_rule_reads_as_a_sentence() {
        let rule = AclBinding::allow("User:a", Operation::Read, ResourceType::Group, PatternType::Prefixed, "shop.");
        assert_eq!(rule.to_string(), "Allow User:a from * to Read Prefixed Group `shop.`");
    }
}
