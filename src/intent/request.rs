//! The annotations, read.

use std::collections::BTreeSet;

use super::naming::application;
pub use super::naming::{access_name, named_after, secret_name};
use super::problem::shown;
use super::{Containers, EnvProfile, Intent, PodMeta, Probes, Problem, Wait, contract_2017, identity, limits, typo};
use crate::api::annotations::{
    self, CLUSTER, CONSUMES, CONTAINERS, ENV, GROUPS, INJECTED, INJECTION, MIRROR, PROBE, PRODUCES, Place, STREAMS,
    TRANSACTIONS, WAIT, WORKLOAD,
};
use crate::api::names::{ClusterRef, GroupName, NameError, TopicName, WorkloadName};
use crate::api::reasons::Reason;

/// Whether a Pod carries any request.
#[must_use]
pub fn asks(pod: &PodMeta<'_>) -> bool {
    let (consumed, produced) = contract_2017::spellings(pod);
    let mut keys = [CONSUMES, PRODUCES, STREAMS].iter().chain(consumed).chain(produced);
    keys.any(|key| pod.annotations.contains_key(key))
}

/// Reads what a Pod asks for; nothing where it asks for nothing, has opted out, or is the mirror of a static Pod. One that has a key under
/// our name which the contract does not know asks for something: without an error it would start without it.
///
/// `default_cluster` is the install's; a cluster named without a namespace lies in the same one.
///
/// # Errors
/// What is wrong with the request: not only the first fault, and at most [`limits::MAX_PROBLEMS`].
pub fn read(pod: &PodMeta<'_>, default_cluster: &ClusterRef) -> Result<Option<Intent>, Vec<Problem>> {
    let (consumed, produced) = contract_2017::spellings(pod);
    if pod.labels.get(INJECTION) == Some(&"disabled") || pod.annotations.contains_key(MIRROR) {
        return Ok(None);
    }
    let mut reader = Reader { pod, problems: Vec::new(), fullest: (CONSUMES, 0) };
    reader.refuse_unknown_keys();
    if !asks(pod) {
        return if reader.problems.is_empty() { Ok(None) } else { Err(reader.problems) };
    }
    let consumes = reader.topics(CONSUMES, consumed);
    let produces = reader.topics(PRODUCES, produced);
    let total = consumes.union(&produces).count();
    if total > limits::MAX_TOPICS {
        let most = limits::MAX_TOPICS;
        let rule = format!("topics are too many: {most} at most, consumed and produced together");
        reader.fault(Reason::TooManyTopics, reader.fullest.0, &total.to_string(), rule);
    }
    let cluster = reader.cluster(default_cluster);
    let groups = reader.groups();
    let transactions = reader.one_of(TRANSACTIONS, &[("enabled", true), ("disabled", false)], false);
    let streams = reader.streams();
    let containers = reader.containers();
    let env = reader.one_of(ENV, &EnvProfile::ALL, EnvProfile::default());
    let probes = reader.probes();
    let wait = reader.one_of(WAIT, &[("secret", Wait::Secret), ("gate", Wait::Gate)], Wait::default());
    let mut warnings = Vec::new();
    let workload = reader.workload((cluster != *default_cluster).then_some(&cluster), &mut warnings);
    if consumes.is_empty() && produces.is_empty() && streams.is_none() {
        warnings.push("consumes and produces are empty: the workload gets a user without any right".to_owned());
    }
    let (Some(workload), true) = (workload, reader.problems.is_empty()) else { return Err(reader.problems) };
    let default_cluster = cluster == *default_cluster;
    let mut intent = Intent {
        workload,
        cluster,
        default_cluster,
        consumes,
        produces,
        groups,
        transactions,
        streams,
        secret: None,
        containers,
        env,
        probes,
        wait,
        warnings,
    };
    let another = contract_2017::another_secret(pod, &intent);
    intent.warnings.extend(another);
    Ok(Some(intent))
}

/// The items of a list: separated by commas, spaces or both.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|item| !item.is_empty())
}

struct Reader<'r, 'a> {
    pod: &'r PodMeta<'a>,
    problems: Vec<Problem>,
    /// The key that names the most topics, and how many.
    fullest: (&'static str, usize),
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
        items(self.value(key).unwrap_or_default())
    }

    /// The topics of a key and of its other spellings.
    fn topics(&mut self, key: &'static str, others: &[&'static str]) -> BTreeSet<TopicName> {
        let mut names = BTreeSet::new();
        for key in [key].iter().chain(others) {
            let mut of_key = BTreeSet::new();
            for item in self.list(key) {
                match TopicName::parse(item) {
                    Ok(name) => {
                        of_key.insert(name);
                    }
                    Err(error) => {
                        let internal = error == NameError::Internal;
                        let reason = if internal { Reason::InternalTopic } else { Reason::InvalidTopicName };
                        self.fault(reason, key, item, error.to_string());
                    }
                }
            }
            if of_key.len() > self.fullest.1 {
                self.fullest = (*key, of_key.len());
            }
            names.append(&mut of_key);
        }
        names
    }

    fn groups(&mut self) -> BTreeSet<GroupName> {
        let mut names = BTreeSet::new();
        for item in self.list(GROUPS) {
            match GroupName::parse(item) {
                Ok(name) => {
                    names.insert(name);
                }
                Err(error) => self.fault(Reason::InvalidGroupName, GROUPS, item, error.to_string()),
            }
        }
        if names.len() > limits::MAX_GROUPS {
            let rule = format!("groups are too many: {} at most", limits::MAX_GROUPS);
            self.fault(Reason::TooManyGroups, GROUPS, &names.len().to_string(), rule);
        }
        names
    }

    /// The application's id becomes a prefix of rights: it must stay within the namespace, and end where no other name goes on.
    fn streams(&mut self) -> Option<GroupName> {
        let text = self.value(STREAMS)?.trim();
        application(text, self.pod.namespace)
            .map_err(|rule| self.fault(Reason::InvalidGroupName, STREAMS, text, rule))
            .ok()
    }

    fn probes(&mut self) -> Probes {
        if !self.pod.annotations.contains_key(PROBE) {
            return Probes::default();
        }
        // A value that cannot be read has been named already.
        let Some(text) = self.value(PROBE) else { return Probes::NONE };
        Probes::parse(items(text)).unwrap_or_else(|faults| {
            for (word, rule) in faults {
                self.fault(Reason::InvalidValue, PROBE, word, rule);
            }
            Probes::NONE
        })
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

    fn one_of<T: Copy>(&mut self, key: &str, allowed: &[(&str, T)], default: T) -> T {
        let Some(text) = self.value(key).map(str::trim) else {
            return default;
        };
        if let Some((_, value)) = allowed.iter().find(|(known, _)| *known == text) {
            return *value;
        }
        let words: Vec<_> = allowed.iter().map(|(word, _)| *word).collect();
        self.fault(Reason::InvalidValue, key, text, format!("is not one of: {}", words.join(", ")));
        default
    }

    fn workload(&mut self, other: Option<&ClusterRef>, warnings: &mut Vec<String>) -> Option<WorkloadName> {
        if let Some(text) = self.value(WORKLOAD).map(str::trim) {
            return WorkloadName::parse(text)
                .map_err(|error| self.fault(Reason::InvalidValue, WORKLOAD, text, error.to_string()))
                .ok();
        }
        if let Some(name) = identity::restored(self.pod, other) {
            warnings.push(format!("identity \"{}\" taken from the label of an injected Pod", shown(name.as_ref())));
            return Some(name);
        }
        let Some(derived) = identity::derive(self.pod) else {
            self.fault(Reason::NoWorkload, WORKLOAD, "", "is needed: the Pod has neither an owner nor a name");
            return None;
        };
        if let Some(owner) = derived.unknown {
            let (kind, name) = (shown(&owner.shown_kind()), shown(derived.name));
            // Warnings of their own: what is longer is cut.
            warnings.extend([
                format!("identity taken from {kind} \"{name}\""),
                format!("{WORKLOAD} chooses another identity"),
                "its access lives by its Pods alone: it ends credentials.idleAfter after the last of them".to_owned(),
            ]);
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
                Some(Place::OptIn | Place::Of2017) => "is a label, not an annotation".to_owned(),
                None => typo::unknown(written),
            };
            self.fault(Reason::UnknownAnnotation, key, written, rule);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Owner;

    fn home() -> ClusterRef {
        ClusterRef { namespace: "admittance".into(), name: "default".into() }
    }

    fn read_with(annotations: &[(&str, &str)]) -> Result<Option<Intent>, Vec<Problem>> {
        let owner = Some(Owner::new("apps/v1", "StatefulSet", "shop"));
        let annotations = annotations.iter().copied().collect();
        read(&PodMeta { namespace: "shop", annotations, owner, ..PodMeta::default() }, &home())
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
    fn what_is_asked_beyond_topics_is_read() {
        let intent = read_with(&[
            (STREAMS, " shop.totals "),
            (GROUPS, "old-one, Old.Two"),
            (TRANSACTIONS, "enabled"),
            (ENV, "jaas"),
            (PROBE, "startup, liveness"),
            (WAIT, "gate"),
        ]);
        let intent = intent.unwrap().unwrap();
        assert_eq!(intent.streams, GroupName::parse("shop.totals").ok());
        assert_eq!(intent.groups.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["Old.Two", "old-one"]);
        assert_eq!((intent.transactions, intent.env, intent.wait), (true, EnvProfile::Jaas, Wait::Gate));
        assert_eq!(intent.probes, Probes { startup: true, liveness: true, ..Probes::NONE });
        assert_eq!(intent.warnings, [""; 0]);
        let plain = read_with(&[(CONSUMES, "a"), (TRANSACTIONS, "disabled")]).unwrap().unwrap();
        assert_eq!((plain.transactions, plain.env, plain.wait), (false, EnvProfile::None, Wait::Secret));
        assert_eq!((plain.streams, plain.probes), (None, Probes::default()));
    }

    #[test]
    fn a_streams_application_stays_within_its_namespace() {
        for bad in ["", "shop", "shop.", "shopping.x", "totals", "shop.x.", "shop.x-", "shop.x_", "shop.*", "shop.a,b"]
        {
            assert_eq!(problems(&[(STREAMS, bad)]), [Reason::InvalidGroupName], "{bad}");
        }
        assert!(read_with(&[(STREAMS, "shop.x-1")]).is_ok());
        let nowhere = PodMeta { annotations: [(STREAMS, ".x")].into(), ..PodMeta::default() };
        assert!(read(&nowhere, &home()).is_err(), "without a namespace nothing is its own");
    }

    #[test]
    fn nothing_asked_is_no_intent() {
        assert_eq!(read_with(&[]), Ok(None));
        assert_eq!(read_with(&[("other/consumes", "a")]), Ok(None));
        assert_eq!(read_with(&[(CLUSTER, "billing"), (PROBE, "none")]), Ok(None), "how, and not what");
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
        assert_eq!(problems(&[(CONSUMES, "a"), (PROBE, "a,b none startup")]), [Reason::InvalidValue; 3]);
        assert_eq!(problems(&[(CONSUMES, "a"), (WAIT, "gates")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (ENV, "Spring")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (TRANSACTIONS, "")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (GROUPS, "*")]), [Reason::InvalidGroupName]);
        let groups: Vec<String> = (0..21).map(|n| format!("g{n}")).collect();
        assert_eq!(problems(&[(CONSUMES, "a"), (GROUPS, &groups.join(" "))]), [Reason::TooManyGroups]);
        assert_eq!(problems(&[(CONSUMES, "a"), (CLUSTER, "A B")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, "a"), (WORKLOAD, "Not_A_Name")]), [Reason::InvalidValue]);
        assert_eq!(problems(&[(CONSUMES, &"x ".repeat(20_000))]), [Reason::MalformedValue]);
        let many: Vec<String> = (0..101).map(|n| format!("t{n}")).collect();
        for (key, other) in [(CONSUMES, PRODUCES), (PRODUCES, CONSUMES)] {
            let faults = read_with(&[(key, &many.join(",")), (other, "one,two")]).unwrap_err();
            assert_eq!((faults[0].reason, faults[0].place.as_str()), (Reason::TooManyTopics, key));
        }
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
            assert_eq!(read_with(&[(&key, "b")]).unwrap_err(), problems, "nor does a Pod start that has no other");
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
