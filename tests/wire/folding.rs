//! Many callers make few requests, and each gets what is its own.

use std::{collections::HashSet, time::Duration};

use admittance::{
    api::secret::Secret,
    kafka::{
        acl::{AclBinding, Operation, PatternType, ResourceType},
        admin::{Admin, BrokerId, quotas::Quota, topics::NewTopic, users::UserChange},
        batch::Batcher,
        config::Credential,
        error::Error,
        proof::{Claim, Claimed, Unproven},
        scram::{Mechanism, ScramKeys},
    },
};
use futures::future::join_all;
use kafka_protocol::messages::ApiKey;

use crate::{
    admin, config,
    fake::{Fake, Script},
    scram_server::PASSWORD,
    store::Store,
};

fn keys() -> ScramKeys {
    ScramKeys::generate(Mechanism::Sha256, &Secret::new(PASSWORD)).unwrap()
}

fn rule(name: &str) -> AclBinding {
    AclBinding::allow("User:a", Operation::Read, ResourceType::Topic, PatternType::Literal, name)
}

fn topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: Some(partitions),
        replicas: None,
        configs: Default::default(),
        assignment: vec![],
    }
}

fn sizes(requests: &[Vec<String>]) -> Vec<usize> {
    requests.iter().map(Vec::len).collect()
}

async fn refusing(names: &[(&str, i16)]) -> Fake {
    let refused = names.iter().map(|(name, code)| ((*name).to_owned(), *code)).collect();
    Fake::start(Script { refused, ..Script::default() }).await
}

#[tokio::test]
async fn users_go_five_hundred_at_a_time_and_each_once() {
    let fake = Fake::start(Script::default()).await;
    let batcher = Batcher::new(&admin(&fake));
    let keys = keys();
    let upsert = |user: String| batcher.alter_user(UserChange::Upsert { user, keys: keys.clone() });
    let results = join_all((0..1200).map(|number| upsert(format!("u{}", number % 1100)))).await;
    assert!(results.iter().all(Result::is_ok));
    let requests = fake.seen(ApiKey::AlterUserScramCredentials);
    assert_eq!(sizes(&requests).iter().sum::<usize>(), 1200);
    assert!(requests.len() <= 4, "{:?}", sizes(&requests));
    for request in requests {
        assert!(request.len() <= 500);
        assert_eq!(request.iter().collect::<HashSet<_>>().len(), request.len());
    }
}

#[tokio::test]
async fn rules_and_partitions_keep_to_their_caps() {
    let fake = Fake::start(Script::default()).await;
    let batcher = Batcher::new(&admin(&fake));
    join_all((0..500).map(|number| batcher.create_acls((0..3).map(|i| rule(&format!("{number}.{i}"))).collect())))
        .await
        .into_iter()
        .for_each(|result| assert!(result.unwrap().is_some()));
    let created = within_cap(&fake.seen(ApiKey::CreateAcls), 1500, 1000);
    assert!(created.iter().all(|size| size % 3 == 0), "a caller's rules stay together: {created:?}");

    join_all((0..120).map(|number| batcher.delete_acls(vec![rule(&number.to_string())]))).await;
    within_cap(&fake.seen(ApiKey::DeleteAcls), 120, 50);

    join_all((0..10).map(|number| batcher.create_topic(topic(&format!("t{number}"), 300)))).await;
    within_cap(&fake.seen(ApiKey::CreateTopics), 10, 6);
}

/// The sizes of requests that hold `all` members in nearly as few as the cap allows: on a busy machine the time to wait for company may be
/// over before everybody came.
fn within_cap(requests: &[Vec<String>], all: usize, cap: usize) -> Vec<usize> {
    let sizes = sizes(requests);
    assert_eq!(sizes.iter().sum::<usize>(), all, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= cap) && sizes.len() <= all.div_ceil(cap) + 2, "{sizes:?}");
    sizes
}

#[tokio::test]
async fn one_refusal_is_one_callers() {
    let fake = refusing(&[("taken", 36), ("forbidden", 31)]).await;
    let batcher = Batcher::new(&admin(&fake));
    let names = ["a", "taken", "b"];
    let results = join_all(names.map(|name| batcher.create_topic(topic(name, 1)))).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(matches!(results[1], Err(Error::Invalid(_))));
    assert_eq!(fake.seen(ApiKey::CreateTopics).len(), 1);

    let groups = [vec![rule("a"), rule("forbidden")], vec![rule("b")]];
    let results = join_all(groups.map(|group| batcher.create_acls(group))).await;
    assert!(matches!(results[0], Err(Error::Denied(_))));
    assert!(results[1].is_ok());
}

/// Three brokers; the third is wherever `third` says.
async fn cluster(third: Option<&str>) -> (Vec<Fake>, Batcher) {
    let mut fakes = Vec::new();
    for _ in 0..3 {
        fakes.push(Fake::start(Script::default()).await);
    }
    let mut brokers: Vec<_> = (1..).zip(fakes.iter().map(|fake| fake.endpoint.clone())).collect();
    if let Some(third) = third {
        brokers[2].1 = third.parse().unwrap();
    }
    for fake in &fakes {
        fake.script.lock().unwrap().cluster = brokers.clone();
    }
    let admin = Admin::new(config(&[&fakes[0]])).unwrap();
    let batcher = Batcher::new(&admin);
    (fakes, batcher)
}

async fn grant(batcher: &Batcher, user: String) -> Vec<Claim> {
    let (topic, rules, ticket) = tokio::join!(
        batcher.create_topic(topic(&user, 1)),
        batcher.create_acls(vec![rule(&user)]),
        batcher.alter_user(UserChange::Upsert { user: user.clone(), keys: keys() }),
    );
    let credential =
        Credential { mechanism: Mechanism::Sha256, username: user.clone(), password: Secret::new(PASSWORD) };
    vec![
        Claim { what: Claimed::Topic(user.clone()), ticket: Some(topic.unwrap().1) },
        Claim { what: Claimed::Rule(rule(&user)), ticket: rules.unwrap() },
        Claim { what: Claimed::Login(credential, None), ticket: Some(ticket.unwrap()) },
    ]
}

#[tokio::test]
async fn the_lanes_of_one_grant_go_to_different_brokers() {
    let (fakes, batcher) = cluster(None).await;
    grant(&batcher, "one".into()).await;
    for api in [ApiKey::CreateTopics, ApiKey::CreateAcls, ApiKey::AlterUserScramCredentials] {
        let seen: Vec<_> = fakes.iter().map(|fake| fake.seen(api).len()).collect();
        assert_eq!(seen.iter().sum::<usize>(), 1);
    }
    for fake in &fakes {
        let writes: usize = [ApiKey::CreateTopics, ApiKey::CreateAcls, ApiKey::AlterUserScramCredentials]
            .map(|api| fake.seen(api).len())
            .iter()
            .sum();
        assert_eq!(writes, 1);
    }
}

#[tokio::test]
async fn one_login_a_broker_vouches_for_a_hundred_users() {
    let (fakes, batcher) = cluster(None).await;
    let claims = join_all((0..100).map(|number| grant(&batcher, format!("u{number}")))).await;
    let proofs = join_all(claims.into_iter().map(|claims| batcher.prove(claims, Duration::from_secs(5)))).await;
    for proof in proofs {
        let proof = proof.unwrap();
        assert_eq!(proof.proven, [1, 2, 3].map(BrokerId));
        assert!(proof.unreachable.is_empty());
    }
    for fake in &fakes {
        // The first to ask may be alone in the first round; all others are in the second.
        assert!(fake.seen(ApiKey::SaslHandshake).len() <= 2, "{}", fake.seen(ApiKey::SaslHandshake).len());
        assert!(fake.seen(ApiKey::DescribeAcls).len() <= 2, "{}", fake.seen(ApiKey::DescribeAcls).len());
    }
}

#[tokio::test]
async fn a_broker_out_of_reach_delays_a_proof_and_is_named_in_it() {
    let (_fakes, batcher) = cluster(Some("127.0.0.1:1")).await;
    let claims = grant(&batcher, "one".into()).await;
    let proof = batcher.prove(claims, Duration::from_secs(20)).await.unwrap();
    assert_eq!(proof.proven, [1, 2].map(BrokerId));
    assert_eq!(proof.unreachable.len(), 1);
    assert!(proof.unreachable[0].1.contains("refused"), "{:?}", proof.unreachable);
}

#[tokio::test]
async fn a_fenced_broker_delays_no_proof_and_is_named_in_it() {
    let (fakes, batcher) = cluster(None).await;
    fakes.iter().for_each(|fake| fake.script.lock().unwrap().fenced = vec![3]);
    let claims = grant(&batcher, "one".into()).await;
    let proof = batcher.prove(claims, Duration::from_secs(20)).await.unwrap();
    assert_eq!(proof.proven, [1, 2].map(BrokerId));
    assert_eq!(proof.unreachable.iter().map(|(broker, _)| *broker).collect::<Vec<_>>(), [BrokerId(3)]);
    assert!(proof.unreachable[0].1.contains("fenced"), "{:?}", proof.unreachable);
}

#[tokio::test]
async fn what_a_broker_does_not_serve_is_not_proven() {
    let (fakes, batcher) = cluster(None).await;
    let claims = grant(&batcher, "one".into()).await;
    // UNKNOWN_TOPIC_OR_PARTITION, at one broker of three.
    fakes[1].script.lock().unwrap().refused.insert("one".into(), 3);
    let Unproven { error, login } = batcher.prove(claims.clone(), Duration::from_millis(300)).await.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("broker 2"), "{error}");
    assert!(!login, "the topic is missing: that is no doubt of the password");
    let tried = fakes[1].seen(ApiKey::SaslAuthenticate);
    assert!(tried.iter().flatten().any(|said| said.contains("n=one,")), "a login waits for no topic: {tried:?}");
    fakes[1].script.lock().unwrap().refused.clear();
    batcher.prove(claims, Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn no_login_is_tried_while_a_broker_shows_the_password_before() {
    let fake = Fake::start(Script::default()).await;
    let batcher = Batcher::new(&admin(&fake));
    let password = Secret::new(PASSWORD);
    let credential = Credential { mechanism: Mechanism::Sha256, username: "one".into(), password: password.clone() };
    let login = |iterations: u32| {
        let keys = ScramKeys::derive(Mechanism::Sha256, &password, b"salt", iterations.try_into().unwrap());
        vec![Claim { what: Claimed::Login(credential.clone(), Some(keys)), ticket: None }]
    };
    let logins = || fake.seen(ApiKey::SaslAuthenticate).iter().flatten().filter(|said| said.contains("n=one,")).count();
    // The fake shows every user with 4096 iterations.
    let Unproven { error, login: by_login } = batcher.prove(login(4200), Duration::from_millis(200)).await.unwrap_err();
    assert!(error.is_retriable() && by_login, "{error}");
    assert_eq!(logins(), 0);
    batcher.prove(login(4096), Duration::from_secs(5)).await.unwrap();
    assert_eq!(logins(), 1);
}

#[tokio::test]
async fn rules_of_many_are_read_at_once_and_those_of_few_one_by_one() {
    let fake = Fake::start(Script { store: Some(Store::new()), ..Script::default() }).await;
    let batcher = Batcher::new(&admin(&fake));
    let user = |number: u32| format!("User:u{number}");
    let rule = |number: u32| {
        AclBinding::allow(user(number), Operation::Read, ResourceType::Topic, PatternType::Literal, "orders")
    };
    batcher.create_acls((0..600).map(rule).collect()).await.unwrap();
    // The first goes alone, and the others together while it is under way.
    let read = join_all((0..400).map(|number| batcher.describe_rules(user(number)))).await;
    for (number, read) in (0..400).zip(read) {
        assert_eq!(read.unwrap(), [rule(number)]);
    }
    let listed = fake.seen(ApiKey::DescribeAcls).len();
    assert!(listed <= 3, "{listed} requests");
    assert_eq!(batcher.describe_rules(user(599)).await.unwrap(), [rule(599)]);
    assert_eq!(batcher.describe_rules("User:nobody".into()).await.unwrap(), []);
    assert_eq!(fake.seen(ApiKey::DescribeAcls).len(), listed + 2);
}

#[tokio::test]
async fn quotas_of_many_are_read_at_once_and_those_of_few_one_by_one() {
    let fake = Fake::start(Script { store: Some(Store::new()), ..Script::default() }).await;
    let batcher = Batcher::new(&admin(&fake));
    let quota = |number: u32| Quota { producer_byte_rate: Some(f64::from(number + 1)), ..Quota::default() };
    let set = join_all((0..600).map(|number| batcher.alter_quota(format!("u{number}"), quota(number)))).await;
    assert!(set.iter().all(Result::is_ok));
    assert!(fake.seen(ApiKey::AlterClientQuotas).len() <= 3);
    let read = join_all((0..400).map(|number| batcher.describe_quota(format!("u{number}")))).await;
    for (number, read) in (0..400).zip(read) {
        assert_eq!(read.unwrap(), quota(number));
    }
    let listed = fake.seen(ApiKey::DescribeClientQuotas).len();
    assert!(listed <= 3, "{listed} requests");
    assert_eq!(batcher.describe_quota("u599".into()).await.unwrap(), quota(599));
    assert_eq!(batcher.describe_quota("nobody".into()).await.unwrap(), Quota::default());
    assert_eq!(fake.seen(ApiKey::DescribeClientQuotas).len(), listed + 2);
}
