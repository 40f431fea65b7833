//! What the watch tells of a look's own writes.

use super::*;
use crate::access::apply::Applied;
use crate::access::echo::is_all;
use crate::api::names::ClusterRef;
use crate::watch::World;
use crate::watch::reach::Reach;

#[tokio::test]
async fn a_new_access_is_looked_at_once_more_where_anything_moved_meanwhile() {
    let world = World::new(ClusterRef { namespace: "a".to_owned(), name: "b".to_owned() }, Reach::default());
    let Day { connection, claim, mut held, seen } = Day::new();
    let put = |name: &str, wrong| {
        let claim = topic(name, wrong).claims.remove(0);
        world.topics.put(("web".to_owned(), name.to_owned()), TopicClaim::clone(&claim));
    };
    put("orders", None);
    put("bills", None);
    for (name, view) in &mut held.topics {
        view.claims = world.topics.of(&("a/b".to_owned(), name.clone()));
    }
    let connection = Arc::new(connection);
    let seen = Observation { held: Ok((connection.clone(), held)), ..seen };
    let made = Applied { claim: Some(claim.clone()), proof: None };
    let all = |world: &World| is_all(world, Some(&connection), &seen, &made);
    assert!(!all(&world), "nobody who changes a topic can know of it yet");
    world.accesses.put(("web".to_owned(), "app".to_owned()), claim);
    assert!(all(&world));
    let another = Arc::new(super::connection(&json!({})));
    assert!(!is_all(&world, Some(&another), &seen, &made), "the cluster was connected anew");
    assert!(!is_all(&world, None, &seen, &made), "the cluster went away");
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
