//! Says who is missing, and what is held: in the status of the cluster, each only when it changes, and in an Event when it begins.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde_json::json;

use super::Context;
use super::plan::{Held, Plan};
use crate::api::annotations::RELEASE;
use crate::api::reasons::Reason;
use crate::api::resources::{BrokerCluster, Conditions, holds};
use crate::clusters::Halt;
use crate::runtime::status::{self, Base};
use crate::watch::table::Name;

/// The condition type that says that too many users are missing.
pub const HELD: &str = "SweepHeld";
/// The action that Events name.
const ACTION: &str = "SweepUsers";

/// Writes down who is missing.
///
/// # Errors
/// The status was not written, as it is not where somebody else wrote first.
pub async fn report(context: &Context, name: &Name, cluster: &BrokerCluster, plan: &Plan) -> Result<(), Halt> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut status = before.clone();
    status.absent.clone_from(&plan.absent);
    let now = Time(Timestamp::now());
    let mut conditions = Conditions::new(&mut status.conditions, cluster.metadata.generation, now);
    let message = message(plan, name);
    match &message {
        Some(message) => conditions.say(HELD, true, Reason::SweepHeld, message),
        None => conditions.end(HELD, false, Reason::Ready, "nothing is held"),
    }
    if status == before {
        return Ok(());
    }
    let written = json!({"absent": status.absent, "conditions": status.conditions});
    let words = ("write the BrokerCluster's status", "broker_cluster_status");
    status::write(&context.client, cluster, Base::Unchanged, written, words).await?;
    if let Some(message) = message.filter(|_| !holds(&before.conditions, HELD)) {
        context.events.tell(&cluster.object_ref(&()), ACTION, Reason::SweepHeld, &message).await;
    }
    Ok(())
}

/// What is held, and how it is released; nothing where nothing is.
fn message(plan: &Plan, (namespace, name): &Name) -> Option<String> {
    let (first, others) = plan.held.split_first()?;
    let mut told = format!("{} of {} users in Kafka have no AccessClaim{}", first.count, plan.users, about(first));
    for held in others {
        told.push_str(&format!("; {} more have none{}", held.count, about(held)));
    }
    let words: Vec<&str> = plan.held.iter().map(|held| held.word.as_str()).collect();
    let which =
        if others.is_empty() { "exactly these" } else { "exactly these (each namespace has a word of its own)" };
    let due = plan.held.iter().map(|held| held.due).max().unwrap_or_default();
    Some(format!(
        "{told}. If that is right, release {which}, which takes effect at {due:.0}, or at once where that is past: kubectl annotate \
         brokercluster {name} --namespace {namespace} --overwrite {RELEASE}={}",
        words.join(",")
    ))
}

fn about(held: &Held) -> String {
    let whose = held.namespace.as_ref().map(|namespace| format!(", all of namespace {namespace}")).unwrap_or_default();
    let more = match held.more {
        0 => String::new(),
        more => format!(" ({more} more follow when these are gone)"),
    };
    format!("{whose}: {}{more}", held.named)
}

#[cfg(test)]
mod tests {
    use super::super::samples::context;
    use super::*;
    use crate::runtime::fake_api::api_server_of;

    fn held(namespace: Option<&str>, count: usize, second: i64) -> Held {
        Held {
            namespace: namespace.map(str::to_owned),
            count,
            more: 0,
            word: format!("word-{second}"),
            named: "k.a.b".to_owned(),
            due: Timestamp::from_second(second).unwrap(),
        }
    }

    fn plan(held: Vec<Held>) -> Plan {
        Plan { held, users: 40, ..Plan::default() }
    }

    #[test]
    fn a_message_says_who_waits_what_for_and_since_when_a_release_counts() {
        let name = ("ops".to_owned(), "default".to_owned());
        assert_eq!(message(&plan(Vec::new()), &name), None);
        let command =
            "kubectl annotate brokercluster default --namespace ops --overwrite kafka.admittance.dev/release-sweep=";
        let all = message(&plan(vec![held(None, 9, 3600)]), &name).unwrap();
        assert_eq!(
            all,
            format!(
                "9 of 40 users in Kafka have no AccessClaim: k.a.b. If that is right, release exactly these, which takes effect at \
                 1970-01-01T01:00:00Z, or at once where that is past: {command}word-3600"
            )
        );
        let two = message(&plan(vec![held(Some("a"), 9, 3600), held(Some("b"), 8, 60)]), &name).unwrap();
        assert!(
            two.starts_with("9 of 40 users in Kafka have no AccessClaim, all of namespace a: k.a.b; 8 more"),
            "{two}"
        );
        assert!(
            two.contains("at 1970-01-01T01:00:00Z") && two.ends_with(&format!("{command}word-3600,word-60")),
            "{two}"
        );
        let many = message(&plan(vec![Held { more: 7, ..held(None, 9, 0) }]), &name).unwrap();
        assert!(many.contains("k.a.b (7 more follow when these are gone). If"), "{many}");
    }

    #[tokio::test]
    async fn an_event_tells_that_it_begins_and_no_more() {
        let external = json!({"bootstrapServers": "k:9092", "adminSecret": {"name": "a"}});
        let (client, sent) = api_server_of(json!({"metadata": {"name": "default"}, "spec": {"external": external}}));
        let context = context(client);
        let name = ("ops".to_owned(), "default".to_owned());
        let mut cluster = BrokerCluster::clone(&context.world.clusters.get(&("ops", "default")).unwrap());
        let look = async |cluster: &mut BrokerCluster, plan: &Plan| {
            report(&context, &name, cluster, plan).await.unwrap();
            let sent: Vec<_> = std::mem::take(&mut *sent.lock().unwrap());
            for (_, status) in sent.iter().filter(|(verb, _)| verb == "PATCH") {
                let conditions = serde_json::from_value(status["status"]["conditions"].clone()).unwrap();
                cluster.status.get_or_insert_default().conditions = conditions;
            }
            let events = sent.iter().filter(|(verb, _)| verb == "POST");
            events.map(|(_, event)| (event["reason"].clone(), event["regarding"]["name"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(look(&mut cluster, &plan(Vec::new())).await, []);
        let begins = [(json!("SweepHeld"), json!("default"))];
        assert_eq!(look(&mut cluster, &plan(vec![held(None, 9, 60)])).await, begins);
        assert_eq!(look(&mut cluster, &plan(vec![held(None, 10, 90)])).await, [], "it goes on");
        assert_eq!(look(&mut cluster, &plan(Vec::new())).await, []);
        assert_eq!(look(&mut cluster, &plan(vec![held(None, 9, 120)])).await, begins);
    }
}
