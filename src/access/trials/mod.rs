//! What is planned for one access: a day in which all is well, and what differs from it.

mod echo;
mod lending;
mod life;
mod model;
mod passwords;
mod policy;
mod rights;
mod unseen;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::access::asks::wishes::Wishes;
use crate::access::given::groups::GroupView;
use crate::access::given::prefix::Prefixes;
use crate::access::given::rights::{rights, rule};
use crate::access::given::topic_view::TopicView;
use crate::access::life::Ownership;
use crate::access::password::credentials::{data, iterations};
use crate::access::password::rotation::{Reader, Request};
use crate::access::password::secret_view::{Ours, SecretView};
use crate::access::plan::{Plan, plan};
use crate::access::seen::{Held, Observation, Subject};
use crate::access::step::{Handout, Step};
use crate::api::names::Scope;
use crate::api::reasons::Reason;
use crate::api::resources::{
    AccessClaim, AccessClaimStatus, AccessSource, BrokerCluster, Conditions, READY, Right, SaslMechanism, TopicClaim,
    TopicClaimSpec, TopicClaimStatus, TopicSource, WorkloadOwner,
};
use crate::api::secret::Secret;
use crate::clusters::terms::terms;
use crate::clusters::{Ground, Terms, Unusable};
use crate::kafka::acl::fingerprint;
use crate::kafka::admin::users::StoredCredential;
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

/// What leads to a Kafka.
fn external() -> Value {
    json!({"external": {"bootstrapServers": "kafka:9092", "insecure": true, "adminSecret": {"name": "admin"}}})
}

/// A cluster of this policy.
fn ground(policy: &Value) -> Ground {
    let mut spec = external();
    let parts = spec.as_object_mut().unwrap();
    parts.extend(policy.as_object().unwrap().clone());
    let mut cluster = BrokerCluster::new("b", serde_json::from_value(spec).unwrap());
    cluster.metadata.namespace = Some("a".to_owned());
    let mut terms = terms(&cluster, None).unwrap();
    terms.mechanisms = vec![SaslMechanism::ScramSha256, SaslMechanism::ScramSha512];
    Ground { scope: Scope::parse("k1").unwrap(), terms }
}

/// What is seen of an access.
struct Day {
    ground: Ground,
    claim: AccessClaim,
    held: Held,
    seen: Observation,
}

impl Day {
    /// All is well: a workload that consumes `orders` and produces `bills`, in use for long.
    fn new() -> Self {
        Self::with(&json!({}))
    }

    /// The same, on a cluster of this policy.
    fn with(policy: &Value) -> Self {
        let ground = ground(policy);
        let spec = json!({
            "source": "Pods", "workload": "app", "cluster": "a/b", "consumes": ["orders"], "produces": ["bills"],
        });
        let mut claim = AccessClaim::new("app", serde_json::from_value(spec).unwrap());
        claim.metadata.namespace = Some("web".to_owned());
        claim.metadata.generation = Some(1);
        let prefixes = Prefixes { plain: Some("web.".to_owned()), ..Prefixes::default() };
        let rules = rights(USER, "app", &Wishes::of_claim(&claim.spec), (&prefixes, &Prefixes::default()));
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
            secret: secret(&ground.terms, Mechanism::Sha512),
            topics: ["orders", "bills"].map(|name| (name.to_owned(), topic(name, None))).into(),
            ..Held::default()
        };
        let seen = Observation {
            key: ("web".to_owned(), "app".to_owned()),
            claim: None,
            asks: Vec::new(),
            subject: Some(subject),
            accounts: Default::default(),
            held: Err(Unusable { reason: Reason::Provisioning, message: String::new() }),
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
        Self { ground, claim, held, seen }
    }

    fn plan(self) -> Plan {
        let Self { ground, claim, held, seen } = self;
        let seen = Observation { claim: Some(Arc::new(claim)), held: Ok((ground, held)), ..seen };
        plan(&seen).unwrap()
    }
}

fn secret(terms: &Terms, mechanism: Mechanism) -> SecretView {
    let handout = Handout {
        mechanism,
        group: "web.app".to_owned(),
        transactional_id: None,
        consumes: vec!["orders".to_owned()],
        produces: vec!["bills".to_owned()],
    };
    let data = data(&handout, (USER, &Secret::new(PASSWORD)), terms);
    SecretView::Ours(Ours {
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        rotation: 0,
        published: at(1000),
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
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

#[test]
fn at_rest_nothing_is_done() {
    let plan = Day::new().plan();
    assert_eq!((words(&plan), plan.obstacle, plan.overlap), (vec![], None, None));
}
