//! Tells who asks for an access and waits why it does: a developer looks there first. What made the Pods is told with them, once for all.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::stream::{StreamExt, iter};
use k8s_openapi::api::core::v1::ObjectReference;

use crate::access::Context;
use crate::access::asks::{self, Ask, Asker};
use crate::access::plan::Plan;
use crate::access::report::ACTION;
use crate::access::seen::Observation;
use crate::api::reasons::Reason;
use crate::clusters::Unusable;
use crate::runtime::events::Entry;
use crate::watch::AccessKey;

/// Events that are written at the same time.
const AT_ONCE: usize = 8;

/// Something to tell somebody.
#[derive(Debug, Clone)]
struct Message<'m> {
    to: ObjectReference,
    why: &'m Unusable,
    entry: Entry,
}

/// Tells what a pass found. Where the access is `ready` all the same, its own Pods run or start, and nothing is to be told them.
pub async fn tell(context: &Context, seen: &Observation, plan: &Plan, ready: bool) {
    let obstacle = plan.obstacle.as_ref().filter(|_| !ready);
    let messages = messages(&seen.asks, |asker| plan.strangers.get(asker.uid()).map(own).or(obstacle.map(shared)));
    let due = context.told.renew(&seen.key, &entries(&messages), Instant::now());
    send(context, messages, &due).await;
}

/// Tells what ended a pass. The next one may end otherwise: each reason is told as seldom as if it stood.
pub async fn tell_halted(context: &Context, key: &AccessKey, why: &Unusable) {
    let claim = context.world.accesses.get(&(&key.0, &key.1));
    let asks = asks::of(context, key, claim.as_deref());
    let messages = messages(&asks, |_| Some(shared(why)));
    let due = context.told.add(key, &entries(&messages), Instant::now());
    send(context, messages, &due).await;
}

/// What is wrong, and whether it is so with who asks, and not with the access.
type Fault<'f> = (&'f Unusable, bool);

const fn own(why: &Unusable) -> Fault<'_> {
    (why, true)
}

const fn shared(why: &Unusable) -> Fault<'_> {
    (why, false)
}

/// Who is to be told what: each who asks, and once a reason what made them. What is merely on its way is nobody's business yet.
fn messages<'m>(asks: &[Ask], fault: impl Fn(&Asker) -> Option<Fault<'m>>) -> Vec<Message<'m>> {
    let (mut messages, mut makers) = (Vec::new(), BTreeSet::new());
    for Ask { by, .. } in asks {
        let Some((why, own)) = fault(by).filter(|(why, _)| why.reason != Reason::Provisioning) else { continue };
        // Unlike a Pod's, a Deployment's annotations are corrected in place: one fault is followed by another of its kind.
        let words = if own && matches!(by, Asker::Deployment(_)) { why.message.as_str() } else { "" };
        let entry = (why.reason, format!("{} {words}", by.uid()));
        messages.push(Message { to: by.reference(), why, entry });
        let Some(to) = by.maker() else { continue };
        let entry = (why.reason, to.uid.clone().unwrap_or_default());
        if makers.insert(entry.clone()) {
            messages.push(Message { to, why, entry });
        }
    }
    messages
}

fn entries(messages: &[Message<'_>]) -> BTreeSet<Entry> {
    messages.iter().map(|message| message.entry.clone()).collect()
}

async fn send(context: &Context, messages: Vec<Message<'_>>, due: &BTreeSet<Entry>) {
    let due = messages.into_iter().filter(|message| due.contains(&message.entry));
    let tell = |Message { to, why, .. }| async move {
        context.events.tell(&to, ACTION, why.reason, &why.message).await;
    };
    iter(due).for_each_concurrent(AT_ONCE, tell).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::access::look::{reviews, verdicts};
    use crate::api::annotations::{ACCESS, CONSUMES};
    use crate::api::names::{ClusterRef, Scope};
    use crate::api::resources::{AccessClaim, AccessClaimSpec, AccessClaimStatus, Conditions, READY};
    use crate::clusters::{Clusters, Halt};
    use crate::runtime::controller::Controller;
    use crate::runtime::events::{Events, REPEAT};
    use crate::runtime::fake_api::{Sent, api_server};
    use crate::runtime::queue::Next;
    use crate::watch::reach::Reach;
    use crate::watch::{PodFacts, World};

    /// An operator whose Pods `web-0` to `web-4` are those of two ReplicaSets, and `bare` is its own.
    fn operator() -> (Context, Sent) {
        let (client, sent) = api_server();
        let default_cluster = ClusterRef { namespace: "ops".into(), name: "default".into() };
        let world = Arc::new(World::new(default_cluster, Reach::default()));
        world.namespaces.put((String::new(), "shop".to_owned()), Default::default());
        let owner = |set: usize| {
            json!([{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{set}"), "uid": format!("set-{set}"),
                "controller": true,
            }])
        };
        let pod = |name: &str, owners: Value| {
            let meta = json!({
                "name": name, "namespace": "shop", "uid": name, "labels": {ACCESS: "web"},
                "annotations": {CONSUMES: "orders", "kafka.admittance.dev/workload": "web"}, "ownerReferences": owners,
            });
            let pod = PodFacts::new(&serde_json::from_value(meta).unwrap(), world.install()).unwrap();
            world.pods.put(("shop".to_owned(), name.to_owned()), pod);
        };
        (0..5).for_each(|number| pod(&format!("web-{number}"), owner(number / 3)));
        pod("bare", json!([]));
        let context = Context {
            events: Events::new(client.clone(), "operator-1"),
            client,
            world,
            clusters: Arc::new(Clusters::default()),
            scope: Scope::parse("k1").unwrap(),
            deployments_of_2017: false,
            told: Arc::default(),
            accounts: Arc::<reviews::Accounts>::default(),
            verdicts: Arc::<verdicts::Verdicts>::default(),
            gates: Arc::default(),
            clock: Arc::default(),
            queue: Default::default(),
        };
        (context, sent)
    }

    fn key() -> AccessKey {
        ("shop".to_owned(), "web".to_owned())
    }

    fn halt(reason: Reason) -> Halt {
        Halt::refused(reason, "why".to_owned())
    }

    /// Who was told since the last time, sorted.
    fn told(sent: &Sent) -> Vec<String> {
        let events = std::mem::take(&mut *sent.lock().unwrap());
        let mut told: Vec<String> = events
            .iter()
            .filter(|(_, sent)| sent["kind"] == "Event" || sent["regarding"].is_object())
            .map(|(_, event)| {
                let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                let about = &event["regarding"];
                [&about["kind"], &about["name"], &about["uid"], &event["reason"]].map(text).join(" ")
            })
            .collect();
        told.sort();
        told
    }

    fn everybody(reason: &str) -> Vec<String> {
        let pods =
            ["bare", "web-0", "web-1", "web-2", "web-3", "web-4"].map(|name| format!("Pod {name} {name} {reason}"));
        let sets = [0, 1].map(|set| format!("ReplicaSet web-{set} set-{set} {reason}"));
        pods.into_iter().chain(sets).collect()
    }

    #[tokio::test]
    async fn a_look_that_stops_is_told_to_the_pods_and_once_to_what_made_them() {
        let (context, sent) = operator();
        context.halted(&key(), halt(Reason::KafkaRefused)).await;
        assert_eq!(told(&sent), everybody("KafkaRefused"));
        for reason in [Reason::KafkaRefused, Reason::Provisioning] {
            context.halted(&key(), halt(reason)).await;
            assert_eq!(told(&sent), [""; 0], "{reason:?}");
        }
        context.halted(&key(), halt(Reason::KafkaUnreachable)).await;
        assert_eq!(told(&sent), everybody("KafkaUnreachable"));
        for turn in 0..100 {
            let reason = [Reason::KafkaRefused, Reason::KafkaUnreachable][turn % 2];
            context.halted(&key(), halt(reason)).await;
        }
        assert_eq!(told(&sent), [""; 0], "looks that stop in turn write nothing new");
    }

    #[tokio::test]
    async fn where_the_cluster_cannot_be_worked_with_pods_are_looked_at_again_before_their_events_are_gone() {
        let (context, sent) = operator();
        let Ok(Next::After(next)) = context.look(&key()).await else { panic!("nobody would tell them again") };
        assert!(next + REPEAT < Duration::from_secs(3600), "{next:?}");
        let told = told(&sent);
        let others: Vec<_> = told.iter().filter(|told| !told.starts_with("AccessClaim")).cloned().collect();
        assert_eq!(others, everybody("ClusterNotFound"));
    }

    #[tokio::test]
    async fn pods_of_an_access_that_stays_ready_are_not_told_that_kafka_is_away() {
        let (context, sent) = operator();
        let mut claim = AccessClaim::new("web", AccessClaimSpec { workload: "web".into(), ..AccessClaimSpec::empty() });
        claim.metadata.namespace = Some("shop".to_owned());
        let mut status = AccessClaimStatus::default();
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        Conditions::new(&mut status.conditions, None, now).say(READY, true, Reason::Ready, "proven");
        claim.status = Some(status);
        context.world.accesses.put(key(), claim);
        context.halted(&key(), halt(Reason::KafkaUnreachable)).await;
        assert_eq!(told(&sent), [""; 0]);
        context.halted(&key(), halt(Reason::KafkaAuthorizationFailed)).await;
        let told = told(&sent);
        let pods: Vec<_> = told.iter().filter(|told| !told.starts_with("AccessClaim")).cloned().collect();
        assert_eq!(pods, everybody("KafkaAuthorizationFailed"));
    }

    #[tokio::test]
    async fn who_asks_wrongly_is_told_so_with_what_made_it_and_the_others_are_not() {
        let (context, sent) = operator();
        let asks = asks::of(&context, &key(), None);
        let wrong = Unusable { reason: Reason::AccessTaken, message: "taken".to_owned() };
        let messages = messages(&asks, |asker| (asker.name() == "web-3").then_some(own(&wrong)));
        let due = entries(&messages);
        send(&context, messages, &due).await;
        assert_eq!(told(&sent), ["Pod web-3 web-3 AccessTaken", "ReplicaSet web-1 set-1 AccessTaken"]);
    }
}
