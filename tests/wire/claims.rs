//! Our claim on a scope, and what must be known of a Kafka before it is worked on, against a broker that keeps rules and users.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use admittance::{
    api::{names::Scope, reasons::Reason, resources::BrokerCluster, secret::Secret},
    clusters::{
        Clusters, Connection, Lifetimes, SecurityProtocol, Seen, Terms, Unusable, claim::Claim, observe, report,
        settle, verify_claim,
    },
    kafka::{
        acl::{AclBinding, Operation, PatternType, ResourceType},
        admin::Admin,
        batch::Batcher,
        config::{ClientConfig, Credential},
        scram::Mechanism,
    },
};
use k8s_openapi::jiff::Timestamp;
use kafka_protocol::messages::ApiKey;
use serde_json::{Value, json};

use crate::{
    config,
    fake::{Fake, Script},
    scram_server::PASSWORD,
    store::{SUPER, Store},
};

/// Shorter than in earnest: the fake publishes at once.
const SETTLE: Duration = Duration::from_millis(300);

async fn keeping(store: Store) -> Fake {
    Fake::start(Script { store: Some(store), ..Script::default() }).await
}

/// A Kafka that tells that it is closed.
async fn closed() -> Fake {
    keeping(Store::new()).await
}

pub(crate) fn claim(uid: &str) -> Claim {
    Claim { scope: Scope::parse("shop").unwrap(), uid: uid.to_owned() }
}

fn cluster(spec: &Value, status: &Value) -> BrokerCluster {
    let mut whole =
        json!({"external": {"bootstrapServers": "kafka:9092", "insecure": true, "adminSecret": {"name": "admin"}}});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "BrokerCluster",
        "metadata": {"name": "default", "namespace": "ops", "generation": 1}, "spec": whole, "status": status,
    }))
    .unwrap()
}

pub(crate) fn credential() -> Credential {
    Credential { mechanism: Mechanism::Sha256, username: SUPER.into(), password: Secret::new(PASSWORD) }
}

pub(crate) fn terms(fake: &Fake) -> Terms {
    Terms {
        bootstrap_servers: fake.endpoint.to_string(),
        security_protocol: SecurityProtocol::SaslPlaintext,
        ca_pem: None,
        mechanism: admittance::api::resources::SaslMechanism::ScramSha256,
        mechanisms: vec![],
        namespaces: None,
        topics: Default::default(),
        groups: Default::default(),
        lifetimes: Lifetimes::default(),
        neighbours: Default::default(),
        drift: Default::default(),
        quotas: Default::default(),
        quotas_shown: false,
    }
}

pub(crate) fn connect(fake: &Fake, uid: &str) -> Arc<Connection> {
    let credential = credential();
    let settings = ClientConfig { sasl: Some(credential.clone()), ..config(&[fake]) };
    let (admin, terms) = (Admin::new(settings).unwrap(), terms(fake));
    Arc::new(Connection { batcher: Batcher::new(&admin), admin, credential, claim: claim(uid), terms })
}

/// One look of the operator of a Kubernetes cluster: its verdict, and the status that it would have from then on.
struct Operator {
    connection: Arc<Connection>,
    clusters: Clusters,
    status: Value,
}

impl Operator {
    fn new(fake: &Fake, uid: &str) -> Self {
        Self { connection: connect(fake, uid), clusters: Clusters::settling(SETTLE), status: Value::Null }
    }

    async fn look(&mut self, spec: &Value) -> Result<(), Unusable> {
        let cluster = cluster(spec, &self.status);
        let mut seen: Seen = observe::ask(Arc::clone(&self.connection)).await?;
        let verdict = settle(&self.clusters, &cluster, &mut seen).await;
        if let Some(status) = report::status(&cluster, Some(&seen), &verdict, false, Timestamp::now()) {
            self.status = json!(status);
        }
        self.connection = seen.told().connection;
        verdict
    }

    fn writes(fake: &Fake) -> usize {
        [ApiKey::CreateAcls, ApiKey::DeleteAcls, ApiKey::AlterUserScramCredentials]
            .map(|api| fake.seen(api).len())
            .iter()
            .sum()
    }
}

fn claims(fake: &Fake) -> Vec<String> {
    let script = fake.script.lock().unwrap();
    let rules = &script.store.as_ref().unwrap().rules;
    let mut uids: Vec<String> = rules.iter().filter_map(Claim::of_rule).map(|claim| claim.uid).collect();
    uids.sort();
    uids
}

#[tokio::test]
async fn a_scope_is_claimed_once_and_then_only_looked_at() {
    let fake = closed().await;
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    assert_eq!(claims(&fake), ["a"]);
    assert_eq!((&operator.status["claimedBy"], &operator.status["scope"]), (&json!("a"), &json!("shop")));
    let (status, writes) = (operator.status.clone(), Operator::writes(&fake));
    operator.look(&json!({})).await.unwrap();
    assert_eq!((operator.status, Operator::writes(&fake)), (status, writes), "at rest nothing is written");
    verify_claim(&operator.connection).await.unwrap();
}

#[tokio::test]
async fn of_two_that_claim_at_once_one_works() {
    let fake = closed().await;
    let (mut one, mut two) = (Operator::new(&fake, "a"), Operator::new(&fake, "b"));
    let spec = json!({});
    let verdicts = tokio::join!(one.look(&spec), two.look(&spec));
    assert_eq!(verdicts.0, Ok(()));
    let refused = verdicts.1.unwrap_err();
    assert_eq!(refused.reason, Reason::ScopeClaimed);
    assert!(refused.message.contains("uid a"), "{}", refused.message);
    assert_eq!(claims(&fake), ["a"]);
    assert_eq!(two.status["claimedBy"], "a");
}

#[tokio::test]
async fn what_another_claimed_is_taken_over_only_by_name_and_only_once() {
    let fake = closed().await;
    let (mut old, mut new) = (Operator::new(&fake, "b"), Operator::new(&fake, "a"));
    old.look(&json!({})).await.unwrap();
    assert_eq!(new.look(&json!({})).await.unwrap_err().reason, Reason::ScopeClaimed);
    assert_eq!(new.look(&json!({"adopt": "c"})).await.unwrap_err().reason, Reason::ScopeClaimed);
    assert_eq!(claims(&fake), ["b"], "a rival's claim is not touched");

    new.look(&json!({"adopt": "b"})).await.unwrap();
    assert_eq!(claims(&fake), ["a"]);
    assert_eq!(new.status["adopted"], "b");
    let error = verify_claim(&old.connection).await.unwrap_err();
    assert!(error.reason == Reason::ScopeClaimed && error.message.contains("uid a"), "{error:?}");
    assert_eq!(old.look(&json!({})).await.unwrap_err().reason, Reason::ScopeClaimed);

    // It is taken back: the order that was carried out is not carried out again.
    old.look(&json!({"adopt": "a"})).await.unwrap();
    assert_eq!(new.look(&json!({"adopt": "b"})).await.unwrap_err().reason, Reason::ScopeClaimed);
    assert_eq!(claims(&fake), ["b"]);
    new.look(&json!({})).await.unwrap_err();
    new.look(&json!({"adopt": "b"})).await.unwrap();
    assert_eq!(claims(&fake), ["a"]);
}

#[tokio::test]
async fn who_holds_a_scope_stands_still_beside_a_rival_and_keeps_its_claim() {
    let fake = closed().await;
    let mut operator = Operator::new(&fake, "b");
    operator.look(&json!({})).await.unwrap();
    fake.script.lock().unwrap().store.as_mut().unwrap().rules.push(claim("a").rule());
    for _ in 0..2 {
        assert_eq!(operator.look(&json!({})).await.unwrap_err().reason, Reason::ScopeClaimed);
        assert!(verify_claim(&operator.connection).await.is_err());
        assert_eq!(claims(&fake), ["a", "b"]);
    }
    fake.script.lock().unwrap().store.as_mut().unwrap().rules.retain(|rule| *rule != claim("a").rule());
    operator.look(&json!({})).await.unwrap();
}

#[tokio::test]
async fn neighbours_are_named_and_do_no_harm() {
    let fake = closed().await;
    let neighbour = Claim { scope: Scope::parse("bank").unwrap(), uid: "n".into() };
    fake.script.lock().unwrap().store.as_mut().unwrap().rules.push(neighbour.rule());
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    assert_eq!(operator.status["neighbours"], json!([{"scope": "bank", "uid": "n"}]));
}

#[tokio::test]
async fn a_connection_knows_every_neighbour_and_those_too_that_came_while_claims_settled() {
    let fake = closed().await;
    let scopes: BTreeSet<Scope> = (0..40).map(|n| Scope::parse(&format!("bank{n}")).unwrap()).collect();
    let rules = scopes.iter().map(|scope| Claim { scope: scope.clone(), uid: "n".into() }.rule());
    let (rules, script) = (rules.collect::<Vec<_>>(), Arc::clone(&fake.script));
    // They claim while ours is written: the first question did not show them.
    tokio::spawn(async move {
        let ours_is_there = || script.lock().unwrap().store.as_ref().unwrap().rules.contains(&claim("a").rule());
        while !ours_is_there() {
            tokio::time::sleep(SETTLE / 20).await;
        }
        script.lock().unwrap().store.as_mut().unwrap().rules.extend(rules);
    });
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    assert_eq!(operator.connection.terms.neighbours, scopes);
    let named = operator.status["neighbours"].as_array().unwrap().len();
    assert!((1..scopes.len()).contains(&named), "a status names some: {named}");
}

#[tokio::test]
async fn a_claim_that_is_gone_is_seen_before_anything_is_taken_away() {
    let fake = closed().await;
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    fake.script.lock().unwrap().store.as_mut().unwrap().rules.clear();
    let error = verify_claim(&operator.connection).await.unwrap_err();
    assert!(error.message.contains("is not in Kafka"), "{error:?}");
    operator.look(&json!({})).await.unwrap();
    verify_claim(&operator.connection).await.unwrap();
}

#[tokio::test]
async fn each_missing_right_is_named_and_nothing_is_written() {
    let bits = |operations: &[Operation]| operations.iter().fold(0, |bits, operation| bits | 1 << operation.code());
    for (operations, lacking) in [
        (bits(&[]), "Describe on Cluster"),
        (bits(&[Operation::Describe]), "Alter on Cluster; Create on Cluster, or on Topic"),
        (bits(&[Operation::Describe, Operation::Alter]), "Create on Cluster, or on Topic"),
    ] {
        let fake = keeping(Store { operations, ..Store::new() }).await;
        let refused = Operator::new(&fake, "a").look(&json!({})).await.unwrap_err();
        assert_eq!(refused.reason, Reason::KafkaAuthorizationFailed);
        assert!(refused.message.contains(&format!("{SUPER} lacks: {lacking}")), "{}", refused.message);
        assert_eq!(Operator::writes(&fake), 0);
    }
}

#[tokio::test]
async fn a_right_that_some_of_the_work_needs_is_told_and_holds_nobody_up() {
    let bits = |operations: &[Operation]| operations.iter().fold(0, |bits, operation| bits | 1 << operation.code());
    let store = Store::new();
    let (all, few) = (store.operations, bits(&[Operation::Describe, Operation::Alter, Operation::Create]));
    let fake = keeping(store).await;
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    let said = |status: &Value| {
        let conditions = status["conditions"].as_array().unwrap().clone();
        conditions.into_iter().find(|condition| condition["type"] == "RightsMissing")
    };
    assert_eq!(said(&operator.status), None);
    let questions = fake.seen(ApiKey::DescribeAcls).len();
    operator.look(&json!({})).await.unwrap();
    assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), questions + 1, "the claims alone: the rest was told on the way");

    let set = |cluster, topics| {
        let mut script = fake.script.lock().unwrap();
        let store = script.store.as_mut().unwrap();
        (store.operations, store.on_topics) = (cluster, topics);
    };
    set(few, bits(&[Operation::Describe, Operation::DescribeConfigs, Operation::AlterConfigs, Operation::Alter]));
    operator.look(&json!({})).await.unwrap();
    let told = said(&operator.status).unwrap();
    let message = told["message"].as_str().unwrap();
    assert_eq!((&told["status"], &told["reason"]), (&json!("True"), &json!("KafkaAuthorizationFailed")));
    for right in ["DescribeConfigs on Cluster", "AlterConfigs on Cluster", "Delete on Topic"] {
        assert!(message.contains(right), "{message}");
    }
    assert!(message.contains(SUPER) && !message.contains("Alter on Topic"), "{message}");

    set(all, all);
    operator.look(&json!({})).await.unwrap();
    assert_eq!(said(&operator.status), None, "it was granted");
}

#[tokio::test]
async fn who_may_no_longer_ask_forgets_nothing() {
    let fake = closed().await;
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({})).await.unwrap();
    fake.script.lock().unwrap().store.as_mut().unwrap().operations = 0;
    assert_eq!(operator.look(&json!({})).await.unwrap_err().reason, Reason::KafkaAuthorizationFailed);
    assert_eq!(operator.status["claimedBy"], "a");
}

#[tokio::test]
async fn without_an_authorizer_nothing_is_done() {
    let fake = keeping(Store { disabled: true, ..Store::new() }).await;
    let refused = Operator::new(&fake, "a").look(&json!({})).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NoAuthorizer);
    assert_eq!(Operator::writes(&fake), 0);
}

/// A Kafka whose setting is set and hidden.
fn hidden(everyone: bool) -> Store {
    let mut store = Store { everyone, ..Store::new() };
    store.configs.insert("allow.everyone.if.no.acl.found", None);
    store
}

#[tokio::test]
async fn a_hidden_setting_is_found_out_by_a_witness_who_is_gone_afterwards() {
    for everyone in [false, true] {
        let fake = keeping(hidden(everyone)).await;
        let mut operator = Operator::new(&fake, "a");
        let verdict = operator.look(&json!({})).await.map_err(|unusable| unusable.reason);
        assert_eq!(verdict, if everyone { Err(Reason::EveryoneAllowed) } else { Ok(()) });
        let witness = "admittance_witness.shop";
        assert_eq!(
            fake.seen(ApiKey::AlterUserScramCredentials).concat(),
            [format!("+{witness}"), format!("-{witness}")]
        );
        assert!(fake.script.lock().unwrap().store.as_ref().unwrap().users.is_empty());
        let (status, writes) = (operator.status.clone(), Operator::writes(&fake));
        assert_eq!(operator.look(&json!({})).await.is_ok(), !everyone);
        assert_eq!((operator.status, Operator::writes(&fake)), (status, writes), "what is known is not asked again");
    }
}

#[tokio::test]
async fn who_acknowledges_an_open_cluster_may_work_on_it() {
    let fake = keeping(hidden(true)).await;
    let mut operator = Operator::new(&fake, "a");
    operator.look(&json!({"acknowledgeOpenCluster": true})).await.unwrap();
    assert!(fake.seen(ApiKey::AlterUserScramCredentials).is_empty(), "there is nothing to find out");
}

#[tokio::test]
async fn where_rules_speak_of_every_name_the_setting_has_no_say() {
    let mut store = hidden(true);
    for kind in [ResourceType::Topic, ResourceType::Group] {
        store.rules.push(AclBinding::allow("User:ops", Operation::All, kind, PatternType::Literal, "*"));
    }
    let fake = keeping(store).await;
    Operator::new(&fake, "a").look(&json!({})).await.unwrap();
    assert!(fake.seen(ApiKey::AlterUserScramCredentials).is_empty());
}

#[tokio::test]
async fn a_setting_that_is_told_needs_no_witness() {
    for (value, verdict) in [("true", Err(Reason::EveryoneAllowed)), ("false", Ok(()))] {
        let mut store = Store::new();
        store.configs.insert("allow.everyone.if.no.acl.found", Some(value));
        let fake = keeping(store).await;
        let found = Operator::new(&fake, "a").look(&json!({})).await.map_err(|unusable| unusable.reason);
        assert_eq!(found, verdict);
        assert!(fake.seen(ApiKey::AlterUserScramCredentials).is_empty());
    }
}
