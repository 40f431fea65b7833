//! What is planned for one access: a day in which all is well, and what differs from it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::credentials::{Subject as CredentialSubject, data, iterations};
use super::groups::GroupView;
use super::life::Ownership;
use super::observe::{Held, Observation, SecretView, Subject, TopicView};
use super::plan::{Plan, plan};
use super::prefix::Prefixes;
use super::rights::{rights, rule};
use super::rotation::{Reader, Request};
use super::step::Step;
use super::wishes::Wishes;
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{
    AccessClaim, AccessClaimStatus, AccessSource, Conditions, READY, Right, SaslMechanism, TopicClaim, TopicClaimSpec,
    TopicClaimStatus, TopicSource,
};
use crate::api::secret::Secret;
use crate::clusters::claim::Claim;
use crate::clusters::observe::terms;
use crate::clusters::{Connection, Terms};
use crate::kafka::acl::fingerprint;
use crate::kafka::admin::Admin;
use crate::kafka::admin::users::StoredCredential;
use crate::kafka::batch::Batcher;
use crate::kafka::config::{ClientConfig, Credential, Endpoint};
use crate::kafka::scram::Mechanism;

const USER: &str = "k1.web.app";
const SECRET: &str = "app-kafka-credentials";
const PASSWORD: &str = "pw";
const NOW: i64 = 1_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn slot(mechanism: Mechanism) -> StoredCredential {
    let iterations = i32::try_from(iterations(&Secret::new(PASSWORD)).get()).unwrap();
    StoredCredential { mechanism, iterations }
}

fn reader(created: i64, started: bool) -> Reader {
    Reader { name: format!("pod-{created}"), created: at(created), started }
}

/// A cluster that nobody is to ask anything.
fn connection(policy: Value) -> Connection {
    let mut spec =
        json!({"external": {"bootstrapServers": "kafka:9092", "insecure": true, "adminSecret": {"name": "admin"}}});
    let parts = spec.as_object_mut().unwrap();
    parts.extend(policy.as_object().unwrap().clone());
    let cluster = serde_json::from_value(json!({
        "apiVersion": "kafka.admittance.dev/v1alpha1", "kind": "BrokerCluster",
        "metadata": {"name": "b", "namespace": "a"}, "spec": spec,
    }));
    let mut terms: Terms = terms(&cluster.unwrap(), None).unwrap();
    terms.mechanisms = vec![SaslMechanism::ScramSha256, SaslMechanism::ScramSha512];
    let nowhere = Endpoint { host: "unknown".to_owned(), port: 9092 };
    let admin = Admin::new(ClientConfig::new(vec![nowhere])).unwrap();
    Connection {
        batcher: Batcher::new(&admin),
        admin,
        credential: Credential { mechanism: Mechanism::Sha512, username: String::new(), password: Secret::new("") },
        claim: Claim { scope: Scope::parse("k1").unwrap(), uid: "uid".to_owned() },
        terms,
    }
}

/// What is seen of an access.
struct Day {
    connection: Connection,
    claim: AccessClaim,
    held: Held,
    seen: Observation,
}

impl Day {
    /// All is well: a workload that consumes `orders` and produces `bills`, in use for long.
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// The same, on a cluster of this policy.
    fn with(policy: Value) -> Self {
        let connection = connection(policy);
        let spec = json!({
            "source": "Pods", "workload": "app", "cluster": "a/b", "consumes": ["orders"], "produces": ["bills"],
        });
        let mut claim = AccessClaim::new("app", serde_json::from_value(spec).unwrap());
        claim.metadata.namespace = Some("web".to_owned());
        claim.metadata.generation = Some(1);
        let prefixes = Prefixes { plain: Some("web.".to_owned()), ..Prefixes::default() };
        let rules = rights(USER, ("web", "app"), &Wishes::of_claim(&claim.spec), &prefixes);
        let mut status = AccessClaimStatus {
            username: Some(USER.to_owned()),
            secret_name: Some(SECRET.to_owned()),
            rules: Some(fingerprint(&rules)),
            ..AccessClaimStatus::default()
        };
        let then = Time(at(0));
        Conditions::new(&mut status.conditions, Some(1), then).say(READY, true, Reason::Ready, "proven");
        claim.status = Some(status);
        let subject = Subject {
            workload: "app".to_owned(),
            cluster: "a/b".to_owned(),
            username: USER.to_owned(),
            secret_name: SECRET.to_owned(),
        };
        let held = Held {
            rules,
            slots: vec![slot(Mechanism::Sha512)],
            secret: secret(&connection.terms, Mechanism::Sha512),
            topics: ["orders", "bills"].map(|name| (name.to_owned(), topic(name, None))).into(),
            ..Held::default()
        };
        let seen = Observation {
            key: ("web".to_owned(), "app".to_owned()),
            claim: None,
            asks: Vec::new(),
            subject: Some(subject),
            accounts: Default::default(),
            held: Err(crate::clusters::Unusable { reason: Reason::Provisioning, message: String::new() }),
            credential_doubted: false,
            owners: vec![Ownership::Asks],
            labelled: Vec::new(),
            unplaced: false,
            opted_in: true,
            admitted: true,
            let_through: Default::default(),
            rotate: None,
            now: at(NOW),
        };
        Self { connection, claim, held, seen }
    }

    fn plan(self) -> Plan {
        let Self { connection, claim, held, seen } = self;
        let seen = Observation { claim: Some(Arc::new(claim)), held: Ok((Arc::new(connection), held)), ..seen };
        plan(&seen).unwrap()
    }
}

fn secret(terms: &Terms, mechanism: Mechanism) -> SecretView {
    let (consumes, produces) = (["orders".to_owned()], ["bills".to_owned()]);
    let subject =
        CredentialSubject { group: "web.app", username: USER, mechanism, consumes: &consumes, produces: &produces };
    let data = data(subject, &Secret::new(PASSWORD), terms);
    SecretView::Ours {
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        rotation: 0,
        published: at(1000),
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// A topic of the namespace's own; with a reason, its claim is not ready.
fn topic(name: &str, wrong: Option<Reason>) -> TopicView {
    let mut claim = TopicClaim::new(name, TopicClaimSpec::of(name, "a/b", TopicSource::Producer));
    claim.metadata.namespace = Some("web".to_owned());
    let mut status = TopicClaimStatus { topic_id: Some("id".into()), ..TopicClaimStatus::default() };
    if let Some(reason) = wrong {
        Conditions::new(&mut status.conditions, Some(1), Time(at(0))).say(READY, false, reason, "it is gone");
    }
    claim.status = Some(status);
    TopicView { claims: vec![Arc::new(claim)], exists: wrong.is_none(), ..TopicView::default() }
}

/// Steps in a word each.
fn words(plan: &Plan) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Grant(rules) => format!("grant {}", rules.len()),
        Step::Revoke(rules) => format!("revoke {}", rules.len()),
        Step::SetCredential { mechanism, fresh } => {
            format!("{} {}", if *fresh { "renew" } else { "set" }, mechanism.name())
        }
        Step::Prove { topics, .. } => format!("prove {}", topics.join(" ")),
        Step::Publish { rotation, .. } => rotation.map_or("publish".to_owned(), |number| format!("publish {number}")),
        Step::RemoveCredential(slots) => {
            format!("retire {}", slots.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(" "))
        }
        Step::RecordRotation { count, clear } => format!("record {count:?} {clear}"),
        Step::UpdateClaim(_) => "update".to_owned(),
        Step::ForgetRules => "unsettle".to_owned(),
        Step::Unpublish { .. } => "unpublish".to_owned(),
        Step::ConfirmEnd => "confirm".to_owned(),
        Step::DeleteClaim => "delete".to_owned(),
        other => format!("{other:?}"),
    };
    plan.steps.iter().map(word).collect()
}

#[tokio::test]
async fn at_rest_nothing_is_done() {
    let plan = Day::new().plan();
    assert_eq!((words(&plan), plan.obstacle, plan.overlap), (vec![], None, None));
}

#[tokio::test]
async fn a_group_is_on_record_where_it_was_first_asked_for() {
    let asks = |exists: bool| {
        let mut day = Day::new();
        day.claim.spec.groups = vec!["legacy".to_owned(), "web.own".to_owned()];
        let view = GroupView { claims: vec![Arc::new(day.claim.clone())], exists, ..GroupView::default() };
        day.held.groups.insert("legacy".to_owned(), view);
        day.plan()
    };
    assert_eq!(asks(false).groups, ["legacy"]);
    let refused = asks(true);
    assert!(refused.groups.is_empty());
    assert_eq!(refused.refused[0].reason, Reason::GroupUnclaimed.code(), "to have asked before gives nothing");
}

#[tokio::test]
async fn a_topic_that_is_gone_holds_up_nothing_else() {
    let mut day = Day::new();
    day.held.topics.insert("orders".to_owned(), topic("orders", Some(Reason::TopicMissing)));
    day.claim.spec.produces.push("more".to_owned());
    day.held.topics.insert("more".to_owned(), topic("more", None));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "grant 1", "prove bills more", "publish"]);
    assert_eq!(plan.obstacle.unwrap().reason, Reason::TopicMissing);
}

#[tokio::test]
async fn the_only_password_is_replaced_where_the_access_is_known_to_work() {
    let day = |wrong: Option<Reason>, mechanisms: &[SaslMechanism]| {
        let mut day = Day::new();
        day.connection.terms.mechanisms = mechanisms.to_vec();
        day.seen.rotate = Some(Request::Now);
        if let Some(reason) = wrong {
            let conditions = &mut day.claim.status.as_mut().unwrap().conditions;
            Conditions::new(conditions, Some(1), Time(at(0))).say(READY, false, reason, "");
        }
        words(&day.plan())
    };
    let (one, two) = (&[SaslMechanism::ScramSha512], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]);
    let recorded = "record Some(1) true";
    let in_place = [recorded, "renew SCRAM-SHA-512", "prove bills orders", "publish 1"];
    assert_eq!(day(None, one), in_place);
    assert_eq!(
        day(Some(Reason::KafkaUnreachable), one),
        [recorded, "prove bills orders"],
        "it is on record, and waits"
    );
    let beside = [recorded, "renew SCRAM-SHA-256", "prove bills orders", "publish 1"];
    assert_eq!(day(Some(Reason::KafkaUnreachable), two), beside, "the one in use stays");
}

#[tokio::test]
async fn the_password_of_an_earlier_life_goes_with_the_first_publication() {
    let first = |change: fn(&mut Day)| {
        let mut day = Day::new();
        day.claim.status = None;
        day.held.secret = SecretView::Absent;
        day.held.slots = vec![slot(Mechanism::Sha256)];
        day.held.readers = Some(vec![reader(NOW - 5, false)]);
        change(&mut day);
        words(&day.plan())
    };
    let (begun, gone) = (vec!["set SCRAM-SHA-512", "prove bills orders", "publish"], "retire SCRAM-SHA-256");
    let retired: Vec<_> = begun.iter().copied().chain([gone]).collect();
    assert_eq!(first(|_| {}), retired);
    assert_eq!(first(|day| day.held.readers = Some(Vec::new())), retired, "nobody reads it yet");
    assert_eq!(first(|day| day.held.slots.push(slot(Mechanism::Sha512))), retired, "the other is written anew");
    assert_eq!(first(|day| day.held.readers.as_mut().unwrap().push(reader(9, true))), begun, "it may have read it");
    assert_eq!(first(|day| day.held.readers = None), begun);
    assert_eq!(first(|day| day.claim.spec.source = AccessSource::Manual), begun);
    let copy = |day: &mut Day| {
        day.claim.spec.secrets = vec!["mine".to_owned()];
        day.held.copies.insert("mine".to_owned(), day.held.secret.clone());
    };
    assert!(first(copy).iter().any(|step| step == gone));
    let left = |day: &mut Day| {
        let stands = secret(&day.connection.terms, Mechanism::Sha256);
        day.held.copies.insert("mine".to_owned(), stands);
        day.claim.spec.secrets = vec!["mine".to_owned()];
    };
    assert!(!first(left).iter().any(|step| step == gone), "a copy of then tells it");
}

#[tokio::test]
async fn a_mechanism_that_is_given_up_stays_for_pods_that_use_it() {
    let day = |source: AccessSource| {
        let mut day = Day::new();
        day.claim.spec.source = source;
        day.connection.terms.mechanism = SaslMechanism::ScramSha256;
        day.connection.terms.mechanisms = vec![SaslMechanism::ScramSha256];
        day
    };
    let kept = ["set SCRAM-SHA-256", "prove bills orders", "publish 0"];
    assert_eq!(words(&day(AccessSource::Pods).plan()), kept, "the publication counts anew");
    assert_eq!(
        words(&day(AccessSource::Manual).plan()),
        kept,
        "though its clients have had all the time that there is"
    );
    let mut both = day(AccessSource::Pods);
    both.held.slots.push(slot(Mechanism::Sha256));
    both.held.readers = Some(vec![reader(5000, true)]);
    assert_eq!(words(&both.plan()), ["prove bills orders", "publish 0"], "a Pod from after the first publication");
}

#[tokio::test]
async fn an_old_password_goes_after_what_is_published_meanwhile() {
    let mut day = Day::new();
    day.held.slots.push(slot(Mechanism::Sha256));
    day.held.readers = Some(vec![reader(5000, true)]);
    day.claim.spec.produces.push("more".to_owned());
    day.held.topics.insert("more".to_owned(), topic("more", None));
    let plan = day.plan();
    assert_eq!(words(&plan), ["unsettle", "grant 1", "prove bills more orders", "publish"]);
    assert!(plan.next.is_some_and(|next| next <= Duration::from_secs(15)));
}

#[tokio::test]
async fn a_password_that_was_lost_is_made_anew_beside_the_one_in_use() {
    let lost = |mechanisms: &[SaslMechanism], rotations: i64, change: fn(&mut SecretView)| {
        let mut day = Day::new();
        day.connection.terms.mechanisms = mechanisms.to_vec();
        day.claim.status.as_mut().unwrap().rotations = rotations;
        if let SecretView::Ours { rotation, .. } = &mut day.held.secret {
            *rotation = rotations;
        }
        change(&mut day.held.secret);
        words(&day.plan())
    };
    let emptied = |view: &mut SecretView| {
        let SecretView::Ours { data, .. } = view else { panic!() };
        data.insert("password".to_owned(), Secret::new(""));
    };
    let removed = |view: &mut SecretView| {
        let SecretView::Ours { data, .. } = view else { panic!() };
        data.clear();
    };
    let (one, two) = (&[SaslMechanism::ScramSha512], &[SaslMechanism::ScramSha256, SaslMechanism::ScramSha512]);
    for change in [emptied, removed, |view| *view = SecretView::Absent] {
        assert_eq!(lost(two, 0, change), ["set SCRAM-SHA-256", "prove bills orders", "publish 0"]);
        assert_eq!(lost(two, 2, change), ["set SCRAM-SHA-256", "prove bills orders", "publish 2"]);
        assert_eq!(lost(one, 0, change), ["set SCRAM-SHA-512", "prove bills orders", "publish 0"], "there is no other");
    }
}

#[tokio::test]
async fn nothing_is_published_beside_a_password_that_is_left_as_somebody_made_it() {
    let day = |drift: &str| {
        let mut day = Day::with(json!({"credentials": {"drift": drift}}));
        day.held.slots[0].iterations += 1;
        day.claim.spec.produces.push("more".to_owned());
        day.held.topics.insert("more".to_owned(), topic("more", None));
        words(&day.plan())
    };
    assert_eq!(day("Revert"), ["unsettle", "grant 1", "set SCRAM-SHA-512", "prove bills more orders", "publish"]);
    assert_eq!(day("Report"), ["unsettle", "grant 1"]);
}

#[tokio::test]
async fn at_the_end_no_secret_outlives_its_password() {
    let mut day = Day::new();
    day.seen.owners = vec![Ownership::Gone];
    day.claim.status.as_mut().unwrap().idle_since = Some(Time(at(0)));
    let mut plan = day.plan();
    assert!(plan.ends);
    plan.steps.sort_by_key(Step::stage);
    assert_eq!(words(&plan), ["confirm", "revoke 3", "unpublish", "retire SCRAM-SHA-512", "delete"]);
}

#[tokio::test]
async fn an_end_waits_for_pods_that_carry_the_label() {
    let mut day = Day::new();
    day.seen.owners = vec![Ownership::Gone];
    day.seen.labelled = vec!["kept-by-hand".to_owned()];
    day.claim.status.as_mut().unwrap().idle_since = Some(Time(at(7)));
    let plan = day.plan();
    assert_eq!((words(&plan), plan.ends, plan.idle_since), (vec![], false, Some(Time(at(7)))));
    assert_eq!((plan.labelled, plan.next), (vec!["kept-by-hand".to_owned()], Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn rules_are_off_the_record_while_they_change() {
    let mut day = Day::new();
    day.held.rules.pop_first();
    day.claim.status.as_mut().unwrap().rules = None;
    assert_eq!(words(&day.plan()), ["grant 1", "prove bills orders"], "nothing is on record");

    // What a grant that was cut short has left, where the wish is withdrawn again.
    let left = rule(USER, Right::Produce, "more");
    let day = |on_record: bool| {
        let mut day = Day::with(json!({"credentials": {"drift": "Report"}}));
        day.held.rules.insert(left.clone());
        let status = day.claim.status.as_mut().unwrap();
        status.rules = status.rules.take().filter(|_| on_record);
        words(&day.plan())
    };
    assert!(day(true).is_empty(), "somebody added it");
    assert_eq!(day(false), ["revoke 1"]);
}

#[tokio::test]
async fn an_old_password_is_not_said_to_be_gone_when_a_new_one_is_published() {
    let said = |change: fn(&mut Day)| {
        let mut day = Day::new();
        change(&mut day);
        let plan = day.plan();
        (plan.overlap.map(|overlap| overlap.settled), plan.next)
    };
    let soon = Some(std::time::Duration::from_secs(15));
    let rotated = |day: &mut Day| day.seen.rotate = Some(Request::Now);
    assert_eq!(said(rotated), (Some(false), soon));
    let in_place = |day: &mut Day| {
        day.seen.rotate = Some(Request::Now);
        day.connection.terms.mechanisms = vec![SaslMechanism::ScramSha512];
    };
    assert_eq!(said(in_place).0, None, "there is no other");
    let lost = |day: &mut Day| day.held.secret = SecretView::Absent;
    assert_eq!(said(lost), (Some(false), soon));
    let due = |day: &mut Day| {
        day.held.slots.push(slot(Mechanism::Sha256));
        day.held.readers = Some(vec![reader(5000, true)]);
    };
    assert_eq!(said(due).0, None, "it goes in this very plan");
}
