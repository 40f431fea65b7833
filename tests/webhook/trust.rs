//! The keeper against an API server in memory.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use admittance::runtime::readiness::Readiness;
use admittance::trust::keeper::{Keeper, KeeperError, Memory};
use admittance::trust::metrics::Expiry;
use admittance::trust::plan::SETTLE;
use admittance::trust::publish::Publisher;
use admittance::trust::resolver::Resolver;
use admittance::trust::store::Store;
use admittance::trust::{authority, leaf};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api_server::{CONFIGURATION, NAMESPACE, SECRET, World, client};

type Shared = Arc<Mutex<World>>;

fn replica(world: &Shared) -> (Keeper, Readiness) {
    let mut readiness = Readiness::default();
    let keeper = Keeper {
        store: Store::new(client(world), NAMESPACE, SECRET),
        publisher: Publisher::mutating(client(world), CONFIGURATION),
        claims: None,
        names: leaf::service_names("hook", NAMESPACE),
        resolver: Arc::new(Resolver::default()),
        certified: readiness.gate("certificate"),
        published: readiness.gate("published"),
        expiry: Expiry::default(),
        remembered: Memory::default(),
    };
    (keeper, readiness)
}

fn decoded(value: &Value) -> String {
    String::from_utf8(STANDARD.decode(value.as_str().unwrap_or_default()).unwrap()).unwrap()
}

fn bundle(world: &Shared) -> String {
    decoded(&world.lock().unwrap().configuration.as_ref().unwrap()["webhooks"][0]["clientConfig"]["caBundle"])
}

fn kept(world: &Shared, key: &str) -> String {
    decoded(&world.lock().unwrap().secret.as_ref().unwrap()["data"][key])
}

fn writes(world: &Shared) -> Vec<String> {
    std::mem::take(&mut world.lock().unwrap().writes)
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_authority() {
    let world = World::installed();
    let now = SystemTime::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (mut keeper, readiness) = replica(&world);
        tasks.spawn(async move {
            keeper.turn(now).await.unwrap();
            assert!(readiness.missing().is_empty(), "{:?}", readiness.missing());
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    assert_eq!(writes(&world).iter().filter(|write| write.ends_with("secret")).count(), 1);
    assert_eq!(bundle(&world), kept(&world, "ca.crt"));
}

#[tokio::test]
async fn at_rest_nothing_is_written() {
    let world = World::installed();
    let (mut keeper, _) = replica(&world);
    let now = SystemTime::now();
    keeper.turn(now).await.unwrap();
    assert_eq!(writes(&world), ["POST secret", "PATCH configuration"]);
    keeper.turn(now + Duration::from_secs(3600)).await.unwrap();
    assert_eq!(writes(&world), [""; 0]);
}

#[tokio::test]
async fn without_a_configuration_a_replica_serves_and_is_not_ready() {
    let world = World::installed();
    let configuration = world.lock().unwrap().configuration.take();
    let (mut keeper, readiness) = replica(&world);
    let now = SystemTime::now();
    assert!(matches!(keeper.turn(now).await, Err(KeeperError::NoConfiguration(_))));
    assert_eq!(readiness.missing(), ["published"]);
    world.lock().unwrap().configuration = configuration;
    keeper.turn(now).await.unwrap();
    assert!(readiness.missing().is_empty());
}

#[tokio::test]
async fn a_renewal_never_leaves_a_replica_untrusted() {
    let world = World::installed();
    let ((mut one, _), (mut two, _)) = (replica(&world), replica(&world));
    let start = SystemTime::now();
    one.turn(start).await.unwrap();
    two.turn(start).await.unwrap();
    let first = kept(&world, "ca.crt");

    let due = start + authority::LIFETIME * 2 / 3;
    one.turn(due).await.unwrap();
    let next = kept(&world, "next.crt");
    assert_eq!(kept(&world, "ca.crt"), first, "the successor does not sign yet");
    assert!(bundle(&world).contains(&first) && bundle(&world).contains(&next));

    let settled = due + SETTLE + Duration::from_secs(5);
    two.turn(settled).await.unwrap();
    assert_eq!(kept(&world, "ca.crt"), next);
    assert_eq!(kept(&world, "previous.crt"), first);
    // `one` still serves its old leaf, and is trusted.
    assert!(bundle(&world).contains(&first) && bundle(&world).contains(&next));

    one.turn(settled).await.unwrap();
    two.turn(start + authority::LIFETIME + Duration::from_secs(60)).await.unwrap();
    assert_eq!(bundle(&world), next, "the predecessor has ended and is let go");
}

#[tokio::test]
async fn a_secret_that_is_deleted_or_damaged_is_made_anew() {
    let world = World::installed();
    let (mut keeper, _) = replica(&world);
    let now = SystemTime::now();
    keeper.turn(now).await.unwrap();
    let first = bundle(&world);
    world.lock().unwrap().secret = None;
    keeper.turn(now).await.unwrap();
    let second = bundle(&world);
    assert_ne!(first, second);
    world.lock().unwrap().secret.as_mut().unwrap()["data"]["ca.key"] = json!("AAAA");
    keeper.turn(now).await.unwrap();
    assert_ne!(second, bundle(&world));
    assert_eq!(bundle(&world), kept(&world, "ca.crt"));
}

#[tokio::test]
async fn an_authority_of_the_users_own_is_used_and_never_written() {
    let world = World::installed();
    let now = SystemTime::now();
    let own = authority::Authority::generate(now).unwrap();
    let data = json!({"ca.crt": STANDARD.encode(own.certificate.pem()), "ca.key": STANDARD.encode(own.key().expose())});
    let metadata = json!({"name": SECRET, "resourceVersion": "7"});
    world.lock().unwrap().secret = Some(json!({"metadata": metadata, "data": data}));
    let (mut keeper, _) = replica(&world);
    keeper.turn(now).await.unwrap();
    assert_eq!(bundle(&world), own.certificate.pem());
    keeper.turn(now + authority::LIFETIME * 2 / 3).await.unwrap();
    assert_eq!(writes(&world), ["PATCH configuration"]);
}

#[tokio::test]
async fn a_foreign_secret_without_an_authority_is_left_alone() {
    let world = World::installed();
    world.lock().unwrap().secret = Some(json!({"metadata": {"name": SECRET, "resourceVersion": "7"}}));
    let (mut keeper, readiness) = replica(&world);
    let error = keeper.turn(SystemTime::now()).await.unwrap_err();
    assert!(matches!(error, KeeperError::Foreign(..)), "{error}");
    assert_eq!(readiness.missing(), ["certificate", "published"]);
    assert_eq!(writes(&world), [""; 0]);
}

#[tokio::test]
async fn a_leaf_is_renewed_while_the_api_server_is_away() {
    let world = World::installed();
    let (mut keeper, _) = replica(&world);
    let start = SystemTime::now();
    keeper.turn(start).await.unwrap();
    world.lock().unwrap().broken = true;
    let registry = |expiry: &Expiry| {
        let (mut registry, mut text) = (prometheus_client::registry::Registry::default(), String::new());
        expiry.register(&mut registry);
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    let before = registry(&keeper.expiry);
    assert!(keeper.turn(start + leaf::LIFETIME).await.is_err());
    assert_ne!(before, registry(&keeper.expiry), "a new leaf ends later");
}

/// A replica that is sent claims as well.
fn judging(world: &Shared) -> (Keeper, Readiness) {
    let (keeper, readiness) = replica(world);
    (Keeper { claims: Some(Publisher::validating(client(world), CONFIGURATION)), ..keeper }, readiness)
}

fn claims_bundle(world: &Shared) -> String {
    decoded(&world.lock().unwrap().claims.as_ref().unwrap()["webhooks"][0]["clientConfig"]["caBundle"])
}

#[tokio::test]
async fn both_configurations_are_kept_and_only_what_is_stale_is_written() {
    let world = World::installed();
    let (mut keeper, readiness) = judging(&world);
    let now = SystemTime::now();
    keeper.turn(now).await.unwrap();
    assert_eq!(writes(&world), ["POST secret", "PATCH configuration", "PATCH claims"]);
    assert!(bundle(&world) == claims_bundle(&world) && bundle(&world) == kept(&world, "ca.crt"));
    assert!(readiness.missing().is_empty());
    world.lock().unwrap().claims.as_mut().unwrap()["webhooks"][0]["clientConfig"]["caBundle"] = json!("AAAA");
    keeper.turn(now).await.unwrap();
    assert_eq!(writes(&world), ["PATCH claims"]);
    keeper.turn(now).await.unwrap();
    assert_eq!(writes(&world), [""; 0]);
}

#[tokio::test]
async fn pods_are_why_a_replica_is_ready() {
    let world = World::installed();
    let claims = world.lock().unwrap().claims.take();
    let (mut keeper, readiness) = judging(&world);
    let now = SystemTime::now();
    let error = keeper.turn(now).await.unwrap_err().to_string();
    assert!(error.starts_with("ValidatingWebhookConfiguration admittance does not exist"), "{error}");
    assert!(readiness.missing().is_empty(), "Pods are patched all the same");
    let configuration = {
        let mut world = world.lock().unwrap();
        world.claims = claims;
        world.configuration.take()
    };
    let (mut other, readiness) = judging(&world);
    other.turn(now).await.unwrap_err();
    assert_eq!(readiness.missing(), ["published"], "claims alone are no reason to be ready");
    world.lock().unwrap().configuration = configuration;
    other.turn(now).await.unwrap();
    assert!(readiness.missing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_no_turns_to_make_up_for() {
    // Longer than a call is waited for.
    let (hour, second) = (Duration::from_secs(3600), Duration::from_secs(1));
    let world = World::installed();
    {
        let mut world = world.lock().unwrap();
        (world.broken, world.slow) = (true, hour);
    }
    let keeper = tokio::spawn(replica(&world).0.run());
    tokio::time::sleep(hour).await;
    {
        let mut world = world.lock().unwrap();
        (world.slow, world.asked) = (Duration::ZERO, 0);
    }
    tokio::time::sleep(30 * second).await;
    // A turn reads the Secret and the configuration.
    let asked = world.lock().unwrap().asked;
    assert!((4..=8).contains(&asked), "{asked} questions in half a minute");
    keeper.abort();
}
