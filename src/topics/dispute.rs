//! What is made of a decision where brokers do not agree on the settings of its topic: one that is cut off from the controller may stay
//! behind for as long as it likes. Pure.

use super::plan::Plan;
use crate::api::resources::TopicClaimStatus;

/// The decision without what it makes of settings that are in doubt: what was said of them stands, and replicas are moved as ever. One that
/// lasts is told as a difference.
#[must_use]
pub fn hold(mut plan: Plan, topic: &str, status: &TopicClaimStatus, lasts: bool) -> Plan {
    plan.steps.clear();
    plan.verdict.reverted.clear();
    let facts = &mut plan.verdict.facts;
    (facts.partitions, facts.config) = (status.partitions, status.config.clone());
    (facts.managed_config, facts.drift) = (status.managed_config.clone(), status.drift.clone());
    if lasts {
        facts.drift = Some(vec![format!(
            "brokers do not agree on the settings of topic {topic}: one lags behind the controller; they are compared when it has caught up, or is stopped"
        )]);
    }
    plan
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::{claim, decide, topic};
    use super::*;

    #[test]
    fn settings_in_doubt_are_left_alone_and_replicas_are_moved() {
        let spec = json!({"partitions": 2, "replicas": 3, "config": {"flush.ms": "5"}});
        let claim = claim(spec, json!({"managedConfig": ["flush.ms"], "config": {"flush.ms": "5"}, "partitions": 2}));
        let status = claim.status.clone().unwrap();
        let planned = decide(claim, json!({}), topic(2, 1, json!({"flush.ms": "6"})));
        assert!(!planned.steps.is_empty() && !planned.verdict.reverted.is_empty());
        let held = hold(planned.clone(), "orders", &status, false);
        assert_eq!((held.steps.len(), held.verdict.reverted.len(), held.replicas), (0, 0, Some(3)));
        let facts = &held.verdict.facts;
        assert_eq!(
            (&facts.config, &facts.managed_config, &facts.drift),
            (&status.config, &status.managed_config, &None)
        );
        let told = hold(planned, "orders", &status, true).verdict.facts.drift.unwrap();
        assert!(told.len() == 1 && told[0].starts_with("brokers do not agree on the settings of topic orders"));
    }
}
