//! Who stands for a user in Kafka: whoever has the operator look after it, on this very Kafka. Pure.
//!
//! A name is not enough. A claim on a cluster that leads elsewhere, or that is not there, and a Pod that carries a label and asks for
//! nothing are looked after nowhere or elsewhere: would they cover a user, its rights stayed for as long as somebody likes, whatever their
//! lender says. The same goes for a Pod or a Deployment whose request cannot be read: without a claim nobody looks after it. A claim that
//! cannot be read, or may lead to this Kafka, is no such evidence.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::names::{ClusterRef, Scope, WorkloadName};
use crate::api::resources::{AccessClaim, BrokerCluster};
use crate::intent::request::named_after;
use crate::intent::{Intent, Problem};
use crate::watch::table::Name;
use crate::watch::{AccessKey, DeploymentFacts, PodFacts, World, cluster_id};

/// The cluster whose users are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// `namespace/name` of the `BrokerCluster`.
    pub cluster: String,
    /// Its uid: one that is made anew is another.
    pub uid: String,
    /// What its users begin with.
    pub scope: Scope,
    /// The id by which Kafka knows itself, once it is known.
    pub kafka: Option<String>,
}

/// What is known of a `BrokerCluster` that somebody names.
#[derive(Debug, Clone)]
pub enum There {
    /// There is none.
    Gone,
    /// There is one, and nothing is known of it.
    Unreadable,
    /// There is this one.
    Seen(Arc<BrokerCluster>),
}

/// One who stands for an access.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// A claim, of which nothing can be read.
    Unreadable,
    /// It bears the name of one access and describes another: the operator works on neither.
    Nowhere {
        /// The user on record, of a time when its name was right: the default cluster, after which accesses are named, can change.
        user: Option<String>,
    },
    /// It asks for the access on a cluster.
    On {
        /// The `BrokerCluster`, as `namespace/name`.
        cluster: String,
        /// The user on record. Nobody but the operator writes that, and only once it worked on the cluster.
        user: Option<String>,
    },
}

impl Stand {
    /// A claim's.
    #[must_use]
    pub fn of_claim(claim: &AccessClaim, world: &World) -> Self {
        let status = claim.status.as_ref();
        let default = || world.default_of(claim.metadata.namespace.as_deref().unwrap_or_default());
        let cluster = claim.cluster().map_or_else(default, str::to_owned);
        let user = status.and_then(|status| status.username.clone());
        if bears_its_name(claim, &cluster, world.install()) {
            Self::On { cluster, user }
        } else {
            Self::Nowhere { user }
        }
    }

    /// A Pod's, where no claim says where its access is; nothing where it asks for nothing that can be read, or for another access than its
    /// label says. Who lives can be made unreadable, by an owner of any name.
    #[must_use]
    pub fn of_pod(pod: &PodFacts, default: impl FnOnce() -> String) -> Option<Self> {
        Self::of_request(pod.intent.as_deref()?, &pod.access_key().1, pod.names_cluster, default)
    }

    /// The same of a Deployment of the contract of 2017.
    #[must_use]
    pub fn of_deployment(deployment: &DeploymentFacts, default: impl FnOnce() -> String) -> Option<Self> {
        Self::of_request(&deployment.intent, &deployment.access_key().1, deployment.names_cluster, default)
    }

    fn of_request(
        intent: &Result<Intent, Vec<Problem>>,
        access: &str,
        names_cluster: bool,
        default: impl FnOnce() -> String,
    ) -> Option<Self> {
        let intent = intent.as_ref().ok()?;
        let cluster = || if names_cluster { intent.cluster.to_string() } else { default() };
        (intent.access_name() == access).then(|| Self::On { cluster: cluster(), user: None })
    }
}

impl Here {
    /// Whether somebody who stands for the access of a user has it looked after here.
    #[must_use]
    pub fn is_covered(&self, user: &str, stand: &Stand, there: impl Fn(&str) -> There) -> bool {
        let (cluster, on_record) = match stand {
            Stand::Unreadable => return true,
            Stand::Nowhere { user: on_record } => return on_record.as_deref() == Some(user),
            Stand::On { cluster, user } => (cluster, user),
        };
        if *cluster == self.cluster {
            return true;
        }
        match there(cluster) {
            // Whoever deletes a BrokerCluster does not say that its users are to go; but where nobody was ever served, there are none.
            There::Gone => on_record.as_deref() == Some(user),
            There::Unreadable => true,
            There::Seen(other) => self.may_be(&other),
        }
    }

    /// Whether another `BrokerCluster` may make the same users in the same Kafka.
    fn may_be(&self, other: &BrokerCluster) -> bool {
        let status = other.status.as_ref();
        let scope = other.spec.scope.as_ref().or_else(|| status?.scope.as_ref());
        let kafka = status.and_then(|status| status.kafka_cluster_id.as_ref());
        scope.is_none_or(|scope| scope == self.scope.as_ref())
            && kafka.zip(self.kafka.as_ref()).is_none_or(|(theirs, ours)| theirs == ours)
    }
}

/// Whether a claim is named as what it describes is, the one rule by which `access` takes it for an access.
fn bears_its_name(claim: &AccessClaim, cluster: &str, install: &ClusterRef) -> bool {
    let workload = WorkloadName::parse(&claim.spec.workload);
    let Ok((workload, cluster)) =
        workload.and_then(|workload| Ok((workload, ClusterRef::parse(cluster, &install.namespace)?)))
    else {
        return false;
    };
    claim.metadata.name.as_deref().is_some_and(|name| named_after(name, &workload, &cluster, install).is_some())
}

/// What the watches know of a `BrokerCluster`, or, of one that they cannot read, the list.
#[must_use]
pub fn there(world: &World, listed: &BTreeSet<Name>, cluster: &str) -> There {
    match world.cluster(cluster) {
        Some(cluster) => There::Seen(cluster),
        None if listed.iter().any(|name| cluster_id(name) == cluster) => There::Unreadable,
        None => There::Gone,
    }
}

/// Whether a claim covers a user, as far as the watches tell.
#[must_use]
pub fn has_claim(world: &World, here: &Here, user: &str, (namespace, access): &AccessKey) -> bool {
    let claim = world.accesses.get(&(namespace, access));
    claim.is_some_and(|claim| {
        let stand = Stand::of_claim(&claim, world);
        here.is_covered(user, &stand, |cluster| there(world, &BTreeSet::new(), cluster))
    })
}

/// Whether anybody covers a user, as far as the watches tell; `listed` are the names of all BrokerClusters. Where there is a claim, it says
/// where the access is, and Pods lead to no other.
#[must_use]
pub fn is_asked_for(world: &World, here: &Here, listed: &BTreeSet<Name>, user: &str, key: &AccessKey) -> bool {
    let default = || world.default_of(&key.0);
    let stands: Vec<Stand> = if let Some(claim) = world.accesses.get(&(&key.0, &key.1)) {
        vec![Stand::of_claim(&claim, world)]
    } else if world.opted_in(&key.0) || !world.namespaces.unreadable().is_empty() {
        let (pods, deployments) = (world.pods.of(key), world.deployments.of(key));
        let pods = pods.iter().filter_map(|pod| Stand::of_pod(pod, default));
        pods.chain(deployments.iter().filter_map(|one| Stand::of_deployment(one, default))).collect()
    } else {
        Vec::new()
    };
    stands.iter().any(|stand| here.is_covered(user, stand, |cluster| there(world, listed, cluster)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{USER, claim, here, key, pod, world};
    use super::*;
    use crate::api::annotations::{ACCESS, CLUSTER, CONSUMES, LABEL_2017, LABEL_2017_VALUES};
    use crate::watch::NamespaceFacts;

    fn opt_in(world: &World) {
        world.namespaces.put((String::new(), "shop".to_owned()), NamespaceFacts::default());
    }

    fn asked(world: &World) -> bool {
        is_asked_for(world, &here(), &[("ops".to_owned(), "broken".to_owned())].into(), USER, &key())
    }

    #[test]
    fn a_claim_covers_the_user_of_the_kafka_that_its_cluster_leads_to() {
        for (cluster, user, covers, listed_too) in [
            ("ops/default", None, true, true),
            ("", None, true, true),
            ("ops/twin", None, true, true),
            ("ops/silent", None, true, true),
            ("ops/stranger", None, false, false),
            ("ops/elsewhere", Some(USER), false, false),
            ("nowhere/none", None, false, false),
            ("not a name", None, false, false),
            ("ops/gone", Some(USER), true, true),
            ("ops/gone", Some("other.shop.web"), false, false),
            ("ops/broken", None, false, true),
        ] {
            let world = world();
            world.accesses.put(key(), serde_json::from_value(claim(cluster, user)).unwrap());
            // A Pod beside the claim leads to no other cluster than the claim does.
            opt_in(&world);
            let beside = serde_json::from_value(pod(&json!({CONSUMES: "a"}))).unwrap();
            world.pods.put(key(), world.pod_facts(&beside).unwrap());
            assert_eq!(has_claim(&world, &here(), USER, &key()), covers, "{cluster} {user:?}");
            assert_eq!(asked(&world), listed_too, "{cluster} {user:?}, and what is listed");
        }
    }

    #[test]
    fn a_claim_that_describes_another_access_covers_nobody() {
        for (workload, user, covers) in [
            ("web", None, true),
            ("other", None, false),
            ("not a name", None, false),
            ("other", Some("other.shop.web"), false),
            // The operator served it by this name.
            ("other", Some(USER), true),
        ] {
            let world = world();
            let mut claim = claim("ops/default", user);
            claim["spec"]["workload"] = json!(workload);
            world.accesses.put(key(), serde_json::from_value(claim).unwrap());
            assert_eq!((has_claim(&world, &here(), USER, &key()), asked(&world)), (covers, covers), "{workload}");
        }
    }

    #[test]
    fn nothing_is_told_from_a_kafka_of_which_nothing_is_known() {
        let world = world();
        let nothing_known = Here { kafka: None, ..here() };
        world.accesses.put(key(), serde_json::from_value(claim("ops/elsewhere", None)).unwrap());
        assert!(has_claim(&world, &nothing_known, USER, &key()));
        world.accesses.put(key(), serde_json::from_value(claim("ops/stranger", None)).unwrap());
        assert!(!has_claim(&world, &nothing_known, USER, &key()), "its users are called otherwise, wherever they are");
    }

    #[test]
    fn a_label_stands_for_nobody() {
        for (annotations, opted_in, covers) in [
            (json!({CONSUMES: "a"}), true, true),
            (json!({CONSUMES: "a"}), false, false),
            (json!({}), true, false),
            (json!({CONSUMES: "a", "kafka.admittance.dev/workload": "other"}), true, false),
            (json!({CONSUMES: "!"}), true, false),
        ] {
            let world = world();
            if opted_in {
                opt_in(&world);
            }
            let meta = serde_json::from_value(pod(&annotations)).unwrap();
            world.pods.put(key(), world.pod_facts(&meta).unwrap());
            assert_eq!(asked(&world), covers, "{annotations} {opted_in}");
            world.namespaces.is_forbidden(&None);
            let asks = annotations == json!({CONSUMES: "a"});
            assert_eq!(asked(&world), asks, "{annotations}: who is opted in cannot be read");
        }
    }

    #[test]
    fn a_deployment_that_cannot_be_read_stands_for_nobody() {
        let world = world();
        opt_in(&world);
        let meta = json!({
            "namespace": "shop", "name": "web", "uid": "uid", "labels": {LABEL_2017: LABEL_2017_VALUES[0]},
            "annotations": {"topic.kafka.nb/consumes": "!"},
        });
        let install = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let facts = DeploymentFacts::new(serde_json::from_value(meta).unwrap(), &install).unwrap();
        assert_eq!((facts.access_key(), facts.intent.is_err()), (key(), true));
        world.deployments.put(key(), facts);
        assert!(!asked(&world), "at zero replicas it can be kept for ever");
    }

    #[test]
    fn a_pod_or_a_deployment_covers_where_its_cluster_leads() {
        for (annotations, covers) in [
            (json!({CONSUMES: "a", CLUSTER: "ops/twin"}), false),
            (json!({CONSUMES: "a", CLUSTER: "nowhere/none"}), false),
            (json!({CONSUMES: "a", CLUSTER: "ops/default"}), true),
        ] {
            let world = world();
            opt_in(&world);
            let meta = serde_json::from_value(pod(&annotations)).unwrap();
            world.pods.put(key(), world.pod_facts(&meta).unwrap());
            // Off the default cluster the access has another name than the label says.
            assert_eq!(asked(&world), covers, "{annotations}");
        }
        // A name that is cut from another cluster's is the same, and the cluster is not.
        for (cluster, covers) in [("ops/twin", true), ("nowhere/twin", false)] {
            let (world, here) = (world(), Here { cluster: "ops/twin".into(), ..here() });
            opt_in(&world);
            let mut meta = pod(&json!({CONSUMES: "a", CLUSTER: cluster}));
            meta["labels"][ACCESS] = json!("web-twin");
            world.pods.put(key(), world.pod_facts(&serde_json::from_value(meta).unwrap()).unwrap());
            let key = ("shop".to_owned(), "web-twin".to_owned());
            assert_eq!(is_asked_for(&world, &here, &BTreeSet::new(), "k.shop.web-twin", &key), covers, "{cluster}");
        }
        let world = world();
        opt_in(&world);
        let labels = json!({LABEL_2017: LABEL_2017_VALUES[0]});
        let meta = json!({
            "namespace": "shop", "name": "web", "uid": "uid", "labels": labels, "annotations": {"topic.kafka.nb/consumes": "a"},
        });
        let install = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let facts = DeploymentFacts::new(serde_json::from_value(meta).unwrap(), &install).unwrap();
        world.deployments.put(key(), facts);
        assert!(asked(&world));
        let elsewhere = NamespaceFacts { cluster: Some("ops/elsewhere".into()), ..NamespaceFacts::default() };
        world.namespaces.put((String::new(), "shop".to_owned()), elsewhere);
        assert!(!asked(&world), "it names no cluster, and its namespace's default is on another Kafka");
    }
}
