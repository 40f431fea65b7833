//! What is done about a topic that is the claim's, and what stays as it is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::create::topic_of;
use super::difference::{Difference, differences, partitions, replicas};
use super::observe::{Found, Observation};
use super::plan::{EXISTS, Plan, Verdict, list, refused, said, settled, some};
use super::replicas::wanted;
use super::step::Step;
use crate::api::reasons::Reason;
use crate::api::resources::{Drift, TopicClaimStatus};
use crate::clusters::Unusable;
use crate::intent::claim::{RETENTION_BYTES, RETENTION_MS, declared, most_millis, settings};
use crate::kafka::admin::settings::Changes;

/// Brings a topic that is the claim's to what the claim says, and leaves it as it is where that cannot be.
#[must_use]
pub fn keep(seen: &Observation, found: &Found, status: &TopicClaimStatus, wrong: Option<Unusable>) -> Plan {
    let spec = &seen.claim.spec;
    let own = found.settings.as_ref().ok();
    let shown = shown(found);
    let managed: BTreeSet<String> = status.managed_config.iter().flatten().cloned().collect();
    let mut facts = TopicClaimStatus {
        topic_id: Some(found.topic.id.to_string()),
        partitions: Some(partitions(&found.topic)),
        replicas: replicas(&found.topic),
        config: shown.as_ref().and_then(some),
        drift: None,
        creating: None,
        ..status.clone()
    };
    seen.users.tell(&mut facts);
    if let Some(wrong) = wrong {
        return said(refused(facts, wrong.reason, wrong.message));
    }
    if let Err(error) = &found.settings
        && !declared(spec, seen.share).is_empty()
    {
        let denied = Unusable::from(error);
        return said(refused(facts, denied.reason, denied.message));
    }
    let differing = differences(spec, &found.topic, own, &managed, seen.share);
    if spec.drift == Drift::Report {
        let told: Vec<_> = differing.iter().filter(|one| !one.is_withdrawn()).map(ToString::to_string).collect();
        facts.drift = list(&told);
        return said(Verdict { obstacle: None, message: EXISTS.to_owned(), facts, reverted: Vec::new() });
    }
    let share = spec.retention.as_ref().is_some_and(|retention| retention.disk_fraction.is_some());
    // A share comes to something else when disks do: where the topic has what it was last left with, nobody has changed it.
    let left = status.config.as_ref().and_then(|config| config.get(RETENTION_BYTES));
    let mut mended =
        mend(spec.topic_name.as_str(), &differing, |key, have| share && key == RETENTION_BYTES && have == left);
    bound(&mut mended.changes, seen, own.and_then(|own| own.get(RETENTION_MS)));
    let outside = if settled(&seen.claim) { mended.told.clone() } else { Vec::new() };
    let mut steps = Vec::new();
    let mut keys = managed.clone();
    keys.extend(mended.changes.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()));
    if keys != managed {
        steps.push(Step::Record { creating: None, managed: keys.iter().cloned().collect() });
    }
    if let Some(total) = mended.grow {
        steps.push(Step::Grow(total));
        facts.partitions = Some(total);
    }
    if !mended.changes.is_empty() {
        let mut after = shown.unwrap_or_default();
        for (key, value) in &mended.changes {
            match value {
                Some(value) => after.insert(key.clone(), value.clone()),
                None => after.remove(key),
            };
        }
        facts.config = some(&after);
        steps.push(Step::Alter(mended.changes));
    }
    // What the claim does not name any more is nobody's from here on.
    let claimed = declared(spec, seen.share);
    keys.retain(|key| claimed.contains_key(key) || (share && key == RETENTION_BYTES));
    facts.managed_config = list(&keys.into_iter().collect::<Vec<_>>());
    facts.drift = list(&mended.stays);
    let message = if mended.obstacle.is_some() { String::new() } else { EXISTS.to_owned() };
    let verdict = Verdict { obstacle: mended.obstacle, message, facts, reverted: outside };
    Plan { steps, verdict, doubtful: false, replicas: wanted(spec) }
}

/// Has a topic whose claim no longer says for how long it keeps records keep to the cluster's limit, as one does that is made by a claim
/// that never said so.
fn bound(changes: &mut Changes, seen: &Observation, have: Option<&String>) {
    let Ok((policy, _)) = &seen.kafka else { return };
    if most_millis(&policy.limits).is_none() || changes.get(RETENTION_MS) != Some(&None) {
        return;
    }
    let Some(bounded) = topic_of(seen, policy).configs.remove(RETENTION_MS) else { return };
    if have.is_some_and(|have| settings::same(RETENTION_MS, have, &bounded)) {
        changes.remove(RETENTION_MS);
    } else {
        changes.insert(RETENTION_MS.to_owned(), Some(bounded));
    }
}

/// The settings that a topic has of its own, without those of a move; `None` where they cannot be read.
fn shown(found: &Found) -> Option<BTreeMap<String, String>> {
    let own = found.settings.as_ref().ok()?.iter().filter(|(key, _)| !settings::of_a_move(key));
    Some(own.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// What is known of a topic when some of the steps to it are left: `planned` is what all of them would have come to, and `recorded` the
/// status as it was written on the way.
#[must_use]
pub fn reached(
    found: &Found,
    planned: &TopicClaimStatus,
    recorded: &TopicClaimStatus,
    left: &[Step],
) -> TopicClaimStatus {
    let mut facts = recorded.clone();
    // The claim has the topic, whatever Kafka refuses of the rest.
    (facts.topic_id, facts.creating) = (planned.topic_id.clone(), planned.creating.clone());
    facts.replicas = planned.replicas;
    (facts.partitions, facts.config) = (planned.partitions, planned.config.clone());
    if left.iter().any(|step| matches!(step, Step::Grow(_))) {
        facts.partitions = Some(partitions(&found.topic));
    }
    if left.iter().any(|step| matches!(step, Step::Alter(_))) {
        facts.config = shown(found).as_ref().and_then(some);
    } else {
        // What was recorded is set, or taken back: from here on only what the claim names is its own.
        facts.managed_config = planned.managed_config.clone();
    }
    facts
}

/// What is made of the differences of a topic.
#[derive(Debug, Default)]
struct Mended {
    /// More partitions, in all.
    grow: Option<i32>,
    /// Settings.
    changes: Changes,
    /// What of this is put right that the claim names, in words.
    told: Vec<String>,
    /// What stays as it is, in words.
    stays: Vec<String>,
    /// Why the claim is not ready all the same.
    obstacle: Option<Unusable>,
}

/// `ours` is whether a setting, with what it has now, differs because of ourselves.
fn mend(topic: &str, differing: &[Difference], ours: impl Fn(&str, Option<&String>) -> bool) -> Mended {
    let mut mended = Mended::default();
    for one in differing {
        match one {
            Difference::Partitions { have, want } if want > have => {
                mended.grow = Some(*want);
                mended.told.push(one.to_string());
            }
            Difference::Partitions { have, want } => {
                mended.stays.push(one.to_string());
                let message = format!(
                    "topic {topic} has {have} partitions and the claim says {want}: Kafka cannot take one away"
                );
                mended.obstacle = Some(Unusable { reason: Reason::TopicCannotShrink, message });
            }
            // Replicas are moved in their own time, and told of by `replicas::tell`.
            Difference::Replicas { .. } => {}
            Difference::Setting { key, have, want } => {
                mended.changes.insert(key.clone(), want.clone());
                if !one.is_withdrawn() && !ours(key, have.as_ref()) {
                    mended.told.push(one.to_string());
                }
            }
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::plan::plan;
    use super::super::samples::{claim, decide, see, topic};
    use super::*;
    use crate::kafka::admin::configs::TopicDefaults;

    #[test]
    fn a_retention_that_is_named_no_more_keeps_to_the_limit_as_one_that_never_was() {
        let limited = |more: Value| json!({"limits": {"maxRetention": "1h"}, "defaultConfig": more});
        for (policy, brokers, has, expected, case) in [
            (json!({}), Some(604_800_000), "60000", Some(None), "no limit"),
            (limited(json!({})), Some(604_800_000), "60000", Some(Some("3600000")), "brokers keep for longer"),
            (limited(json!({})), Some(-1), "60000", Some(Some("3600000")), "brokers keep for ever"),
            (limited(json!({})), None, "60000", Some(Some("3600000")), "nothing is known of the brokers"),
            (limited(json!({})), Some(1_800_000), "60000", Some(None), "brokers keep for less"),
            (limited(json!({"retention.ms": "5"})), None, "60000", Some(Some("5")), "the policy's own setting"),
            (limited(json!({})), None, "3600000", None, "it keeps for just as long"),
        ] {
            let mut withdrawn = claim(json!({}), json!({"managedConfig": ["retention.ms"]}));
            withdrawn.metadata.generation = Some(2);
            let defaults = TopicDefaults { retention_ms: brokers, ..TopicDefaults::default() };
            let seen = see(withdrawn.clone(), policy.clone(), topic(1, 1, json!({"retention.ms": has})));
            let plan = plan(&Observation { defaults, ..seen }).unwrap();
            let change = expected.map(|value: Option<&str>| value.map(str::to_owned));
            let steps: Vec<_> =
                change.into_iter().map(|value| Step::Alter([("retention.ms".to_owned(), value)].into())).collect();
            assert_eq!(plan.steps, steps, "{case}");
            assert_eq!(plan.verdict.facts.managed_config, None, "{case}");
            assert_eq!(plan.verdict.obstacle, None, "{case}");
            // What it then has is nobody's: the next look has nothing to do.
            let after = plan.verdict.facts.config.clone().unwrap_or_default();
            withdrawn.status = Some(plan.verdict.facts);
            let rest = super::super::plan::plan(&see(withdrawn, policy, topic(1, 1, json!(after)))).unwrap();
            assert_eq!(rest.steps, [], "{case}");
        }
    }

    #[test]
    fn what_was_reached_is_told_of_each_step_by_itself() {
        let before = json!({"partitions": 2, "managedConfig": ["segment.ms"], "config": {"segment.ms": "9"}});
        let wanted = claim(json!({"partitions": 6, "config": {"flush.ms": "5"}}), before);
        // Somebody else has made a third partition since.
        let found = topic(3, 1, json!({"segment.ms": "9"})).unwrap();
        let mut recorded = wanted.status.clone().unwrap();
        let plan = decide(wanted, json!({}), Some(found.clone()));
        let [Step::Record { managed, .. }, grow, alter] = plan.steps.as_slice() else { panic!("{:?}", plan.steps) };
        recorded.managed_config = Some(managed.clone());
        let old = json!([{"segment.ms": "9"}, ["flush.ms", "segment.ms"]]);
        let new = json!([{"flush.ms": "5"}, ["flush.ms"]]);
        for (left, partitions, settings) in
            [(vec![grow], 3, &new), (vec![alter], 6, &old), (vec![grow, alter], 3, &old)]
        {
            let left: Vec<_> = left.into_iter().cloned().collect();
            let facts = reached(&found, &plan.verdict.facts, &recorded, &left);
            assert_eq!((facts.partitions, facts.replicas), (Some(partitions), Some(1)), "{left:?}");
            assert_eq!(
                facts.topic_id,
                Some(found.topic.id.to_string()),
                "it has the topic, whatever is refused: {left:?}"
            );
            assert_eq!(&json!([facts.config, facts.managed_config]), settings, "{left:?}");
        }
    }
}
