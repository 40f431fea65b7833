//! The metrics of both programs by name: what each counts, and by which labels. One table, for registration and for the reference.
//!
//! No label holds the name of anybody's object: what a label may be is known before the first Pod comes.

use prometheus_client::registry::{Metric as Registered, Registry};

/// What every name begins with.
pub const PREFIX: &str = "admittance";

/// Which program has a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `admittance webhook`, in every replica.
    Webhook,
    /// `admittance operator`, in every replica.
    Operator,
    /// `admittance operator`, in the replica that leads, once its lists are complete.
    Leader,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, without [`PREFIX`], and without the `_total` of a counter.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Who has it.
    pub program: Program,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, units included.
    pub meaning: &'static str,
}

/// Reviews.
pub const REVIEWS: Metric = Metric {
    name: "reviews",
    kind: "counter",
    program: Program::Webhook,
    labels: &["webhook", "outcome", "reason"],
    meaning: "Reviews by what became of them: outcome injected, already_injected, not_requested, denied or admitted \
              (invalid, and let pass) of webhook pods; accepted, warned or denied of webhook claims; unanswered of both; \
              reason is a reason code, or what was wrong with the call where it stayed unanswered",
};
/// How long reviews take.
pub const REVIEW_DURATION: Metric = Metric {
    name: "review_duration_seconds",
    kind: "histogram",
    program: Program::Webhook,
    labels: &["webhook"],
    meaning: "From a review's headers to its answer, in seconds",
};
/// When certificates end.
pub const CERTIFICATE_EXPIRY: Metric = Metric {
    name: "certificate_expiry_timestamp_seconds",
    kind: "gauge",
    program: Program::Webhook,
    labels: &["certificate"],
    meaning: "When a certificate ends, in seconds since 1970: certificate serving is this replica's own, authority the \
              one that signed it",
};
/// Whether a replica leads.
pub const LEADS: Metric = Metric {
    name: "leads",
    kind: "gauge",
    program: Program::Operator,
    labels: &[],
    meaning: "1 where this replica leads, else 0",
};
/// Where something may not be read.
pub const NAMESPACES_UNREADABLE: Metric = Metric {
    name: "namespaces_unreadable",
    kind: "gauge",
    program: Program::Operator,
    labels: &[],
    meaning: "Namespaces that are to be looked after and in which the operator may not list something: their RoleBinding is \
              missing, and the log names them; 0 where another replica leads",
};
/// What is written.
pub const WRITES: Metric = Metric {
    name: "writes",
    kind: "counter",
    program: Program::Operator,
    labels: &["kind"],
    meaning: "Writes to Kubernetes and Kafka that succeeded; at rest only kind lease grows",
};
/// Looks that came to nothing.
pub const FAILED_LOOKS: Metric = Metric {
    name: "failed_looks",
    kind: "counter",
    program: Program::Operator,
    labels: &["look"],
    meaning: "Looks at a whole Kafka that failed and start again: look users (for those that nobody stands for), topics (for changed \
              ones), throttles (that moves left over), deletions (of topics whose claims are gone); the log says why, as a warning \
              from the third in a row",
};
/// What somebody else changed of users.
pub const DRIFT: Metric = Metric {
    name: "drift",
    kind: "counter",
    program: Program::Operator,
    labels: &["what"],
    meaning: "Users whose Rules, Credential or Quotas somebody else changed in Kafka",
};
/// What somebody else changed of topics.
pub const TOPIC_DRIFT: Metric = Metric {
    name: "topic_drift",
    kind: "counter",
    program: Program::Operator,
    labels: &["outcome"],
    meaning: "Settings and counts of topics that somebody else had changed: outcome Found, and of them Reverted",
};
/// How much waits.
pub const QUEUE_DEPTH: Metric = Metric {
    name: "queue_depth",
    kind: "gauge",
    program: Program::Leader,
    labels: &["queue"],
    meaning: "What waits to be looked at, or is being looked at, by queue: accesses, topics, \
              topic_users (topics of which somebody who uses them has changed), clusters, config_maps (those that describe topics)",
};
/// How things stand.
pub const CONDITIONS: Metric = Metric {
    name: "conditions",
    kind: "gauge",
    program: Program::Leader,
    labels: &["kind", "condition", "status", "reason"],
    meaning: "AccessClaims, TopicClaims and BrokerClusters by the conditions in their status; one that has none yet is \
              counted as Ready, Unknown, without a reason",
};
/// What is not as it was declared.
pub const TOPIC_DIFFERENCES: Metric = Metric {
    name: "topic_differences",
    kind: "gauge",
    program: Program::Leader,
    labels: &[],
    meaning: "Differences between TopicClaims and their topics in Kafka, as status.drift names them",
};

/// All of them.
pub const ALL: &[Metric] = &[
    REVIEWS,
    REVIEW_DURATION,
    CERTIFICATE_EXPIRY,
    LEADS,
    NAMESPACES_UNREADABLE,
    WRITES,
    FAILED_LOOKS,
    DRIFT,
    TOPIC_DRIFT,
    QUEUE_DEPTH,
    CONDITIONS,
    TOPIC_DIFFERENCES,
];

impl Metric {
    /// Adds what counts it to a program's registry.
    pub fn register(&self, registry: &mut Registry, counts: impl Registered) {
        registry.register(self.name, self.meaning, counts);
    }

    /// The name by which it is queried.
    #[must_use]
    pub fn query(&self) -> String {
        let ending = if self.kind == "counter" { "_total" } else { "" };
        format!("{PREFIX}_{}{ending}", self.name)
    }
}

/// A program's registry, empty.
#[must_use]
pub fn registry() -> Registry {
    Registry::with_prefix(PREFIX)
}

/// Whether a registry shows these metrics and no others, each of the kind and with the labels that the table says.
#[cfg(test)]
pub(crate) fn assert_shows(registry: &Registry, expected: &[Metric]) {
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, registry).unwrap();
    let mut types: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut known: Vec<_> = expected.iter().map(|metric| format!("{PREFIX}_{} {}", metric.name, metric.kind)).collect();
    types.sort_unstable();
    known.sort_unstable();
    assert_eq!(types, known);
    for metric in expected {
        let name = format!("{PREFIX}_{}", metric.name);
        let line = page.lines().find(|line| line.starts_with(&name)).unwrap();
        let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let keys: Vec<_> = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect();
        assert_eq!(keys, metric.labels, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_shown_as_the_table_says() {
        use crate::runtime::writes;
        let mut registry = registry();
        WRITES.register(&mut registry, writes::WRITES.clone());
        writes::WRITES.get_or_create(&writes::Write { kind: "lease" }).inc();
        assert_shows(&registry, &[WRITES]);
    }
}
