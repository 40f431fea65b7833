//! What a workload asks for, and what of it it is to have. Pure.

use std::collections::BTreeSet;

use crate::api::names::check_object;
use crate::api::resources::{AccessClaimSpec, Right};
use crate::intent::Intent;

/// Topics, groups and ids, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Topics to read.
    pub consumes: BTreeSet<String>,
    /// Topics to write.
    pub produces: BTreeSet<String>,
    /// Groups to join beyond those of the namespace.
    pub groups: BTreeSet<String>,
    /// Whether its own transactional ids may be used.
    pub transactions: bool,
    /// Kafka Streams applications to be part of.
    pub streams: BTreeSet<String>,
    /// Names under which it is to find its Secret too.
    pub secrets: BTreeSet<String>,
}

impl Wishes {
    /// The union of what Pods ask for.
    #[must_use]
    pub fn of_intents<'i>(intents: impl IntoIterator<Item = &'i Intent>) -> Self {
        let mut wishes = Self::default();
        for intent in intents {
            wishes.consumes.extend(intent.consumes.iter().map(ToString::to_string));
            wishes.produces.extend(intent.produces.iter().map(ToString::to_string));
            wishes.groups.extend(intent.groups.iter().map(ToString::to_string));
            wishes.transactions |= intent.transactions;
            wishes.streams.extend(intent.streams.iter().map(ToString::to_string));
            wishes.secrets.extend(intent.secret.clone());
        }
        wishes
    }

    /// What a claim asks for.
    #[must_use]
    pub fn of_claim(spec: &AccessClaimSpec) -> Self {
        Self {
            consumes: spec.consumes.iter().cloned().collect(),
            produces: spec.produces.iter().cloned().collect(),
            groups: spec.groups.iter().cloned().collect(),
            transactions: spec.transactions,
            streams: spec.streams.iter().cloned().collect(),
            // What no Secret can be called is asked of nobody.
            secrets: spec.secrets.iter().filter(|name| check_object(name).is_ok()).cloned().collect(),
        }
    }

    /// Writes them into a claim.
    #[must_use]
    pub fn into_claim(self, spec: AccessClaimSpec) -> AccessClaimSpec {
        AccessClaimSpec {
            consumes: self.consumes.into_iter().collect(),
            produces: self.produces.into_iter().collect(),
            groups: self.groups.into_iter().collect(),
            transactions: self.transactions,
            streams: self.streams.into_iter().collect(),
            secrets: self.secrets.into_iter().collect(),
            ..spec
        }
    }

    /// Everything that has an owner, by name and right.
    pub fn rights(&self) -> impl Iterator<Item = (&String, Right)> {
        let consumed = self.consumes.iter().map(|topic| (topic, Right::Consume));
        let produced = self.produces.iter().map(|topic| (topic, Right::Produce));
        consumed.chain(produced).chain(self.groups.iter().map(|group| (group, Right::Join)))
    }

    /// What is to be done with a topic.
    #[must_use]
    pub fn on_topic(&self, topic: &str) -> Vec<Right> {
        let asked = [(&self.consumes, Right::Consume), (&self.produces, Right::Produce)];
        asked.into_iter().filter(|(topics, _)| topics.contains(topic)).map(|(_, right)| right).collect()
    }

    /// Both together.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.consumes.extend(other.consumes);
        self.produces.extend(other.produces);
        self.groups.extend(other.groups);
        self.transactions |= other.transactions;
        self.streams.extend(other.streams);
        self.secrets.extend(other.secrets);
        self
    }

    /// Notes a right.
    pub fn add(&mut self, name: &str, right: Right) {
        let names = match right {
            Right::Consume => &mut self.consumes,
            Right::Produce => &mut self.produces,
            Right::Join => &mut self.groups,
        };
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_secret_has_is_nobodys_wish() {
        let secrets = ["mine", "a b", "a/b", "../configmaps/x", "Mine"].map(str::to_owned).to_vec();
        let wishes = Wishes::of_claim(&AccessClaimSpec { secrets, ..AccessClaimSpec::empty() });
        assert_eq!(wishes.secrets.into_iter().collect::<Vec<_>>(), ["mine"]);
    }

    #[test]
    fn of_a_topic_only_what_is_asked_is_to_be_done() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let wishes =
            Wishes { consumes: names(&["in", "both"]), produces: names(&["out", "both"]), ..Wishes::default() };
        assert_eq!(wishes.on_topic("in"), [Right::Consume]);
        assert_eq!(wishes.on_topic("out"), [Right::Produce]);
        assert_eq!(wishes.on_topic("both"), [Right::Consume, Right::Produce]);
        assert_eq!(wishes.on_topic("other"), []);
    }
}
