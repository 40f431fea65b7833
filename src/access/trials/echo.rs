//! What the watch tells of a look's own writes.

use super::*;
use crate::access::apply::Applied;
use crate::access::echo::is_all;
use crate::api::names::ClusterRef;
use crate::clusters::Connection;
use crate::clusters::claim::Claim;
use crate::kafka::admin::Admin;
use crate::kafka::batch::Batcher;
use crate::kafka::config::{ClientConfig, Credential, Endpoint};
use crate::watch::World;
use crate::watch::reach::Reach;

/// A way to a cluster that nobody is to ask anything.
fn connection(Ground { scope, terms }: &Ground) -> Arc<Connection> {
    let nowhere = Endpoint { host: "unknown".to_owned(), port: 9092 };
    let admin = Admin::new(ClientConfig::new(vec![nowhere])).unwrap();
    Arc::new(Connection {
        batcher: Batcher::new(&admin),
        admin,
        credential: Credential { mechanism: Mechanism::Sha512, username: String::new(), password: Secret::new("") },
        claim: Claim { scope: scope.clone(), uid: "uid".to_owned() },
        terms: terms.clone(),
    })
}

#[tokio::test]
async fn a_new_access_is_looked_at_once_more_where_anything_moved_meanwhile() {
    let world = World::new(ClusterRef { namespace: "a".to_owned(), name: "b".to_owned() }, Reach::default());
    let Day { ground, claim, mut held, seen } = Day::new();
    let put = |name: &str, wrong| {
        let claim = topic(name, wrong).claims.remove(0);
        world.topics.put(("web".to_owned(), name.to_owned()), TopicClaim::clone(&claim));
    };
    put("orders", None);
    put("bills", None);
    for (name, view) in &mut held.topics {
        view.claims = world.topics.of(&("a/b".to_owned(), name.clone()));
    }
    let (then, another) = (connection(&ground), connection(&ground));
    let seen = Observation { held: Ok((ground, held)), ..seen };
    let made = Applied { claim: Some(claim.clone()), proof: None };
    let all = |world: &World| is_all(world, (Some(&then), Some(&then)), &seen, &made);
    assert!(!all(&world), "nobody who changes a topic can know of it yet");
    world.accesses.put(("web".to_owned(), "app".to_owned()), claim);
    assert!(all(&world));
    assert!(!is_all(&world, (Some(&then), Some(&another)), &seen, &made), "the cluster was connected anew");
    assert!(!is_all(&world, (Some(&then), None), &seen, &made), "the cluster went away");
    for name in ["b", "twin"] {
        let mut cluster = BrokerCluster::new(name, serde_json::from_value(external()).unwrap());
        cluster.metadata.namespace = Some("a".to_owned());
        world.kafkas.note(&format!("a/{name}"), &cluster.spec.external, "one");
        world.clusters.put(("a".to_owned(), name.to_owned()), cluster);
    }
    assert!(all(&world), "nobody claims anything through the other way to this Kafka");
    let mut rival = TopicClaim::clone(&topic("orders", None).claims[0]);
    (rival.spec.cluster, rival.metadata.namespace) = ("a/twin".to_owned(), Some("shop".to_owned()));
    world.topics.put(("shop".to_owned(), "orders".to_owned()), rival);
    assert!(!all(&world), "somebody has come through it");
    world.topics.remove(&("shop".to_owned(), "orders".to_owned()));
    assert!(all(&world));
    put("orders", Some(Reason::TopicMissing));
    assert!(!all(&world), "a topic has changed");
}
