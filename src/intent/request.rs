//! The annotations, read.

use std::collections::BTreeSet;

use super::problem::shown;
use super::{PodMeta, Problem, identity, limits};
use crate::api::annotations::{
    self, CLUSTER, CONSUMES, CONTAINERS, INJECTED, INJECTION, MIRROR, PROBE, PRODUCES, Place, WAIT, WORKLOAD,
};
use crate::api::names::{ClusterRef, MAX_LABEL, MAX_OBJECT, NameError, TopicName, WorkloadName, joined_name};
use crate::api::reasons::Reason;
use crate::api::secret_layout::NAME_SUFFIX;

/// What a Pod asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its identity in the namespace.
    pub workload: WorkloadName,
    /// The cluster that it speaks to.
    pub cluster: ClusterRef,
    /// Whether that is the install's default.
    pub default_cluster: bool,
    /// Topics that it reads.
    pub consumes: BTreeSet<TopicName>,
    /// Topics that it writes.
    pub produces: BTreeSet<TopicName>,
    /// Containers that receive the configuration.
    pub containers: Containers,
    /// Whether a readiness probe is added where a container has none.
    pub readiness: bool,
    /// What the author should know although nothing is wrong.
    pub warnings: Vec<String>,
}

/// Which containers of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Containers {
    /// All of them, init containers included.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

impl Containers {
    /// Whether a container of this name is among them.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

impl Intent {
    /// The name of the `AccessClaim`, which is also the value of the Pod's access label: 63 characters at most.
    #[must_use]
    pub fn access_name(&self) -> String {
        joined_name(&parts(&self.workload, self.other_cluster()), MAX_LABEL)
    }

    /// The name of the credential Secret.
    #[must_use]
    pub fn secret_name(&self) -> String {
        secret_of(&self.workload, self.other_cluster())
    }

    fn other_cluster(&self) -> Option<&ClusterRef> {
        (!self.default_cluster).then_some(&self.cluster)
    }
}

/// The name of the access of a workload on a cluster.
#[must_use]
pub fn access_name(workload: &WorkloadName, cluster: &ClusterRef, default_cluster: &ClusterRef) -> String {
    joined_name(&parts(workload, (cluster != default_cluster).then_some(cluster)), MAX_LABEL)
}

/// The name of the credential Secret of a workload on a cluster.
#[must_use]
pub fn secret_name(workload: &WorkloadName, cluster: &ClusterRef, default_cluster: &ClusterRef) -> String {
    secret_of(workload, (cluster != default_cluster).then_some(cluster))
}

fn secret_of(workload: &WorkloadName, other_cluster: Option<&ClusterRef>) -> String {
    let mut parts = parts(workload, other_cluster);
    parts.push(NAME_SUFFIX);
    joined_name(&parts, MAX_OBJECT)
}

/// What names are made of: a workload is one thing on the default cluster, and another on each other.
fn parts<'n>(workload: &'n WorkloadName, other_cluster: Option<&'n ClusterRef>) -> Vec<&'n str> {
    [workload.as_ref()].into_iter().chain(other_cluster.map(|cluster| cluster.name.as_str())).collect()
}

/// Reads what a Pod asks for; nothing where it asks for nothing, has opted out, or is the mirror of a static Pod.
///
/// `default_cluster` is the install's; a cluster named without a namespace lies in the same one.
///
/// # Errors
/// What is wrong with the request: not only the first fault, and at most [`limits::MAX_PROBLEMS`].
pub fn read(pod: &PodMeta<'_>, default_cluster: &ClusterRef) -> Result<Option<Intent>, Vec<Problem>> {
    let asks = [CONSUMES, PRODUCES].iter().any(|key| pod.annotations.contains_key(key));
    if !asks || pod.labels.get(INJECTION) == Some(&"disabled") || pod.annotations.contains_key(MIRROR) {
        return Ok(None);
    }
    let mut reader = Reader { pod, problems: Vec::new() };
    reader.refuse_unknown_keys();
    let consumes = reader.topics(CONSUMES);
    let produces = reader.topics(PRODUCES);
    let total = consumes.union(&produces).count();
    if total > limits::MAX_TOPICS {
        reader.fault(
            Reason::TooManyTopics,
            CONSUMES,
            &total.to_string(),
            format!("topics are too many: {} at most", limits::MAX_TOPICS),
        );
    }
    let cluster = reader.cluster(default_cluster);
    let containers = reader.containers();
    let readiness = reader.one_of(PROBE, &["readiness", "none"], "readiness") == "readiness";
    reader.one_of(WAIT, &["secret"], "secret");
    let mut warnings = Vec::new();
    let workload = reader.workload(&mut warnings);
    if consumes.is_empty() && produces.is_empty() {
        warnings.push("consumes and produces are empty: the workload gets a user without any right".to_owned());
    }
    match (workload, reader.problems.is_empty()) {
        (Some(workload), true) => {
            let default_cluster = cluster == *default_cluster;
            Ok(Some(Intent { workload, cluster, default_cluster, consumes, produces, containers, readiness, warnings }))
        }
        _ => Err(reader.problems),
    }
}

struct Reader<'r, 'a> {
    pod: &'r PodMeta<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'_, 'a> {
    /// A value of thousands of bad names must not become a message of thousands of lines.
    fn fault(&mut self, reason: Reason, key: &str, value: &str, rule: impl Into<String>) {
        if self.problems.len() < limits::MAX_PROBLEMS {
            self.problems.push(Problem::new(reason, key, value, rule));
        }
    }

    /// The value of a key, without what could never be a name: empty where it is absent or malformed.
    fn value(&mut self, key: &str) -> Option<&'a str> {
        let value = *self.pod.annotations.get(key)?;
        if value.len() > limits::MAX_VALUE {
            self.fault(Reason::MalformedValue, key, value, format!("is longer than {} characters", limits::MAX_VALUE));
            return None;
        }
        if value.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()) {
            self.fault(Reason::MalformedValue, key, value, "holds control characters");
            return None;
        }
        Some(value)
    }

    fn list(&mut self, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let value = self.value(key).unwrap_or_default();
        value.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|item| !item.is_empty())
    }

    fn topics(&mut self, key: &str) -> BTreeSet<TopicName> {
        let mut names = BTreeSet::new();
        for item in self.list(key) {
            match TopicName::parse(item) {
                Ok(name) => {
                    names.insert(name);
                }
                Err(error) => {
                    let reason =
                        if error == NameError::Internal { Reason::InternalTopic } else { Reason::InvalidTopicName };
                    self.fault(reason, key, item, error.to_string());
                }
            }
        }
        names
    }

    fn cluster(&mut self, default: &ClusterRef) -> ClusterRef {
        let Some(text) = self.value(CLUSTER).map(str::trim) else {
            return default.clone();
        };
        ClusterRef::parse(text, &default.namespace).unwrap_or_else(|error| {
            self.fault(Reason::InvalidValue, CLUSTER, text, error.to_string());
            default.clone()
        })
    }

    fn containers(&mut self) -> Containers {
        let names: BTreeSet<String> = self.list(CONTAINERS).map(str::to_owned).collect();
        if names.is_empty() { Containers::All } else { Containers::Named(names) }
    }

    fn one_of(&mut self, key: &str, allowed: &[&'static str], default: &'static str) -> &'static str {
        let Some(text) = self.value(key).map(str::trim) else {
            return default;
        };
        allowed.iter().copied().find(|known| *known == text).unwrap_or_else(|| {
            self.fault(Reason::InvalidValue, key, text, format!("is not one of: {}", allowed.join(", ")));
            default
        })
    }

    fn workload(&mut self, warnings: &mut Vec<String>) -> Option<WorkloadName> {
        if let Some(text) = self.value(WORKLOAD).map(str::trim) {
            return WorkloadName::parse(text)
                .map_err(|error| self.fault(Reason::InvalidValue, WORKLOAD, text, error.to_string()))
                .ok();
        }
        let Some(derived) = identity::derive(self.pod) else {
            self.fault(Reason::NoWorkload, WORKLOAD, "", "is needed: the Pod has neither an owner nor a name");
            return None;
        };
        if let Some(kind) = derived.unknown_kind {
            let (kind, name) = (shown(kind), shown(derived.name));
            warnings.push(format!("identity taken from {kind} \"{name}\"; {WORKLOAD} chooses another"));
        }
        WorkloadName::parse(derived.name)
            .map_err(|error| self.fault(Reason::NoWorkload, WORKLOAD, derived.name, error.to_string()))
            .ok()
    }

    fn refuse_unknown_keys(&mut self) {
        for key in self.pod.annotations.keys() {
            let Some(written) = annotations::short(key) else { continue };
            let rule = match annotations::lookup(key).map(|known| known.place) {
                Some(Place::PodAnnotation) => continue,
                Some(Place::Ours) if *key == INJECTED => continue,
                Some(Place::Ours) => "is written by Admittance alone".to_owned(),
                Some(Place::ClaimAnnotation) => "belongs on an AccessClaim, not on a Pod".to_owned(),
                Some(Place::OptIn) => "is a label, not an annotation".to_owned(),
                None => unknown(written),
            };
            self.fault(Reason::UnknownAnnotation, key, written, rule);
        }
    }
}

/// What is wrong with a key that the contract does not have: it may be a typing mistake for one that it has.
fn unknown(written: &str) -> String {
    /// Wrong, missing or needless letters that still count as a typing mistake.
    const MISTAKES: usize = 3;
    let keys = annotations::KEYS.iter().filter(|key| key.place == Place::PodAnnotation);
    let names: Vec<&str> = keys.filter_map(|key| annotations::short(key.name)).collect();
    let near = |name: &&str| written.len().abs_diff(name.len()) <= MISTAKES && distance(name, written) <= MISTAKES;
    match names.iter().copied().filter(near).min_by_key(|name| distance(name, written)) {
        Some(name) => format!("is not a key of a Pod's; did you mean \"{name}\"?"),
        None => format!("is not a key of a Pod's; those are: {}", names.join(", ")),
    }
}

/// The Levenshtein distance of two texts, in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.bytes().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, b) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Owner;

    fn home() -> ClusterRef {
        ClusterRef { namespace: "admittance".into(), name: "default".into() }
    }

    fn read_with(annotations: &[(&str, &str)]) -> Result<Option<Intent>, Vec<Problem>> {
        let owner = Some(Owner { kind: "StatefulSet", name: "shop" });
        read(&PodMeta { annotations: annotations.iter().copied().collect(), owner, ..PodMeta::default() }, &home())
    }

    fn problems(annotations: &[(&str, &str)]) -> Vec<Reason> {
        read_with(annotations).unwrap_err().iter().map(|problem| problem.reason).collect()
    }

    #[test]
    fn lists_take_commas_and_spaces_and_drop_repeats() {
        let intent = read_with(&[(CONSUMES, " b, a,,a\n c "), (PRODUCES, "")]).unwrap().unwrap();
        let names: Vec<_> = intent.consumes.iter().map(AsRef::as_ref).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(intent.produces.is_empty());
        assert_eq!(intent.secret_name(), "shop-kafka-credentials");
        assert_eq!(intent.access_name(), "shop");
    }

    #[test]
    fn nothing_asked_is_no_intent() {
        assert_eq!(read_with(&[]), Ok(None));
        assert_eq!(read_with(&[("other/consumes", "a")]), Ok(None));
    }

    #[test]
    fn another_cluster_has_a_secret_of_its_own() {
        let intent = read_with(&[(CONSUMES, "a"), (CLUSTER, "billing")]).unwrap().unwrap();
        assert_eq!(intent.cluster.to_string(), "admittance/billing");
        assert_eq!(intent.secret_name(), "shop-billing-kafka-credentials");
        let same = read_with(&[(CONSUMES, "a"), (CLUSTER, "admittance/default")]).unwrap().unwrap();
        assert!(same.default_cluster);
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(problems(&[(CONSUMES, "a/b")]), [Reason::InvalidTopicName]);
        assert_eq!(problems(&[(CONSUMES, "__consumer_offsets")]), [Reason::InternalTopic]);
        assert_eq!(problems(&[(CONSUMES, "a\u{0}b")]), [Reason::MalformedValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (PROBE, "yes")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (WAIT, "gate")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (CLUSTER, "A B")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (WORKLOAD, "Not_A_Name")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, &"x ".repeat(20_000))]), [Reason::MalformedValue]);
        let many: Vec<String> = (0..101).map(|n| format!("t{n}")).collect();
        assert_eq!(problems(&[(CONSUMES, &many.join(","))]), [Reason::TooManyTopics]);
        let both = problems(&[(CONSUMES, "a/b"), (PRODUCES, "__x")]);
        assert_eq!(both, [Reason::InvalidTopicName, Reason::InternalTopic], "all faults, not the first");
    }

    #[test]
    fn a_mistyped_key_is_refused_with_the_nearest_one() {
        for (written, meant) in
            [("produce", "produces"), ("comsumes", "consumes"), ("Probe", "probe"), ("contianers", "containers")]
        {
            let key = format!("kafka.admittance.dev/{written}");
            let problems = read_with(&[(CONSUMES, "a"), (&key, "b")]).unwrap_err();
            assert_eq!(problems[0].reason, Reason::UnknownAnnotation);
            assert!(problems[0].rule.ends_with(&format!("did you mean \"{meant}\"?")), "{}", problems[0]);
        }
        let nonsense = read_with(&[(CONSUMES, "a"), ("kafka.admittance.dev/throughput", "b")]).unwrap_err();
        assert!(nonsense[0].rule.contains("those are: consumes, produces"), "{}", nonsense[0]);
        let label = read_with(&[(CONSUMES, "a"), (INJECTION, "disabled")]).unwrap_err();
        assert!(label[0].rule.contains("is a label"), "{}", label[0]);
    }

    #[test]
    fn no_more_faults_are_named_than_can_be_read() {
        let bad = "a/b ".repeat(1000);
        assert_eq!(problems(&[(CONSUMES, &bad), (PROBE, "x"), (WAIT, "y")]).len(), limits::MAX_PROBLEMS);
    }

    #[test]
    fn the_mirror_of_a_static_pod_asks_for_nothing() {
        assert_eq!(read_with(&[(CONSUMES, "a"), (MIRROR, "3f1c")]), Ok(None));
    }

    #[test]
    fn a_hundred_shared_topics_are_allowed() {
        let many: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
        let list = many.join(",");
        assert!(read_with(&[(CONSUMES, &list), (PRODUCES, &list)]).is_ok());
    }
}
