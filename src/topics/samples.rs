//! Claims, topics, and what is seen of them, for tests.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use super::Context;
use super::observe::{Found, Observation, among};
use super::plan::{EXISTS, Plan, plan};
use super::users::Users;
use crate::api::names::{ClusterRef, Scope};
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, Conditions, READY, TopicClaim, TopicClaimSpec, TopicClaimStatus};
use crate::api::secret::Secret;
use crate::clusters::claim::Claim;
use crate::clusters::terms::terms;
use crate::clusters::{Connection, Terms};
use crate::kafka::admin::topics::{Partition, Topic, TopicId};
use crate::kafka::admin::{Admin, BrokerId};
use crate::kafka::batch::Batcher;
use crate::kafka::config::{ClientConfig, Credential, Endpoint};
use crate::kafka::scram::Mechanism;
use crate::runtime::events::Events;
use crate::runtime::queue::Queue;
use crate::watch::World;
use crate::watch::reach::Reach;

pub(super) const ID: TopicId = TopicId([7; 16]);

/// A claim that was seen to be ready, with this status.
pub(super) fn claim(spec: Value, status: Value) -> TopicClaim {
    let mut all = json!({"topicName": "shop.orders", "cluster": "a/b"});
    let Value::Object(more) = spec else { panic!("{spec}") };
    all.as_object_mut().unwrap().extend(more);
    let mut claim = TopicClaim::new("orders", serde_json::from_value::<TopicClaimSpec>(all).unwrap());
    claim.metadata.namespace = Some("shop".into());
    claim.metadata.uid = Some("u".into());
    claim.metadata.generation = Some(1);
    if !status.is_null() {
        let mut status: TopicClaimStatus = serde_json::from_value(status).unwrap();
        status.topic_id.get_or_insert(ID.to_string());
        let now = Time(Timestamp::UNIX_EPOCH);
        Conditions::new(&mut status.conditions, Some(1), now).say(READY, true, Reason::Ready, EXISTS);
        claim.status = Some(status);
    }
    claim
}

/// What a look needs, and nothing is known.
pub(super) fn context(client: Client) -> Context {
    let home = ClusterRef { namespace: "a".to_owned(), name: "b".to_owned() };
    Context {
        client: client.clone(),
        world: Arc::new(World::new(home, Reach::default())),
        clusters: Arc::default(),
        events: Events::new(client, "me"),
        refused: Arc::default(),
        disputes: Arc::default(),
        moves: Arc::default(),
        volumes: Arc::default(),
        defaults: Arc::default(),
        queue: Queue::default(),
    }
}

pub(super) fn topic(partitions: usize, replicas: usize, settings: Value) -> Option<Found> {
    let brokers: Vec<_> = (0..).map(BrokerId).take(replicas).collect();
    let partition = |index| Partition { index, leader: None, replicas: brokers.clone(), in_sync: Vec::new() };
    let partitions = (0..).map(partition).take(partitions).collect();
    let topic = Topic { name: "shop.orders".into(), id: ID, internal: false, partitions };
    Some(Found { topic, settings: Ok(serde_json::from_value(settings).unwrap()) })
}

pub(super) fn decide(claim: TopicClaim, policy: Value, found: Option<Found>) -> Plan {
    decide_with(claim, policy, found, None)
}

pub(super) fn decide_with(claim: TopicClaim, policy: Value, found: Option<Found>, share: Option<i64>) -> Plan {
    plan(&Observation { share, ..see(claim, policy, found) }).unwrap()
}

pub(super) fn see(claim: TopicClaim, policy: Value, found: Option<Found>) -> Observation {
    let claim = Arc::new(claim);
    let kafka = Ok((serde_json::from_value(policy).unwrap(), found));
    let seen = among(Arc::clone(&claim), &[claim], Vec::new(), Users::default(), kafka, |_| false);
    Observation { empty: true, ..seen }
}

pub(super) fn reason(plan: &Plan) -> Option<Reason> {
    plan.verdict.obstacle.as_ref().map(|obstacle| obstacle.reason)
}

/// A cluster `a/b` that nobody is to ask anything, of this scope, beside others' scopes.
pub(super) fn connection(scope: &str, neighbours: &[&str]) -> Connection {
    let scope_of = |text: &str| Scope::parse(text).unwrap();
    let external = json!({"bootstrapServers": "kafka:9092", "insecure": true, "adminSecret": {"name": "admin"}});
    let mut cluster = BrokerCluster::new("b", serde_json::from_value(json!({"external": external})).unwrap());
    cluster.metadata.namespace = Some("a".into());
    let terms =
        Terms { neighbours: neighbours.iter().map(|text| scope_of(text)).collect(), ..terms(&cluster, None).unwrap() };
    let admin = Admin::new(ClientConfig::new(vec![Endpoint { host: "unknown".into(), port: 9092 }])).unwrap();
    let credential = Credential { mechanism: Mechanism::Sha512, username: String::new(), password: Secret::new("") };
    let claim = Claim { scope: scope_of(scope), uid: "uid".into() };
    Connection { batcher: Batcher::new(&admin), admin, credential, claim, terms }
}
