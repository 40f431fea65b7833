//! How what the operator knows, and what waits, is told to whoever scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

use super::queues::Queues;
use super::state::State;
use crate::api::reasons::Reason;
use crate::api::resources::READY;
use crate::runtime::metrics::{CONDITIONS, LEADS, Metric, NAMESPACES_UNREADABLE, QUEUE_DEPTH, TOPIC_DIFFERENCES};
use crate::watch::World;

/// Objects that have the same to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Said {
    kind: &'static str,
    condition: String,
    status: String,
    reason: &'static str,
}

impl Said {
    /// A status is written by who may, and a reason in it that is none of ours is no label.
    fn new(kind: &'static str, condition: &Condition) -> Self {
        let reason = Reason::of_code(&condition.reason).map_or("", Reason::code);
        Self { kind, condition: condition.type_.clone(), status: condition.status.clone(), reason }
    }

    fn nothing(kind: &'static str) -> Self {
        Self { kind, condition: READY.to_owned(), status: "Unknown".to_owned(), reason: "" }
    }
}

fn count(counts: &mut BTreeMap<Said, u64>, kind: &'static str, conditions: Option<&[Condition]>) {
    let conditions = conditions.unwrap_or_default();
    if conditions.is_empty() {
        *counts.entry(Said::nothing(kind)).or_default() += 1;
    }
    for condition in conditions {
        *counts.entry(Said::new(kind, condition)).or_default() += 1;
    }
}

fn conditions(world: &World) -> BTreeMap<Said, u64> {
    let mut counts = BTreeMap::new();
    for claim in world.accesses.all() {
        count(&mut counts, "AccessClaim", claim.status.as_ref().map(|status| &*status.conditions));
    }
    for claim in world.topics.all() {
        count(&mut counts, "TopicClaim", claim.status.as_ref().map(|status| &*status.conditions));
    }
    for cluster in world.clusters.all() {
        count(&mut counts, "BrokerCluster", cluster.status.as_ref().map(|status| &*status.conditions));
    }
    counts
}

fn differences(world: &World) -> usize {
    let claims = world.topics.all();
    claims.iter().filter_map(|claim| claim.status.as_ref()?.drift.as_ref()).map(Vec::len).sum()
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let leads = self.leads.load(Ordering::Relaxed);
        number(&mut encoder, &LEADS, usize::from(leads))?;
        number(&mut encoder, &NAMESPACES_UNREADABLE, self.world.unreadable().len())?;
        // Who does not lead sees nothing, and who has not listed everything sees too little: no number is better than a wrong one.
        if !leads || !self.world.is_complete() {
            return Ok(());
        }
        let Queues { clusters, topics, used, accesses, config_maps } = &self.queues;
        let depths = [
            ("accesses", accesses.depth()),
            ("topics", topics.depth()),
            ("topic_users", used.depth()),
            ("clusters", clusters.depth()),
            ("config_maps", config_maps.depth()),
        ];
        gauge(&mut encoder, &QUEUE_DEPTH, depths.map(|(queue, depth)| ([("queue", queue)], depth)))?;
        gauge(&mut encoder, &CONDITIONS, conditions(&self.world))?;
        number(&mut encoder, &TOPIC_DIFFERENCES, differences(&self.world))
    }
}

/// Writes a gauge without labels.
fn number(encoder: &mut DescriptorEncoder<'_>, metric: &Metric, number: usize) -> Result<(), fmt::Error> {
    let mut encoder = encoder.encode_descriptor(metric.name, metric.meaning, None, MetricType::Gauge)?;
    encoder.encode_gauge(&i64::try_from(number).unwrap_or(i64::MAX))
}

/// Writes the lines of a gauge with labels.
fn gauge<L: EncodeLabelSet, N: TryInto<i64>>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    lines: impl IntoIterator<Item = (L, N)>,
) -> Result<(), fmt::Error> {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(metric.name, metric.meaning, None, MetricType::Gauge)?;
    for (labels, number) in lines {
        family.encode_family(&labels)?.encode_gauge(&number.try_into().unwrap_or(i64::MAX))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::api::names::ClusterRef;
    use crate::api::resources::{TopicClaim, TopicClaimSpec, TopicClaimStatus, TopicSource};
    use crate::runtime::metrics::{assert_shows, registry};
    use crate::watch::reach::Reach;

    fn state_of() -> Arc<State> {
        let home = ClusterRef { namespace: "admittance".to_owned(), name: "default".to_owned() };
        Arc::new(State::new(home, Reach::default()))
    }

    fn scraped(state: &Arc<State>) -> String {
        let (mut registry, mut text) = (registry(), String::new());
        registry.register_collector(Box::new(state.clone()));
        encode(&mut text, &registry).unwrap();
        text
    }

    fn lists_end(state: &State) {
        let World { pods, deployments, accesses, topics, clusters, namespaces, .. } = &*state.world;
        pods.listing_ends(&None);
        deployments.listing_ends(&None);
        accesses.listing_ends(&None);
        topics.listing_ends(&None);
        clusters.listing_ends(&None);
        namespaces.listing_ends(&None);
    }

    fn claim(name: &str, status: Option<(&str, &str)>) -> TopicClaim {
        let mut claim = TopicClaim::new(name, TopicClaimSpec::of(name, "", TopicSource::Declared));
        claim.metadata.namespace = Some("shop".to_owned());
        claim.status = status.map(|(status, reason)| TopicClaimStatus {
            conditions: vec![Condition {
                type_: READY.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: "orders of shop".to_owned(),
                observed_generation: None,
                last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                    k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
                ),
            }],
            drift: Some(vec!["partitions: 3 instead of 6".to_owned()]),
            ..TopicClaimStatus::default()
        });
        claim
    }

    #[test]
    fn every_queue_is_named_in_the_reference() {
        let state = state_of();
        state.leads.store(true, Ordering::Relaxed);
        lists_end(&state);
        let text = scraped(&state);
        let queues: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("admittance_queue_depth{queue=\"")?.split('"').next())
            .collect();
        assert!(queues.contains(&"accesses"), "{text}");
        let (_, named) = QUEUE_DEPTH.meaning.split_once("by queue:").unwrap();
        let named: Vec<&str> = named.split([' ', ',']).collect();
        for queue in queues {
            assert!(named.contains(&queue), "{queue}");
        }
    }

    #[test]
    fn claims_are_counted_by_reason_and_nobodys_name_is_told() {
        let state = state_of();
        for (name, status) in [
            ("a", Some(("True", "Ready"))),
            ("b", Some(("True", "Ready"))),
            ("c", Some(("False", "TopicConflict"))),
            ("d", Some(("False", "made-up"))),
            ("e", None),
        ] {
            state.world.topics.put(("shop".to_owned(), name.to_owned()), claim(name, status));
        }
        state.leads.store(true, Ordering::Relaxed);
        lists_end(&state);
        let text = scraped(&state);
        for line in [
            r#"conditions{kind="TopicClaim",condition="Ready",status="True",reason="Ready"} 2"#,
            r#"conditions{kind="TopicClaim",condition="Ready",status="False",reason="TopicConflict"} 1"#,
            r#"conditions{kind="TopicClaim",condition="Ready",status="False",reason=""} 1"#,
            r#"conditions{kind="TopicClaim",condition="Ready",status="Unknown",reason=""} 1"#,
            r#"queue_depth{queue="accesses"} 0"#,
            "topic_differences 4",
            "leads 1",
        ] {
            assert!(text.lines().any(|found| found == format!("admittance_{line}")), "{line}: {text}");
        }
        let mut registry = registry();
        registry.register_collector(Box::new(state));
        assert_shows(&registry, &[LEADS, NAMESPACES_UNREADABLE, QUEUE_DEPTH, CONDITIONS, TOPIC_DIFFERENCES]);
        assert!(!text.contains("shop") && !text.contains("made-up"), "{text}");
    }

    #[test]
    fn who_does_not_know_says_nothing() {
        let state = state_of();
        lists_end(&state);
        assert!(scraped(&state).contains("admittance_leads 0\n"));
        assert!(!scraped(&state).contains("queue_depth"), "another replica leads");
        let state = state_of();
        state.leads.store(true, Ordering::Relaxed);
        assert!(scraped(&state).contains("admittance_namespaces_unreadable 0\n"));
        let shop = Some("shop".to_owned());
        state.world.pods.is_forbidden(&shop);
        state.world.topics.is_forbidden(&shop);
        assert!(scraped(&state).contains("admittance_namespaces_unreadable 1\n"), "one namespace, however much of it");
        assert!(!scraped(&state).contains("queue_depth"), "the lists are not complete");
    }
}
