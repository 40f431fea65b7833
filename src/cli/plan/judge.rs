//! From manifests and what is there to what would change. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::access::{self, Wanted};
use super::input::{Input, Workload, Written};
use super::item::{Item, Line, Mark};
use super::observe::Seen;
use super::topics;
use crate::access::asks::wishes::Wishes;
use crate::api::annotations::{TOPICS, TOPICS_CONFIG_MAPS};
use crate::api::names::{ClusterRef, TopicName};
use crate::api::reasons::Reason;
use crate::api::resources::{AccessClaim, AccessClaimSpec, AccessSource, TopicClaim, TopicClaimSpec};
use crate::cli::claims::manifest::changes;
use crate::intent::Intent;

/// What is said of a ConfigMap in a namespace without both labels.
const NO_TOPIC: &str = "it makes no topic: the namespace needs the labels injection=enabled and topics=configmaps, both under kafka.admittance.dev/";

/// Namespace and name.
type Key = (String, String);

/// Judges everything.
#[must_use]
pub fn judge(input: &Input, seen: &Seen, default_cluster: &ClusterRef, now: Timestamp) -> Vec<Item> {
    let mut judge = Judge { seen, default_cluster, now, world: BTreeMap::new(), items: Vec::new() };
    for claim in &seen.topics {
        judge.world.insert(key(claim), Arc::new(claim.clone()));
    }
    for fault in &input.faults {
        let (kind, namespace, name) = &fault.object;
        let mut line = Line::new(Mark::Refused, fault.message.clone());
        if let Some(reason) = &fault.reason {
            line.reason = Some(reason.clone());
        }
        judge.items.push(Item {
            object: format!("{kind} {namespace}/{name}"),
            source: fault.place.clone(),
            cluster: String::new(),
            changes: vec![line],
        });
    }
    // All claims stand beside each other before any is judged: whose a topic is depends on all of them.
    let mut standing = Vec::new();
    for written in &input.topics {
        match written.of.as_ref().filter(|_| !heeds_config_maps(seen, &key(&written.claim).0)) {
            Some(_) => standing.push((written, Stood::Refused(vec![Line::new(Mark::Kept, NO_TOPIC)]))),
            None => standing.push((written, judge.stand(&written.claim))),
        }
    }
    for (written, lines) in standing {
        judge.topic(written, lines);
    }
    for written in &input.accesses {
        judge.manual(written);
    }
    for (key, workload) in &input.workloads {
        judge.workload(key, workload);
    }
    judge.items
}

struct Judge<'s> {
    seen: &'s Seen,
    default_cluster: &'s ClusterRef,
    now: Timestamp,
    /// Claims as they would be.
    world: BTreeMap<Key, Arc<TopicClaim>>,
    items: Vec<Item>,
}

/// What comes of putting a claim in its place.
enum Stood {
    /// It stands, with these changes.
    Stands(Vec<Line>),
    /// The API server would not take it, or nobody makes it.
    Refused(Vec<Line>),
}

impl<'s> Judge<'s> {
    /// Puts a claim where it would stand.
    fn stand(&mut self, claim: &TopicClaim) -> Stood {
        let key = key(claim);
        let before = self.world.get(&key).cloned();
        let faults = refusals(before.as_ref().map(|before| &before.spec), &claim.spec);
        if !faults.is_empty() {
            return Stood::Refused(faults);
        }
        let lines = match &before {
            None => vec![Line::new(Mark::Add, format!("TopicClaim {}", claim.name_any()))],
            Some(before) => told(&changes(&before.spec, &claim.spec)),
        };
        let mut stands = before.as_deref().cloned().unwrap_or_else(|| {
            let mut new = claim.clone();
            new.metadata.uid = Some(format!("new {}/{}", key.0, key.1));
            new.metadata.creation_timestamp = Some(Time(self.now));
            new
        });
        stands.spec = claim.spec.clone();
        self.world.insert(key, Arc::new(stands));
        Stood::Stands(lines)
    }

    fn topic(&mut self, written: &Written<TopicClaim>, stood: Stood) {
        let changes = match stood {
            Stood::Refused(lines) => lines,
            Stood::Stands(mut lines) => {
                lines.extend(self.decide(&key(&written.claim)));
                lines
            }
        };
        let namespace = written.claim.namespace().unwrap_or_default();
        let object = match &written.of {
            Some(of) => of.replacen(' ', &format!(" {namespace}/"), 1),
            None => format!("TopicClaim {namespace}/{}", written.claim.name_any()),
        };
        let cluster = written.claim.spec.cluster.clone();
        self.items.push(Item { object, source: written.place.clone(), cluster, changes });
    }

    /// The operator's decision about a claim that stands, which then has the status that comes of it.
    fn decide(&mut self, key: &Key) -> Vec<Line> {
        let Some(claim) = self.world.get(key).cloned() else { return Vec::new() };
        let world: Vec<Arc<TopicClaim>> = self.world.values().cloned().collect();
        let (lines, status) = topics::decide(&claim, &world, self.seen, self.now);
        let mut after = claim.as_ref().clone();
        after.status = Some(status);
        self.world.insert(key.clone(), Arc::new(after));
        lines
    }

    fn manual(&mut self, written: &Written<AccessClaim>) {
        let claim = &written.claim;
        let key = (claim.namespace().unwrap_or_default(), claim.name_any());
        let account = claim.spec.service_account.clone().unwrap_or_default();
        let object = format!("AccessClaim {}/{}", key.0, key.1);
        self.access(&key, claim.spec.clone(), &account, object, written.place.clone());
    }

    fn workload(&mut self, key: &Key, workload: &Workload) {
        let intents: Vec<&Intent> = workload.asked.iter().map(|asked| &asked.intent).collect();
        let Some(first) = intents.first() else { return };
        // An access that is there decides whose it is.
        let (name, cluster) = match self.live(key) {
            Some(live) => (live.spec.workload.clone(), live.spec.cluster.clone()),
            None => (first.workload.to_string(), first.cluster.to_string()),
        };
        let is_member = |intent: &&Intent| intent.workload.as_ref() == name && intent.cluster.to_string() == cluster;
        let (members, strangers): (Vec<_>, Vec<_>) = intents.iter().copied().partition(is_member);
        let refused = strangers.iter().map(|intent| {
            let says = format!(
                "access \"{}\" belongs to workload \"{name}\" on {cluster}, not to \"{}\" on {}",
                key.1, intent.workload, intent.cluster
            );
            Line::refused(Reason::AccessTaken.code(), says)
        });
        let refused: Vec<Line> = refused.collect();
        let (object, source) =
            (format!("AccessClaim {}/{} of {}", key.0, key.1, workload.what.join(", ")), workload.place.clone());
        if members.is_empty() {
            self.items.push(Item { object, source, cluster, changes: refused });
            return;
        }
        let spec = AccessClaimSpec { workload: name.clone(), cluster: cluster.clone(), ..AccessClaimSpec::empty() };
        let spec = Wishes::of_intents(members).into_claim(spec);
        self.access(key, spec, &workload.account, object, source);
        if let Some(item) = self.items.last_mut() {
            item.changes.extend(refused);
        }
    }

    /// The access of this name that is there.
    fn live(&self, key: &Key) -> Option<&'s AccessClaim> {
        self.seen.accesses.iter().find(|live| (live.namespace().unwrap_or_default(), live.name_any()) == *key)
    }

    fn access(&mut self, key: &Key, spec: AccessClaimSpec, account: &str, object: String, source: String) {
        let live = self.live(key);
        let cluster = spec.cluster.clone();
        let mut lines = match live {
            None => vec![Line::new(Mark::Add, format!("AccessClaim {}", key.1))],
            Some(live) if live.spec.source != spec.source => {
                let says = format!("source is immutable: {:?} → {:?}", live.spec.source, spec.source);
                self.items.push(Item { object, source, cluster, changes: vec![Line::new(Mark::Refused, says)] });
                return;
            }
            Some(live) if spec.source == AccessSource::Manual => told(&changes(&live.spec, &spec)),
            // Of Pods, the rights below say it.
            Some(_) => Vec::new(),
        };
        let wanted = Wanted { key, spec, account, default_cluster: self.default_cluster, now: self.now };
        let world: Vec<Arc<TopicClaim>> = self.world.values().cloned().collect();
        let outcome = access::decide(&wanted, live, &world, self.seen);
        for (topic, kind) in outcome.claims {
            let claim = access::implicit(&key.0, &cluster, &topic, kind);
            let (Stood::Stands(claimed) | Stood::Refused(claimed)) = self.stand(&claim);
            lines.extend(claimed);
            lines.extend(self.decide(&(key.0.clone(), claim.name_any())));
        }
        lines.extend(outcome.lines);
        self.items.push(Item { object, source, cluster, changes: lines });
    }
}

/// Whether the ConfigMaps of a namespace are topics there, as far as its labels are known.
fn heeds_config_maps(seen: &Seen, namespace: &str) -> bool {
    match seen.spaces.get(namespace) {
        Some(facts) => facts.labels.get(TOPICS).is_some_and(|value| value == TOPICS_CONFIG_MAPS),
        None => seen.opted_in.is_none(),
    }
}

fn key(claim: &TopicClaim) -> Key {
    (claim.namespace().unwrap_or_default(), claim.name_any())
}

/// Fields that change, each with what it was and will be.
fn told(changes: &[(String, Option<String>, Option<String>)]) -> Vec<Line> {
    let line = |(field, before, after): &(String, Option<String>, Option<String>)| match (before, after) {
        (None, after) => Line::new(Mark::Add, format!("{field} = {}", after.as_deref().unwrap_or_default())),
        (Some(before), None) => Line::new(Mark::Remove, format!("{field} = {before}")),
        (Some(before), Some(after)) => Line::new(Mark::Change, format!("{field}: {before} → {after}")),
    };
    changes.iter().map(line).collect()
}

/// What the API server would not take, by the rules of the definition: what is immutable, and what only grows.
fn refusals(before: Option<&TopicClaimSpec>, after: &TopicClaimSpec) -> Vec<Line> {
    let mut found = Vec::new();
    let mut refuse = |says: String| found.push(Line::new(Mark::Refused, says));
    if let Err(error) = TopicName::parse(&after.topic_name) {
        refuse(format!("topicName \"{}\" {error}", after.topic_name));
    }
    for (field, count) in [("partitions", after.partitions), ("replicas", after.replicas)] {
        if let Some(count) = count.filter(|count| *count < 1) {
            refuse(format!("{field}: {count} is less than 1"));
        }
    }
    let Some(before) = before else { return found };
    let mut same = |field: &str, before: &dyn Display, after: &dyn Display| {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            refuse(format!("{field} is immutable: {before} → {after}"));
        }
    };
    same("topicName", &before.topic_name, &after.topic_name);
    same("cluster", &before.cluster, &after.cluster);
    match (before.partitions, after.partitions) {
        (Some(had), wanted) if wanted.is_none_or(|wanted| wanted < had) => {
            let wanted = wanted.map_or_else(|| "absent".to_owned(), |wanted| wanted.to_string());
            refuse(format!("partitions can only grow: {had} → {wanted}"));
        }
        _ => {}
    }
    found
}
