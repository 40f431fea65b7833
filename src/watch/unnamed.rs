//! Claims that name no cluster, and where they are all the same.
//!
//! In memory such a claim carries the cluster that was decided on, else its namespace's default, else the installation's; who reads it need
//! not know. Here is kept which those are, so that they can be placed anew when their namespace's default changes.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::table::{Name, name_of};
use super::{NamespaceFacts, World};
use crate::api::annotations::CLUSTER;
use crate::api::names::ClusterRef;
use crate::api::resources::{AccessClaim, TopicClaim};

/// The names of claims of one kind that name no cluster.
#[derive(Debug, Default)]
pub struct Unnamed(Mutex<BTreeSet<Name>>);

impl Unnamed {
    fn names(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this claim is one.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.names().contains(name)
    }

    fn note(&self, name: &Name, unnamed: bool) {
        if unnamed {
            self.names().insert(name.clone());
        } else {
            self.names().remove(name);
        }
    }

    fn of(&self, namespace: &str) -> Vec<Name> {
        self.names().iter().filter(|name| name.0 == namespace).cloned().collect()
    }
}

impl NamespaceFacts {
    /// Keeps what matters.
    #[must_use]
    pub fn new(meta: kube::api::ObjectMeta) -> Self {
        let cluster = meta.annotations.and_then(|mut annotations| annotations.remove(CLUSTER));
        Self { labels: meta.labels.unwrap_or_default(), cluster }
    }
}

/// The cluster of whatever names none in a namespace of which this is known, where `install` is the installation's default. One that cannot
/// be read comes as it is written: there is no such cluster, and nothing may go to another in its place.
#[must_use]
pub fn default_cluster(namespace: Option<&NamespaceFacts>, install: &ClusterRef) -> String {
    let Some(text) = namespace.and_then(|facts| facts.cluster.as_ref()) else { return install.to_string() };
    ClusterRef::parse(text.trim(), &install.namespace).map_or_else(|_| text.clone(), |cluster| cluster.to_string())
}

impl World {
    /// The installation's default cluster.
    #[must_use]
    pub const fn install(&self) -> &ClusterRef {
        &self.default_cluster
    }

    /// The cluster of whatever names none in a namespace.
    #[must_use]
    pub fn default_of(&self, namespace: &str) -> String {
        let facts = self.namespaces.get(&("", namespace));
        default_cluster(facts.as_deref(), &self.default_cluster)
    }

    /// An access as it is kept: with its cluster.
    #[must_use]
    pub fn placed_access(&self, mut claim: AccessClaim) -> AccessClaim {
        let name = name_of(&claim);
        self.unnamed_accesses.note(&name, claim.spec.cluster.is_empty());
        claim.spec.cluster = claim.cluster().map_or_else(|| self.default_of(&name.0), str::to_owned);
        claim
    }

    /// A claim on a topic as it is kept: with its cluster, and without settings that are too many to be held.
    #[must_use]
    pub fn placed_topic(&self, mut claim: TopicClaim) -> TopicClaim {
        claim.spec.bound();
        if let Some(creating) = claim.status.as_mut().and_then(|status| status.creating.as_mut()) {
            creating.bound();
        }
        let name = name_of(&claim);
        self.unnamed_topics.note(&name, claim.spec.cluster.is_empty());
        claim.spec.cluster = claim.cluster().map_or_else(|| self.default_of(&name.0), str::to_owned);
        claim
    }

    /// The default of a namespace may have changed: places its claims anew; returns the claims on topics that are elsewhere now. Accesses
    /// are looked at whenever their namespace changes.
    pub fn place_anew(&self, namespace: &str) -> Vec<Name> {
        for name in self.unnamed_accesses.of(namespace) {
            let Some(claim) = self.accesses.get(&(&name.0, &name.1)) else {
                self.unnamed_accesses.note(&name, false);
                continue;
            };
            let mut claim = AccessClaim::clone(&claim);
            claim.spec.cluster.clear();
            self.accesses.put(name, self.placed_access(claim));
        }
        let mut moved = Vec::new();
        for name in self.unnamed_topics.of(namespace) {
            let Some(before) = self.topics.get(&(&name.0, &name.1)) else {
                self.unnamed_topics.note(&name, false);
                continue;
            };
            let mut claim = TopicClaim::clone(&before);
            claim.spec.cluster.clear();
            let claim = self.placed_topic(claim);
            if claim != *before {
                self.topics.put(name.clone(), claim);
                moved.push(name);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::resources::{
        AccessClaimSpec, AccessClaimStatus, TopicClaimSpec, TopicClaimStatus, TopicIntent, TopicSource,
    };
    use crate::watch::reach::Reach;
    use kube::api::ObjectMeta;

    fn world() -> World {
        World::new(ClusterRef { namespace: "ops".into(), name: "default".into() }, Reach::default())
    }

    fn set_default(world: &World, text: Option<&str>) -> Vec<Name> {
        let annotations = text.map(|text| [(CLUSTER.to_owned(), text.to_owned())].into());
        world.namespaces.put(
            (String::new(), "shop".to_owned()),
            NamespaceFacts::new(ObjectMeta { annotations, ..ObjectMeta::default() }),
        );
        world.place_anew("shop")
    }

    fn access(cluster: &str, decided: Option<&str>) -> AccessClaim {
        let spec = AccessClaimSpec { cluster: cluster.to_owned(), ..AccessClaimSpec::empty() };
        let mut claim = AccessClaim::new("web", spec);
        claim.metadata.namespace = Some("shop".to_owned());
        let cluster = decided.map(str::to_owned);
        claim.status = Some(AccessClaimStatus { cluster, ..AccessClaimStatus::default() });
        claim
    }

    #[test]
    fn a_namespaces_default_comes_before_the_installations() {
        let world = world();
        assert_eq!(world.default_of("shop"), "ops/default");
        for (text, cluster) in [("eu", "ops/eu"), ("kafka/eu ", "kafka/eu"), ("A B", "A B")] {
            set_default(&world, Some(text));
            assert_eq!(world.default_of("shop"), cluster);
        }
        assert_eq!(world.default_of("web"), "ops/default");
    }

    #[test]
    fn what_was_named_or_decided_stays_where_it_is() {
        let world = world();
        set_default(&world, Some("eu"));
        assert_eq!(world.placed_access(access("ops/us", None)).spec.cluster, "ops/us");
        assert_eq!(world.placed_access(access("", Some("ops/old"))).spec.cluster, "ops/old");
        assert_eq!(world.placed_access(access("", None)).spec.cluster, "ops/eu");
    }

    #[test]
    fn claims_are_placed_anew_until_it_is_decided() {
        let world = world();
        let mut topic = TopicClaim::new("t", TopicClaimSpec::of("t", "", TopicSource::Declared));
        topic.metadata.namespace = Some("shop".to_owned());
        let name = ("shop".to_owned(), "t".to_owned());
        let at = || world.topics.get(&("shop", "t")).unwrap().spec.cluster.clone();
        world.topics.put(name.clone(), world.placed_topic(topic.clone()));
        world.accesses.put(("shop".to_owned(), "web".to_owned()), world.placed_access(access("", None)));
        assert_eq!(at(), "ops/default");
        assert_eq!(set_default(&world, Some("eu")), std::slice::from_ref(&name));
        assert_eq!(at(), "ops/eu");
        assert_eq!(world.accesses.get(&("shop", "web")).unwrap().spec.cluster, "ops/eu");

        topic.status = Some(TopicClaimStatus { cluster: Some("ops/eu".into()), ..TopicClaimStatus::default() });
        world.topics.put(name, world.placed_topic(topic));
        assert!(set_default(&world, Some("us")).is_empty());
        assert_eq!(at(), "ops/eu");
        assert_eq!(world.accesses.get(&("shop", "web")).unwrap().spec.cluster, "ops/us", "nothing was decided of it");
    }

    #[test]
    fn settings_that_are_too_many_are_not_held() {
        let mut topic = TopicClaim::new("t", TopicClaimSpec::of("t", "a/b", TopicSource::Declared));
        let config: BTreeMap<_, _> = (0..40).map(|n| (format!("k{n:02}"), "x".repeat(32_767))).collect();
        topic.spec.config.clone_from(&config);
        let creating = TopicIntent { partitions: 1, replicas: 1, config: Some(config) };
        topic.status = Some(TopicClaimStatus { creating: Some(creating), ..TopicClaimStatus::default() });
        let kept = world().placed_topic(topic);
        assert_eq!((kept.spec.config.len(), kept.spec.config_left_out), (0, Some(40 * 32_770)));
        assert!(format!("{kept:?}").len() < 2500);
    }
}
