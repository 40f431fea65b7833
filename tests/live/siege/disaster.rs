//! What the API server knew is lost: definitions with all their objects, or namespaces whose end nobody saw.

use serde_json::Value;

use crate::bed::{
    HOME, Namespace, Spec, apply, failed_logins, get, idle_pod, kubectl, no_login_failed_since, nothing_is_left, ready,
    rules_of, secret_of, slots_of, try_kubectl, unique, user_of, wait_for, wait_ready, with_input,
};
use crate::deletion::{Terms, declared};
use crate::operator::{credentials, without_operator};
use crate::steady::{Family, goes_on, no_complaint, steady_pod};
use crate::tools::kafka_tool;

const RELEASE: &str = "kafka.admittance.dev/release-sweep";
const DEFINITIONS: [&str; 3] = ["accessclaims", "topicclaims", "brokerclusters"];

/// The definitions and the BrokerCluster, which are there again with the guard, whatever happened.
struct Lost(Value);

impl Lost {
    fn delete() -> Self {
        let mut cluster = get(&["brokercluster", "default", "--namespace", HOME]);
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            cluster["metadata"].as_object_mut().unwrap().remove(field);
        }
        cluster.as_object_mut().unwrap().remove("status");
        let guard = Self(cluster);
        let names = DEFINITIONS.map(|kind| format!("{kind}.kafka.admittance.dev"));
        kubectl(&[&["delete", "crd", "--timeout=60s"], &names.each_ref().map(String::as_str)[..]].concat());
        guard
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        install_definitions();
        let _ = with_input(&["create", "--filename=-"], &self.0.to_string());
    }
}

/// As who upgrades does: the definitions, then what the chart makes of them.
pub(crate) fn install_definitions() {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/admittance/crds");
    let _ = try_kubectl(&["apply", "--server-side", "--force-conflicts", "--filename", crds]);
    let names = DEFINITIONS.map(|kind| format!("crd/{kind}.kafka.admittance.dev"));
    let wait = ["wait", "--for=condition=Established", "--timeout=60s"];
    let _ = try_kubectl(&[&wait[..], &names.each_ref().map(String::as_str)[..]].concat());
}

/// The claim on a topic, once it is ready.
pub(super) fn topic_claim(namespace: &str, topic: &str) -> Value {
    wait_for(&format!("{namespace} has a claim on {topic}, and it is ready"), || {
        let claims = get(&["topicclaims", "--namespace", namespace]);
        let claim = claims["items"].as_array().unwrap().iter().find(|claim| claim["spec"]["topicName"] == topic);
        let claim = claim.ok_or_else(|| claims["items"].to_string())?;
        ready(claim).map(|()| claim.clone())
    })
}

/// What must outlive all claims: rules, passwords and the Secret. It cannot be printed, and is compared alone.
#[derive(PartialEq, Eq)]
struct Assets {
    rules: Vec<String>,
    slots: Vec<String>,
    secret: Value,
}

/// The rules and the passwords of a user in Kafka.
pub(super) fn in_kafka(user: &str) -> [Vec<String>; 2] {
    let lines = |said: &str, words: &[&str]| {
        let told = said.lines().map(str::trim).filter(|line| words.iter().any(|word| line.contains(word)));
        let mut told: Vec<String> = told.map(str::to_owned).collect();
        told.sort();
        told
    };
    [lines(&rules_of(user), &["ResourcePattern(", "permissionType="]), lines(&slots_of(user), &["iterations="])]
}

impl Assets {
    fn of(namespace: &str, user: &str) -> Self {
        let [rules, slots] = in_kafka(user);
        Self { rules, slots, secret: secret_of(namespace, "app")["data"].clone() }
    }

    fn are_untouched(&self, namespace: &str, user: &str, when: &str) {
        let now = Self::of(namespace, user);
        assert_eq!((&now.rules, &now.slots), (&self.rules, &self.slots), "{user}, {when}");
        assert!(now == *self, "the Secret of {user} has changed, {when}");
    }
}

#[test]
fn definitions_that_are_deleted_and_made_again_cost_no_workload_anything() {
    let spaces = ["live-d-one", "live-d-two"].map(Namespace::opted_in);
    let failed = failed_logins();
    let workloads = spaces.each_ref().map(|space| (space.0.as_str(), unique(&space.0)));
    for (ns, topic) in &workloads {
        apply(&steady_pod(ns, "app", "app", Family::Librdkafka, topic));
    }
    let users = workloads.each_ref().map(|(ns, _)| user_of(ns, "app"));
    let topics = workloads.each_ref().map(|(ns, topic)| topic_claim(ns, topic));
    for (ns, _) in &workloads {
        wait_ready("pod", ns, "app");
        goes_on(ns, &["app"], "app");
    }
    // A topic that nobody uses, whose claim says Delete, and no time to undo it.
    let _terms = Terms::set("1s", "0s", 10_000);
    let (doomed, doomed_id) = declared(workloads[0].0, &unique("doomed"), "Delete");
    let before = [0, 1].map(|n| Assets::of(workloads[n].0, &users[n]));
    for assets in &before {
        assert!(assets.rules.iter().any(|rule| rule.contains("ALLOW")), "{:?}", assets.rules);
        assert_eq!(assets.slots.len(), 1);
    }

    let lost = Lost::delete();
    for (n, (ns, _)) in workloads.iter().enumerate() {
        goes_on(ns, &["app"], "app");
        before[n].are_untouched(ns, &users[n], "without definitions");
    }
    drop(lost);

    wait_ready("brokercluster", HOME, "default");
    for (n, (ns, topic)) in workloads.iter().enumerate() {
        let claim = wait_ready("accessclaim", ns, "app");
        assert_eq!(claim["status"]["username"], users[n].as_str());
        assert_eq!(claim["spec"]["produces"], serde_json::json!([topic]));
        assert_eq!(topic_claim(ns, topic)["status"]["topicId"], topics[n]["status"]["topicId"]);
        // A Pod that comes now finds everything as ever.
        apply(&steady_pod(ns, "later", "app", Family::Librdkafka, topic));
        wait_ready("pod", ns, "later");
        goes_on(ns, &["app", "later"], "app");
        goes_on(ns, &["app", "later"], "later");
        before[n].are_untouched(ns, &users[n], "with new definitions");
        no_complaint(ns, "app");
        no_complaint(ns, "later");
    }
    assert_eq!(doomed.id(), Some(doomed_id), "its claim went with the definitions, and nobody deleted it");
    no_login_failed_since(&failed);
}

pub(super) fn cluster() -> Value {
    get(&["brokercluster", "default", "--namespace", HOME])
}

/// What the BrokerCluster says of users that are held: nothing where none are.
pub(super) fn held() -> Option<String> {
    let conditions = cluster()["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let held = conditions.into_iter().find(|said| said["type"] == "SweepHeld" && said["status"] == "True");
    held.map(|said| said["message"].as_str().unwrap().to_owned())
}

/// Waits until so many users are held; the word that releases them.
fn word_for(count: usize) -> String {
    wait_for(&format!("{count} users are held"), || {
        let message = held().ok_or_else(|| "nothing is held".to_owned())?;
        if message.starts_with(&format!("{count} of ")) { Ok(word_in(&message)) } else { Err(message) }
    })
}

fn word_in(message: &str) -> String {
    message.rsplit_once(&format!("{RELEASE}=")).unwrap_or_else(|| panic!("no word: {message}")).1.to_owned()
}

fn release(word: &str) {
    let annotation = format!("{RELEASE}={word}");
    kubectl(&["annotate", "brokercluster", "default", "--namespace", HOME, "--overwrite", &annotation]);
}

/// Users with a password of which no AccessClaim tells: other tests' namespaces are gone, their users wait to be swept.
fn orphans() -> Vec<String> {
    let scope = format!("{}.", cluster()["status"]["scope"].as_str().unwrap());
    let claims = get(&["accessclaims", "--all-namespaces"]);
    let known: Vec<&str> =
        claims["items"].as_array().unwrap().iter().filter_map(|claim| claim["status"]["username"].as_str()).collect();
    let listed = kafka_tool("kafka-configs.sh", &["--describe", "--entity-type", "users"]);
    let users = listed.split('\'').filter(|word| word.starts_with(&scope) && !known.contains(word));
    users.map(str::to_owned).collect()
}

/// Nobody is missing but whom a test makes so, and who then is is swept soon; as before with the guard.
struct Sweep {
    _soon: Spec,
    /// Somebody stays: an API server that knows nobody at all would be asked about.
    keeper: Namespace,
    user: String,
}

impl Sweep {
    fn soon() -> Self {
        let keeper = Namespace::opted_in("live-d-keeper");
        apply(&idle_pod(&keeper.0, "keeper", &format!("kafka.admittance.dev/produces: {}", unique("keeper"))));
        let sweep = Self { user: user_of(&keeper.0, "keeper"), keeper, _soon: credentials("absentAfter", "5s") };
        wait_for("other tests' namespaces are gone", || {
            let leaving = get(&["namespaces", "--field-selector=status.phase=Terminating"]);
            let leaving = leaving["items"].as_array().unwrap().len();
            if leaving == 0 { Ok(()) } else { Err(format!("{leaving} are not")) }
        });
        wait_for("whom they left in Kafka is swept", || {
            let (orphans, held, absent) = (orphans(), held(), cluster()["status"]["absent"].clone());
            if let Some(message) = &held {
                release(&word_in(message));
            }
            let none = absent.as_array().is_none_or(Vec::is_empty);
            if orphans.is_empty() && held.is_none() && none { Ok(()) } else { Err(format!("{orphans:?} {held:?}")) }
        });
        sweep
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let all = ["annotate", "brokercluster", "default", "--namespace", HOME, &format!("{RELEASE}-")];
        let _ = try_kubectl(&all);
    }
}

/// Deletes namespaces while no operator looks. That has to end without one.
fn delete_unseen(namespaces: &[&str]) {
    without_operator(|| {
        kubectl(&[&["delete", "namespace", "--wait=false"], namespaces].concat());
        for name in namespaces {
            wait_for(&format!("namespace {name} is gone"), || {
                let found = kubectl(&["get", "namespace", name, "--ignore-not-found", "--output=json"]);
                if found.is_empty() { Ok(()) } else { Err(found) }
            });
        }
    });
}

#[test]
fn a_namespace_deleted_while_no_operator_runs_ends_and_its_user_is_swept() {
    let sweep = Sweep::soon();
    let (space, topic) = (Namespace::opted_in("live-d-gone"), unique("gone"));
    apply(&idle_pod(&space.0, "app", &format!("kafka.admittance.dev/produces: {topic}")));
    let user = user_of(&space.0, "app");
    delete_unseen(&[&space.0]);
    assert!(rules_of(&user).contains(&topic), "nobody was there to take it away");
    wait_for("the BrokerCluster names who is missing", || {
        let absent = cluster()["status"]["absent"].clone();
        let named = absent.as_array().is_some_and(|all| all.iter().any(|absent| absent["user"] == user.as_str()));
        if named { Ok(()) } else { Err(absent.to_string()) }
    });
    nothing_is_left(&space.0, "app", &user);
    wait_for("nobody is missing any more", || {
        let absent = cluster()["status"]["absent"].clone();
        if absent.as_array().is_none_or(Vec::is_empty) { Ok(()) } else { Err(absent.to_string()) }
    });
    assert!(rules_of(&sweep.user).contains("ALLOW"), "who is not missing stays");
    wait_ready("accessclaim", &sweep.keeper.0, "keeper");
}

#[test]
fn more_missing_users_than_usual_wait_for_the_word_that_releases_exactly_them() {
    let sweep = Sweep::soon();
    let spaces = ["live-d-many-one", "live-d-many-two"].map(Namespace::opted_in);
    let topic = unique("many");
    let mut users = Vec::new();
    for space in &spaces {
        for name in ["a", "b", "c"] {
            apply(&idle_pod(&space.0, name, &format!("kafka.admittance.dev/produces: {}.{topic}", space.0)));
            users.push((&space.0, name, user_of(&space.0, name)));
        }
    }
    let all_stand = || {
        for (_, _, user) in &users {
            assert!(rules_of(user).contains("ALLOW") && slots_of(user).contains("iterations="), "{user} was touched");
        }
    };
    delete_unseen(&spaces.each_ref().map(|space| space.0.as_str()));
    let word = word_for(users.len());
    all_stand();

    // One more is another question, with a word of its own; the word for six is good for the six all the same.
    let ghost = sweep.user.replace("live-d-keeper", "live-d-ghost");
    let password = ["--alter", "--add-config", "SCRAM-SHA-512=[iterations=4096,password=of-nobody]"];
    kafka_tool("kafka-configs.sh", &[&password[..], &["--entity-type", "users", "--entity-name", &ghost]].concat());
    let next = word_for(users.len() + 1);
    assert_ne!(next, word);
    all_stand();

    release(&word);
    for (namespace, name, user) in &users {
        nothing_is_left(namespace, name, user);
    }
    wait_for("nothing is held any more", || held().map_or(Ok(()), Err));
    wait_for("the seventh, alone now, goes without a question", || {
        let slots = slots_of(&ghost);
        if slots.contains("iterations=") { Err(slots) } else { Ok(()) }
    });
    assert!(rules_of(&sweep.user).contains("ALLOW"), "who is not missing stays");
}
